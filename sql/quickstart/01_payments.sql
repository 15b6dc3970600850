CREATE STREAM payments (
    card_id TEXT KEY, amount DECIMAL(12,2), merchant TEXT, country TEXT,
    lat DOUBLE, lon DOUBLE, paid_at TIMESTAMP
) WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 4, timestamp = 'paid_at');

CREATE TABLE cards (card_id TEXT PRIMARY KEY, holder TEXT, home TEXT, credit_limit DECIMAL(12,2))
WITH (kafka_topic = 'cards', value_format = 'JSON', partitions = 4);
