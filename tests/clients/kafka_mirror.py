"""MirrorMaker 2 copies topics and groups from one server to another: KAFKA=host:port KAFKA_TARGET=host:port KAFKA_JAVA=folder kafka_mirror.py"""
import os
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "java"))
from kafka_jvm import Jars, Tools  # noqa: E402

NAME = "mirror-" + uuid.uuid4().hex[:6]
GROUP = NAME + "-group"
SETTINGS = f"""
clusters = here, there
here.bootstrap.servers = {os.environ["KAFKA"]}
there.bootstrap.servers = {os.environ["KAFKA_TARGET"]}
here->there.enabled = true
here->there.topics = {NAME}
here->there.groups = {GROUP}
replication.factor = 1
checkpoints.topic.replication.factor = 1
heartbeats.topic.replication.factor = 1
offset-syncs.topic.replication.factor = 1
offset.storage.replication.factor = 1
status.storage.replication.factor = 1
config.storage.replication.factor = 1
refresh.topics.interval.seconds = 1
refresh.groups.interval.seconds = 1
emit.checkpoints.interval.seconds = 1
sync.group.offsets.enabled = true
sync.group.offsets.interval.seconds = 1
offset.lag.max = 0
"""
jars = Jars(os.environ["KAFKA_JAVA"])
here, there = (Tools(jars, os.environ[which]) for which in ["KAFKA", "KAFKA_TARGET"])


def until(what, found, wanted, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        last = found()
        if last == wanted:
            print("ok", what, file=sys.stderr)
            return
    raise AssertionError(f"{what}: {last!r} is not {wanted!r}")


def write(count):
    lines = "".join(f"h:{number}|k{number}|v{number}\n" for number in range(count))
    ended = here.run("kafka-console-producer", "--bootstrap-server", here.server, "--topic", NAME, "--property", "parse.key=true", "--property", "parse.headers=true",
                     "--property", "key.separator=|", "--property", "headers.delimiter=|", text=lines)
    assert ended.status == 0, ended


def read(tools, topic, count, *options):
    shown = [word for one in ["print.key=true", "print.headers=true", "print.partition=true"] for word in ("--property", one)]
    ended = tools.run("kafka-console-consumer", "--bootstrap-server", tools.server, "--topic", topic, "--from-beginning", "--timeout-ms", "15000",
                      "--max-messages", str(count), *shown, *options)
    return sorted(line for line in ended.output.splitlines() if line.startswith("Partition:"))


def ends(tools, topic):
    ended = tools.run("kafka-get-offsets", "--bootstrap-server", tools.server, "--topic", topic)
    return sum(int(line.rsplit(":", 1)[1]) for line in ended.output.split()) if ended.status == 0 else None


def lag():
    ended = there.run("kafka-consumer-groups", "--bootstrap-server", there.server, "--describe", "--group", GROUP)
    rows = [line.split() for line in ended.output.splitlines() if line.startswith(GROUP)]
    return sum(int(row[5]) for row in rows) if len(rows) == 2 else None


here.ask("kafka-topics", "--create", "--topic", NAME, "--partitions", "2", "--config", "retention.ms=7200000")
write(200)
with tempfile.NamedTemporaryFile("w", suffix=".properties") as settings, tempfile.NamedTemporaryFile() as said:
    settings.write(SETTINGS)
    settings.flush()
    command = jars.command("org.apache.kafka.connect.mirror.MirrorMaker", settings.name, options=["-Xmx512m", "-XX:TieredStopAtLevel=1"])
    mirror = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        until("records", lambda: ends(there, f"here.{NAME}"), 200, 90)
        # A position is translated exactly where both sides were seen together, which is at the newest records.
        assert len(read(here, NAME, 200, "--group", GROUP)) == 200
        until("positions", lag, 0)
        write(100)
        until("more records", lambda: ends(there, f"here.{NAME}"), 300)
        assert read(there, f"here.{NAME}", 300) == read(here, NAME, 300), "keys, headers and partitions stay"
        described = there.ask("kafka-topics", "--describe", "--topic", f"here.{NAME}")
        assert "PartitionCount: 2" in described and "retention.ms=7200000" in described, described
        with open(said.name, encoding="utf-8", errors="replace") as log:
            problems = [line for line in log if " ERROR " in line]
        assert not problems, problems
    finally:
        mirror.terminate()
        mirror.wait(30)
here.close()
there.close()
