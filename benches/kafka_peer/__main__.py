#!/usr/bin/env python3
"""Tidemill beside Apache Kafka: python3 benches/kafka_peer [--quick] [--rounds N] [--binary target/release/tidemill]

Both run one after the other on one core, in turns, with the same load on another one: Apache Kafka's producer and consumer perf tools.
It prints its tables as Markdown. It needs java, mvn (for Kafka's jars, once), taskset and two cores that nobody else uses. About
20 minutes and 6 GB of disk; with --quick 5 minutes and 2 GB. After 40 minutes (10) it gives up.
"""
import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JAVA = os.path.join(ROOT, "tests", "clients", "java")
sys.path.insert(0, JAVA)
from kafka_jvm import Jars  # noqa: E402

import wire  # noqa: E402
from load import Load  # noqa: E402
from servers import Kafka, Tidemill  # noqa: E402

NEVER = str(2**63 - 1)
# What a topic is told so that both servers promise the same.
DURABILITY = {
    "system": {"kafka": {}, "tidemill": {"flush.messages": NEVER}},
    "acknowledged": {"kafka": {"flush.messages": "1"}, "tidemill": {}},
}
SIZES = (100, 1024)
PARTITIONS = (1, 16, 256)


class Bench:
    """What was measured: figures of a row and a server, one a round."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.jars = Jars(options.java)
        self.load = Load(self.jars, folder)
        self.rows = defaultdict(list)
        self.topics = 0

    def server(self, name):
        """A server with an empty folder."""
        return Kafka(self.folder, self.jars) if name == "kafka" else Tidemill(self.folder, self.options.binary)

    def note(self, row, server, figure):
        """Keeps a figure."""
        self.rows[row, server.name].append(figure)

    def topic(self, server, partitions, settings):
        """A new topic, ready for use; the disk is quiet then."""
        self.topics += 1
        name = f"topic-{self.topics}"
        os.sync()
        wire.create_topic(server.address, name, partitions, settings)
        return name

    def throughput(self, name):
        """Every row of throughput of one server."""
        server = self.server(name)
        try:
            self.note("start", server, server.start())
            self.note("resident after the start", server, server.resident_mebibytes())
            self.warm(server)
            for durability, settings in DURABILITY.items():
                for partitions in PARTITIONS:
                    for size in SIZES:
                        self.throughput_row(server, durability, settings[name], partitions, size)
            self.note("resident after the load", server, server.resident_mebibytes())
        finally:
            server.stop()

    def warm(self, server):
        """Until the code of both sides is compiled: a JVM on one core takes its time."""
        end = time.monotonic() + self.options.warm_seconds
        rounds = 0
        while time.monotonic() < end or rounds == 0:
            for partitions in PARTITIONS:
                for size in SIZES:
                    topic = self.topic(server, partitions, {})
                    self.load.produce(server, topic, size, 10_000_000 // size)
                    self.load.fetch(server, topic, 10_000_000 // size)
                    wire.delete_topic(server.address, topic)
            rounds += 1

    def throughput_row(self, server, durability, settings, partitions, size):
        count = 4_000_000 // size
        for _ in range(4):
            topic = self.topic(server, partitions, settings)
            produced = self.load.produce(server, topic, size, count)
            lasted = count / produced.records_per_second
            if self.options.seconds <= 2 * lasted or self.options.row_bytes <= count * size:
                break
            # Too short to say much: the next one is as long as this one's rate says.
            wire.delete_topic(server.address, topic)
            count = int(min(produced.records_per_second * self.options.seconds, self.options.row_bytes / size))
        self.note(("produce", durability, partitions, size), server, produced)
        print(f"  {server.name} {durability} {partitions} x {size} B: {produced}", file=sys.stderr)
        if durability == "system":
            fetched = self.load.fetch(server, topic, count)
            self.note(("fetch", partitions, size), server, fetched)
            print(f"  {server.name} fetch {partitions} x {size} B: {fetched}", file=sys.stderr)
        wire.delete_topic(server.address, topic)

    def latency(self, name):
        """Latencies with both at the same rate, half of what the slower one can."""
        server = self.server(name)
        try:
            server.start()
            for durability, settings in DURABILITY.items():
                rate = self.half_of_the_slower(durability)
                topic = self.topic(server, 16, settings[name])
                self.load.produce(server, topic, 1024, int(3 * rate), rate, linger=0)
                measured = self.load.produce(server, topic, 1024, int(2 * self.options.seconds * rate), rate, linger=0)
                self.note(("latency", durability), server, measured)
                wire.delete_topic(server.address, topic)
        finally:
            server.stop()

    def half_of_the_slower(self, durability):
        """Records of 1 KiB a second into 16 partitions."""
        row = ("produce", durability, 16, 1024)
        return int(min(self.median(row, name, lambda it: it.records_per_second) for name in ("kafka", "tidemill")) / 2)

    def restart(self, name):
        """A start after a kill with much in the log; then one with many partitions, which are idle."""
        server = self.server(name)
        try:
            server.start()
            stored = self.load.fill(server, "large", 16, self.options.gibibytes)
            server.kill()
            begun = time.monotonic()
            server.start()
            while wire.records(server.address, "large", 16) != stored:
                assert time.monotonic() - begun < 120, "what was acknowledged is not there"
                time.sleep(0.005)
            self.note("restart after kill -9", server, time.monotonic() - begun)
            wire.delete_topic(server.address, "large")
            self.topic(server, 2000, {})
            time.sleep(5)
            before, begun = server.cpu_seconds(), time.monotonic()
            time.sleep(10)
            self.note("idle", server, 100 * (server.cpu_seconds() - before) / (time.monotonic() - begun))
            self.note("resident with 2,000 partitions", server, server.resident_mebibytes())
            server.kill()
            self.note("restart with 2,000 partitions", server, server.start())
        finally:
            server.stop()

    def median(self, row, name, figure=lambda it: it):
        """The middle of a row's figures over the rounds."""
        return statistics.median(map(figure, self.rows[row, name]))

    def pair(self, row, figure=lambda it: it):
        """Kafka's and Tidemill's."""
        return [self.median(row, name, figure) for name in ("kafka", "tidemill")]


