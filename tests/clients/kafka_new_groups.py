#!/usr/bin/env python3
"""Consumer groups of the new protocol (KIP-848) with librdkafka: KAFKA=host:port kafka_new_groups.py

Members come, go and die; patterns find topics; every record is seen, every partition has one owner, positions stay; and a
group goes from one protocol to the other and back, while it is empty and while it runs."""
import multiprocessing
import os
import sys
import threading
import time
import uuid

import confluent_kafka as ck
import psycopg
from confluent_kafka.admin import AdminClient, NewTopic

ADDRESS = os.environ["KAFKA"]
PARTITIONS = 6
PREFIX = "new" + uuid.uuid4().hex[:6]
PASSED = 0
admin = AdminClient({"bootstrap.servers": ADDRESS})


def ok(condition, what):
    global PASSED
    if not condition:
        print(f"FAIL kafka_new_groups: {what}")
        sys.exit(1)
    PASSED += 1


def until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return ok(True, what)
        time.sleep(0.05)
    ok(False, what)


def topic(name, partitions=PARTITIONS):
    name = f"{PREFIX}-{name}"
    for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        future.result(15)
    return name


def produce(name, first, count, partitions=PARTITIONS):
    producer = ck.Producer({"bootstrap.servers": ADDRESS})
    for number in range(first, first + count):
        producer.produce(name, str(number).encode(), partition=number % partitions)
    ok(producer.flush(30) == 0, "all is produced")


def settings(group, **more):
    return {"bootstrap.servers": ADDRESS, "group.id": group, "auto.offset.reset": "earliest", "group.protocol": "consumer",
            "enable.auto.commit": False, "topic.metadata.refresh.interval.ms": 1000, **more}


def in_sql(statement, *values):
    with psycopg.connect(host=os.environ["PGHOST"], port=os.environ["PGPORT"], user="ann", dbname="tidemill", autocommit=True) as sql:
        return sql.execute(statement, values).fetchall()


class Member(threading.Thread):
    """Reads until it is told to stop; commits what it has read."""

    def __init__(self, group, names, **more):
        super().__init__(daemon=True)
        self.consumer = ck.Consumer(settings(group, **more))
        self.assigned = set()
        self.seen = []
        self.stopping = threading.Event()
        self.consumer.subscribe(names, on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_revoke)
        self.start()

    def on_assign(self, _, partitions):
        self.assigned |= {(it.topic, it.partition) for it in partitions}

    def on_revoke(self, _, partitions):
        self.assigned -= {(it.topic, it.partition) for it in partitions}

    def run(self):
        while not self.stopping.is_set():
            for message in self.consumer.consume(50, 0.2):
                if message.error() is None:
                    self.seen.append(int(message.value()))
            if self.seen:
                try:
                    self.consumer.commit(asynchronous=False)
                except ck.KafkaException:
                    pass  # its epoch was over: what was read comes again, to somebody
        self.consumer.close()

    def stop(self):
        self.stopping.set()
        self.join(30)


def share(members, names, partitions=PARTITIONS):
    """Whether every partition has one owner, and nobody has two more than another."""
    sizes = [len(member.assigned) for member in members]
    owned = [it for member in members for it in member.assigned]
    everything = {(name, number) for name in names for number in range(partitions)}
    return set(owned) == everything and len(owned) == len(everything) and max(sizes) <= min(sizes) + 1


def churn(assignor):
    name, group = topic(assignor), f"{PREFIX}-{assignor}"
    more = {"group.remote.assignor": assignor}
    produce(name, 0, 300)
    members = [Member(group, [name], **more)]
    until(lambda: len(set(members[0].seen)) == 300, f"{assignor}: one member reads all")
    for count in (2, 3):
        members.append(Member(group, [name], **more))
        until(lambda: share(members, [name]), f"{assignor}: {count} members share")
    produce(name, 300, 300)
    until(lambda: {number for it in members for number in it.seen} >= set(range(600)), f"{assignor}: they read all")
    described = admin.describe_consumer_groups([group])[group].result(10)
    ok(described.state.name == "STABLE" and len(described.members) == 3, f"{assignor}: described, {described.state}")
    ok(described.type.name == "CONSUMER" and described.partition_assignor == assignor, f"{assignor}: {described.type}")
    ok(in_sql("SELECT protocol, members FROM tidemill.groups WHERE \"group\" = %s", group) == [("consumer", 3)], "in SQL")
    members.pop(0).stop()
    until(lambda: share(members, [name]), f"{assignor}: those that stay take over")
    for member in members:
        member.stop()
    listed = {it.group_id: it for it in admin.list_consumer_groups().result(10).valid}
    ok(listed[group].state.name == "EMPTY" and listed[group].type.name == "CONSUMER", f"{assignor}: it is empty")
    reader = ck.Consumer(settings(group))
    positions = reader.committed([ck.TopicPartition(name, number) for number in range(PARTITIONS)], 10)
    ok([it.offset for it in positions] == [100] * PARTITIONS, f"{assignor}: positions stay, {positions}")
    reader.close()
    return name, group


