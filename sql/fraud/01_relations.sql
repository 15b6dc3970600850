-- The bank's cards and the terminals at which they pay. `since` is the event time of a row: a payment meets the row
-- that is newest at its own time, so these are older than every payment.
CREATE TABLE IF NOT EXISTS cards (
    card_id TEXT PRIMARY KEY, holder TEXT, city TEXT, country TEXT, since TIMESTAMP
) WITH (kafka_topic = 'cards', value_format = 'JSON', partitions = 4, timestamp = 'since');

-- `opens` and `closes` are hours of the day in UTC; the two are equal at a terminal that never closes.
CREATE TABLE IF NOT EXISTS merchants (
    terminal_id TEXT PRIMARY KEY, merchant TEXT, category TEXT, city TEXT, country TEXT, opens INT, closes INT, since TIMESTAMP
) WITH (kafka_topic = 'merchants', value_format = 'JSON', partitions = 4, timestamp = 'since');

-- A payment's key is its card, so that all payments of a card stand in one partition, in the order in which they came.
-- Without `lat` and `lon` it was made online.
CREATE STREAM IF NOT EXISTS payments (
    card_id TEXT KEY, payment_id BIGINT, terminal_id TEXT, amount DECIMAL(12,2), lat DOUBLE, lon DOUBLE, paid_at TIMESTAMP
) WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 4, timestamp = 'paid_at');
