#!/usr/bin/env python3
"""Point reads of a view by its key, beside PostgreSQL's by primary key, in one run.

Both servers get the same rows and the same statement. Each runs alone on one core, pgbench on another, in turns; what is
printed is the median of the rounds. PostgreSQL 15 (server and pgbench) is the installed one, or comes from Debian's packages
into --cache. As root the PostgreSQL server runs as `nobody`.

    cargo build --release && benches/pgbench.py --tidemill target/release/tidemill
"""

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGES = ["postgresql-15", "postgresql-client-15", "libpq5", "libllvm14"]
MODES = ["simple", "extended", "prepared"]
SCRIPT = "\\set id random(1, {rows})\nSELECT id, amount, visits, name FROM accounts WHERE id = :id;\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tidemill", default="target/release/tidemill", help="the server's binary")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=5, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", default="1,16")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--cores", default="0,1", help="the server's and pgbench's")
    parser.add_argument("--cache", default=os.path.expanduser("~/.cache/tidemill-postgresql"))
    parser.add_argument("--only-tidemill", action="store_true", help="no peer: for profiles")
    return parser.parse_args()


def postgresql(cache):
    """The folder of PostgreSQL 15's programs, and what they need in their environment."""
    installed = Path("/usr/lib/postgresql/15/bin")
    if (installed / "postgres").exists():
        return installed, {}
    unpacked = Path(cache) / "root"
    if not unpacked.exists():
        Path(cache).mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=cache, check=True)
        for package in Path(cache).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=True)
    libraries = ":".join(str(folder) for folder in unpacked.glob("usr/lib/*-linux-gnu"))
    return unpacked / "usr/lib/postgresql/15/bin", {"LD_LIBRARY_PATH": libraries}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server on a core of its own."""

    def __init__(self, name, command, port, user, env, core):
        self.name, self.port, self.user, self.env = name, port, user, {**os.environ, **env}
        self.process = subprocess.Popen(
            ["taskset", "-c", core, *command], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(600):
            if self.process.poll() is not None:
                sys.exit(f"{name} ended with {self.process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        else:
            sys.exit(f"{name} does not listen")

    def psql(self, bin_folder, database, text, source=None):
        command = [str(bin_folder / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "-qAt"]
        command += ["-v", "ON_ERROR_STOP=1", "-d", database, "-c", text]
        answer = subprocess.run(command, env=self.env, stdin=source, stdout=subprocess.PIPE, check=True, text=True)
        return answer.stdout.strip()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)


def start_postgresql(bin_folder, env, folder, core):
    folder.mkdir()
    as_nobody = []
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
        as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    data, port = folder / "data", free_port()
    initdb = [*as_nobody, str(bin_folder / "initdb"), "-D", str(data), "-U", "bench", "-A", "trust", "-E", "UTF8"]
    subprocess.run([*initdb, "--locale=C"], env={**os.environ, **env}, check=True, stdout=subprocess.DEVNULL)
    settings = {"shared_buffers": "512MB", "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
    flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
    command = [*as_nobody, str(bin_folder / "postgres"), "-D", str(data), *flags]
    return Server("postgresql", command, port, "bench", env, core)


def start_tidemill(binary, folder, core):
    port = free_port()
    command = [binary, "server", "--data-dir", str(folder), "--pg-listen", f"127.0.0.1:{port}"]
    command += ["--kafka-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]
    return Server("tidemill", command, port, "bench", {}, core)


def load(server, bin_folder, database, data, rows):
    columns = "id BIGINT{key}, amount BIGINT, name TEXT"
    with open(data) as source:
        if server.name == "postgresql":
            table = "CREATE TABLE accounts (id BIGINT PRIMARY KEY, amount BIGINT, visits BIGINT, name TEXT)"
            server.psql(bin_folder, database, table)
            server.psql(bin_folder, database, "CREATE TABLE raw (" + columns.format(key="") + ")")
            server.psql(bin_folder, database, "COPY raw FROM STDIN (FORMAT csv)", source)
            fill = "INSERT INTO accounts SELECT id, sum(amount), count(*), max(name) FROM raw GROUP BY id"
            server.psql(bin_folder, database, fill)
            server.psql(bin_folder, database, "VACUUM (ANALYZE) accounts")
            server.psql(bin_folder, database, "CHECKPOINT")
            return
        server.psql(bin_folder, database, "CREATE STREAM raw (" + columns.format(key=" KEY") + ")")
        view = "CREATE MATERIALIZED VIEW accounts AS SELECT id, CAST(sum(amount) AS BIGINT) AS amount, "
        view += "count(*) AS visits, max(name) AS name FROM raw GROUP BY id"
        server.psql(bin_folder, database, view)
        server.psql(bin_folder, database, "COPY raw FROM STDIN (FORMAT csv)", source)
        for _ in range(600):
            if server.psql(bin_folder, database, "SELECT count(*) FROM accounts") == str(rows):
                return
            time.sleep(0.5)
        sys.exit("the view does not have its rows")


def transactions_per_second(server, bin_folder, database, script, mode, clients, seconds, core):
    command = ["taskset", "-c", core, str(bin_folder / "pgbench"), "-n", "-f", str(script), "-M", mode]
    command += ["-c", str(clients), "-j", "1", "-T", str(seconds), "-h", "127.0.0.1", "-p", str(server.port)]
    command += ["-U", server.user, database]
    told = subprocess.run(command, env=server.env, capture_output=True, text=True)
    if told.returncode != 0 or "failed transactions: 0 " not in told.stdout:
        sys.exit(f"{server.name}: {told.stdout}{told.stderr}")
    line = next(line for line in told.stdout.splitlines() if line.startswith("tps = "))
    return float(line.split()[2])


def main():
    given = arguments()
    server_core, client_core = given.cores.split(",")
    bin_folder, env = postgresql(given.cache)
    folder = Path(tempfile.mkdtemp(prefix="tidemill-pgbench-"))
    folder.chmod(0o755)
    servers = []
    try:
        data, script = folder / "rows.csv", folder / "point.sql"
        script.write_text(SCRIPT.format(rows=given.rows))
        with open(data, "w") as out:
            out.writelines(f"{number},{number % 1000},name of {number}\n" for number in range(1, given.rows + 1))
        servers.append((start_tidemill(given.tidemill, folder / "tidemill", server_core), "tidemill"))
        if not given.only_tidemill:
            servers.append((start_postgresql(bin_folder, env, folder / "postgresql", server_core), "postgres"))
        for server, database in servers:
            load(server, bin_folder, database, data, given.rows)
        print(f"{given.rows} rows, {given.rounds} rounds of {given.seconds} s, transactions/s", flush=True)
        for mode in given.modes.split(","):
            for clients in map(int, given.clients.split(",")):
                figures = {server.name: [] for server, _ in servers}
                for _ in range(given.rounds):
                    for server, database in servers:
                        figures[server.name].append(
                            transactions_per_second(
                                server, bin_folder, database, script, mode, clients, given.seconds, client_core
                            )
                        )
                medians = {name: statistics.median(values) for name, values in figures.items()}
                told = ", ".join(f"{name} {median:.0f}" for name, median in medians.items())
                ratio = medians["tidemill"] / medians["postgresql"] if len(medians) == 2 else float("nan")
                print(f"{mode}, {clients} clients: {told}, ratio {ratio:.2f}", flush=True)
    finally:
        for server, _ in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
