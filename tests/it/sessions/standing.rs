//! Standing queries: made, read, restarted, dropped.

use super::harness::World;

const PAYMENTS: &str =
    "CREATE STREAM payments (card_id TEXT KEY, amount DECIMAL(12,2), country TEXT, paid_at TIMESTAMP)
    WITH (timestamp = 'paid_at', partitions = 2)";
const PER_COUNTRY: &str =
    "CREATE TABLE per_country AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM payments
    WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 5 MINUTES) GROUP BY country";
const ROWS: &str = "INSERT INTO payments VALUES ('c1', 12.50, 'DE', '2024-01-01 10:00:00'),
    ('c2', 1, 'FR', '2024-01-01 10:01:00'), ('c3', 2.5, 'DE', '2024-01-01 10:02:00')";
const READ: &str = "SELECT country, windowstart, n, total FROM per_country ORDER BY country";
const ANSWER: &str = "DE|2024-01-01 10:00:00+00|2|15.00\nFR|2024-01-01 10:00:00+00|1|1.00";

#[tokio::test]
async fn a_windowed_view_is_kept_over_a_restart() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect(PAYMENTS, "CREATE STREAM").await;
    client.expect(PER_COUNTRY, "CREATE TABLE").await;
    client.expect(ROWS, "INSERT 0 3").await;
    world.drive().await;
    client.expect(READ, ANSWER).await;
    drop(client);
    let world = world.restart().await;
    let mut client = world.session();
    client.expect(READ, ANSWER).await;
    client.expect("INSERT INTO payments VALUES ('c4', 4, 'FR', '2024-01-01 10:03:00')", "INSERT 0 1").await;
    world.drive().await;
    client.expect("SELECT n, total FROM per_country WHERE country = 'FR'", "2|5.00").await;
    client.expect("SELECT name, state FROM tidemill.queries", "ctas_per_country_1|RUNNING").await;
    client.expect("SELECT sum(lag) FROM tidemill.offsets", "0").await;
}

#[tokio::test]
async fn a_view_whose_state_has_no_bound_is_made_with_a_warning() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect(PAYMENTS, "CREATE STREAM").await;
    client.expect(PER_COUNTRY, "CREATE TABLE").await;
    client
        .expect("CREATE TABLE plain AS SELECT country, COUNT(*) AS n FROM payments GROUP BY country", "CREATE TABLE")
        .await;
    assert_eq!(client.notices(), [], "its groups are bounded by what there is");
    let lists = "CREATE TABLE lists AS SELECT country, COLLECT_LIST(card_id) AS ids FROM payments GROUP BY country";
    client.expect(lists, "CREATE TABLE").await;
    let warning = "operator \"aggregate\": COLLECT_LIST keeps all values of a group for as long as the query is there; a WINDOW would bound them";
    assert_eq!(client.notices(), [("01000", warning.to_string())]);
}

#[tokio::test]
async fn the_system_tables_tell_how_far_a_view_and_its_query_are() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect(PAYMENTS, "CREATE STREAM").await;
    // Grouped by another column than the key: its rows go through a topic of the query's own.
    client.expect(PER_COUNTRY, "CREATE TABLE").await;
    client.expect("CREATE TABLE large AS SELECT * FROM per_country WHERE 1 < n", "CREATE TABLE").await;
    client.expect(ROWS, "INSERT 0 3").await;
    let behind = "SELECT view, topic, sum(lag) FROM tidemill.frontiers GROUP BY 1, 2 ORDER BY 1";
    client.expect(behind, "large|per_country|0\nper_country|payments|3").await;
    world.drive().await;
    let frontiers = "SELECT topic, partition, reflected_offset = readable_end, lag FROM tidemill.frontiers
        WHERE view = 'per_country' ORDER BY partition";
    client.expect(frontiers, "payments|0|t|0\npayments|1|t|0").await;
    client.expect(behind, "large|per_country|0\nper_country|payments|0").await;
    client.expect("SELECT sink, lag FROM tidemill.queries ORDER BY sink", "large|0\nper_country|0").await;
    drop(client);
    let world = world.restart().await;
    let mut client = world.session();
    client.expect(behind, "large|per_country|0\nper_country|payments|0").await;
    client.expect(ROWS, "INSERT 0 3").await;
    client.expect("SELECT sum(lag) FROM tidemill.frontiers", "3").await;
    client.expect("SELECT sink, lag FROM tidemill.queries ORDER BY sink", "large|0\nper_country|3").await;
    world.drive().await;
    client.expect("SELECT sum(lag) FROM tidemill.frontiers", "0").await;
}

