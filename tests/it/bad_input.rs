//! Bad input: each gives a clear error, or a dead letter with offset and reason, and other queries go on.
//!
//! One test each, named as the claim. Those that stand elsewhere:
//!
//! | bad input | test |
//! |---|---|
//! | a wrong type in INSERT, an unknown column in SELECT and INSERT | `sessions::errors::errors_say_what_where_and_what_else` |
//! | a wrong type in COPY | `copy::a_bad_line_and_a_client_that_gives_up_leave_the_session_usable` |
//! | a second server, asked for its SQLSTATE | `session::a_second_server_on_the_same_directory_is_refused` |
//! | a client that vanishes while its push query is idle | `push::a_client_that_vanishes_while_idle_ends_its_query` |
//! | a push client that does not read | `push::a_client_that_does_not_read_holds_up_nobody_else` |
//! | more clients than may be, an unknown database | `errors::an_unknown_database_is_refused`, `errors::clients_over_the_limit_are_refused` |

use futures::StreamExt;
use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::cli::test::RawOutput;
use tidemill::exec::TaskCounts;
use tokio_postgres::Client;

use super::server::TestServer;
use super::server::binary;
use super::server::column;
use super::server::failure;
use super::server::on_free_ports;
use super::server::rows;
use super::server::run;
use super::server::settled;
use super::server::stream;
use super::server::told;

const PAYMENTS: &str = "CREATE STREAM payments (card TEXT KEY, country TEXT, amount BIGINT)
    WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 1)";
/// The same records as they were written: what cannot be read as a payment is a line here.
const LINES: &str = "CREATE STREAM lines (card TEXT KEY, line TEXT)
    WITH (kafka_topic = 'payments', key_format = 'KAFKA', value_format = 'KAFKA')";
/// The dead letters of the first relation that is created.
const DEAD_LETTERS: &str = "__tidemill.r1.dead-letters";
/// 2099-01-01 in milliseconds.
const IN_2099: i64 = 4_070_908_800_000;
/// How often a test asks for what must come; each time is a request of its own, so that the server has time.
const LOOKS_MAX: usize = 20_000;

async fn pipeline() -> Pipeline {
    let mut pipeline = Pipeline::open(PipelineOptions::default()).await.expect("a pipeline opens");
    pipeline.execute(PAYMENTS).await.expect("a stream is made");
    pipeline
}

async fn make(pipeline: &mut Pipeline, statement: &str) {
    pipeline.execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
}

async fn pay(pipeline: &Pipeline, time: i64, value: &str) {
    pipeline.produce("payments", 0, time, Some(b"c1"), Some(value.as_bytes())).await.expect("it is written");
}

/// The values of a topic.
async fn values(pipeline: &Pipeline, topic: &str) -> Vec<String> {
    let records = pipeline.records(topic).await.expect("the topic is read");
    let text = |value: Option<Vec<u8>>| String::from_utf8(value.unwrap_or_default()).expect("UTF-8");
    records.into_iter().map(|record| text(record.value)).collect()
}

/// Topic, partition, offset and reason of each dead letter, and its bytes.
async fn dead_letters(pipeline: &Pipeline, topic: &str) -> Vec<([String; 4], Vec<u8>)> {
    let records = pipeline.records(topic).await.expect("the topic is read");
    let letter = |record: RawOutput| {
        let header = |name: &str| {
            let found = record.headers.iter().find(|(is, _)| is == name).and_then(|(_, value)| value.clone());
            String::from_utf8(found.unwrap_or_else(|| panic!("no header {name}"))).expect("UTF-8")
        };
        (["topic", "partition", "offset", "reason"].map(header), record.value.clone().unwrap_or_default())
    };
    records.into_iter().map(letter).collect()
}

/// What the one task of the query counted that writes `relation`.
fn counted(pipeline: &Pipeline, relation: &str) -> TaskCounts {
    let tasks = pipeline.tasks(relation).expect("a catalog");
    let [task] = &tasks[..] else { panic!("{} tasks", tasks.len()) };
    task.counts.clone()
}

/// Asks until `answer` comes.
async fn until(client: &Client, question: &str, answer: &str) {
    let mut seen = Vec::new();
    for _ in 0..LOOKS_MAX {
        seen = column(client, question).await;
        if seen == [answer] {
            return;
        }
    }
    let tasks =
        rows(client, "SELECT query, fragment, rows, bad, errors, attempts, last_error FROM tidemill.tasks").await;
    panic!("{question}: {seen:?} and never {answer}; {tasks:?}");
}

