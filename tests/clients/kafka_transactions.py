"""Transactions with confluent-kafka (librdkafka) and kafka-python: whole or absent, fenced, consume-transform-produce. KAFKA=host:port."""
import os
import sys
import uuid

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
import kafka

SERVER = {"bootstrap.servers": os.environ["KAFKA"], "log_level": 0, "socket.timeout.ms": 10000}
PREFIX = "transactions-" + uuid.uuid4().hex[:6]
admin = AdminClient(SERVER)


def topic(name, partitions=1):
    name = f"{PREFIX}-{name}"
    for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        future.result(15)
    return name


def producer(name, **config):
    made = Producer({**SERVER, "transactional.id": f"{PREFIX}-{name}", "message.timeout.ms": 15000, **config})
    made.init_transactions(20)
    return made


def read(name, isolation, partitions=1):
    """All values of a topic, in the order of partitions."""
    consumer = Consumer({**SERVER, "group.id": PREFIX, "enable.auto.commit": False, "isolation.level": isolation,
                         "enable.partition.eof": True, "check.crcs": True})
    consumer.assign([TopicPartition(name, number, 0) for number in range(partitions)])
    values, ended = [], set()
    while len(ended) < partitions:
        message = consumer.poll(15)
        assert message is not None, f"{len(values)} values and no end"
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
        else:
            values.append(message.value().decode())
    consumer.close()
    return values


def position(group, name):
    consumer = Consumer({**SERVER, "group.id": group, "isolation.level": "read_committed"})
    found = consumer.committed([TopicPartition(name, 0)], 15)[0].offset
    consumer.close()
    return found


def commit_and_abort():
    name, group = topic("both", 2), PREFIX + "-both"
    writer = producer("both")
    nobody = Consumer({**SERVER, "group.id": group})
    for number, ends in enumerate(["commit", "abort", "commit"]):
        writer.begin_transaction()
        for partition in range(2):
            for value in range(50):
                writer.produce(name, f"{number}-{value}", partition=partition)
        writer.send_offsets_to_transaction([TopicPartition(name, 0, number + 1)], nobody.consumer_group_metadata(), 15)
        assert writer.flush(15) == 0
        (writer.commit_transaction if ends == "commit" else writer.abort_transaction)(15)
    nobody.close()
    committed = read(name, "read_committed", 2)
    assert sorted(committed) == sorted([f"{number}-{value}" for number in (0, 2) for value in range(50)] * 2)
    assert len(read(name, "read_uncommitted", 2)) == 300
    assert position(group, name) == 3


def nothing_is_seen_of_an_open_transaction():
    name = topic("open")
    writer, other = producer("open"), Producer(SERVER)
    writer.begin_transaction()
    writer.produce(name, b"open")
    assert writer.flush(15) == 0
    other.produce(name, b"plain")
    assert other.flush(15) == 0
    assert read(name, "read_committed") == []
    assert read(name, "read_uncommitted") == ["open", "plain"]
    writer.commit_transaction(15)
    assert read(name, "read_committed") == ["open", "plain"]


def a_second_producer_fences_the_first():
    name = topic("fenced")
    first = producer("fenced")
    first.begin_transaction()
    first.produce(name, b"left open")
    assert first.flush(15) == 0
    second = producer("fenced")
    try:
        first.produce(name, b"zombie")
        first.commit_transaction(15)
        raise AssertionError("the first was not fenced")
    except KafkaException as error:
        assert error.args[0].fatal(), error
        assert error.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
    second.begin_transaction()
    second.produce(name, b"second")
    second.commit_transaction(15)
    assert read(name, "read_committed") == ["second"]


def what_takes_too_long_is_aborted():
    name = topic("slow")
    slow = producer("slow", **{"transaction.timeout.ms": 1000, "message.timeout.ms": 1000, "socket.timeout.ms": 1000})
    slow.begin_transaction()
    slow.produce(name, b"slow")
    assert slow.flush(15) == 0
    # The reader waits at its end until the server has aborted what lies before.
    other = Producer(SERVER)
    other.produce(name, b"plain")
    assert other.flush(15) == 0
    reader = Consumer({**SERVER, "group.id": PREFIX, "enable.auto.commit": False, "isolation.level": "read_committed"})
    reader.assign([TopicPartition(name, 0, 0)])
    message = reader.poll(30)
    assert message is not None and message.value() == b"plain", message
    reader.close()
    try:
        slow.commit_transaction(15)
        raise AssertionError("it was committed after all")
    except KafkaException:
        pass


def consume_transform_produce():
    """Three workers in turn, each of which leaves its last transaction open: every record comes out once."""
    source, sink, group = topic("source"), topic("sink"), PREFIX + "-etl"
    writer = Producer(SERVER)
    for number in range(300):
        writer.produce(source, str(number))
    assert writer.flush(15) == 0
    for worker in range(3):
        consumer = Consumer({**SERVER, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
                             "isolation.level": "read_committed", "session.timeout.ms": 6000})
        consumer.subscribe([source])
        out = producer("etl")
        for cycle in range(4):
            out.begin_transaction()
            taken = []
            while len(taken) < 25:
                message = consumer.poll(20)
                assert message is not None, f"worker {worker} has {len(taken)} of 25"
                assert not message.error(), message.error()
                taken.append(message)
            for message in taken:
                out.produce(sink, b"out " + message.value())
            next_offset = [TopicPartition(source, 0, taken[-1].offset() + 1)]
            out.send_offsets_to_transaction(next_offset, consumer.consumer_group_metadata(), 15)
            assert out.flush(15) == 0
            if cycle < 3:
                out.commit_transaction(15)
        consumer.close()
    producer("etl")
    assert read(sink, "read_committed") == [f"out {number}" for number in range(225)]
    assert position(group, source) == 225


def kafka_python():
    name = topic("python")
    writer = kafka.KafkaProducer(bootstrap_servers=os.environ["KAFKA"], transactional_id=PREFIX + "-python")
    writer.init_transactions()
    for number, ends in enumerate(["commit", "abort", "commit"]):
        writer.begin_transaction()
        for value in range(20):
            writer.send(name, f"{number}-{value}".encode(), partition=0)
        writer.flush(15)
        (writer.commit_transaction if ends == "commit" else writer.abort_transaction)()
    writer.close()
    wanted = [f"{number}-{value}" for number in (0, 2) for value in range(20)]
    assert read(name, "read_committed") == wanted
    reader = kafka.KafkaConsumer(bootstrap_servers=os.environ["KAFKA"], isolation_level="read_committed",
                                 auto_offset_reset="earliest", consumer_timeout_ms=15000)
    reader.assign([kafka.TopicPartition(name, 0)])
    found = []
    while len(found) < len(wanted):
        found.append(next(reader).value.decode())
    assert found == wanted
    reader.close()


failed = 0
for check in [commit_and_abort, nothing_is_seen_of_an_open_transaction, a_second_producer_fences_the_first,
              what_takes_too_long_is_aborted, consume_transform_produce, kafka_python]:
    try:
        check()
        print("ok   ", check.__name__)
    except Exception as error:  # noqa: BLE001
        failed += 1
        print("FAIL ", check.__name__, type(error).__name__, error)
sys.exit(1 if failed else 0)
