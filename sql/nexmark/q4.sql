-- Average winning bid of each category: the highest bid while the auction is open, averaged over auctions.
-- An auction is open for the time of 3,332 events at most: below ten minutes from six events a second on.
CREATE STREAM q4_bids AS
SELECT a.id, a.category, b.price
FROM auction a
JOIN bid b WITHIN (0 SECONDS, 10 MINUTES) ON a.id = b.auction
WHERE b.date_time <= a.expires;

CREATE TABLE q4_winning AS
SELECT id, category, MAX(price) AS final
FROM q4_bids
GROUP BY id, category;

CREATE TABLE q4 AS
SELECT category, AVG(final) AS average
FROM q4_winning
GROUP BY category;
