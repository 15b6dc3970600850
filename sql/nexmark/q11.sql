-- How many bids a user makes in each session, which ends after ten silent seconds.
CREATE TABLE q11 AS
SELECT bidder, COUNT(*) AS bid_count
FROM bid WINDOW SESSION (10 SECONDS)
GROUP BY bidder;
