-- The highest bids of each ten seconds; equal ones are told apart by where their records stand.
CREATE TABLE q7 AS
SELECT bid_partition, bid_offset, auction, price, bidder, date_time, extra
FROM (
    SELECT
        *,
        rowpartition AS bid_partition,
        rowoffset AS bid_offset,
        RANK() OVER (PARTITION BY date_bin(INTERVAL '10 seconds', date_time) ORDER BY price DESC) AS rank_number
    FROM bid
)
WHERE rank_number <= 1;
