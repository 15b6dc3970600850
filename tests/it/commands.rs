//! The binary's commands as a user meets them: `demo` from its first line to Ctrl-C, and `\copy` of `sql`.

use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::BinaryArray;
use arrow::array::BooleanArray;
use arrow::array::Date32Array;
use arrow::array::Decimal128Array;
use arrow::array::Float64Array;
use arrow::array::Int32Array;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::array::StringArray;
use arrow::array::Time64MicrosecondArray;
use arrow::array::TimestampMicrosecondArray;
use arrow::compute::concat_batches;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio_postgres::NoTls;

use super::server::TestServer;
use super::server::column;
use super::server::failure;
use super::server::on_free_ports;
use super::server::rows;
use super::server::run;

/// The end of what the demo prints.
const LAST_WORDS: &str = "for example: ";

/// The binary, without what its environment would tell it.
fn tidemill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("TIDEMILL_") || text.starts_with("PG") {
            command.env_remove(&name);
        }
    }
    command
}

/// A demo of the flights that runs; it ends with this value.
struct Demo {
    child: Child,
    /// What it printed, up to where it goes on until Ctrl-C.
    said: String,
}

impl Demo {
    fn start(data_dir: &Path) -> Self {
        let mut command = tidemill();
        on_free_ports(command.args(["demo", "flights"]), data_dir);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts");
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        while !said.lines().last().is_some_and(|line| line.starts_with(LAST_WORDS)) {
            assert_ne!(lines.read_line(&mut said).expect("lines of text"), 0, "the demo ended early:\n{said}");
        }
        // The pipe stays open: who writes into a closed one is told so.
        child.stdout = Some(lines.into_inner());
        Self { child, said }
    }

