//! The pipelines of `sql/`, top to bottom: what a newcomer copies works.

use std::fs;
use std::path::PathBuf;

use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;

use super::server::TestServer;
use super::server::column;
use super::server::run;
use super::server::settled;

/// The texts of a pipeline's files in their order.
fn texts(pipeline: &str) -> Vec<(String, String)> {
    let directory: PathBuf = [env!("CARGO_MANIFEST_DIR"), "sql", pipeline].iter().collect();
    let entries = fs::read_dir(&directory).expect("the pipeline is part of the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    paths.sort();
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).expect("a text"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_runs_top_to_bottom() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let texts = texts("quickstart");
    let names: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["01_payments.sql", "02_views.sql", "03_rows.sql", "04_ask.sql"]);
    for (_, text) in &texts {
        run(&client, text).await;
    }
    assert_eq!(
        settled(&client, "SELECT country, n, total FROM per_country ORDER BY total DESC").await,
        [["CH", "1", "75.00"], ["DE", "1", "12.50"]]
    );
    assert_eq!(
        settled(&client, "SELECT card_id, amount, credit_limit FROM over_limit").await,
        [["c2", "75.00", "50.00"]]
    );
    server.stop().await;
}

#[tokio::test]
async fn the_quickstart_joins_though_all_of_it_happens_in_one_millisecond() {
    let options = PipelineOptions { wall_micros: 1_717_200_000_000_000, ..PipelineOptions::default() };
    let mut pipeline = Pipeline::open(options).await.expect("an engine whose clock stands");
    for (name, text) in texts("quickstart") {
        pipeline.execute(&text).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
    pipeline.drive().await.expect("the queries run");
    assert_eq!(pipeline.records("over_limit").await.expect("the topic is read").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flights_run_top_to_bottom_over_a_few_rows() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let texts = texts("flights");
    let names: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["01_stream.sql", "02_views.sql", "03_ask.sql", "04_dimensions.sql"]);
    for (name, text) in &texts {
        if name == "03_ask.sql" {
            let flight = |day: i32, carrier: &str, delay: &str| {
                format!("('{carrier}', 'JFK', {delay}, TIMESTAMP '2013-01-0{day} 10:00:00')")
            };
            let flights = [flight(1, "AA", "10"), flight(1, "AA", "NULL"), flight(1, "UA", "5"), flight(2, "AA", "-2")];
            let insert = "INSERT INTO flights (carrier, origin, dep_delay, time_hour) VALUES";
            run(&client, &format!("{insert} {}", flights.join(", "))).await;
        }
        run(&client, text).await;
        // A second run of what makes things finds them.
        if name != "03_ask.sql" {
            run(&client, text).await;
        }
    }
    let per_day = "SELECT carrier, CAST(windowstart AS DATE), flights, departed, delay_minutes, delay_mean, delay_max
        FROM delay_per_carrier_day ORDER BY carrier, windowstart";
    let expected: [&[&str]; 3] = [
        &["AA", "2013-01-01", "2", "1", "10", "10", "10"],
        &["AA", "2013-01-02", "1", "1", "-2", "-2", "-2"],
        &["UA", "2013-01-01", "1", "1", "5", "5", "5"],
    ];
    assert_eq!(settled(&client, per_day).await, expected);
    assert_eq!(settled(&client, "SELECT origin, flights FROM delay_per_origin").await, [["JFK", "4"]]);
    assert_eq!(column(&client, "SELECT COUNT(*) FROM flights").await, ["4"]);
    server.stop().await;
}

/// Cards and terminals: a cafe by day, a bar until two at night, and a shop without a place.
const FRAUD_TABLES: &str = "
    INSERT INTO cards SELECT 'c' || n, 'Ann', 'Berlin', 'DE', '2020-01-01' FROM generate_series(1, 9) AS t(n);
    INSERT INTO merchants VALUES ('cafe', 'Cafe', 'food', 'Berlin', 'DE', 7, 19, '2020-01-01'),
        ('bar', 'Bar', 'food', 'Berlin', 'DE', 16, 2, '2020-01-01'),
        ('shop', 'Shop', 'online', NULL, NULL, 0, 0, '2020-01-01');
";

const BERLIN: &str = "52.52, 13.41";
const TOKYO: &str = "35.68, 139.69";
const ONLINE: &str = "NULL, NULL";

/// Payments of one card at one terminal: card, terminal, place, and of each payment its time of day and amount.
type PaymentsOfCard = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Of each kind of fraud one case, and before it what only looks like it.
const FRAUD_PAYMENTS: [PaymentsOfCard; 16] = [
    // Five payments in ten minutes are no velocity, six in twelve neither; six in nine are. The seventh is too late.
    ("c1", "cafe", BERLIN, &[("08:01", "20"), ("08:02", "20"), ("08:03", "20"), ("08:04", "20"), ("08:10", "20")]),
    ("c1", "cafe", BERLIN, &[("08:13", "20"), ("08:30", "20"), ("08:31", "20"), ("08:33", "20"), ("08:35", "20")]),
    ("c1", "cafe", BERLIN, &[("08:37", "20"), ("08:39", "20"), ("08:40", "20")]),
    // From Berlin to Tokyo in twelve hours goes by plane; back in ten minutes nothing goes, and online is nowhere.
    ("c2", "cafe", BERLIN, &[("08:00", "30")]),
    ("c2", "shop", ONLINE, &[("20:00", "30")]),
    ("c2", "bar", TOKYO, &[("20:30", "30")]),
    ("c2", "bar", BERLIN, &[("20:40", "30")]),
    // Two tiny amounts are no test; three and a purchase are, but not if the card was quiet in between.
    ("c3", "shop", ONLINE, &[("09:00", "1"), ("09:01", "1"), ("09:02", "200")]),
    ("c3", "shop", ONLINE, &[("10:00", "1"), ("10:01", "1"), ("10:02", "1"), ("10:30", "200")]),
    ("c3", "shop", ONLINE, &[("11:00", "1"), ("11:01", "1"), ("11:02", "1"), ("11:03", "20"), ("11:10", "200")]),
    // Cards pay at the bar until two; four after it closed may be its staff, the fifth is none of them.
    ("c4", "bar", BERLIN, &[("23:10", "40"), ("23:50", "40")]),
    ("c5", "cafe", BERLIN, &[("18:50", "40"), ("19:05", "40")]),
    ("c6", "cafe", BERLIN, &[("19:06", "40")]),
    ("c7", "cafe", BERLIN, &[("19:07", "40")]),
    ("c8", "cafe", BERLIN, &[("19:08", "40")]),
    ("c9", "cafe", BERLIN, &[("19:10", "40")]),
];

/// Rows for `payments` in the order of their time, numbered in the order in which they are told.
fn fraud_payments() -> Vec<String> {
    let mut payments: Vec<(String, &str, &str, &str, String)> = Vec::new();
    for (card, terminal, place, times) in FRAUD_PAYMENTS {
        let of_day = |(time, amount): &(&str, &str)| {
            (format!("2024-01-02 {time}:00"), card, terminal, place, (*amount).to_string())
        };
        payments.extend(times.iter().map(of_day));
    }
    // Amounts of some weeks go up and down; then one is three times as high as usual, and one forty times.
    for day in 3..=27 {
        payments.push((format!("2024-01-{day:02} 10:00:00"), "c4", "cafe", BERLIN, (20 + day % 5 * 4).to_string()));
    }
    for (time, amount) in [("10:00", "80"), ("11:00", "1000")] {
        payments.push((format!("2024-01-28 {time}:00"), "c4", "cafe", BERLIN, amount.to_string()));
    }
    let mut rows: Vec<(String, String)> = Vec::new();
    for (number, (time, card, terminal, place, amount)) in (1..).zip(payments) {
        let row = format!("('{card}', {number}, '{terminal}', {amount}, {place}, '{time}')");
        rows.push((time, row));
    }
    rows.sort();
    rows.into_iter().map(|(_, row)| row).collect()
}

#[tokio::test]
async fn each_kind_of_fraud_gives_its_alerts_and_what_looks_like_it_none() {
    let options = PipelineOptions { wall_micros: 1_717_200_000_000_000, ..PipelineOptions::default() };
    let mut pipeline = Pipeline::open(options).await.expect("an engine whose clock stands");
    let texts = texts("fraud");
    let names: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
    let rules = ["02_velocity.sql", "03_travel.sql", "04_card_testing.sql", "05_spending.sql", "06_terminals.sql"];
    assert_eq!(names, [&["01_relations.sql"][..], &rules, &["07_alerts.sql", "08_ask.sql"]].concat());
    let (questions, makers) = texts.split_last().expect("there are files");
    for (name, text) in makers {
        pipeline.execute(text).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
    pipeline.execute(FRAUD_TABLES).await.expect("cards and merchants are taken");
    let rows = fraud_payments().join(", ");
    pipeline.execute(&format!("INSERT INTO payments VALUES {rows}")).await.expect("payments are taken");
    pipeline.drive().await.expect("the queries run");
    assert_eq!(pipeline.failed_query(), None);
    let mut alerts = Vec::new();
    for record in pipeline.records("alerts").await.expect("the topic is read") {
        let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.expect("it is there")).expect("text");
        let (card, value) = (text(record.key), text(record.value));
        let value: serde_json::Value = serde_json::from_str(&value).expect("JSON");
        alerts
            .push(format!("{card} {} {} {}", value["reason"], value["payment_id"], value["details"]).replace('"', ""));
    }
    alerts.sort();
    let expected = [
        "c1 velocity 12 6 payments in 10 minutes",
        "c2 impossible travel 17 8917 km in 10 minutes",
        "c3 card testing 29 3 small amounts, then 200.00",
        "c4 out of character 64 1000.00, usually 29",
        // From two windows: both have all five.
        "c8 stolen terminal 36 cafe: 5 cards while closed",
        "c8 stolen terminal 36 cafe: 5 cards while closed",
    ];
    assert_eq!(alerts, expected);
    pipeline.execute(&questions.1).await.expect("the questions are answered");
}

/// The blocks of a page in one language, each with the answer behind it if there is one.
fn blocks(page: &str) -> Vec<(String, Option<String>)> {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').expect("a block has lines");
        match language {
            "sql" => found.push((format!("{text}\n"), None)),
            "text" => found.last_mut().expect("an answer has a question").1 = Some(format!("{text}\n")),
            _ => {}
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_runs_top_to_bottom_and_answers_as_it_says() {
    let page = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/tutorial.md")).expect("a page");
    let blocks = blocks(&page);
    assert!(10 < blocks.len(), "the page has statements");
    let server = TestServer::start().await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let script: String = blocks.iter().map(|(sql, _)| format!("{sql}\\echo ~~~~\n")).collect();
    fs::write(directory.path().join("tutorial.sql"), script).expect("a file");
    let place = format!("postgresql://ann@{}/tidemill", server.pg_address());
    let output = super::server::binary()
        .args(["sql", &place, "-f", "tutorial.sql"])
        .current_dir(directory.path())
        .output()
        .expect("the binary runs");
    let (shown, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{told}");
    let answers: Vec<&str> = shown.split("~~~~\n").collect();
    assert_eq!(answers.len(), blocks.len() + 1, "{shown}");
    for ((sql, wanted), answer) in blocks.iter().zip(answers) {
        if let Some(wanted) = wanted {
            assert_eq!(answer, wanted, "{sql}");
        }
    }
    server.stop().await;
}
