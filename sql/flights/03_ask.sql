-- The worst days: which carrier, which day.
SELECT carrier, windowstart, flights, ROUND(delay_mean, 1) AS delay_mean
FROM delay_per_carrier_day
WHERE flights >= 50
ORDER BY delay_mean DESC, carrier
LIMIT 5;

-- A view is a table: aggregate it again.
SELECT carrier, SUM(flights) AS flights, ROUND(CAST(SUM(delay_minutes) AS DOUBLE) / SUM(departed), 1) AS delay_mean
FROM delay_per_carrier_day
GROUP BY carrier
ORDER BY flights DESC
LIMIT 5;

SELECT origin, flights, ROUND(delay_mean, 1) AS delay_mean FROM delay_per_origin ORDER BY origin;
