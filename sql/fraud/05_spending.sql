-- The spending profile of each card: what it usually pays, and how far that goes up and down. Amounts are compared by
-- their logarithms: twice as much and half as much are equally far from what is usual.
-- The newest payment is held against those before it, so it is taken out of both sums again.
SET emit = 'all';

CREATE TABLE IF NOT EXISTS spending AS
SELECT card_id, COUNT(*) - 1 AS earlier_payments,
    EXP((SUM(LN(CAST(amount AS DOUBLE))) - LN(CAST(LATEST_BY_OFFSET(amount) AS DOUBLE))) / NULLIF(COUNT(*) - 1, 0)) AS usual,
    SQRT(GREATEST(0.0,
        (SUM(POWER(LN(CAST(amount AS DOUBLE)), 2)) - POWER(LN(CAST(LATEST_BY_OFFSET(amount) AS DOUBLE)), 2))
            / NULLIF(COUNT(*) - 1, 0)
        - POWER((SUM(LN(CAST(amount AS DOUBLE))) - LN(CAST(LATEST_BY_OFFSET(amount) AS DOUBLE)))
            / NULLIF(COUNT(*) - 1, 0), 2))) AS spread,
    LATEST_BY_OFFSET(amount) AS amount, LATEST_BY_OFFSET(payment_id) AS payment_id, LATEST_BY_OFFSET(paid_at) AS paid_at
FROM payments
WHERE amount > 0
GROUP BY card_id;

-- Out of character: the newest amount is far above what a card with a history pays.
CREATE TABLE IF NOT EXISTS out_of_character AS
SELECT card_id, usual, amount, payment_id, paid_at,
    LN(CAST(amount AS DOUBLE) / usual) / GREATEST(spread, 0.35) AS deviations
FROM spending
WHERE earlier_payments >= 20 AND LN(CAST(amount AS DOUBLE) / usual) > 4.5 * GREATEST(spread, 0.35);
