-- Velocity: a card that pays six times within ten minutes.
-- Under emit = 'all' each payment gives a change of its own, however many are taken in at once.
SET emit = 'all';

CREATE TABLE IF NOT EXISTS velocity AS
SELECT card_id, COUNT(*) AS payments, SUM(amount) AS total,
    LATEST_BY_OFFSET(payment_id) AS payment_id, LATEST_BY_OFFSET(paid_at) AS paid_at
FROM payments WINDOW HOPPING (SIZE 10 MINUTES, ADVANCE BY 2 MINUTES, RETENTION 1 DAY)
GROUP BY card_id
HAVING COUNT(*) >= 6;
