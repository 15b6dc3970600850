-- New users who open auctions within the ten seconds in which they registered.
CREATE STREAM q8_pairs AS
SELECT p.id, p.name, date_bin(INTERVAL '10 seconds', p.date_time) AS starttime
FROM person p
JOIN auction a WITHIN 10 SECONDS ON p.id = a.seller
WHERE date_bin(INTERVAL '10 seconds', p.date_time) = date_bin(INTERVAL '10 seconds', a.date_time);

CREATE TABLE q8 AS
SELECT id, name, starttime, COUNT(*) AS auctions
FROM q8_pairs
GROUP BY id, name, starttime;
