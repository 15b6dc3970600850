"""kafka-python: producers, consumers without groups, topics. KAFKA=host:port."""
import os
import sys
import uuid


from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

SERVER = {"bootstrap_servers": os.environ["KAFKA"]}
PREFIX = "python-" + uuid.uuid4().hex[:6]


def topic(name, partitions=1):
    name = f"{PREFIX}-{name}"
    admin = KafkaAdminClient(**SERVER)
    admin.create_topics([NewTopic(name, partitions, 1)])
    admin.close()
    return name


def consume(name, count):
    consumer = KafkaConsumer(name, auto_offset_reset="earliest", group_id=None, consumer_timeout_ms=15000, **SERVER)
    messages = []
    for message in consumer:
        messages.append(message)
        if len(messages) == count:
            break
    consumer.close()
    assert len(messages) == count, f"{len(messages)} of {count}"
    return messages


def codecs():
    for codec in [None, "gzip", "snappy", "lz4", "zstd"]:
        name = topic(f"codec-{codec}")
        producer = KafkaProducer(compression_type=codec, linger_ms=20, **SERVER)
        sent = [producer.send(name, partition=0, key=b"k%d" % number, value=b"v%d" % number * 30, headers=[("h", b"x")],
                              timestamp_ms=1700000000000 + number) for number in range(300)]
        producer.flush()
        assert [future.get(10).offset for future in sent] == list(range(300))
        producer.close()
        message = consume(name, 300)[7]
        assert (message.value, list(message.headers), message.timestamp) == (b"v7" * 30, [("h", b"x")], 1700000000007)


def idempotent():
    name = topic("idempotent")
    producer = KafkaProducer(enable_idempotence=True, **SERVER)
    for number in range(500):
        producer.send(name, b"%d" % number, partition=0)
    producer.flush()
    producer.close()
    assert [message.value for message in consume(name, 500)] == [b"%d" % number for number in range(500)]


def offsets():
    name = topic("offsets")
    producer = KafkaProducer(**SERVER)
    for number in range(10):
        producer.send(name, b"x", partition=0, timestamp_ms=1700000000000 + number)
    producer.flush()
    producer.close()
    consumer = KafkaConsumer(**SERVER)
    partition = TopicPartition(name, 0)
    assert (consumer.beginning_offsets([partition])[partition], consumer.end_offsets([partition])[partition]) == (0, 10)
    assert consumer.offsets_for_times({partition: 1700000000005})[partition].offset == 5
    consumer.close()


def topics():
    name = topic("admin", 3)
    admin = KafkaAdminClient(**SERVER)
    assert name in admin.list_topics()
    admin.describe_topics([name])
    admin.describe_cluster()
    admin.delete_topics([name])
    assert name not in admin.list_topics()
    admin.close()


for check in [codecs, idempotent, offsets, topics]:
    check()
    print("ok", check.__name__, file=sys.stderr)
