//! INSERT, SELECT, COPY over topics.

use std::time::Duration;

use super::harness::World;

#[tokio::test]
async fn rows_are_read_back_with_their_types() {
    let mut client = World::new().await.session();
    client
        .expect(
            "CREATE STREAM p (id TEXT KEY, n INT, big BIGINT, d DOUBLE, amount DECIMAL(12,2), b BOOLEAN, raw BYTES,
               day DATE, at TIME, ts TIMESTAMP, tz TIMESTAMPTZ) WITH (partitions = 3)",
            "CREATE STREAM",
        )
        .await;
    client
        .expect(
            "INSERT INTO p VALUES ('a', 1, -9000000000, 1.5, 12.345, true, '\\x0102', '2024-02-29', '01:02:03.5',
               '2024-01-02 03:04:05.678901', '2024-01-02 03:04:05+02'), ('b', 2 + 3, NULL, -0.5, 7, 1 = 2, NULL, NULL,
               NULL, NULL, NULL)",
            "INSERT 0 2",
        )
        .await;
    client
        .expect(
            "SELECT * FROM p ORDER BY id",
            "a|1|-9000000000|1.5|12.35|t|\\x0102|2024-02-29|01:02:03.5|2024-01-02 03:04:05.678901|2024-01-02 01:04:05+00\n\
             b|5|NULL|-0.5|7.00|f|NULL|NULL|NULL|NULL|NULL",
        )
        .await;
    client
        .expect("SET TimeZone = 'Europe/Berlin'; SELECT tz FROM p WHERE id = 'a'", "SET\n2024-01-02 02:04:05+01")
        .await;
}

#[tokio::test]
async fn a_table_has_the_newest_row_of_each_key() {
    let mut client = World::new().await.session();
    client.expect("CREATE TABLE t (id INT PRIMARY KEY, v TEXT) WITH (partitions = 2)", "CREATE TABLE").await;
    client
        .expect("INSERT INTO t VALUES (1, 'a'), (2, 'b'); UPDATE t SET v = 'c' WHERE id = 1", "INSERT 0 2\nUPDATE 1")
        .await;
    client.expect("SELECT * FROM t ORDER BY id", "1|c\n2|b").await;
    client.expect("SELECT count(*), max(v) FROM t WHERE id < 2", "1|c").await;
    client.expect("INSERT INTO t SELECT id + 10, upper(v) FROM t", "INSERT 0 2").await;
    client.expect("SELECT v FROM t ORDER BY id", "c\nb\nC\nB").await;
}

#[tokio::test]
async fn copy_reads_what_copy_writes() {
    let mut client = World::new().await.session();
    client.expect("CREATE STREAM s (a TEXT, n INT)", "CREATE STREAM").await;
    let data = "x,1\n\"with,comma \"\"q\"\"\",2\n,\n";
    let tag = client.copy_in("COPY s FROM STDIN (FORMAT csv)", &[&data[..5], &data[5..]]).await;
    assert_eq!(tag.expect("it fits"), "COPY 3");
    client.expect("COPY (SELECT a, n FROM s ORDER BY n) TO STDOUT (FORMAT csv)", data).await;
    client.expect("COPY s (n) TO STDOUT (FORMAT csv, HEADER, NULL '-')", "n\n1\n2\n-\n").await;
    let error = client.copy_in("COPY s FROM STDIN", &["a\tb\n"]).await.expect_err("not a number");
    assert_eq!((error.state().0, error.detail_text()), ("22P02", Some("COPY, line 1.")));
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let world = World::new().await;
    let mut client = world.session();
    client
        .expect(
            "CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a')",
            "CREATE TABLE\nINSERT 0 1",
        )
        .await;
    drop(client);
    let mut client = world.restart().await.session();
    client.expect("SELECT * FROM t", "1|a").await;
}

