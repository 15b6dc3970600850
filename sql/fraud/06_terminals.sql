-- Stolen terminals: five cards within half an hour at a shop that is closed.
-- Payments are keyed by card, merchants by terminal: the payments go through a repartition topic.
SET emit = 'all';

CREATE TABLE IF NOT EXISTS risky_terminals AS
SELECT p.terminal_id, COUNT_DISTINCT(p.card_id) AS cards, COUNT(*) AS payments, SUM(p.amount) AS total,
    LATEST_BY_OFFSET(p.card_id) AS card_id, LATEST_BY_OFFSET(p.payment_id) AS payment_id,
    LATEST_BY_OFFSET(p.paid_at) AS paid_at
FROM payments p JOIN merchants m ON p.terminal_id = m.terminal_id
    WINDOW HOPPING (SIZE 30 MINUTES, ADVANCE BY 10 MINUTES, RETENTION 1 DAY)
WHERE CASE WHEN m.opens < m.closes
        THEN EXTRACT(HOUR FROM p.paid_at) < m.opens OR m.closes <= EXTRACT(HOUR FROM p.paid_at)
        ELSE m.closes <= EXTRACT(HOUR FROM p.paid_at) AND EXTRACT(HOUR FROM p.paid_at) < m.opens END
GROUP BY p.terminal_id
HAVING COUNT_DISTINCT(p.card_id) >= 5;
