-- Impossible travel: two payments of a card, one after the other, so far apart that nobody can have made both:
-- more than 100 km, and faster than 1,000 km/h.
SET emit = 'all';

CREATE TABLE IF NOT EXISTS travel AS
SELECT card_id,
    LATEST_BY_OFFSET(payment_id, 2) AS payment_ids,
    LATEST_BY_OFFSET(paid_at) AS paid_at,
    GEO_DISTANCE(LATEST_BY_OFFSET(lat, 2)[1], LATEST_BY_OFFSET(lon, 2)[1],
        LATEST_BY_OFFSET(lat, 2)[2], LATEST_BY_OFFSET(lon, 2)[2]) AS km,
    ABS(LATEST_BY_OFFSET(EXTRACT(EPOCH FROM paid_at), 2)[2] - LATEST_BY_OFFSET(EXTRACT(EPOCH FROM paid_at), 2)[1]) / 60
        AS minutes
FROM payments
WHERE lat IS NOT NULL
GROUP BY card_id
HAVING GEO_DISTANCE(LATEST_BY_OFFSET(lat, 2)[1], LATEST_BY_OFFSET(lon, 2)[1],
        LATEST_BY_OFFSET(lat, 2)[2], LATEST_BY_OFFSET(lon, 2)[2])
    > GREATEST(100, 1000 * ABS(LATEST_BY_OFFSET(EXTRACT(EPOCH FROM paid_at), 2)[2]
        - LATEST_BY_OFFSET(EXTRACT(EPOCH FROM paid_at), 2)[1]) / 3600);
