-- Card testing: a thief tries a card online (such a payment has no place) with amounts that nobody notices, and then
-- buys. A session ends when the card is quiet for a quarter of an hour.
SET emit = 'all';

CREATE TABLE IF NOT EXISTS card_testing AS
SELECT card_id, COUNT(*) FILTER (WHERE amount <= 3.00 AND lat IS NULL) AS probes,
    LATEST_BY_OFFSET(amount) AS amount, LATEST_BY_OFFSET(payment_id) AS payment_id, LATEST_BY_OFFSET(paid_at) AS paid_at
FROM payments WINDOW SESSION (15 MINUTES, RETENTION 1 DAY)
GROUP BY card_id
HAVING COUNT(*) FILTER (WHERE amount <= 3.00 AND lat IS NULL) >= 3 AND LATEST_BY_OFFSET(amount) >= 80;