#[tokio::test]
async fn a_malformed_json_record_is_a_dead_letter_with_its_offset_and_reason() {
    let mut pipeline = pipeline().await;
    make(&mut pipeline, LINES).await;
    // The query that is older reads the same topic in another format, in which nothing is malformed.
    make(&mut pipeline, "CREATE STREAM every_line AS SELECT card, line FROM lines").await;
    make(&mut pipeline, "CREATE STREAM amounts AS SELECT card, amount FROM payments").await;
    for (time, value) in [(1, "{\"amount\":1}"), (2, "{\"amount\":"), (3, "{\"amount\":3,\"new\":[1]}")] {
        pay(&pipeline, time, value).await;
    }
    pipeline.drive().await.expect("queries work");
    assert_eq!(values(&pipeline, "amounts").await, ["{\"amount\":1}", "{\"amount\":3}"]);
    let letters = dead_letters(&pipeline, DEAD_LETTERS).await;
    let [(place, bytes)] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(place[..3], ["payments", "0", "1"].map(String::from));
    assert!(place[3].starts_with("malformed JSON: ") && place[3].contains("at byte 10"), "{}", place[3]);
    assert_eq!(bytes, b"{\"amount\":");
    assert_eq!(values(&pipeline, "every_line").await.len(), 3);
    assert_eq!(pipeline.failed_query(), None);
    let pipeline = pipeline.restart().await.expect("it starts again");
    pipeline.drive().await.expect("queries work");
    assert_eq!(dead_letters(&pipeline, DEAD_LETTERS).await.len(), 1, "it was committed with its position");
}