#[tokio::test]
async fn what_is_read_cannot_be_dropped_and_what_is_dropped_leaves_nothing() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect(PAYMENTS, "CREATE STREAM").await;
    client.expect(PER_COUNTRY, "CREATE TABLE").await;
    client.refuse("DROP STREAM payments", "2BP01", "cannot drop \"payments\" because queries depend on it").await;
    client
        .refuse("INSERT INTO per_country (country) VALUES ('x')", "42809", "cannot insert into \"per_country\"")
        .await;
    client
        .expect("DROP TABLE per_country DELETE TOPIC; DROP STREAM payments DELETE TOPIC", "DROP TABLE\nDROP STREAM")
        .await;
    client.expect("SELECT name FROM tidemill.topics WHERE name LIKE '%country%' OR name LIKE '__tidemill%'", "").await;
    client.expect("SHOW QUERIES", "").await;
}

#[tokio::test]
async fn dead_letters_are_shown_and_belong_to_the_relation_that_was_read() {
    let world = World::new().await;
    let mut client = world.session();
    // The same topic read as lines of text, which lets anything in.
    client
        .expect("CREATE STREAM lines (line TEXT) WITH (kafka_topic = 'p', value_format = 'KAFKA')", "CREATE STREAM")
        .await;
    client
        .expect(
            "CREATE STREAM p (card TEXT KEY, n INT) WITH (kafka_topic = 'p', value_format = 'JSON')",
            "CREATE STREAM",
        )
        .await;
    client.expect("CREATE STREAM first AS SELECT card, n FROM p", "CREATE STREAM").await;
    client.expect("CREATE STREAM second AS SELECT card, n FROM p", "CREATE STREAM").await;
    client.expect("INSERT INTO lines VALUES ('{not json'), ('{\"n\": \"x\"}'), ('{\"n\": 7}')", "INSERT 0 3").await;
    world.drive().await;
    let letters = "SELECT relation, topic, partition, record_offset, recorded_at, key, value, reason
        FROM tidemill.dead_letters ORDER BY record_offset";
    let told = "p|p|0|0|2024-06-01 00:00:00+00|NULL|{not json|malformed JSON: '\"' is expected at byte 1\n\
        p|p|0|1|2024-06-01 00:00:00+00|NULL|{\"n\": \"x\"}|column \"n\": cannot read \"x\" as INT";
    client.expect(letters, told).await;
    let log = "SELECT query, partition, entry LIKE '%malformed JSON%' FROM tidemill.processing_log ORDER BY query, entry LIKE '%n%'";
    client.expect(log, "csas_first_1|0|t\ncsas_first_1|0|f\ncsas_second_2|0|t\ncsas_second_2|0|f").await;
    // The query that wrote them goes; what it wrote stays, and another writes the next.
    client.expect("DROP STREAM first DELETE TOPIC", "DROP STREAM").await;
    assert_eq!(client.notices(), [], "nothing of `first` itself was bad");
    client.expect(letters, told).await;
    client.expect("INSERT INTO lines VALUES ('[]')", "INSERT 0 1").await;
    world.drive().await;
    client.expect("SELECT record_offset, value FROM tidemill.dead_letters WHERE 1 < record_offset", "3|[]").await;
    client.expect("DROP STREAM second DELETE TOPIC; DROP STREAM p", "DROP STREAM\nDROP STREAM").await;
    assert_eq!(client.notices(), [("00000", "the dead letters of \"p\" are dropped with it".to_string())]);
    client.expect("SELECT count(*) FROM tidemill.dead_letters", "0").await;
    client.expect("SELECT count(*) FROM lines", "4").await;
}

#[tokio::test]
async fn a_stream_meets_a_table() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect(PAYMENTS, "CREATE STREAM").await;
    client
        .expect(
            "CREATE TABLE cards (card_id TEXT PRIMARY KEY, credit_limit DECIMAL(12,2)) WITH (partitions = 2)",
            "CREATE TABLE",
        )
        .await;
    client.expect("INSERT INTO cards VALUES ('c1', 10), ('c3', 10)", "INSERT 0 2").await;
    client
        .expect(
            "CREATE STREAM over_limit AS SELECT p.card_id, p.amount, c.credit_limit FROM payments p
               JOIN cards c ON p.card_id = c.card_id WHERE p.amount > c.credit_limit",
            "CREATE STREAM",
        )
        .await;
    world.drive().await;
    let rows =
        "INSERT INTO payments VALUES ('c1', 12.50, 'DE', now()), ('c3', 2.5, 'DE', now()), ('c9', 99, 'DE', now())";
    client.expect(rows, "INSERT 0 3").await;
    world.drive().await;
    client.expect("SELECT * FROM over_limit", "c1|12.50|10.00").await;
    client.expect("SELECT state, reason FROM tidemill.queries", "RUNNING|NULL").await;
}

