-- Flights with what is known about them: their planes, the weather at their airport, the flights before and after.
-- planes.parquet and weather.parquet lie beside this file: `\copy planes FROM 'sql/flights/planes.parquet'`.
CREATE TABLE IF NOT EXISTS planes (
    tailnum TEXT PRIMARY KEY,
    year INT, type TEXT, manufacturer TEXT, model TEXT, engines INT, seats INT, speed INT, engine TEXT
) WITH (kafka_topic = 'planes', value_format = 'JSON', partitions = 4);

-- One row per airport: the newest report. A flight meets the report that was the newest at its own hour. Compaction lets older
-- ones go, so the topic keeps them for a week: a view that is made until then can still tell what the weather was.
CREATE TABLE IF NOT EXISTS weather (
    origin TEXT PRIMARY KEY,
    year INT, month INT, day INT, hour INT,
    temp DOUBLE, dewp DOUBLE, humid DOUBLE, wind_dir INT, wind_speed DOUBLE, wind_gust DOUBLE,
    precip DOUBLE, pressure DOUBLE, visib DOUBLE,
    time_hour TIMESTAMP
) WITH (kafka_topic = 'weather', value_format = 'JSON', partitions = 4, timestamp = 'time_hour',
    min_compaction_lag_ms = 604800000);

-- Delay per manufacturer. A LEFT JOIN keeps the flights of planes that nobody knows.
CREATE TABLE IF NOT EXISTS delay_per_manufacturer AS
SELECT p.manufacturer, COUNT(*) AS flights, COUNT(f.dep_delay) AS departed, SUM(f.dep_delay) AS delay_minutes
FROM flights f LEFT JOIN planes p ON f.tailnum = p.tailnum
GROUP BY p.manufacturer;

-- Delay by how far one could see.
CREATE TABLE IF NOT EXISTS delay_by_visibility AS
SELECT w.visib, COUNT(*) AS flights, COUNT(f.dep_delay) AS departed, SUM(f.dep_delay) AS delay_minutes
FROM flights f LEFT JOIN weather w ON f.origin = w.origin
GROUP BY w.visib;

-- The working days of an aircraft: departures with less than six hours between them.
CREATE TABLE IF NOT EXISTS duties AS
SELECT tailnum, COUNT(*) AS legs, SUM(distance) AS miles
FROM flights WINDOW SESSION (6 HOURS, GRACE PERIOD 30 DAYS)
GROUP BY tailnum;

-- Two departures of one aircraft within three hours. A stream that is joined with itself is spread by the key first.
CREATE STREAM IF NOT EXISTS departures AS
SELECT tailnum, origin, dest, flight, time_hour FROM flights PARTITION BY tailnum;
CREATE STREAM IF NOT EXISTS turnarounds AS
SELECT a.tailnum, a.flight AS flight, b.flight AS next_flight, a.time_hour AS left_at, b.time_hour AS left_again_at
FROM departures a JOIN departures b WITHIN (0 SECONDS, 3 HOURS) GRACE PERIOD 30 DAYS
    ON a.tailnum = b.tailnum AND a.time_hour < b.time_hour;

-- The ten routes with most flights: the view counts, the question sorts.
CREATE TABLE IF NOT EXISTS flights_per_route AS
SELECT origin, dest, COUNT(*) AS flights FROM flights GROUP BY origin, dest;
