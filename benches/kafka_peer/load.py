"""The load: Apache Kafka's own perf tools, in one JVM that stays warm, on the other core."""
import os
import random
import re
import string
from typing import NamedTuple

import wire

from kafka_jvm import Tools

CORE = "1"
LAST_LINE = re.compile(r"^(\d+) records sent, ([\d.]+) records/sec \(([\d.]+) MB/sec\).* (\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th, (\d+) ms 99.9th")


class Produced(NamedTuple):
    """What the tool says of a run, and what the server took for it."""
    records: int
    records_per_second: float
    megabytes_per_second: float
    p50: int
    p99: int
    p999: int
    cpu_microseconds: float


class Fetched(NamedTuple):
    """The same of a consumer; times of the group's rebalance are left out, as the tool does."""
    records_per_second: float
    megabytes_per_second: float
    cpu_microseconds: float


class Load:
    """Producers and consumers against one server after the other."""

    def __init__(self, jars, folder):
        self.tools = Tools(jars, None, prefix=["taskset", "-c", CORE])
        self.folder = folder
        self.payloads = {size: self._payloads(size) for size in (100, 1024)}

    def produce(self, server, topic, size, count, throughput=-1, linger=None):
        """Sends so many records with `acks=all`; else the client's defaults (idempotent, batches of 16 KiB, 5 ms of linger)."""
        more = [] if linger is None else [f"linger.ms={linger}"]
        before = server.cpu_seconds()
        ended = self.tools.run("kafka-producer-perf-test", "--topic", topic, "--num-records", str(count), "--payload-file", self.payloads[size],
                               "--throughput", str(throughput), "--producer-props", "bootstrap.servers=%s:%d" % server.address, "acks=all", *more, seconds=180)
        cpu = server.cpu_seconds() - before
        found = [match for match in map(LAST_LINE.match, ended.output.splitlines()) if match]
        if ended.status != 0 or not found or int(found[-1][1]) != count:
            raise RuntimeError(f"the producer failed: {ended}")
        sent, rate, megabytes, p50, p99, p999 = found[-1].groups()
        return Produced(int(sent), float(rate), float(megabytes), int(p50), int(p99), int(p999), 1e6 * cpu / count)

    def fetch(self, server, topic, count):
        """Reads so many records from the start of a topic, in a group of its own."""
        before = server.cpu_seconds()
        ended = self.tools.run("kafka-consumer-perf-test", "--bootstrap-server", "%s:%d" % server.address, "--topic", topic, "--messages", str(count),
                               "--hide-header", "--timeout", "60000", seconds=180)
        cpu = server.cpu_seconds() - before
        fields = ended.output.strip().split(", ")
        if ended.status != 0 or len(fields) != 10 or int(fields[4]) < count:
            raise RuntimeError(f"the consumer failed: {ended}")
        return Fetched(float(fields[9]), float(fields[8]), 1e6 * cpu / count)

    def fill(self, server, topic, partitions, gibibytes):
        """Fills a topic; how many records it has then."""
        wire.create_topic(server.address, topic, partitions, {"flush.messages": str(2**63 - 1)})
        return self.produce(server, topic, 1024, gibibytes * 2**20).records if 0 < gibibytes else 0

    def close(self):
        """Ends the JVM."""
        self.tools.close()

    def _payloads(self, size):
        chance = random.Random(size)
        path = os.path.join(self.folder, f"payloads-{size}")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join("".join(chance.choices(string.ascii_letters, k=size)) for _ in range(1000)))
        return path