    /// Ctrl-C; whether it ended well.
    fn interrupt(mut self) -> bool {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        self.child.wait().expect("it ends").success()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // A test that failed leaves no server behind.
        let _ = self.child.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_of_flights_loads_answers_and_serves_until_ctrl_c() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let demo = Demo::start(&data);
    for expected in [
        "CREATE STREAM\n",
        "CREATE TABLE\n",
        "delay_per_carrier_day counts 336776 of 336776 flights.\n",
        "delay_per_origin counts 336776 of 336776 flights.\n",
        " EV      | 2013-03-08 00:00:00+00 |     164 |      135.7\n",
        " UA      |   58665 |       12.1\n",
        " EWR    |  120835 |       15.1\n JFK    |  111279 |       12.1\n LGA    |  104662 |       10.3\n(3 rows)\n",
    ] {
        assert!(demo.said.contains(expected), "{expected} is not in\n{}", demo.said);
    }
    let psql = demo.said.lines().find_map(|line| line.trim().strip_prefix("psql -h ")).expect("the psql line");
    let (host, port) = psql.split_once(" -p ").expect("a host and a port");
    let address = format!("host={host} port={port} user=ann");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.expect("the psql line is right");
    tokio::spawn(connection);
    assert_eq!(rows(&client, "SELECT * FROM delay_per_origin").await.len(), 3);
    assert_eq!(column(&client, "SELECT count(*) FROM flights").await, ["336776"]);
    assert!(demo.interrupt(), "Ctrl-C is its proper end");

    let again = Demo::start(&data);
    assert!(again.said.contains("336776 flights are there from an earlier start; nothing is loaded.\n"));
    assert!(again.said.contains(" UA      |   58665 |       12.1\n"), "{}", again.said);
    assert!(again.interrupt());
}

/// The fraud demo over a directory.
fn fraud_demo(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = tidemill();
    on_free_ports(command.arg("demo"), data_dir).args(arguments);
    command
}

/// Recall and precision of a kind in a summary, in percent.
fn scored(said: &str, kind: &str) -> [f64; 2] {
    let line = said.lines().find(|line| line.starts_with(kind) && line.ends_with(" %"));
    let line = line.unwrap_or_else(|| panic!("no score of {kind} is in\n{said}"));
    let shares: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    // Counts are whole: `12 of 13   92.3 %   20 of 21   95.2 %`.
    let [_, _, recall, _, _, precision] = shares[..] else { panic!("{line}") };
    [recall, precision]
}

#[test]
fn the_demo_tells_fraud_and_how_well_and_goes_on_where_it_ended() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let said = |arguments: &[&str]| {
        let output = fraud_demo(&data, arguments).output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let first = said(&["--count", "20000", "--rate", "100000"]);
    for expected in [
        "sql/fraud/01_relations.sql: 2 CREATE TABLE, CREATE STREAM\n",
        "sql/fraud/07_alerts.sql: 6 CREATE STREAM, 5 INSERT\n",
        "\n    psql -h 127.0.0.1 -p ",
        "\n20,000 payments in ",
    ] {
        assert!(first.contains(expected), "{expected} is not in\n{first}");
    }
    for kind in ["card testing", "impossible travel", "stolen terminal", "velocity"] {
        let [recall, precision] = scored(&first, kind);
        assert!(90.0 <= recall && 85.0 <= precision, "{kind} is told badly:\n{first}");
    }
    let second = said(&["--count", "10000", "--rate", "100000"]);
    assert!(second.contains("sql/fraud/07_alerts.sql: 6 CREATE STREAM\n"), "{second}");
    assert!(second.contains("20000 payments are there from an earlier start; it goes on after them.\n"), "{second}");
    assert!(second.contains("\n10,000 payments in "), "{second}");
    for kind in ["card testing", "impossible travel", "out of character", "stolen terminal", "velocity"] {
        let [recall, precision] = scored(&second, kind);
        assert!(85.0 <= recall && 80.0 <= precision, "{kind} is told badly:\n{second}");
    }
    let other = fraud_demo(&data, &["--seed", "8", "--for", "1s"]).output().expect("the binary runs");
    assert!(!other.status.success(), "payments of two seeds make no sense together");
    let told = String::from_utf8(other.stderr).expect("UTF-8");
    assert!(told.contains("were made with other options"), "{told}");
}

#[test]
fn the_demo_ends_after_its_time_and_at_ctrl_c_with_a_summary() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = fraud_demo(&directory.path().join("timed"), &["--for", "1s", "--rate", "50"]).output();
    let output = output.expect("the binary runs");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success() && said.contains("which the server never saw:\n"), "{said}");

    let mut command = fraud_demo(&directory.path().join("interrupted"), &[]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe"));
    let mut said = String::new();
    while !said.contains("psql -h ") {
        assert_ne!(lines.read_line(&mut said).expect("lines of text"), 0, "the demo ended early:\n{said}");
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    std::io::Read::read_to_string(&mut lines, &mut said).expect("text up to its end");
    assert!(child.wait().expect("it ends").success(), "Ctrl-C is its proper end");
    assert!(said.contains("which the server never saw:\n"), "{said}");
}

#[test]
fn datagen_repeats_its_payments_and_keeps_labels_apart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let made = |arguments: &[&str]| {
        let mut command = tidemill();
        let output = command.args(["datagen", "payments"]).args(arguments).current_dir(directory.path()).output();
        let output = output.expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let first = made(&["--count", "5000", "--seed", "3", "--labels", "labels.jsonl"]);
    assert_eq!(first.lines().count(), 5000);
    assert!(first.lines().all(|line| line.starts_with("{\"payment_id\":") && !line.contains("kind")));
    let labels = std::fs::read_to_string(directory.path().join("labels.jsonl")).expect("the labels are there");
    assert!(labels.lines().all(|line| line.contains("\"kind\":")), "{labels}");
    assert_eq!(made(&["--count", "5000", "--seed", "3", "--output", "payments.jsonl"]), "");
    assert_eq!(std::fs::read_to_string(directory.path().join("payments.jsonl")).expect("they are there"), first);
    assert!(made(&["--seed", "3", "--table", "cards"]).starts_with("{\"card_id\":\"c00000\",\"holder\":\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn datagen_feeds_a_server_and_its_alerts_are_checked() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = TestServer::start().await;
    let ran = |arguments: &[&str]| {
        let mut command = tidemill();
        command.arg("datagen").args(arguments).args(["--server", server.pg_address()]).current_dir(directory.path());
        command.output().expect("the binary runs")
    };
    let refused = ran(&["payments", "--count", "1"]);
    assert!(!refused.status.success(), "there are no relations");
    let told = String::from_utf8(refused.stderr).expect("UTF-8");
    assert!(told.contains("relation \"cards\" does not exist"), "{told}");
    let client = server.connect().await;
    let sample = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/fraud").join(name);
        std::fs::read_to_string(path).expect("the sample is part of the repository")
    };
    run(&client, &sample("01_relations.sql")).await;
    let fed = ran(&["payments", "--count", "300", "--cards", "50", "--labels", "labels.jsonl"]);
    assert!(fed.status.success(), "{}", String::from_utf8_lossy(&fed.stderr));
    for (relation, count) in [("cards", "50"), ("payments", "300")] {
        assert_eq!(column(&client, &format!("SELECT COUNT(*) FROM {relation}")).await, [count]);
    }
    run(&client, "CREATE STREAM alerts (card_id TEXT KEY, reason TEXT, payment_id BIGINT, earlier_payment_id BIGINT)")
        .await;
    run(&client, "INSERT INTO alerts VALUES ('c00001', 'velocity', 400, NULL)").await;
    let checked = ran(&["payments-check", "--labels", "labels.jsonl"]);
    let told = String::from_utf8(checked.stdout).expect("UTF-8");
    assert!(told.contains("velocity") && told.contains("0 of 1      0.0 %\n"), "{told}");
    server.stop().await;
}

/// Three rows of every type: the first of each is plain, the second null, the third at an edge.
fn every_type() -> RecordBatch {
    let amounts = Decimal128Array::from(vec![Some(123_456_789), None, Some(-(10_i128.pow(20) - 1))]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("i", Arc::new(Int32Array::from(vec![Some(-4), None, Some(i32::MIN)]))),
        ("l", Arc::new(Int64Array::from(vec![Some((1 << 53) + 1), None, Some(i64::MAX)]))),
        ("d", Arc::new(Float64Array::from(vec![Some(0.1), None, Some(1e-300)]))),
        ("n", Arc::new(amounts.with_precision_and_scale(20, 4).expect("twenty digits"))),
        ("t", Arc::new(StringArray::from(vec![Some("ünï\t\"q\" \\N,\n"), None, Some("")]))),
        ("y", Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff\\"[..]), None, Some(&b""[..])]))),
        ("da", Arc::new(Date32Array::from(vec![Some(19_782), None, Some(-719_162)]))),
        ("ti", Arc::new(Time64MicrosecondArray::from(vec![Some(45_296_789_000), None, Some(86_399_999_999)]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_709_210_096_123_456), None, Some(-1)]))),
        (
            "tz",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_709_210_096_123_456), None, Some(0)]).with_timezone("UTC"),
            ),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .expect("columns of one length")
}

