"""psycopg 3: parameters and results as text and binary, cursors, COPY, a push query row by row, cancel."""

import datetime as dt
import decimal
import os
import threading
import uuid

import psycopg

NOW = dt.datetime(2026, 3, 1, 12, 30, 15, 250000)


def check(what: str, wanted, got) -> None:
    assert wanted == got, f"{what}: wanted {wanted!r}, got {got!r}"


def uuids_and_binary_copy(connection) -> None:
    connection.execute("CREATE TABLE py3_marks (id UUID PRIMARY KEY, name VARCHAR(9), n INT)")
    one = uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
    connection.execute("INSERT INTO py3_marks VALUES (%s, %s, %s)", (one, "one", 1))
    for binary in (False, True):
        got = connection.cursor(binary=binary).execute("SELECT * FROM py3_marks WHERE id = %s", (one,)).fetchone()
        check(f"a UUID, binary={binary}", (one, "one", 1), got)
    check("an array of UUIDs", ("one",), connection.execute("SELECT name FROM py3_marks WHERE id = ANY(%s)", ([one],)).fetchone())
    with connection.cursor().copy("COPY py3_marks FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["uuid", "varchar", "int4"])
        for number in range(1000):
            copy.write_row((uuid.UUID(int=number), f"n{number}", number))
    with connection.cursor().copy("COPY (SELECT n, name FROM py3_marks ORDER BY n, name) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int4", "varchar"])
        check("binary COPY both ways", sorted([(number, f"n{number}") for number in range(1000)] + [(1, "one")]), list(copy.rows()))
    try:
        connection.execute("INSERT INTO py3_marks VALUES (%s)", (one,))
        raise AssertionError("a key was taken twice")
    except psycopg.errors.UniqueViolation as error:
        check("the constraint", ("py3_marks", "py3_marks_pkey"), (error.diag.table_name, error.diag.constraint_name))
    check("who it is", connection.info.backend_pid, connection.execute("SELECT pg_backend_pid()").fetchone()[0])


def main() -> None:
    with psycopg.connect(autocommit=True) as connection:
        connection.execute(
            "CREATE STREAM IF NOT EXISTS py3 (k TEXT KEY, b BOOLEAN, i INT, l BIGINT, d DOUBLE, n DECIMAL(12,2), t TEXT,"
            " y BYTES, da DATE, ti TIME, ts TIMESTAMP) WITH (kafka_topic = 'py3', value_format = 'JSON', partitions = 2)"
        )
        row = ("k1", True, -4, 2**53 + 1, 0.1, decimal.Decimal("12.50"), "ünï\t\"q\" \\", b"\x00\xff", NOW.date(), NOW.time(), NOW)
        marks = ", ".join(["%s"] * len(row))
        connection.execute(f"INSERT INTO py3 VALUES ({marks})", row)
        connection.execute("INSERT INTO py3 (k) VALUES (%s)", ("k2",))
        for binary in (False, True):
            cursor = connection.cursor(binary=binary)
            cursor.execute("SELECT * FROM py3 WHERE k = %s", ("k1",))
            check(f"all types, binary={binary}", row, cursor.fetchone())
            cursor.execute("SELECT * FROM py3 WHERE k = %s", ("k2",))
            check(f"all nulls, binary={binary}", ("k2",) + (None,) * 10, cursor.fetchone())
        with connection.cursor().copy("COPY py3 (k, i) FROM STDIN") as copy:
            for number in range(1000):
                copy.write_row((f"c{number}", number))
        check("rows after COPY", (1000, 999 * 500), connection.execute("SELECT count(*), sum(i) FROM py3 WHERE k LIKE 'c%'").fetchone())
        with connection.transaction():
            with connection.cursor("named") as cursor:
                cursor.execute("SELECT i FROM py3 WHERE k LIKE 'c%' ORDER BY i")
                check("a named cursor", list(range(1000)), [number for (number,) in cursor])
        with connection.cursor().copy("COPY (SELECT i FROM py3 WHERE k = 'c7') TO STDOUT (FORMAT csv, HEADER)") as copy:
            check("COPY TO", b"i\n7\n", b"".join(bytes(part) for part in copy))
        try:
            connection.execute("SELECT 1/0")
            raise AssertionError("1/0 has an answer")
        except psycopg.errors.DivisionByZero:
            pass

        many = decimal.Decimal("-12345678901234567890.123456789012345678")
        for kind in ("%s", "%t", "%b"):
            for binary in (False, True):
                got = connection.cursor(binary=binary).execute(f"SELECT {kind}, {kind}::numeric", (many, many)).fetchone()
                check(f"a decimal as {kind}, binary={binary}", (many, many), got)
        connection.execute("SET auto_offset_reset = 'earliest'")
        found = connection.execute("SELECT k FROM py3 WHERE n < %s AND t LIKE %s EMIT CHANGES LIMIT %s", (many.copy_abs(), "ünï%", 1))
        check("a push query with parameters", [("k1",)], found.fetchall())

        uuids_and_binary_copy(connection)
    push()
    print("psycopg 3 is served")


def push() -> None:
    """A push query's rows come one by one; cancel ends it and the connection lives on."""
    with psycopg.connect(autocommit=True) as listener, psycopg.connect(autocommit=True) as writer:
        seen = threading.Event()

        def write() -> None:
            number = 0
            while not seen.wait(0.05):
                number += 1
                writer.execute("INSERT INTO py3 (k, i) VALUES ('push', %s)", (number,))

        thread = threading.Thread(target=write)
        thread.start()
        rows = []
        try:
            for row in listener.cursor().stream("SELECT k, i FROM py3 WHERE k = 'push' EMIT CHANGES"):
                rows.append(row)
                if len(rows) == 3:
                    seen.set()
                    listener.cancel()
        except psycopg.errors.QueryCanceled:
            pass
        finally:
            seen.set()
            thread.join()
        assert len(rows) >= 3 and rows == sorted(rows), rows
    with psycopg.connect(autocommit=True) as again:
        check("a new connection", (1,), again.execute("SELECT 1").fetchone())


if __name__ == "__main__":
    assert os.environ.get("PGPORT"), "PGHOST, PGPORT and PGUSER say where the server is"
    main()
