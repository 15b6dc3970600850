"""Apache Kafka's own programs from the folder that `fetch` made: its tools, one after the other in one JVM, and others in JVMs of their own."""
import os
import struct
import subprocess
import threading
from typing import NamedTuple

TOOLS = {
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-streams-application-reset": "org.apache.kafka.tools.StreamsResetter",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
}
# The log of clients and brokers goes to standard error.
LOGGING = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


class Ended(NamedTuple):
    """What a tool left: its exit status, what it printed, what it printed as errors."""
    status: int
    output: str
    errors: str


class Jars:
    """The folder that `fetch` made."""

    def __init__(self, folder):
        with open(os.path.join(folder, "classpath"), encoding="utf-8") as file:
            jars = file.read().strip().split(os.pathsep)
        self.fresh = [jar for jar in jars if os.path.basename(jar).startswith("kafka-tools-")]
        self.jars = jars
        self.classes = os.path.join(folder, "classes")

    def command(self, main, *arguments, options=(), without=()):
        """The command line of a JVM."""
        path = [self.classes] + [jar for jar in self.jars if jar not in without]
        return ["java", *options, *LOGGING, "-cp", os.pathsep.join(path), main, *arguments]


class Tools:
    """A JVM in which tools run one after the other, against one server."""

    def __init__(self, jars, server, prefix=()):
        self.server = server
        options = ["-Xmx512m", "-XX:TieredStopAtLevel=1"] if not prefix else ["-Xmx1g"]
        command = jars.command("Tools", *jars.fresh, options=options, without=jars.fresh)
        self.process = subprocess.Popen([*prefix, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, tool, *arguments, text="", seconds=60):
        """Runs a tool to its end; one that takes longer than `seconds` ends the JVM, and so the test."""
        timer = threading.Timer(seconds, self.process.kill)
        timer.start()
        try:
            texts = [TOOLS[tool], text, *arguments]
            request = struct.pack(">i", len(texts))
            for one in texts:
                data = one.encode()
                request += struct.pack(">i", len(data)) + data
            self.process.stdin.write(request)
            self.process.stdin.flush()
            return Ended(self._number(), self._text(), self._text())
        except (EOFError, BrokenPipeError) as error:
            raise TimeoutError(f"{tool} {' '.join(arguments)} ended the JVM, or did not end within {seconds} s") from error
        finally:
            timer.cancel()

    def ask(self, tool, *arguments, **how):
        """What a tool prints that succeeds; most are told the server in the same way."""
        ended = self.run(tool, "--bootstrap-server", self.server, *arguments, **how)
        if ended.status != 0:
            raise AssertionError(f"{tool} {' '.join(arguments)} ended with {ended.status}:\n{ended.output}\n{ended.errors}")
        return ended.output

    def close(self):
        """Ends the JVM."""
        self.process.stdin.close()
        self.process.wait(20)

    def _number(self):
        return struct.unpack(">i", self._bytes(4))[0]

    def _text(self):
        return self._bytes(self._number()).decode(errors="replace")

    def _bytes(self, size):
        data = self.process.stdout.read(size)
        if len(data) < size:
            raise EOFError
        return data
