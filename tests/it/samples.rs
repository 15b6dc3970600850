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
    assert_eq!(names, ["01_stream.sql", "02_views.sql", "03_ask.sql"]);
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