def die(group, name, ready):
    consumer = ck.Consumer(settings(group))
    consumer.subscribe([name])
    while not consumer.assignment():
        consumer.poll(0.2)
    ready.set()
    while True:
        consumer.poll(0.2)


def killed_member(name):
    group = f"{PREFIX}-killed"
    ready = multiprocessing.Event()
    victim = multiprocessing.Process(target=die, args=(group, name, ready), daemon=True)
    victim.start()
    ok(ready.wait(30), "the victim reads")
    other = Member(group, [name])
    until(lambda: len(other.assigned) == PARTITIONS // 2, "two processes share")
    victim.kill()
    victim.join()
    until(lambda: len(other.assigned) == PARTITIONS, "who is left takes over from who was killed")
    other.stop()


def static_member(name):
    group = f"{PREFIX}-static"
    first = Member(group, [name], **{"group.instance.id": "one"})
    second = Member(group, [name], **{"group.instance.id": "two"})
    until(lambda: share([first, second], [name]), "two static members share")
    before, kept = set(first.assigned), set(second.assigned)
    first.stop()
    again = Member(group, [name], **{"group.instance.id": "one"})
    until(lambda: again.assigned == before, "a static member that comes back has what it had")
    ok(second.assigned == kept, "and the other kept its own")
    again.stop()
    second.stop()


def pattern():
    group = f"{PREFIX}-pattern"
    first = topic("pattern.a", 2)
    member = Member(group, [f"^{PREFIX}-pattern\\..*"])
    until(lambda: share([member], [first], 2), "a topic that fits is read")
    second = topic("pattern.b", 2)
    produce(second, 0, 10, 2)
    until(lambda: set(member.seen) == set(range(10)), "and so is one that is made later")
    ok(share([member], [first, second], 2), "it has both")
    member.stop()


def both_protocols(name, group):
    """The group of the new protocol is empty: the old one takes it, and gives it back."""
    classic = {"group.protocol": "classic", "session.timeout.ms": 6000}
    old = Member(group, [name], **classic)
    until(lambda: len(old.assigned) == PARTITIONS, "a member of the classic protocol has all")
    produce(name, 600, 60)
    until(lambda: set(old.seen) == set(range(600, 660)), f"it reads on from the positions, {len(old.seen)}")
    listed = {it.group_id: it for it in admin.list_consumer_groups().result(10).valid}
    ok(listed[group].type.name == "CLASSIC", f"it is classic, {listed[group].type}")
    old.stop()
    new = Member(group, [name])
    until(lambda: len(new.assigned) == PARTITIONS, "a member of the new protocol has all")
    produce(name, 660, 60)
    until(lambda: set(new.seen) == set(range(660, 720)), f"it reads on from the positions, {len(new.seen)}")
    new.stop()
    admin.delete_consumer_groups([group])[group].result(10)
    listed = {it.group_id for it in admin.list_consumer_groups().result(10).valid}
    ok(group not in listed, "and gone when it is deleted")


def rolling(strategy):
    """The members are started anew one by one, with the other protocol, and back: nothing is lost, and they share throughout."""
    name, group = topic(f"rolling-{strategy}"), f"{PREFIX}-rolling-{strategy}"
    classic = {"group.protocol": "classic", "session.timeout.ms": 6000, "partition.assignment.strategy": strategy}
    members, everybody, produced = [Member(group, [name], **classic) for _ in range(3)], [], 0
    until(lambda: share(members, [name]), "members of the classic protocol share")
    for more in [{}, classic]:
        for number in range(3):
            old, members[number] = members[number], Member(group, [name], **more)
            everybody.append(old)
            until(lambda: share([*members, old], [name]), "the newcomer has a share beside those that are there")
            produce(name, produced, 60)
            produced += 60
            old.stop()
            until(lambda: share(members, [name]), "and takes over")
    until(lambda: {it for member in [*everybody, *members] for it in member.seen} == set(range(produced)), "everything is read")
    for member in members:
        member.stop()


if __name__ == "__main__":
    uniform_topic, uniform_group = churn("uniform")
    churn("range")
    killed_member(uniform_topic)
    static_member(uniform_topic)
    pattern()
    both_protocols(uniform_topic, uniform_group)
    rolling("range")
    rolling("cooperative-sticky")
    print(f"PASS kafka_new_groups: {PASSED} ok")
