"""confluent-kafka (librdkafka): producers, consumers without groups, topics. KAFKA=host:port."""
import os
import sys
import uuid

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

SERVER = {"bootstrap.servers": os.environ["KAFKA"], "log_level": 0, "socket.timeout.ms": 10000}
PREFIX = "confluent-" + uuid.uuid4().hex[:6]
admin = AdminClient(SERVER)


def done(futures, timeout=15):
    return [future.result(timeout) for future in futures.values()]


def topic(name, partitions=1, **config):
    name = f"{PREFIX}-{name}"
    done(admin.create_topics([NewTopic(name, partitions, 1, config=config)]))
    return name


def produce(name, count, config=None, size=20):
    errors = []
    producer = Producer({**SERVER, "message.timeout.ms": 15000, **(config or {})})
    for number in range(count):
        producer.produce(name, key=f"k{number}", value=f"v{number}".encode() * size, partition=0,
                         on_delivery=lambda error, message: errors.append(error) if error else None)
        producer.poll(0)
    assert producer.flush(20) == 0, "messages are left"
    assert not errors, errors[0]


def consume(name, count, offset=0, config=None):
    consumer = Consumer({**SERVER, "group.id": PREFIX, "enable.auto.commit": False, "check.crcs": True, **(config or {})})
    consumer.assign([TopicPartition(name, 0, offset)])
    messages = []
    while len(messages) < count:
        message = consumer.poll(15)
        assert message is not None, f"{len(messages)} of {count}"
        assert not message.error(), message.error()
        messages.append(message)
    consumer.close()
    return messages


def codecs():
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        name = topic(codec)
        produce(name, 500, {"compression.type": codec, "linger.ms": 50})
        messages = consume(name, 500)
        assert [message.offset() for message in messages] == list(range(500))
        assert [message.value() for message in messages] == [f"v{number}".encode() * 20 for number in range(500)]


def acks():
    for level in ["0", "1", "all"]:
        name = topic("acks" + level)
        produce(name, 20, {"acks": level})
        assert len(consume(name, 20)) == 20


def idempotent():
    name = topic("idempotent")
    produce(name, 2000, {"enable.idempotence": True, "batch.num.messages": 50})
    assert [message.key() for message in consume(name, 2000)] == [f"k{number}".encode() for number in range(2000)]


def headers_and_nulls():
    name = topic("headers")
    producer = Producer(SERVER)
    producer.produce(name, partition=0, key=b"\0\xff", value=None, headers=[("a", b"\1"), ("a", b"2"), ("n", None)], timestamp=1700000000123)
    producer.produce(name, partition=0, value=b"")
    assert producer.flush(10) == 0
    first, second = consume(name, 2)
    assert (first.key(), first.value(), first.timestamp()[1]) == (b"\0\xff", None, 1700000000123)
    assert first.headers() == [("a", b"\1"), ("a", b"2"), ("n", None)]
    assert (second.key(), second.value()) == (None, b"")


def offsets():
    name = topic("offsets")
    produce(name, 10)
    consumer = Consumer({**SERVER, "group.id": PREFIX})
    assert consumer.get_watermark_offsets(TopicPartition(name, 0), 10) == (0, 10)
    assert consumer.offsets_for_times([TopicPartition(name, 0, 1)], 10)[0].offset == 0
    assert consumer.offsets_for_times([TopicPartition(name, 0, 4000000000000)], 10)[0].offset == -1
    consumer.close()
    assert consume(name, 1, offset=7)[0].offset() == 7


def large():
    name = topic("large")
    produce(name, 1, {"message.max.bytes": 2000000}, size=450000)
    assert len(consume(name, 1, config={"fetch.message.max.bytes": 1000})[0].value()) == 900000
    small = topic("small", **{"max.message.bytes": "10000"})
    try:
        produce(small, 1, {"message.max.bytes": 2000000}, size=10000)
        raise AssertionError("a message over the topic's limit was taken")
    except AssertionError as error:
        assert isinstance(error.args[0], KafkaError) and error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE, error


def topics():
    name = topic("admin", 2, **{"retention.ms": "3600000", "cleanup.policy": "compact"})
    config = done(admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name)]))[0]
    assert (config["retention.ms"].value, config["cleanup.policy"].value) == ("3600000", "compact")
    done(admin.create_partitions([NewPartitions(name, 3)]))
    assert len(admin.list_topics(name, 10).topics[name].partitions) == 3
    try:
        done(admin.create_topics([NewTopic(name, 1, 1)]))
        raise AssertionError("it was made twice")
    except KafkaException as error:
        assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    produce(name, 10)
    done(admin.delete_records([TopicPartition(name, 0, 4)]))
    consumer = Consumer({**SERVER, "group.id": PREFIX})
    assert consumer.get_watermark_offsets(TopicPartition(name, 0), 10) == (4, 10)
    consumer.close()
    cluster = admin.describe_cluster().result(10)
    assert len(cluster.nodes) == 1 and cluster.cluster_id
    done(admin.delete_topics([name]))
    assert name not in admin.list_topics(timeout=10).topics


for check in [codecs, acks, idempotent, headers_and_nulls, offsets, large, topics]:
    check()
    print("ok", check.__name__, file=sys.stderr)
