"""The two servers: each a process on one core, with data of its own, on a loopback port of its own."""
import os
import shutil
import socket
import subprocess
import sys
import time

import wire

CORE = "0"
TICKS = os.sysconf("SC_CLK_TCK")


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A server that can be started, killed and measured."""
    name = ""

    def __init__(self, folder):
        self.folder = os.path.join(folder, self.name)
        os.makedirs(self.folder)
        self.address = ("127.0.0.1", _free_port())
        self.process = None

    def start(self):
        """Starts it; how many seconds that takes until clients can begin."""
        begun = time.monotonic()
        with open(self.folder + ".log", "ab") as log:
            self.process = subprocess.Popen(["taskset", "-c", CORE, *self._command()], stdout=log, stderr=log, env=self._environment())
        while not wire.is_serving(self.address):
            if self.process.poll() is not None or time.monotonic() - begun > 120:
                with open(self.folder + ".log", encoding="utf-8", errors="replace") as log:
                    sys.exit(f"{self.name} did not start:\n{log.read()[-2000:]}")
            time.sleep(0.005)
        return time.monotonic() - begun

    def stop(self):
        """Ends it cleanly and takes its data away."""
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self):
        """As a crash of the process."""
        self.process.kill()
        self.process.wait()

    def cpu_seconds(self):
        """The processor time that it has taken since its start."""
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mebibytes(self, which="VmRSS"):
        """Its resident memory now, or the most of it (`VmHWM`)."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith(which + ":"))

    def _command(self):
        raise NotImplementedError

    def _environment(self):
        return dict(os.environ)


class Kafka(Server):
    """Apache Kafka, one node that is broker and controller, with the options of its own start script."""
    name = "kafka"

    def __init__(self, folder, jars):
        super().__init__(folder)
        self.jars = jars
        controller = f"127.0.0.1:{_free_port()}"
        listener = "%s:%d" % self.address
        self.settings = os.path.join(self.folder, "server.properties")
        with open(self.settings, "w", encoding="utf-8") as file:
            file.write("\n".join([
                "process.roles=broker,controller", "node.id=1", f"controller.quorum.voters=1@{controller}",
                f"listeners=PLAINTEXT://{listener},CONTROLLER://{controller}", f"advertised.listeners=PLAINTEXT://{listener}",
                "controller.listener.names=CONTROLLER", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                f"log.dirs={self.folder}/data", "offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1", "group.initial.rebalance.delay.ms=0",
                # The files of a row are gone before the next one begins.
                "log.segment.delete.delay.ms=500", ""]))
        format_it = jars.command("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", self.settings)
        subprocess.run(format_it, check=True, stdout=subprocess.DEVNULL)

    def _command(self):
        options = ["-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
                   "-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true"]
        return self.jars.command("kafka.Kafka", self.settings, options=options)


class Tidemill(Server):
    """Tidemill with its defaults; `memory.limit` is 1 GiB, as Kafka's heap is."""
    name = "tidemill"

    def __init__(self, folder, binary):
        super().__init__(folder)
        self.binary = binary

    def _command(self):
        return [self.binary, "server", "--data-dir", self.folder + "/data", "--pg-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
                "--kafka-listen", "%s:%d" % self.address]

    def _environment(self):
        # The server takes no setting that it does not know.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
        return {**inherited, "TIDEMILL_KAFKA_GROUP_INITIAL_REBALANCE_DELAY": "0 ms"}
