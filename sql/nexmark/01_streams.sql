-- Nexmark: persons, auctions and bids of an auction site.
-- tidemill datagen nexmark --events 100000 --server 127.0.0.1:7432 fills them.
CREATE STREAM person (
    id BIGINT,
    name TEXT,
    email_address TEXT,
    credit_card TEXT,
    city TEXT,
    state TEXT,
    date_time TIMESTAMP,
    extra TEXT
) WITH (kafka_topic = 'person', value_format = 'JSON', timestamp = 'date_time');

CREATE STREAM auction (
    id BIGINT,
    item_name TEXT,
    description TEXT,
    initial_bid BIGINT,
    reserve BIGINT,
    date_time TIMESTAMP,
    expires TIMESTAMP,
    seller BIGINT,
    category BIGINT,
    extra TEXT
) WITH (kafka_topic = 'auction', value_format = 'JSON', timestamp = 'date_time');

CREATE STREAM bid (
    auction BIGINT,
    bidder BIGINT,
    price BIGINT,
    channel TEXT,
    url TEXT,
    date_time TIMESTAMP,
    extra TEXT
) WITH (kafka_topic = 'bid', value_format = 'JSON', timestamp = 'date_time');
