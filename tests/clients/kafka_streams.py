"""Kafka Streams counts words against the server, exactly once under `kill -9` too: KAFKA=host:port KAFKA_JAVA=folder kafka_streams.py"""
import atexit
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "java"))
from kafka_jvm import Jars, Tools  # noqa: E402

PREFIX = "streams-" + uuid.uuid4().hex[:6]
PARTITIONS = 3
WORDS = [f"word{number}" for number in range(40)]
random.seed(1)
jars = Jars(os.environ["KAFKA_JAVA"])
tools = Tools(jars, os.environ["KAFKA"])


class Application:
    """A word count in a JVM of its own."""

    def __init__(self, name, guarantee, state):
        self.id = f"{PREFIX}-{name}"
        self.input, self.output = self.id + "-lines", self.id + "-counts"
        for one in [self.input, self.output]:
            tools.ask("kafka-topics", "--create", "--topic", one, "--partitions", str(PARTITIONS))
        self.arguments = [tools.server, self.id, self.input, self.output, guarantee, state]
        self.process = None
        self.counts = dict.fromkeys(WORDS, 0)

    def start(self):
        options = ["-Xmx512m", "-XX:TieredStopAtLevel=1"]
        atexit.register(self.kill)
        self.process = subprocess.Popen(jars.command("WordCount", *self.arguments, options=options), stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line.strip() == "RUNNING":
                return
        raise AssertionError("the application ended before it ran")

    def kill(self):
        atexit.unregister(self.kill)
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) in (0, 143), self.process.returncode
        atexit.unregister(self.kill)

    def write(self, lines):
        made = [random.choices(WORDS, k=8) for _ in range(lines)]
        for words in made:
            for word in words:
                self.counts[word] += 1
        text = "".join(f"{number}|{' '.join(words)}\n" for number, words in enumerate(made))
        ended = tools.run("kafka-console-producer", "--bootstrap-server", tools.server, "--topic", self.input,
                          "--property", "parse.key=true", "--property", "key.separator=|", text=text)
        assert ended.status == 0, ended

    def written(self):
        """Records of the output, markers and open transactions included."""
        return sum(int(line.rsplit(":", 1)[1]) for line in tools.ask("kafka-get-offsets", "--topic", self.output).split())

    def wait_until_done(self):
        """Until its group has no lag: with exactly once, the counts are committed then too."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            described = tools.ask("kafka-consumer-groups", "--describe", "--group", self.id)
            rows = [line.split() for line in described.splitlines() if line.startswith(self.id)]
            if len(rows) == 2 * PARTITIONS and all(row[5] == "0" for row in rows):
                return
        raise AssertionError(f"{self.id} still lags:\n{described}")

    def read(self):
        """The counts of each word, in the order in which they were written."""
        ended = tools.run("kafka-console-consumer", "--bootstrap-server", tools.server, "--topic", self.output, "--from-beginning", "--timeout-ms", "4000",
                          "--isolation-level", "read_committed", "--property", "print.key=true",
                          "--value-deserializer", "org.apache.kafka.common.serialization.LongDeserializer")
        found = {word: [] for word in WORDS}
        for line in ended.output.splitlines():
            if "\t" in line:
                word, count = line.split("\t")
                found[word].append(int(count))
        return found


def at_least_once(folder):
    application = Application("least", "at_least_once", folder)
    application.write(100)
    application.start()
    application.wait_until_done()
    members = tools.ask("kafka-consumer-groups", "--describe", "--group", application.id, "--members", "--verbose")
    assert application.id + "-lines" in members, members
    application.stop()
    application.write(50)
    application.start()
    application.wait_until_done()
    application.stop()
    found = {word: max(counts, default=0) for word, counts in application.read().items()}
    assert found == application.counts, (found, application.counts)


def exactly_once(folder):
    application = Application("exactly", "exactly_once_v2", folder)
    application.write(200)
    application.start()
    # Killed within its work, which goes on meanwhile; what it leaves open is aborted by the next one.
    for _ in range(2):
        before = application.written()
        application.write(300)
        while application.written() == before:
            pass
        application.kill()
        application.start()
    application.wait_until_done()
    application.stop()
    found = application.read()
    for word, count in application.counts.items():
        assert found[word] == list(range(1, count + 1)), (word, count, found[word])


for check in [at_least_once, exactly_once]:
    with tempfile.TemporaryDirectory() as state:
        check(state)
    print("ok", check.__name__, file=sys.stderr)
tools.close()