#[tokio::test]
async fn names_of_types_are_there_after_a_restart_and_mean_what_they_mean_then() {
    let world = World::new().await;
    let mut client = world.session();
    // Both statements are parsed before the first one runs.
    let made = "CREATE TYPE place AS STRUCT<x INT, y INT>; CREATE TABLE t (id INT PRIMARY KEY, at place)";
    client.expect(made, "CREATE TYPE\nCREATE TABLE").await;
    client.expect("CREATE TYPE gone AS INT; DROP TYPE gone", "CREATE TYPE\nDROP TYPE").await;
    client.expect("INSERT INTO t VALUES (1, STRUCT(x := 1, y := 2)::place)", "INSERT 0 1").await;
    client.expect("CREATE TABLE o AS SELECT id, at::place AS at FROM t", "CREATE TABLE").await;
    drop(client);
    let world = world.restart().await;
    let mut client = world.session();
    client.expect("SHOW TYPES", "place|STRUCT<\"x\" INT, \"y\" INT>").await;
    client.expect("DROP TYPE place; CREATE TYPE place AS INT", "DROP TYPE\nCREATE TYPE").await;
    drop(client);
    let world = world.restart().await;
    let mut client = world.session();
    world.drive().await;
    client.expect("SELECT at->y, '7'::place + 1 FROM o", "2|8").await;
    let error = client.refuse("DROP TYPE plaec", "42704", "type \"plaec\" does not exist").await;
    assert_eq!(error.hint_text(), Some("Did you mean \"place\"?"));
    client.expect("SELECT state FROM tidemill.queries", "RUNNING").await;
}

#[tokio::test]
async fn settings_are_shown_and_set() {
    let mut client = World::new().await.session();
    client.expect("SHOW server_version_num", "150000").await;
    client
        .expect(
            "SET compatibility = 'ksqldb'; SHOW compatibility; RESET ALL; SHOW compatibility",
            "SET\nksqldb\nRESET\npostgres",
        )
        .await;
    let error = client.refuse("SHOW nosuch", "42704", "unrecognized configuration parameter \"nosuch\"").await;
    assert_eq!(error.hint_text(), None);
}

#[tokio::test]
async fn what_clients_and_pools_say_in_passing_has_an_answer() {
    let mut client = World::new().await.session();
    client.expect("SELECT pg_advisory_unlock_all()", "").await;
    client.expect("SET SESSION AUTHORIZATION DEFAULT; SHOW lc_collate; SHOW lc_ctype", "SET\nC\nC.UTF-8").await;
    client.expect("SELECT $$it's$$ AS said", "it's").await;
    let statement = client.session.parse("SELECT pg_sleep(0)").expect("it is a statement").remove(0);
    let described = client.session.describe(&statement, &[]).await.expect("it is planned");
    assert_eq!(described.fields.expect("it gives rows")[0].name, "pg_sleep");
}

/// Who waited for what was written would wait for ever.
#[tokio::test]
async fn a_wait_for_a_view_ends_when_its_query_is_stopped() {
    let world = World::new().await;
    let (mut reader, mut other) = (world.session(), world.session());
    reader.expect("CREATE STREAM s (k INT)", "CREATE STREAM").await;
    reader.ask("CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM s GROUP BY k").await.expect("a view");
    reader.expect("SET read_your_writes = on; INSERT INTO s VALUES (1)", "SET\nINSERT 0 1").await;
    let pausing = async {
        other.ask("PAUSE v").await.expect("it is stopped");
        world.advance(Duration::from_secs(1));
    };
    let (answer, ()) = tokio::join!(reader.ask("SELECT n FROM v"), pausing);
    assert_eq!(answer.expect_err("nobody keeps it").state().0, "55000");
    other.ask("RESUME v").await.expect("it goes on");
    let (answer, ()) = tokio::join!(reader.ask("SELECT n FROM v"), world.drive());
    assert_eq!(answer.expect("it is kept again"), "1");
}
