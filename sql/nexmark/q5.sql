-- Hot items: the auctions with the most bids of each ten seconds, every two seconds.
CREATE TABLE q5 AS
SELECT auction, bid_count
FROM (
    SELECT
        auction,
        COUNT(*) AS bid_count,
        RANK() OVER (PARTITION BY windowstart ORDER BY COUNT(*) DESC) AS rank_number
    FROM bid WINDOW HOPPING (SIZE 10 SECONDS, ADVANCE BY 2 SECONDS)
    GROUP BY auction
)
WHERE rank_number <= 1;