def tables(bench):
    """What was measured, as Markdown."""
    labels = {"system": ("neither flushes by itself", "system", "system"), "acknowledged": ("both flush before they answer", "acknowledged", "acknowledged"),
              "defaults": ("their defaults, which are unequal: only Tidemill flushes", "system", "acknowledged")}
    print("| produce, `acks=all` | record | partitions | Kafka MiB/s | Tidemill MiB/s | Kafka records/s | Tidemill records/s | ratio | Kafka CPU us/record | Tidemill CPU us/record |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for label, of_kafka, of_tidemill in labels.values():
        for partitions in PARTITIONS:
            for size in SIZES:
                rows = {"kafka": ("produce", of_kafka, partitions, size), "tidemill": ("produce", of_tidemill, partitions, size)}
                line(f"{label} | {size} B | {partitions}", bench, rows)
    print("\n| fetch | record | partitions | Kafka MiB/s | Tidemill MiB/s | Kafka records/s | Tidemill records/s | ratio | Kafka CPU us/record | Tidemill CPU us/record |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for partitions in PARTITIONS:
        for size in SIZES:
            line(f"what was written without flushes | {size} B | {partitions}", bench, dict.fromkeys(("kafka", "tidemill"), ("fetch", partitions, size)))
    print("\n| latency, 16 partitions, 1 KiB, no linger | records/s | Kafka p50, p99, p99.9 ms | Tidemill p50, p99, p99.9 ms |")
    print("|---|---|---|---|")
    for durability in DURABILITY:
        spans = [", ".join(str(int(bench.median(("latency", durability), name, figure))) for figure in (lambda it: it.p50, lambda it: it.p99, lambda it: it.p999))
                 for name in ("kafka", "tidemill")]
        print(f"| {labels[durability][0]} | {bench.half_of_the_slower(durability):,} | {spans[0]} | {spans[1]} |")
    print("\n| | Kafka | Tidemill |\n|---|---|---|")
    for row, unit, digits in [("start", "s", 2), ("resident after the start", "MiB", 0), ("resident after the load", "MiB", 0), ("restart after kill -9", "s", 2),
                              ("resident with 2,000 partitions", "MiB", 0), ("restart with 2,000 partitions", "s", 2), ("idle", "% of a core", 2)]:
        kafka, tidemill = bench.pair(row)
        label = {"start": "start, empty", "restart after kill -9": f"restart after `kill -9`, {bench.options.gibibytes} GiB in 16 partitions",
                 "restart with 2,000 partitions": "restart after `kill -9`, 2,000 empty partitions", "idle": "CPU, idle, 2,000 partitions"}.get(row, row)
        print(f"| {label} | {kafka:,.{digits}f} {unit} | {tidemill:,.{digits}f} {unit} |")


def line(label, bench, rows):
    """One row of throughput."""
    megabytes, records, cpu = ([bench.median(rows[name], name, figure) for name in ("kafka", "tidemill")] for figure in
                               (lambda it: it.megabytes_per_second, lambda it: it.records_per_second, lambda it: it.cpu_microseconds))
    print(f"| {label} | {megabytes[0]:,.1f} | {megabytes[1]:,.1f} | {records[0]:,.0f} | {records[1]:,.0f} | {records[1] / records[0]:.2f} | {cpu[0]:.2f} | {cpu[1]:.2f} |")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of short rows")
    parser.add_argument("--rounds", type=int, help="rounds of throughput, each of both servers (2; quick 1)")
    parser.add_argument("--binary", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", "tidemill"))
    parser.add_argument("--folder", help="where the data of both goes while they run (a temporary folder)")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 2)
    options.seconds, options.row_bytes, options.gibibytes, options.warm_seconds = (2, 256 << 20, 1, 10) if options.quick else (6, 1 << 30, 4, 40)
    options.java = os.path.join(os.environ.get("TIDEMILL_CLIENTS_HOME", os.path.expanduser("~/.cache/tidemill-clients")), "java")
    if not os.access(options.binary, os.X_OK):
        parser.error(f"{options.binary} is not there: cargo build --release, or --binary")
    if shutil.which("taskset") is None or os.cpu_count() < 2:
        parser.error("taskset and two cores are needed")
    return options


def main():
    options = parse()
    subprocess.run([os.path.join(JAVA, "fetch"), options.java], check=True)
    # Whoever ends it, and whatever hangs: both servers and their data go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    signal.signal(signal.SIGALRM, lambda *_: sys.exit("it took too long"))
    signal.alarm(600 if options.quick else 2400)
    begun, before = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench = Bench(options, folder)
        names = ["kafka", "tidemill"]
        for _ in range(options.rounds):
            for name in names:
                bench.throughput(name)
            names.reverse()
        for name in names:
            bench.latency(name)
        for name in names:
            bench.restart(name)
        bench.load.close()
    print(f"{options.rounds} rounds, {options.seconds} s a row, {time.monotonic() - begun:.0f} s in all; load of the machine before: {before:.2f}\n")
    tables(bench)


main()
