-- 336,776 departures from New York City in 2013. A flight has no key: records spread over the partitions.
CREATE STREAM IF NOT EXISTS flights (
    year INT, month INT, day INT,
    dep_time INT, sched_dep_time INT, dep_delay INT,
    arr_time INT, sched_arr_time INT, arr_delay INT,
    carrier TEXT, flight INT, tailnum TEXT, origin TEXT, dest TEXT,
    air_time INT, distance INT, hour INT, minute INT,
    time_hour TIMESTAMP
) WITH (kafka_topic = 'flights', value_format = 'JSON', partitions = 4, timestamp = 'time_hour');
