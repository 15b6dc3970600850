-- A rule's table keeps what holds now. Its topic has every change: a stream over it sees each of them once, also those
-- that a later payment has taken back. Keys of groups are written as JSON.
CREATE STREAM IF NOT EXISTS velocity_changes (
    card_id TEXT KEY, payments BIGINT, payment_id BIGINT, paid_at TIMESTAMP
) WITH (kafka_topic = 'velocity', key_format = 'JSON', value_format = 'JSON', window_type = 'HOPPING', window_size = '10 MINUTES');

CREATE STREAM IF NOT EXISTS travel_changes (
    card_id TEXT KEY, payment_ids BIGINT[], paid_at TIMESTAMP, km DOUBLE, minutes DOUBLE
) WITH (kafka_topic = 'travel', key_format = 'JSON', value_format = 'JSON');

CREATE STREAM IF NOT EXISTS card_testing_changes (
    card_id TEXT KEY, probes BIGINT, amount DECIMAL(12,2), payment_id BIGINT, paid_at TIMESTAMP
) WITH (kafka_topic = 'card_testing', key_format = 'JSON', value_format = 'JSON', window_type = 'SESSION');

CREATE STREAM IF NOT EXISTS out_of_character_changes (
    card_id TEXT KEY, usual DOUBLE, amount DECIMAL(12,2), payment_id BIGINT, paid_at TIMESTAMP, deviations DOUBLE
) WITH (kafka_topic = 'out_of_character', key_format = 'JSON', value_format = 'JSON');

CREATE STREAM IF NOT EXISTS risky_terminals_changes (
    terminal_id TEXT KEY, cards BIGINT, card_id TEXT, payment_id BIGINT, paid_at TIMESTAMP
) WITH (kafka_topic = 'risky_terminals', key_format = 'JSON', value_format = 'JSON', window_type = 'HOPPING', window_size = '30 MINUTES');

-- One stream over all. `score` goes from 0 to 1; `earlier_payment_id` is the other payment of a pair.
CREATE STREAM IF NOT EXISTS alerts (
    card_id TEXT KEY, reason TEXT, score DOUBLE, payment_id BIGINT, earlier_payment_id BIGINT, details TEXT, paid_at TIMESTAMP
) WITH (kafka_topic = 'alerts', value_format = 'JSON', partitions = 4, timestamp = 'paid_at');

-- A payment is in five windows. The one that ends next looks back farthest: it alone speaks, so that a payment is told once.
INSERT INTO alerts
SELECT card_id, 'velocity' AS reason, 1 - 3.0 / payments AS score, payment_id, CAST(NULL AS BIGINT) AS earlier_payment_id,
    CAST(payments AS TEXT) || ' payments in 10 minutes' AS details, paid_at
FROM velocity_changes
WHERE windowend - INTERVAL '2 minutes' <= paid_at
EMIT CHANGES;

INSERT INTO alerts
SELECT card_id, 'impossible travel' AS reason, 1 - 50.0 / km AS score, payment_ids[2] AS payment_id,
    payment_ids[1] AS earlier_payment_id,
    CAST(CAST(km AS BIGINT) AS TEXT) || ' km in ' || CAST(CAST(minutes AS BIGINT) AS TEXT) || ' minutes' AS details, paid_at
FROM travel_changes
WHERE km IS NOT NULL
EMIT CHANGES;

INSERT INTO alerts
SELECT card_id, 'card testing' AS reason, 1 - 1.0 / probes AS score, payment_id, CAST(NULL AS BIGINT) AS earlier_payment_id,
    CAST(probes AS TEXT) || ' small amounts, then ' || CAST(amount AS TEXT) AS details, paid_at
FROM card_testing_changes
WHERE probes IS NOT NULL
EMIT CHANGES;

INSERT INTO alerts
SELECT card_id, 'out of character' AS reason, 1 - 2.0 / deviations AS score, payment_id, CAST(NULL AS BIGINT) AS earlier_payment_id,
    CAST(amount AS TEXT) || ', usually ' || CAST(ROUND(usual) AS TEXT) AS details, paid_at
FROM out_of_character_changes
WHERE deviations IS NOT NULL
EMIT CHANGES;

-- Payments of several cards may change places on their way to their terminal, so each window speaks when it has five.
INSERT INTO alerts
SELECT card_id, 'stolen terminal' AS reason, 1 - 2.0 / cards AS score, payment_id, CAST(NULL AS BIGINT) AS earlier_payment_id,
    terminal_id || ': ' || CAST(cards AS TEXT) || ' cards while closed' AS details, paid_at
FROM risky_terminals_changes
WHERE windowend - INTERVAL '10 minutes' <= paid_at OR cards = 5
EMIT CHANGES;
