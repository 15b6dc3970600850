-- Delay per carrier and day. The stream is not keyed by carrier, so rows go through a repartition topic.
-- A window takes rows until a day after its end, by the time in the data.
CREATE TABLE IF NOT EXISTS delay_per_carrier_day AS
SELECT carrier, COUNT(*) AS flights, COUNT(dep_delay) AS departed, SUM(dep_delay) AS delay_minutes,
    AVG(dep_delay) AS delay_mean, MAX(dep_delay) AS delay_max
FROM flights WINDOW TUMBLING (SIZE 1 DAY, GRACE PERIOD 1 DAY)
GROUP BY carrier;

-- Delay per airport over the whole year: one row per airport, kept up to date.
CREATE TABLE IF NOT EXISTS delay_per_origin AS
SELECT origin, COUNT(*) AS flights, AVG(dep_delay) AS delay_mean
FROM flights
GROUP BY origin;
