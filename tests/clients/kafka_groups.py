#!/usr/bin/env python3
"""Consumer groups with confluent-kafka and kafka-python: KAFKA=host:port kafka_groups.py

Members come, go and die; every record is seen, every partition has one owner, positions stay."""
import os
import sys
import threading
import time
import uuid

import confluent_kafka as ck
import psycopg
from kafka import KafkaConsumer, TopicPartition as KTopicPartition

ADDRESS = os.environ["KAFKA"]
PARTITIONS = 4
PASSED = 0


def ok(condition, what):
    global PASSED
    if not condition:
        print(f"FAIL kafka_groups: {what}")
        sys.exit(1)
    PASSED += 1


def topic(name):
    """A topic of several partitions, made with SQL."""
    with psycopg.connect(host=os.environ["PGHOST"], port=os.environ["PGPORT"], user="ann", dbname="tidemill", autocommit=True) as sql:
        sql.execute(f"CREATE STREAM \"{name}\" (v TEXT) WITH (kafka_topic = '{name}', value_format = 'JSON', partitions = {PARTITIONS})")


def produce(name, first, count):
    producer = ck.Producer({"bootstrap.servers": ADDRESS})
    for number in range(first, first + count):
        producer.produce(name, str(number).encode(), partition=number % PARTITIONS)
    ok(producer.flush(30) == 0, "all is produced")


def consumer(group, **more):
    return ck.Consumer({"bootstrap.servers": ADDRESS, "group.id": group, "auto.offset.reset": "earliest",
                        "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, **more})


class Member(threading.Thread):
    """Reads until it is told to stop; commits what it has read."""

    def __init__(self, group, name, **more):
        super().__init__(daemon=True)
        self.consumer = consumer(group, **more)
        self.assigned = set()
        self.seen = []
        self.stopping = threading.Event()
        self.dies = False
        self.consumer.subscribe([name], on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_revoke)
        self.start()

    def on_assign(self, _, partitions):
        self.assigned |= {it.partition for it in partitions}

    def on_revoke(self, _, partitions):
        self.assigned -= {it.partition for it in partitions}

    def run(self):
        while not self.stopping.is_set():
            for message in self.consumer.consume(50, 0.2):
                if message.error() is None:
                    self.seen.append(int(message.value()))
            if self.seen and not self.dies:
                try:
                    self.consumer.commit(asynchronous=False)
                except ck.KafkaException:
                    pass  # a rebalance: what was read comes again, to somebody
        if not self.dies:
            self.consumer.close()

    def stop(self):
        self.stopping.set()
        self.join(30)


def until(condition, what, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return ok(True, what)
        time.sleep(0.05)
    ok(False, what)


def churn(strategy, **more):
    name, group = f"t_{uuid.uuid4().hex[:8]}", f"g_{uuid.uuid4().hex[:8]}"
    topic(name)
    produce(name, 0, 200)
    first = Member(group, name, **{"partition.assignment.strategy": strategy, **more})
    until(lambda: len(set(first.seen)) == 200, f"{strategy}: one member reads all")
    second = Member(group, name, **{"partition.assignment.strategy": strategy})
    until(lambda: len(first.assigned) == 2 and len(second.assigned) == 2, f"{strategy}: two members share")
    ok(not first.assigned & second.assigned, f"{strategy}: no partition has two owners")
    produce(name, 200, 200)
    until(lambda: set(first.seen + second.seen) >= set(range(400)), f"{strategy}: together they read all")
    first.stop()
    until(lambda: len(second.assigned) == PARTITIONS, f"{strategy}: who stays takes over")
    second.stop()
    third = consumer(group)
    positions = third.committed([ck.TopicPartition(name, number) for number in range(PARTITIONS)], 10)
    ok([it.offset for it in positions] == [100] * PARTITIONS, f"{strategy}: positions stay, {positions}")
    third.close()
    return name, group


def static_member(name):
    group = f"s_{uuid.uuid4().hex[:8]}"
    first = Member(group, name, **{"group.instance.id": "one"})
    second = Member(group, name, **{"group.instance.id": "two"})
    until(lambda: len(first.assigned) == 2 and len(second.assigned) == 2, "two static members share")
    before = set(first.assigned)
    first.stop()
    again = Member(group, name, **{"group.instance.id": "one"})
    until(lambda: again.assigned == before, "a static member that comes back has what it had")
    ok(len(second.assigned) == 2, "and the other kept its own")
    again.stop()
    second.stop()


def old_python(name):
    group = f"p_{uuid.uuid4().hex[:8]}"
    reader = KafkaConsumer(name, bootstrap_servers=ADDRESS, group_id=group, auto_offset_reset="earliest",
                           enable_auto_commit=False, consumer_timeout_ms=8000)
    seen = set()
    for record in reader:
        seen.add(int(record.value))
        if len(seen) == 400:
            break
    ok(seen == set(range(400)), f"kafka-python reads all, {len(seen)}")
    reader.commit()
    reader.close()
    again = KafkaConsumer(bootstrap_servers=ADDRESS, group_id=group, enable_auto_commit=False)
    ok(sum(again.committed(KTopicPartition(name, number)) for number in range(PARTITIONS)) == 400, "and its positions stay")
    again.close()


def administration(group):
    from confluent_kafka.admin import AdminClient
    admin = AdminClient({"bootstrap.servers": ADDRESS})
    listed = {it.group_id: it for it in admin.list_consumer_groups().result(10).valid}
    ok(group in listed, "the group is listed")
    described = admin.describe_consumer_groups([group])[group].result(10)
    ok(described.state.name == "EMPTY", f"it is empty, {described.state}")
    admin.delete_consumer_groups([group])[group].result(10)
    listed = {it.group_id for it in admin.list_consumer_groups().result(10).valid}
    ok(group not in listed, "and gone when it is deleted")


range_topic, range_group = churn("range")
churn("cooperative-sticky")
static_member(range_topic)
old_python(range_topic)
administration(range_group)
print(f"PASS kafka_groups: {PASSED} ok")