fn sql(server: &TestServer, directory: &Path, commands: &[&str]) -> String {
    let (host, port) = server.pg_address().rsplit_once(':').expect("an address has a port");
    let mut command = tidemill();
    command.args(["sql", "-h", host, "-p", port, "-U", "ann"]).current_dir(directory);
    for text in commands {
        command.args(["-c", text]);
    }
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn read_parquet(path: &Path) -> RecordBatch {
    let file = File::open(path).expect("the file is there");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("it is Parquet");
    let schema = Arc::clone(builder.schema());
    let batches: Vec<RecordBatch> =
        builder.build().expect("it can be read").map(|batch| batch.expect("rows")).collect();
    concat_batches(&schema, &batches).expect("batches of one schema")
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_reads_and_writes_parquet_with_its_types() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let written = every_type();
    let file = File::create(directory.path().join("in.parquet")).expect("a file");
    let mut writer = ArrowWriter::try_new(file, written.schema(), None).expect("a Parquet file");
    writer.write(&written).expect("rows");
    writer.close().expect("the end of the file");

    let server = TestServer::start().await;
    let client = server.connect().await;
    // The columns stand in another order than in the file: they are matched by name.
    run(
        &client,
        "CREATE TABLE kept (id BIGINT PRIMARY KEY, tz TIMESTAMPTZ, ts TIMESTAMP, ti TIME, da DATE, y BYTEA, t TEXT,
            n NUMERIC(20,4), d DOUBLE PRECISION, l BIGINT, i INT, b BOOLEAN) WITH (kafka_topic = 'kept')",
    )
    .await;
    let columns = "id, b, i, l, d, n, t, y, da, ti, ts, tz";
    let told = sql(
        &server,
        directory.path(),
        &[
            "\\copy kept FROM 'in.parquet' (FORMAT parquet)",
            "SET timezone = 'Asia/Kolkata'",
            &format!("\\copy (SELECT {columns} FROM kept ORDER BY id) TO 'out.parquet'"),
            "\\copy (SELECT id FROM kept WHERE id < 0) TO 'none.parquet'",
        ],
    );
    assert_eq!(told, "COPY 3\nSET\nCOPY 3\nCOPY 0\n");
    assert_eq!(read_parquet(&directory.path().join("out.parquet")), written);
    let none = read_parquet(&directory.path().join("none.parquet"));
    assert_eq!((none.num_rows(), none.schema().field(0).data_type()), (0, written.schema().field(0).data_type()));
    server.stop().await;
}

