"""aiokafka: producers, codecs, headers, groups that share and take over, transactions. KAFKA=host:port."""
import asyncio
import os
import sys
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import ProducerFenced, TopicAlreadyExistsError

SERVER = os.environ["KAFKA"]
PREFIX = "aiokafka-" + uuid.uuid4().hex[:6]


async def topic(name, partitions=1):
    name = f"{PREFIX}-{name}"
    admin = AIOKafkaAdminClient(bootstrap_servers=SERVER)
    await admin.start()
    try:
        for code in [0, TopicAlreadyExistsError.errno]:
            answer = await admin.create_topics([NewTopic(name, partitions, 1)])
            assert [error[1] for error in answer.topic_errors] == [code], answer
    finally:
        await admin.close()
    return name


async def read(name, count, partitions=1, **config):
    """So many records of a topic from its start, and a moment without a further one."""
    async with AIOKafkaConsumer(bootstrap_servers=SERVER, enable_auto_commit=False, **config) as consumer:
        all_of_it = [TopicPartition(name, number) for number in range(partitions)]
        consumer.assign(all_of_it)
        await consumer.seek_to_beginning(*all_of_it)
        records = [await asyncio.wait_for(consumer.getone(), 15) for _ in range(count)]
        assert not await consumer.getmany(timeout_ms=300), "there is more"
        return records


async def codecs():
    for codec in [None, "gzip", "snappy", "lz4", "zstd"]:
        name = await topic(f"codec-{codec}")
        async with AIOKafkaProducer(bootstrap_servers=SERVER, compression_type=codec, linger_ms=20, enable_idempotence=True) as producer:
            sent = [await producer.send(name, b"value %d" % number * 20, key=b"key %d" % number) for number in range(500)]
            placed = [await one for one in sent]
        assert [one.offset for one in placed] == list(range(500)), codec
        records = await read(name, 500)
        assert [(record.key, record.value) for record in records] == [(b"key %d" % number, b"value %d" % number * 20) for number in range(500)], codec


async def headers_and_nulls():
    name = await topic("headers")
    async with AIOKafkaProducer(bootstrap_servers=SERVER, acks="all") as producer:
        await producer.send_and_wait(name, None, key=b"\0\xff", headers=[("a", b"\1"), ("a", b"2")], timestamp_ms=1700000000123)
        await producer.send_and_wait(name, b"")
    first, second = await read(name, 2)
    assert (first.key, first.value, first.timestamp) == (b"\0\xff", None, 1700000000123)
    assert first.headers == (("a", b"\1"), ("a", b"2"))
    assert (second.key, second.value) == (None, b"")


async def offsets():
    name = await topic("offsets")
    async with AIOKafkaProducer(bootstrap_servers=SERVER) as producer:
        for number in range(10):
            await producer.send_and_wait(name, b"%d" % number, timestamp_ms=1000 + number)
    partition = TopicPartition(name, 0)
    async with AIOKafkaConsumer(bootstrap_servers=SERVER) as consumer:
        assert await consumer.beginning_offsets([partition]) == {partition: 0}
        assert await consumer.end_offsets([partition]) == {partition: 10}
        assert (await consumer.offsets_for_times({partition: 1007}))[partition].offset == 7


async def groups():
    name, group = await topic("groups", 4), f"{PREFIX}-group"

    def member():
        return AIOKafkaConsumer(name, bootstrap_servers=SERVER, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
                                session_timeout_ms=6000, heartbeat_interval_ms=500, metadata_max_age_ms=2000)

    async def until(condition, what):
        for _ in range(300):
            if condition():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(what)

    async def write(numbers):
        async with AIOKafkaProducer(bootstrap_servers=SERVER) as producer:
            for number in numbers:
                await producer.send(name, b"%d" % number, partition=number % 4)

    async def gather(consumer, count):
        seen = []
        while len(seen) < count:
            for records in (await consumer.getmany(timeout_ms=15000)).values():
                seen += [int(record.value) for record in records]
        await consumer.commit()
        return seen

    await write(range(100))
    first = member()
    await first.start()
    assert sorted(await gather(first, 100)) == list(range(100))
    second = member()
    await second.start()
    await until(lambda: len(first.assignment()) == 2 and len(second.assignment()) == 2, "two members share")
    assert not first.assignment() & second.assignment(), "no partition has two owners"
    await first.stop()
    await until(lambda: len(second.assignment()) == 4, "who stays takes over")
    await write(range(100, 200))
    assert sorted(await gather(second, 100)) == list(range(100, 200)), "positions stay"
    await second.stop()


async def transactions():
    source, target, group = await topic("source"), await topic("target"), f"{PREFIX}-copy"
    async with AIOKafkaProducer(bootstrap_servers=SERVER) as producer:
        for number in range(20):
            await producer.send_and_wait(source, b"%d" % number)
    ids = {"bootstrap_servers": SERVER, "transactional_id": f"{PREFIX}-id"}
    producer = AIOKafkaProducer(**ids)
    await producer.start()
    async with AIOKafkaConsumer(source, bootstrap_servers=SERVER, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
                                isolation_level="read_committed") as consumer:
        for commits in [False, True]:
            await consumer.seek_to_beginning()
            records = [await asyncio.wait_for(consumer.getone(), 15) for _ in range(20)]
            await producer.begin_transaction()
            for record in records:
                await producer.send(target, record.value)
            await producer.send_offsets_to_transaction({TopicPartition(source, 0): 20}, group)
            await (producer.commit_transaction() if commits else producer.abort_transaction())
            assert await consumer.committed(TopicPartition(source, 0)) == (20 if commits else None)
    assert [int(record.value) for record in await read(target, 20, isolation_level="read_committed")] == list(range(20))
    assert len(await read(target, 40, isolation_level="read_uncommitted")) == 40
    newer = AIOKafkaProducer(**ids)
    await newer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(target, b"from the dead")
        raise AssertionError("a producer that was followed by another one is not fenced")
    except ProducerFenced:
        pass
    await producer.stop()
    async with newer.transaction():
        await newer.send_and_wait(target, b"newer")
    await newer.stop()
    assert (await read(target, 21, isolation_level="read_committed"))[-1].value == b"newer"


async def main():
    for check in [codecs, headers_and_nulls, offsets, groups, transactions]:
        await check()
        print("ok", check.__name__, file=sys.stderr)


asyncio.run(main())
