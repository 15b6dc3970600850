-- How many bids a user makes in each ten seconds of the records' own time, which is not that of a column.
CREATE SOURCE STREAM q12_bid (auction BIGINT, bidder BIGINT, price BIGINT, channel TEXT, url TEXT, extra TEXT)
WITH (kafka_topic = 'bid', value_format = 'JSON');

CREATE TABLE q12 AS
SELECT bidder, COUNT(*) AS bid_count
FROM q12_bid WINDOW TUMBLING (SIZE 10 SECONDS)
GROUP BY bidder;