#[tokio::test]
async fn a_malformed_record_is_one_dead_letter_however_many_queries_read_it() {
    let mut pipeline = pipeline().await;
    make(&mut pipeline, "CREATE STREAM first AS SELECT card, amount FROM payments").await;
    make(&mut pipeline, "CREATE STREAM second AS SELECT card, amount FROM payments").await;
    pay(&pipeline, 1, "{not json").await;
    pipeline.drive().await.expect("queries work");
    assert_eq!(dead_letters(&pipeline, DEAD_LETTERS).await.len(), 1);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_a_dead_letter_that_names_its_column() {
    let mut pipeline = pipeline().await;
    make(&mut pipeline, "CREATE STREAM countries AS SELECT card, country FROM payments").await;
    make(&mut pipeline, "CREATE STREAM amounts AS SELECT card, amount FROM payments").await;
    pay(&pipeline, 1, "{\"country\":\"DE\",\"amount\":\"twelve\"}").await;
    pay(&pipeline, 2, "{\"country\":\"FR\",\"amount\":99999999999999999999}").await;
    pay(&pipeline, 3, "{\"country\":\"IT\",\"amount\":3}").await;
    pipeline.drive().await.expect("queries work");
    // A record's fate depends on the declaration, not on the columns that a query uses.
    assert_eq!(values(&pipeline, "countries").await, ["{\"country\":\"IT\"}"]);
    assert_eq!(values(&pipeline, "amounts").await, ["{\"amount\":3}"]);
    let letters = dead_letters(&pipeline, DEAD_LETTERS).await;
    let offsets: Vec<&str> = letters.iter().map(|(place, _)| place[2].as_str()).collect();
    assert_eq!(offsets, ["0", "1"]);
    assert!(letters.iter().all(|(place, _)| place[3].contains("amount")), "{letters:?}");
}

#[tokio::test]
async fn a_malformed_record_as_large_as_its_topic_takes_is_a_dead_letter() {
    let mut pipeline = pipeline().await;
    make(&mut pipeline, "CREATE STREAM amounts AS SELECT card, amount FROM payments").await;
    // The largest batch is 1,048,588 bytes; what it has beside the value is less than 100.
    pay(&pipeline, 1, &"x".repeat(1_048_488)).await;
    pay(&pipeline, 2, "{\"amount\":2}").await;
    pipeline.drive().await.expect("queries work");
    assert_eq!(pipeline.failed_query(), None);
    assert_eq!(values(&pipeline, "amounts").await, ["{\"amount\":2}"]);
    let letters = dead_letters(&pipeline, DEAD_LETTERS).await;
    assert_eq!(letters.iter().map(|(_, bytes)| bytes.len()).collect::<Vec<_>>(), [1_048_488]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_column_in_a_view_is_an_error_with_position_and_hint_and_makes_nothing() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, PAYMENTS).await;
    run(&client, "CREATE TABLE totals AS SELECT country, SUM(amount) AS total FROM payments GROUP BY country").await;
    let statement = "CREATE TABLE counts AS SELECT contry, COUNT(*) FROM payments GROUP BY contry";
    let (state, message, hint, position) = failure(&client, statement).await;
    assert_eq!((&state[..], position), ("42703", Some(31)), "{message}");
    assert_eq!(message, "column \"contry\" does not exist");
    assert!(hint.as_ref().is_some_and(|hint| hint.contains("\"country\"")), "{hint:?}");
    assert_eq!(column(&client, "SELECT name FROM tidemill.queries").await.len(), 1);
    assert!(column(&client, "SELECT name FROM tidemill.topics WHERE name LIKE '%counts%'").await.is_empty());
    run(&client, "INSERT INTO payments VALUES ('c1', 'DE', 5)").await;
    assert_eq!(settled(&client, "SELECT total FROM totals").await, [["5"]]);
    server.stop().await;
}

#[tokio::test]
async fn a_division_by_zero_makes_a_predicate_false_and_is_counted() {
    let mut pipeline = pipeline().await;
    make(&mut pipeline, "CREATE STREAM small AS SELECT card, amount FROM payments WHERE 100 / amount > 4").await;
    make(&mut pipeline, "CREATE STREAM amounts AS SELECT card, amount FROM payments").await;
    for (time, amount) in [(1, 5), (2, 0), (3, 20), (4, 50)] {
        pay(&pipeline, time, &format!("{{\"amount\":{amount}}}")).await;
    }
    pipeline.drive().await.expect("queries work");
    assert_eq!(values(&pipeline, "small").await, ["{\"amount\":5}", "{\"amount\":20}"]);
    assert_eq!(values(&pipeline, "amounts").await.len(), 4);
    assert_eq!((counted(&pipeline, "small").errors, counted(&pipeline, "amounts").errors), (1, 0));
}

#[tokio::test]
async fn a_division_by_zero_in_a_view_is_null_in_its_row_and_is_counted() {
    let mut pipeline = pipeline().await;
    make(&mut pipeline, "CREATE STREAM shares AS SELECT card, 100 / amount AS share FROM payments").await;
    for (time, amount) in [(1, 5), (2, 0), (3, 20)] {
        pay(&pipeline, time, &format!("{{\"amount\":{amount}}}")).await;
    }
    pipeline.drive().await.expect("queries work");
    assert_eq!(values(&pipeline, "shares").await, ["{\"share\":20}", "{\"share\":null}", "{\"share\":5}"]);
    assert_eq!(counted(&pipeline, "shares").errors, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_view_reads_is_not_dropped_and_the_error_names_the_view() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, PAYMENTS).await;
    run(&client, "CREATE TABLE totals AS SELECT country, SUM(amount) AS total FROM payments GROUP BY country").await;
    let error = client.simple_query("DROP STREAM payments").await.expect_err("a view reads it");
    assert_eq!(told(&error).0, "2BP01");
    let error = error.as_db_error().expect("it is the server's");
    assert!(error.detail().is_some_and(|detail| detail.contains("totals")), "{error:?}");
    assert_eq!(error.hint(), Some("DROP what they write first, or TERMINATE them."));
    run(&client, "INSERT INTO payments VALUES ('c1', 'DE', 5)").await;
    assert_eq!(settled(&client, "SELECT total FROM totals").await, [["5"]]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_query_whose_stream_is_dropped_ends_with_an_error() {
    let server = TestServer::start().await;
    let (writer, reader) = (server.connect().await, server.connect().await);
    run(&writer, PAYMENTS).await;
    run(&writer, "CREATE STREAM other (id INT) WITH (kafka_topic = 'other', value_format = 'JSON')").await;
    run(&writer, "CREATE TABLE total AS SELECT COUNT(*) AS n FROM other").await;
    let mut stream = stream(&reader, "SELECT amount FROM payments EMIT CHANGES").await;
    run(&writer, "INSERT INTO payments VALUES ('c1', 'DE', 5)").await;
    assert_eq!(stream.next().await.expect("a row").expect("no error").get::<_, i64>(0), 5);
    run(&writer, "DROP STREAM payments DELETE TOPIC").await;
    let error = stream.next().await.expect("there is an end").expect_err("it is an error");
    let (state, message, ..) = told(&error);
    assert_eq!((state.as_str(), message.as_str()), ("42P01", "stream \"payments\" was dropped"));
    run(&writer, "INSERT INTO other VALUES (1)").await;
    assert_eq!(settled(&writer, "SELECT n FROM total").await, [["1"]]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_over_the_limit_is_refused_whole_with_its_size() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, PAYMENTS).await;
    run(&client, "CREATE TABLE counts AS SELECT COUNT(*) AS n FROM payments").await;
    let statement = "INSERT INTO payments VALUES ('c1', 'DE', 1), ('c2', repeat('x', 2000000), 2)";
    let (state, message, hint, _) = failure(&client, statement).await;
    assert_eq!(state, "54000", "{message}");
    assert!(message.contains("over the limit of 1048588"), "{message}");
    assert!(hint.is_some());
    assert_eq!(column(&client, "SELECT COUNT(*) FROM payments").await, ["0"], "all rows of an INSERT or none");
    run(&client, "INSERT INTO payments VALUES ('c1', 'DE', 1)").await;
    assert_eq!(settled(&client, "SELECT n FROM counts").await, [["1"]]);
    server.stop().await;
}

#[tokio::test]
async fn a_row_of_a_view_over_the_limit_is_left_out_alone() {
    let mut pipeline = pipeline().await;
    let long = "CREATE STREAM long AS SELECT card, repeat(country, 1000) AS countries FROM payments";
    make(&mut pipeline, long).await;
    make(&mut pipeline, "CREATE STREAM amounts AS SELECT card, amount FROM payments").await;
    pay(&pipeline, 1, "{\"country\":\"DE\",\"amount\":1}").await;
    pay(&pipeline, 2, &format!("{{\"country\":\"{}\",\"amount\":2}}", "x".repeat(2000))).await;
    pay(&pipeline, 3, "{\"country\":\"FR\",\"amount\":3}").await;
    pipeline.drive().await.expect("queries work");
    assert_eq!(pipeline.failed_query(), None);
    assert_eq!(values(&pipeline, "long").await.len(), 2);
    assert_eq!(values(&pipeline, "amounts").await.len(), 3);
    let log = counted(&pipeline, "long").log;
    assert!(log.len() == 1 && log[0].contains("over the limit"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_state_cannot_hold_is_left_out_alone() {
    let mut pipeline = pipeline().await;
    make(&mut pipeline, "CREATE TABLE counts AS SELECT country, COUNT(*) AS n FROM payments GROUP BY country").await;
    pay(&pipeline, 1, "{\"country\":\"DE\",\"amount\":1}").await;
    pay(&pipeline, 2, &format!("{{\"country\":\"{}\",\"amount\":2}}", "x".repeat(70_000))).await;
    pay(&pipeline, 3, "{\"country\":\"DE\",\"amount\":3}").await;
    pipeline.drive().await.expect("queries work");
    assert_eq!(pipeline.failed_query(), None);
    assert_eq!(values(&pipeline, "counts").await, ["{\"n\":1}", "{\"n\":2}"]);
}

#[test]
fn a_second_server_on_the_same_directory_says_so_and_ends_and_the_first_serves_on() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let server = TestServer::start().await;
        let client = server.connect().await;
        run(&client, PAYMENTS).await;
        let second = on_free_ports(binary().arg("server"), &server.data_dir()).output().expect("the binary runs");
        assert!(!second.status.success());
        let said = String::from_utf8_lossy(&second.stderr);
        assert!(said.contains("another server is using the data directory"), "{said}");
        assert!(!String::from_utf8_lossy(&second.stdout).contains("ready"), "it never served");
        run(&client, "INSERT INTO payments VALUES ('c1', 'DE', 5)").await;
        assert_eq!(column(&client, "SELECT amount FROM payments").await, ["5"]);
        server.stop().await;
    });
}

#[tokio::test]
async fn an_event_dated_2099_is_a_dead_letter_and_makes_no_other_row_late() {
    let mut pipeline = pipeline().await;
    let counts = "CREATE TABLE counts AS SELECT country, COUNT(*) AS n FROM payments
        WINDOW TUMBLING (SIZE 1 SECOND, GRACE PERIOD 0 SECONDS) GROUP BY country";
    make(&mut pipeline, counts).await;
    make(&mut pipeline, "CREATE STREAM amounts AS SELECT card, amount FROM payments").await;
    for time in [1_000, IN_2099, 1_500] {
        pay(&pipeline, time, "{\"country\":\"DE\",\"amount\":1}").await;
    }
    pipeline.drive().await.expect("queries work");
    assert_eq!(values(&pipeline, "counts").await.last().map(String::as_str), Some("{\"n\":2}"));
    assert_eq!(counted(&pipeline, "counts").late, 0);
    assert_eq!(values(&pipeline, "amounts").await.len(), 2);
    let letters = dead_letters(&pipeline, DEAD_LETTERS).await;
    let [(place, _)] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(place[1..], ["0", "1", "its event time is too far ahead of the clock"].map(String::from));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_on_which_an_operator_fails_is_found_among_its_neighbours_and_left_out_alone() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, PAYMENTS).await;
    let cards =
        "CREATE TABLE cards (card TEXT PRIMARY KEY, lim BIGINT) WITH (kafka_topic = 'cards', value_format = 'JSON')";
    run(&client, cards).await;
    // The table's rows are state of the join, which takes no key of this length.
    let rows = "INSERT INTO cards VALUES ('c1', 1), ('c2', 2), (repeat('x', 70000), 3), ('c4', 4), ('c5', 5)";
    run(&client, rows).await;
    let join = "CREATE STREAM over_limit AS SELECT p.card, c.lim FROM payments p JOIN cards c ON p.card = c.card
        WHERE p.amount > c.lim";
    run(&client, join).await;
    run(&client, "CREATE TABLE counts AS SELECT COUNT(*) AS n FROM payments").await;
    until(&client, "SELECT SUM(bad) FROM tidemill.tasks WHERE query LIKE '%over_limit%'", "1").await;
    let payments = ["c1", "c2", "c3", "c4", "c5"].map(|card| format!("('{card}', 'DE', 100)")).join(", ");
    run(&client, &format!("INSERT INTO payments VALUES {payments}")).await;
    assert_eq!(settled(&client, "SELECT COUNT(*) FROM over_limit").await, [["4"]]);
    assert_eq!(settled(&client, "SELECT n FROM counts").await, [["5"]]);
    let letters = "SELECT last_stable_offset > 0 FROM tidemill.partitions WHERE topic = '__tidemill.r2.dead-letters'";
    until(&client, letters, "t").await;
    assert_eq!(column(&client, "SELECT DISTINCT state FROM tidemill.queries").await, ["RUNNING"]);
    server.stop().await;
}

#[tokio::test]
async fn a_query_whose_input_was_removed_stops_with_the_gap_as_reason_and_its_view_stays_readable() {
    let mut pipeline = pipeline().await;
    make(&mut pipeline, "CREATE STREAM other (id INT) WITH (kafka_topic = 'other', value_format = 'JSON')").await;
    make(&mut pipeline, "CREATE STREAM amounts AS SELECT card, amount FROM payments").await;
    make(&mut pipeline, "CREATE STREAM ids AS SELECT id FROM other").await;
    for time in 0..3 {
        pay(&pipeline, time, "{\"amount\":1}").await;
    }
    pipeline.drive().await.expect("queries work");
    for time in 3..6 {
        pay(&pipeline, time, "{\"amount\":2}").await;
    }
    pipeline.remove_before("payments", 0, 5).await.expect("records are removed");
    pipeline.produce("other", 0, 1, None, Some(b"{\"id\":1}")).await.expect("it is written");
    for _ in 0..2 {
        pipeline.drive().await.expect("the others work");
        let reason = pipeline.failed_query().expect("it cannot go on");
        assert!(reason.starts_with("input_gap: position 3 is outside 5..=6 of "), "{reason}");
        assert_eq!(values(&pipeline, "amounts").await.len(), 3, "what was made stays, nothing is passed over");
        assert_eq!(values(&pipeline, "ids").await, ["{\"id\":1}"]);
        pipeline = pipeline.restart().await.expect("it starts with a query that cannot go on");
    }
    for statement in ["RESUME amounts", "ALTER QUERY amounts REBUILD"] {
        let told = pipeline.execute(statement).await.expect_err("it cannot go on");
        assert!(told.message().contains(" does not run: input_gap: position 3 "), "{statement}: {told:?}");
        assert_eq!(values(&pipeline, "amounts").await.len(), 3, "what was made stays");
    }
}

#[tokio::test]
async fn who_waits_for_its_own_writes_is_told_that_the_view_stands_still_at_a_gap() {
    let mut pipeline = pipeline().await;
    make(&mut pipeline, "CREATE TABLE sums AS SELECT card, SUM(amount) AS total FROM payments GROUP BY card").await;
    pay(&pipeline, 0, "{\"amount\":1}").await;
    pipeline.drive().await.expect("the query works");
    for time in 1..4 {
        pay(&pipeline, time, "{\"amount\":2}").await;
    }
    pipeline.remove_before("payments", 0, 3).await.expect("records are removed");
    // With its flush the removal is durable too.
    pay(&pipeline, 4, "{\"amount\":2}").await;
    let mut pipeline = pipeline.restart().await.expect("it starts with a query that cannot go on");
    let reason = pipeline.failed_query().expect("it cannot go on");
    assert!(reason.starts_with("input_gap: position 1 is outside 3..=5 of "), "{reason}");
    let rows = pipeline.query("SELECT * FROM sums").await.expect("the view stays readable");
    assert_eq!(rows.batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    make(&mut pipeline, "SET read_your_writes = on; INSERT INTO payments (card, amount) VALUES ('c1', 3)").await;
    let told = pipeline.query("SELECT * FROM sums").await.map(drop).expect_err("it does not have the row");
    assert_eq!((told.state().0, told.message()), ("55000", "the query that keeps the view has failed"));
    assert!(told.detail_text().is_some_and(|detail| detail.starts_with("input_gap")), "{told:?}");
}

#[tokio::test]
async fn on_error_skip_passes_a_bad_record_without_a_dead_letter() {
    let mut pipeline = pipeline().await;
    let skipping = "CREATE STREAM skipping (card TEXT KEY, amount BIGINT)
        WITH (kafka_topic = 'payments', value_format = 'JSON', on_error = 'skip')";
    make(&mut pipeline, skipping).await;
    make(&mut pipeline, "CREATE STREAM amounts AS SELECT card, amount FROM skipping").await;
    for (time, value) in [(1, "{\"amount\":1}"), (2, "no json"), (3, "{\"amount\":3}")] {
        pay(&pipeline, time, value).await;
    }
    pipeline.drive().await.expect("queries work");
    assert_eq!(values(&pipeline, "amounts").await, ["{\"amount\":1}", "{\"amount\":3}"]);
    assert_eq!(pipeline.failed_query(), None);
    assert!(pipeline.records("__tidemill.r2.dead-letters").await.expect("no such topic").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_error_fail_stops_the_query_at_the_record_names_it_and_loses_no_good_one() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    run(&client, LINES).await;
    let strict = "CREATE STREAM strict (card TEXT KEY, amount BIGINT)
        WITH (kafka_topic = 'payments', value_format = 'JSON', on_error = 'fail')";
    run(&client, strict).await;
    run(&client, "CREATE STREAM amounts AS SELECT card, amount FROM strict").await;
    run(&client, "CREATE STREAM every_line AS SELECT card, line FROM lines").await;
    run(&client, "INSERT INTO lines VALUES ('c1', '{\"amount\":1}')").await;
    assert_eq!(settled(&client, "SELECT COUNT(*) FROM amounts").await, [["1"]]);
    run(&client, "INSERT INTO lines VALUES ('c1', 'no json')").await;
    until(&client, "SELECT state FROM tidemill.queries WHERE sink = 'amounts'", "FAILED").await;
    let reason = column(&client, "SELECT reason FROM tidemill.queries WHERE sink = 'amounts'").await.remove(0);
    assert!(
        reason.starts_with("the record at offset 1 of partition 0 of \"strict\" cannot be read: malformed JSON"),
        "{reason}"
    );
    run(&client, "INSERT INTO lines VALUES ('c1', '{\"amount\":3}')").await;
    assert_eq!(settled(&client, "SELECT COUNT(*) FROM every_line").await, [["3"]]);
    assert_eq!(column(&client, "SELECT amount FROM amounts").await, ["1"]);
    let attempts = "SELECT MAX(attempts) FROM tidemill.tasks WHERE query LIKE '%amounts%'";
    assert_eq!(column(&client, attempts).await, ["1"], "the record does not become better by trying again");
    // What the session wrote will never be there.
    run(&client, "SET read_your_writes = on").await;
    let (state, message, ..) = failure(&client, "SELECT amount FROM amounts").await;
    assert_eq!((state.as_str(), message.as_str()), ("55000", "the query that keeps the view has failed"));
    // With the cause mended it is started again.
    let lenient = strict.replace("CREATE STREAM", "CREATE OR REPLACE STREAM").replace("'fail'", "'skip'");
    run(&client, &lenient).await;
    run(&client, "RESUME csas_amounts_1").await;
    assert_eq!(settled(&client, "SELECT SUM(amount) FROM amounts").await, [["4"]]);
    assert_eq!(column(&client, "SELECT DISTINCT state FROM tidemill.queries").await, ["RUNNING"]);
    server.stop().await;
}