#[tokio::test]
async fn a_plan_is_explained() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect(PAYMENTS, "CREATE STREAM").await;
    let text = client.ask(&format!("EXPLAIN {PER_COUNTRY}")).await.expect("it has a plan");
    assert!(text.contains("Aggregate"), "{text}");
    let text = client.ask("EXPLAIN SELECT country FROM payments WHERE amount > 1").await.expect("it has a plan");
    assert!(text.contains("Filter"), "{text}");
}

#[tokio::test]
async fn a_join_makes_its_table_of_the_side_with_fewer_rows() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect("CREATE STREAM many (k INT, v INT) WITH (kafka_topic = 'many')", "CREATE STREAM").await;
    client.expect("CREATE STREAM few (k INT, name TEXT) WITH (kafka_topic = 'few')", "CREATE STREAM").await;
    client.expect("INSERT INTO many SELECT n, n FROM generate_series(1, 50) AS t(n)", "INSERT 0 50").await;
    client.expect("INSERT INTO few VALUES (1, 'one'), (2, 'two')", "INSERT 0 2").await;
    for tables in ["many m JOIN few f ON m.k = f.k", "few f JOIN many m ON m.k = f.k"] {
        let text = client.ask(&format!("EXPLAIN SELECT m.v, f.name FROM {tables}")).await.expect("it has a plan");
        let (_, join) = text.split_once("HashJoinExec").expect("it is a hash join");
        let first = join.lines().find(|line| line.contains("StreamingTableExec")).expect("it reads a relation");
        assert!(first.contains("name"), "{text}");
    }
}

#[tokio::test]
async fn now_never_goes_back_though_the_clock_does() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect("CREATE STREAM pings (k TEXT KEY) WITH (kafka_topic = 'pings')", "CREATE STREAM").await;
    client.expect("CREATE STREAM seen AS SELECT k, now() AS at FROM pings", "CREATE STREAM").await;
    world.advance(std::time::Duration::from_secs(3_600));
    client.expect("INSERT INTO pings VALUES ('before')", "INSERT 0 1").await;
    world.drive().await;
    drop(client);
    // The clock of a world that starts again stands where the first one began.
    let world = world.restart().await;
    let mut client = world.session();
    client.expect("INSERT INTO pings VALUES ('after')", "INSERT 0 1").await;
    world.drive().await;
    client.expect("SELECT k, at >= '2024-06-01 01:00:00+00' FROM seen ORDER BY k", "after|t\nbefore|t").await;
}

#[tokio::test]
async fn null_keys_of_several_partitions_are_one_group() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect("CREATE STREAM clicks (who TEXT KEY, n INT) WITH (partitions = 4)", "CREATE STREAM").await;
    client.expect("CREATE TABLE per_who AS SELECT who, COUNT(*) AS n FROM clicks GROUP BY who", "CREATE TABLE").await;
    for _ in 0..8 {
        client.expect("INSERT INTO clicks (n) VALUES (1)", "INSERT 0 1").await;
    }
    world.drive().await;
    client.expect("SELECT who, n FROM per_who", "NULL|8").await;
}

#[tokio::test]
async fn windows_close_though_a_partition_has_no_more_rows() {
    let world = World::new().await;
    let mut client = world.session();
    client
        .expect(
            "CREATE STREAM clicks (who TEXT KEY, page INT, at TIMESTAMP) WITH (partitions = 2, timestamp = 'at')",
            "CREATE STREAM",
        )
        .await;
    let windows = [
        ("tumbling", "TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 0 SECONDS)"),
        ("hopping", "HOPPING (SIZE 2 MINUTES, ADVANCE BY 1 MINUTE, GRACE PERIOD 0 SECONDS)"),
        ("session", "SESSION (1 MINUTE, GRACE PERIOD 0 SECONDS)"),
    ];
    for (name, window) in windows {
        let query = format!(
            "CREATE TABLE {name} AS SELECT page, COUNT(*) AS n FROM clicks WINDOW {window} GROUP BY page EMIT FINAL"
        );
        client.expect(&query, "CREATE TABLE").await;
    }
    let at = "'2024-01-01 10:00:00'";
    let rows = format!("INSERT INTO clicks VALUES ('a', 1, {at}), ('b', 1, {at}), ('c', 1, {at}), ('d', 1, {at})");
    client.expect(&rows, "INSERT 0 4").await;
    client.expect("INSERT INTO clicks VALUES ('a', 1, '2024-01-01 12:00:00')", "INSERT 0 1").await;
    world.drive().await;
    for (name, _) in windows {
        client.expect(&format!("SELECT COUNT(*) FROM {name}"), "0").await;
    }
    world.advance(std::time::Duration::from_secs(11));
    client.expect("INSERT INTO clicks VALUES ('a', 1, '2024-01-01 12:00:01')", "INSERT 0 1").await;
    world.drive().await;
    for (name, closed) in [("tumbling", "4"), ("hopping", "4\n4"), ("session", "4")] {
        client.expect(&format!("SELECT n FROM {name}"), closed).await;
    }
    let late = "INSERT INTO clicks VALUES ('b', 1, '2024-01-01 10:00:30')";
    client.expect(late, "INSERT 0 1").await;
    client.expect("INSERT INTO clicks VALUES ('a', 1, '2024-01-01 12:00:02')", "INSERT 0 1").await;
    world.drive().await;
    client.expect("SELECT SUM(late) FROM tidemill.tasks", "3").await;
}