/// A server that runs in a process of its own: what ends it, ends no test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(data_dir: &Path) -> Self {
        let mut command = tidemill();
        let child = on_free_ports(command.arg("server"), data_dir).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the binary starts");
        let mut ready = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut ready).expect("a line of text");
        let address = ready.split_whitespace().find_map(|word| word.strip_prefix("pg=")).expect("the ready line");
        Self { child, address: address.to_string() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_is_too_deep_for_the_server() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start(&directory.path().join("data"));
    let (host, port) = server.address.rsplit_once(':').expect("an address has a port");
    let address = format!("host={host} port={port} user=ann");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.expect("a session opens");
    tokio::spawn(connection);
    run(&client, "CREATE TABLE t (id INT PRIMARY KEY, a TEXT) WITH (kafka_topic = 't')").await;
    run(&client, "INSERT INTO t VALUES (1, 'x')").await;
    // The stack of a test's thread has no room for the first of these, let alone in a build without optimisation.
    for (first, link, last, answer) in [
        ("SELECT count(*) FROM t WHERE id = 0", " OR id = 1", "", "1"),
        ("SELECT count(*) FROM t WHERE id = 1", " AND a <> 'y'", "", "1"),
        ("SELECT length(a", " || a", ") FROM t", "490"),
        ("SELECT id", "::int", " FROM t", "1"),
    ] {
        let statement = |count| format!("{first}{}{last}", link.repeat(count));
        assert_eq!(column(&client, &statement(489)).await, [answer], "{first}{link}");
        assert_eq!(failure(&client, &statement(100_000)).await.0, "54001", "{first}{link}");
    }
    assert_eq!(column(&client, "SELECT 7").await, ["7"], "the server is there");
}

/// Runs a command to its end: whether it ended well, and what it printed.
fn ran(arguments: &[&str], data_dir: &Path) -> (bool, String) {
    let (first, rest) = arguments.split_at(2);
    let output = tidemill().args(first).arg("--data-dir").arg(data_dir).args(rest).output().expect("the binary runs");
    (output.status.success(), String::from_utf8(output.stdout).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn log_verify_finds_what_is_damaged_and_log_repair_gives_it_up() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data_dir = directory.path().join("data");
    let connect = async |server: &Server| {
        let (host, port) = server.address.rsplit_once(':').expect("an address has a port");
        let address = format!("host={host} port={port} user=ann");
        let (client, connection) = tokio_postgres::connect(&address, NoTls).await.expect("a session opens");
        tokio::spawn(connection);
        client
    };
    let server = Server::start(&data_dir);
    let client = connect(&server).await;
    run(
        &client,
        "CREATE STREAM s (id INT KEY, a TEXT) WITH (kafka_topic = 's', value_format = 'JSON', partitions = 1)",
    )
    .await;
    for id in 0..5 {
        run(&client, &format!("INSERT INTO s VALUES ({id}, 'x')")).await;
    }
    let topic = column(&client, "SELECT topic_id FROM tidemill.topics WHERE name = 's'").await.remove(0);
    let (refused, _) = ran(&["log", "verify"], &data_dir);
    assert!(!refused, "a running server has its data directory for itself");
    drop(client);
    drop(server);
    let (whole, told) = ran(&["log", "verify"], &data_dir);
    assert!(whole, "{told}");
    let partition = format!("{topic}-0");
    assert!(told.contains(&format!("{partition}  offsets 0..5  1 segments")), "{told}");
    // The bit of a record in the last batch flips; the journal was trimmed and cannot put it right.
    let segment = data_dir.join("log").join(&partition).join(format!("{:020}.log", 0));
    let mut bytes = std::fs::read(&segment).expect("the segment is there");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("it holds records");
    bytes[last - 3] ^= 1;
    std::fs::write(&segment, bytes).expect("it is written");
    let (whole, told) = ran(&["log", "verify"], &data_dir);
    assert!(!whole && told.contains("damaged from offset"), "{told}");
    let (repaired, told) = ran(&["log", "repair", "--cut", &partition], &data_dir);
    assert!(repaired && told.starts_with(&format!("{partition}: offsets ")), "{told}");
    let (whole, told) = ran(&["log", "verify"], &data_dir);
    assert!(whole, "{told}");
    let (repaired, told) = ran(&["log", "repair", "--cut", &partition], &data_dir);
    assert!(repaired && told == format!("{partition} is whole\n"), "{told}");
    assert!(!ran(&["log", "repair", "--cut", "nothing-0"], &data_dir).0, "there is no such partition");
    let server = Server::start(&data_dir);
    let client = connect(&server).await;
    run(&client, "INSERT INTO s VALUES (9, 'y')").await;
    let ids = column(&client, "SELECT id FROM s ORDER BY id DESC LIMIT 1").await;
    assert_eq!(ids, ["9"], "the topic goes on");
}
