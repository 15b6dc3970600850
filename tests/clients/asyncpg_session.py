"""asyncpg: binary only. Types both ways, prepared statements, a cursor over a portal, a push query, time-out as cancel."""

import asyncio
import datetime as dt
import decimal
import uuid

import asyncpg

NOW = dt.datetime(2026, 3, 1, 12, 30, 15, 250000)


async def main() -> None:
    connection = await asyncpg.connect()
    await connection.execute(
        "CREATE STREAM IF NOT EXISTS apg (k TEXT KEY, b BOOLEAN, i INT, l BIGINT, d DOUBLE, n DECIMAL(12,2), t TEXT,"
        " y BYTES, da DATE, ti TIME, ts TIMESTAMP) WITH (kafka_topic = 'apg', value_format = 'JSON', partitions = 2)"
    )
    row = ("k1", True, -4, 2**53 + 1, 0.1, decimal.Decimal("12.50"), "ünï", b"\x00\xff", NOW.date(), NOW.time(), NOW)
    await connection.execute("INSERT INTO apg VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", *row)
    got = await connection.fetchrow("SELECT * FROM apg WHERE k = $1", "k1")
    assert tuple(got) == row, tuple(got)

    await connection.executemany("INSERT INTO apg (k, i) VALUES ($1, $2)", [(f"c{number}", number) for number in range(100)])
    statement = await connection.prepare("SELECT i FROM apg WHERE i >= $1 AND k LIKE 'c%' ORDER BY i LIMIT $2")
    assert [record["i"] for record in await statement.fetch(90, 5)] == [90, 91, 92, 93, 94]
    async with connection.transaction():
        numbers = [record["i"] async for record in connection.cursor("SELECT i FROM apg WHERE k LIKE 'c%' ORDER BY i", prefetch=7)]
    assert numbers == list(range(100)), numbers

    try:
        await connection.fetch("SELECT i FROM apg EMIT CHANGES", timeout=0.5)
        raise AssertionError("a push query ended by itself")
    except asyncio.TimeoutError:
        pass
    assert await connection.fetchval("SELECT 1") == 1, "the connection lives on after a cancel"
    try:
        await connection.fetch("SELECT nope FROM apg")
        raise AssertionError("a column that is not there has an answer")
    except asyncpg.UndefinedColumnError:
        pass
    many = decimal.Decimal("-12345678901234567890.123456789012345678")
    assert await connection.fetchval("SELECT $1::numeric", many) == many
    assert await connection.fetchval("SELECT k FROM apg WHERE n < $1", decimal.Decimal("12.500000000001")) == "k1"

    # Types that it does not know are those of arrays: it asks for what they are made of.
    assert await connection.fetchval("SELECT count(*) FROM apg WHERE k = ANY($1)", ["c1", "c2"]) == 2
    assert await connection.fetchval("SELECT $1::int[]", [1, None, 3]) == [1, None, 3]
    for array in ("ARRAY['a', NULL]", "ARRAY[true]", "ARRAY[1.50]", "ARRAY[DATE '2024-01-01']", "ARRAY['x'::bytea]"):
        assert len(await connection.fetchval(f"SELECT {array}")) in (1, 2), array
    assert await connection.fetchval("SELECT INTERVAL '1 day 2 hours'") == dt.timedelta(days=1, hours=2)
    late = "SELECT TIMESTAMP '2024-01-03 01:00:00' - TIMESTAMP '2024-01-01'"
    assert await connection.fetchval(late) == dt.timedelta(days=2, hours=1)
    # What it is not told to be a UUID it would send as a text.
    await connection.execute("CREATE TABLE apg_marks (id UUID PRIMARY KEY, n INT)")
    one = uuid.uuid4()
    await connection.execute("INSERT INTO apg_marks VALUES ($1, $2)", one, 1)
    await connection.execute("UPDATE apg_marks SET n = $1 WHERE id = $2", 2, one)
    assert await connection.fetchval("SELECT n FROM apg_marks WHERE id = $1", one) == 2
    assert await connection.fetchval("SELECT $1::uuid", one) == one
    await connection.copy_records_to_table("apg_marks", records=[(uuid.uuid4(), number) for number in range(3, 103)])
    assert await connection.fetchval("SELECT count(*) FROM apg_marks") == 101
    await connection.execute("DELETE FROM apg_marks WHERE id = $1", one)
    await connection.close()

    # A pool resets each connection that comes back to it.
    async with asyncpg.create_pool(min_size=2, max_size=4) as pool:
        numbers = await asyncio.gather(*[pool.fetchval("SELECT $1::int", number) for number in range(20)])
    assert numbers == list(range(20)), numbers
    print("asyncpg is served")


if __name__ == "__main__":
    asyncio.run(main())
