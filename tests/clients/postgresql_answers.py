"""What `tests/sql/postgresql_values.slt`, `postgresql_joins.slt`, `subqueries.slt`, `postgresql_types_meet.slt`, `postgresql_bytes.slt`, `postgresql_json.slt` and `postgresql_type_rules.slt` expect, asked of PostgreSQL 15 itself: they are its answers, not ours.

A block under a comment that begins with `# Here` tells what differs, and is not asked. With `--statements FILE` and a Tidemill server at
PGHOST and PGPORT, each line of the file is asked of both, and what they answer differently is shown.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benches"))

import pgbench  # noqa: E402

FILES = ["postgresql_values", "postgresql_joins", "subqueries", "postgresql_types_meet", "postgresql_bytes", "postgresql_json", "postgresql_type_rules"]


class Asked:
    """A server that is asked by psql."""

    def __init__(self, psql, host, port, user, database, env):
        self.command = [psql, "-X", "-A", "-t", "-F", " ", "-P", "null=NULL", "-v", "VERBOSITY=verbose"]
        self.command += ["-h", host, "-p", str(port), "-U", user, "-d", database]
        self.env = {**os.environ, **env}

    def answer(self, statements):
        """Rows, or the SQLSTATE, of the last of these statements."""
        command = [part for statement in statements for part in ("-c", statement)]
        ended = subprocess.run([*self.command, "-q", *command], capture_output=True, text=True, env=self.env, timeout=60)
        if ended.stderr.startswith("ERROR:"):
            return ended.stderr.split()[1].rstrip(":")
        return ended.stdout.rstrip("\n")


def blocks(path):
    """Each statement with its head and what is expected, and whether it is ours alone."""
    for block in path.read_text().split("\n\n"):
        lines = block.strip("\n").split("\n")
        is_ours = any(line.startswith("# Here") for line in lines)
        lines = [line for line in lines if not line.startswith("#")]
        if lines and lines[0]:
            statement, _, expected = "\n".join(lines[1:]).partition("\n----")
            yield lines[0].split(), statement, expected.strip("\n"), is_ours


def compare(server, path):
    wrong, asked, settings = 0, 0, []
    for head, statement, expected, is_ours in blocks(path):
        if statement.upper().startswith(("SET ", "RESET ")):
            settings.append(statement)
            continue
        if is_ours:
            continue
        found = server.answer([*settings, statement])
        if head[0] == "statement":
            expected = head[2][:5] if head[1] == "error" else ""
            if head[1] == "ok":
                found = "" if statement.upper().startswith("SELECT") else found
        elif "rowsort" in head:
            found, expected = "\n".join(sorted(found.split("\n"))), "\n".join(sorted(expected.split("\n")))
        asked += 1
        if found != expected:
            wrong += 1
            print(f"{path.name}: {statement}\n  PostgreSQL: {found}\n  expected:   {expected}")
    print(f"{path.name}: {asked} asked, {wrong} differ")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", default=os.path.expanduser("~/.cache/tidemill-postgresql"))
    parser.add_argument("--statements", type=Path)
    given = parser.parse_args()
    bin_folder, env = pgbench.postgresql(given.cache)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        server = pgbench.start_postgresql(bin_folder, env, Path(folder) / "postgresql", "0")
        try:
            # The databases and users of the tests.
            admin = Asked(str(bin_folder / "psql"), "127.0.0.1", server.port, "bench", "postgres", env)
            admin.answer(["CREATE ROLE ann SUPERUSER LOGIN"])
            admin.answer(["CREATE DATABASE tidemill"])
            admin.answer(["ALTER DATABASE tidemill SET timezone = 'UTC'"])
            peer = Asked(str(bin_folder / "psql"), "127.0.0.1", server.port, "ann", "tidemill", env)
            if given.statements is None:
                return 1 if sum(compare(peer, ROOT / "tests/sql" / f"{name}.slt") for name in FILES) else 0
            ours = Asked(str(bin_folder / "psql"), os.environ["PGHOST"], os.environ["PGPORT"], "ann", "tidemill", env)
            for statement in given.statements.read_text().splitlines():
                theirs, here = peer.answer([statement]), ours.answer([statement])
                if theirs != here:
                    print(f"{statement}\n  PostgreSQL: {theirs}\n  Tidemill:   {here}")
            return 0
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