#[tokio::test]
async fn a_standing_insert_tells_its_name_and_that_it_doubles_another() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect(PAYMENTS, "CREATE STREAM").await;
    client
        .expect(
            "CREATE STREAM copies (card_id TEXT KEY, amount DECIMAL(12,2)) WITH (kafka_topic = 'copies')",
            "CREATE STREAM",
        )
        .await;
    client.notices();
    let insert = "INSERT INTO copies SELECT card_id, amount FROM payments EMIT CHANGES";
    client.expect(insert, "INSERT 0 0").await;
    let told = |name: &str| ("00000", format!("query \"{name}\" writes \"copies\" from now on"));
    assert_eq!(client.notices(), [told("insertquery_1")]);
    client.expect(insert, "INSERT 0 0").await;
    let doubled = "query \"insertquery_1\" writes the same rows to \"copies\": each comes twice";
    assert_eq!(client.notices(), [told("insertquery_2"), ("01000", doubled.to_string())]);
}

#[tokio::test]
async fn a_query_that_feeds_what_it_reads_is_told_of() {
    let world = World::new().await;
    let mut client = world.session();
    for stream in ["here", "there"] {
        let create = format!("CREATE STREAM {stream} (k TEXT KEY, v INT) WITH (kafka_topic = '{stream}')");
        client.expect(&create, "CREATE STREAM").await;
    }
    let insert =
        |from: &str, to: &str| format!("INSERT INTO {to} SELECT k, v + 1 AS v FROM {from} WHERE v < 9 EMIT CHANGES");
    client.notices();
    client.expect(&insert("here", "there"), "INSERT 0 0").await;
    assert_eq!(client.notices().len(), 1, "nothing comes back yet");
    client.expect(&insert("there", "here"), "INSERT 0 0").await;
    let told = ("01000", "rows of \"here\" come back to it: here -> there -> here".to_string());
    assert!(client.notices().contains(&told));
    client.expect(&insert("here", "here"), "INSERT 0 0").await;
    let told = ("01000", "rows of \"here\" come back to it: here -> here".to_string());
    assert!(client.notices().contains(&told));
}

#[tokio::test]
async fn the_table_of_a_terminated_query_is_kept_over_a_restart_and_is_anothers_then() {
    let world = World::new().await;
    let mut client = world.session();
    client.expect(PAYMENTS, "CREATE STREAM").await;
    client.expect(PER_COUNTRY, "CREATE TABLE").await;
    client.expect(ROWS, "INSERT 0 3").await;
    world.drive().await;
    client.expect("TERMINATE per_country", "TERMINATE").await;
    client.expect(READ, ANSWER).await;
    let more = "INSERT INTO per_country (country, windowstart, windowend, n)
        VALUES ('AT', '2024-01-01 11:00:00Z', '2024-01-01 12:00:00Z', 3)";
    client.expect(more, "INSERT 0 1").await;
    let with_more = format!("AT|2024-01-01 11:00:00+00|3|NULL\n{ANSWER}");
    client.expect(READ, &with_more).await;
    drop(client);
    let world = world.restart().await;
    let mut client = world.session();
    client.expect(READ, &with_more).await;
    client.expect(&PER_COUNTRY.replacen("CREATE", "CREATE OR REPLACE", 1), "CREATE TABLE").await;
    world.drive().await;
    client.expect(READ, ANSWER).await;
    drop(client);
    let world = world.restart().await;
    world.session().expect(READ, ANSWER).await;
}
