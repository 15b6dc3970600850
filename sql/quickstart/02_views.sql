CREATE TABLE per_country AS
SELECT country, COUNT(*) AS n, SUM(amount) AS total
FROM payments WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 5 MINUTES)
GROUP BY country;

CREATE STREAM over_limit AS
SELECT p.card_id, p.amount, c.credit_limit
FROM payments p JOIN cards c ON p.card_id = c.card_id
WHERE p.amount > c.credit_limit;
