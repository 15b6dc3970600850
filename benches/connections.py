#!/usr/bin/env python3
"""A thousand idle connections, and push subscribers that do not read: what they take, and what others feel of them.

Starts a server on a core of its own; talks to it over plain sockets. Prints the resident memory by connection and the
latency of point reads and INSERTs of one client: alone, beside idle connections, and beside subscribers that stopped
reading while rows come.

    cargo build --release && benches/connections.py --tidemill target/release/tidemill
"""

import argparse
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tidemill", default="target/release/tidemill", help="the server's binary")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--subscribers", type=int, default=10)
    parser.add_argument("--rows", type=int, default=20_000, help="rows that come while the subscribers do not read")
    parser.add_argument("--asks", type=int, default=2000, help="statements for each latency")
    parser.add_argument("--cores", default="0", help="the server's")
    return parser.parse_args()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Connection:
    """One session over the simple protocol."""

    def __init__(self, port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""
        body = b"\0\x03\0\0user\0bench\0database\0tidemill\0\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self.until_ready()

    def send(self, text):
        body = text.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)

    def message(self):
        while True:
            if 5 <= len(self.bytes):
                end = 1 + struct.unpack("!i", self.bytes[1:5])[0]
                if end <= len(self.bytes):
                    taken, self.bytes = self.bytes[:end], self.bytes[end:]
                    return taken[:1], taken[5:]
            more = self.socket.recv(65536)
            if not more:
                sys.exit("the server closed a connection")
            self.bytes += more

    def until_ready(self):
        rows = 0
        while True:
            kind, body = self.message()
            if kind == b"E":
                sys.exit(f"the server says: {body!r}")
            rows += kind == b"D"
            if kind == b"Z":
                return rows

    def ask(self, text):
        self.send(text)
        return self.until_ready()


class Server:
    """The server, and what it takes."""

    def __init__(self, binary, folder, connections, core):
        self.port = free_port()
        config = folder / "tidemill.toml"
        config.write_text(f"[limits]\nconnections_max = {connections + 100}\n")
        command = ["taskset", "-c", core, binary, "server", "--config", str(config), "--data-dir", str(folder / "data")]
        command += ["--pg-listen", f"127.0.0.1:{self.port}", "--kafka-listen", "127.0.0.1:0"]
        command += ["--http-listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if not self.process.stdout.readline():
            sys.exit("the server did not start")

    def resident_kib(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        sys.exit("the server is gone")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)


def latency(connection, statement, asks):
    """The median and the 99th percentile, in milliseconds."""
    taken = []
    for number in range(asks):
        begun = time.perf_counter()
        connection.ask(statement(number))
        taken.append((time.perf_counter() - begun) * 1000)
    taken.sort()
    return statistics.median(taken), taken[int(len(taken) * 0.99)]


def report(name, server, asker, asks):
    read = latency(asker, lambda number: f"SELECT n FROM counts WHERE id = {number % 100}", asks)
    write = latency(asker, lambda number: f"INSERT INTO facts VALUES ({number % 100}, 'x')", asks // 10)
    figures = ", ".join(f"{what} p50 {p50:.2f} ms p99 {p99:.2f} ms" for what, (p50, p99) in [("read", read), ("insert", write)])
    print(f"{name}: {server.resident_kib() / 1024:.0f} MiB, {figures}", flush=True)


def main():
    given = arguments()
    folder = Path(tempfile.mkdtemp(prefix="tidemill-connections-"))
    server = Server(given.tidemill, folder, given.connections + given.subscribers, given.cores)
    try:
        asker = Connection(server.port)
        asker.ask("CREATE STREAM facts (id INT KEY, text TEXT)")
        asker.ask("CREATE MATERIALIZED VIEW counts AS SELECT id, count(*) AS n FROM facts GROUP BY id")
        asker.ask("INSERT INTO facts SELECT g.value, 'x' FROM generate_series(0, 99) AS g(value)")
        asker.ask("SELECT count(*) FROM counts")
        report("alone", server, asker, given.asks)
        before = server.resident_kib()
        idle = [Connection(server.port) for _ in range(given.connections)]
        took = (server.resident_kib() - before) / max(given.connections, 1)
        report(f"{given.connections} connections that said nothing, {took:.1f} KiB each", server, asker, given.asks)
        before = server.resident_kib()
        for connection in idle:
            connection.ask("SELECT n FROM counts WHERE id = 7")
        took = (server.resident_kib() - before) / max(given.connections, 1)
        report(f"after a statement of each, {took:.1f} KiB more each", server, asker, given.asks)
        subscribers = [Connection(server.port, receive_buffer=4096) for _ in range(given.subscribers)]
        for subscriber in subscribers:
            subscriber.send("SELECT * FROM facts EMIT CHANGES")
        before = server.resident_kib()
        begun = time.perf_counter()
        for _ in range(given.rows // 100):
            rows = ", ".join(f"({number}, '{'y' * 500}')" for number in range(100))
            asker.ask(f"INSERT INTO facts VALUES {rows}")
        rate = given.rows / (time.perf_counter() - begun)
        took = (server.resident_kib() - before) / max(given.subscribers, 1)
        name = f"{given.subscribers} subscribers that do not read, {given.rows} rows at {rate:.0f}/s, {took:.0f} KiB each"
        report(name, server, asker, given.asks)
        for connection in idle + subscribers:
            connection.socket.close()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
