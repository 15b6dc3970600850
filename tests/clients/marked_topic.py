"""Topics with marks of event time, which are control records: kafka-python and confluent-kafka see the records alone.

KAFKA=host:port, and PostgreSQL's variables."""
import os
import time
import uuid

import confluent_kafka as ck
import psycopg
from kafka import KafkaConsumer, TopicPartition

NAME = "marked_" + uuid.uuid4().hex[:6]
ROWS = 60
PARTITIONS = 3


def make():
    with psycopg.connect(autocommit=True) as connection:
        connection.execute(f"CREATE STREAM {NAME}_in (k TEXT KEY, a BIGINT) WITH (partitions = {PARTITIONS})")
        connection.execute(f"CREATE STREAM {NAME} AS SELECT k, a FROM {NAME}_in PARTITION BY a")
        for number in range(ROWS):
            connection.execute(f"INSERT INTO {NAME}_in (k, a) VALUES (%s, %s)", (f"k{number % 7}", number))
        deadline = time.monotonic() + 60
        while True:
            found = connection.execute(f"SELECT count(*) FROM tidemill.records('{NAME}')").fetchone()[0]
            if found == ROWS:
                return
            assert found < ROWS and time.monotonic() < deadline, f"{found} of {ROWS} records"
            time.sleep(0.05)


def with_kafka_python(isolation):
    consumer = KafkaConsumer(bootstrap_servers=os.environ["KAFKA"], isolation_level=isolation, consumer_timeout_ms=15000)
    partitions = [TopicPartition(NAME, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    keys = []
    deadline = time.monotonic() + 30
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        assert time.monotonic() < deadline, "the end is not reached"
        for records in consumer.poll(timeout_ms=500).values():
            keys += [record.key for record in records]
    consumer.close()
    return keys, sum(ends.values())


def with_confluent(isolation):
    consumer = ck.Consumer({"bootstrap.servers": os.environ["KAFKA"], "group.id": NAME, "enable.auto.commit": False,
                            "isolation.level": isolation, "enable.partition.eof": True})
    consumer.assign([ck.TopicPartition(NAME, number, ck.OFFSET_BEGINNING) for number in range(PARTITIONS)])
    keys, at_end = [], set()
    deadline = time.monotonic() + 30
    while len(at_end) < PARTITIONS:
        assert time.monotonic() < deadline, "the end is not reached"
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == ck.KafkaError._PARTITION_EOF, message.error()
            at_end.add(message.partition())
        else:
            keys.append(message.key())
    consumer.close()
    return keys


make()
expected = sorted(number.to_bytes(8, "big") for number in range(ROWS))
for isolation in ["read_committed", "read_uncommitted"]:
    keys, ends = with_kafka_python(isolation)
    assert sorted(keys) == expected, f"kafka-python, {isolation}: {len(keys)} records"
    # Each commit leaves a mark and a marker in the partitions that it wrote.
    assert ROWS + 2 * PARTITIONS <= ends, f"{ends} offsets"
    keys = with_confluent(isolation)
    assert sorted(keys) == expected, f"confluent-kafka, {isolation}: {len(keys)} records"
print("ok")
