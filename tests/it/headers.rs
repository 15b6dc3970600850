//! Headers of records on their way through standing queries: each record that a query writes has those of the one that caused it.

use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;

const PARTITIONS: i32 = 2;
const RECORDS: i64 = 24;

const SOURCE: &str =
    "CREATE STREAM s (k BIGINT KEY, a BIGINT, b ARRAY<BIGINT>) WITH (kafka_topic = 's', partitions = 2);";

async fn pipeline(statements: &str) -> Pipeline {
    let mut pipeline = Pipeline::open(PipelineOptions::default()).await.expect("a pipeline opens");
    let statements = format!("{SOURCE}{statements}");
    pipeline.execute(&statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    pipeline
}

/// Records 0 to `RECORDS`, of which every third has no headers and the others say their number.
async fn write(pipeline: &Pipeline) {
    for number in 0..RECORDS {
        let key = number.to_be_bytes();
        let value = format!("{{\"a\": {}, \"b\": [{number}, {number}]}}", number % 5);
        let name = number.to_string();
        let headers: Vec<(&[u8], Option<&[u8]>)> = match number % 3 {
            0 => Vec::new(),
            _ => vec![(b"number", Some(name.as_bytes())), (b"none", None)],
        };
        let record = (number * 1_000, Some(&key[..]), Some(value.as_bytes()));
        let partition = i32::try_from(number).expect("few records") % PARTITIONS;
        pipeline.produce_with_headers("s", partition, record, &headers).await.expect("a record is taken");
    }
}

/// Runs all with so many rows a round, and a cut after every `cut_after` of them.
async fn drive(pipeline: &Pipeline, rows: usize, cut_after: usize) {
    let mut rounds = 0;
    let mut cut = move || {
        rounds += 1;
        rounds % cut_after == 0
    };
    pipeline.drive_with(rows, &mut cut).await.expect("the queries run");
    assert_eq!(pipeline.failed_query(), None);
}

/// The time of each record of a topic in seconds, which is its number, with the headers.
async fn found(pipeline: &Pipeline, topic: &str) -> Vec<(i64, Vec<(String, Option<String>)>)> {
    let records = pipeline.records(topic).await.expect("the topic is there");
    let text = |value: Option<Vec<u8>>| value.map(|value| String::from_utf8(value).expect("a text"));
    let mut found: Vec<_> = records
        .into_iter()
        .map(|record| {
            let headers = record.headers.into_iter().map(|(name, value)| (name, text(value)));
            (record.timestamp / 1_000, headers.collect::<Vec<_>>())
        })
        .collect();
    found.sort();
    found
}

fn of_record(number: i64) -> Vec<(String, Option<String>)> {
    match number % 3 {
        0 => Vec::new(),
        _ => vec![("number".to_owned(), Some(number.to_string())), ("none".to_owned(), None)],
    }
}

/// Every record of the topic has the headers of the input of its time, and there are `times` for each input.
async fn expect_forwarded(pipeline: &Pipeline, topic: &str, times: usize) {
    let wanted: Vec<_> = (0..RECORDS).flat_map(|number| vec![(number, of_record(number)); times]).collect();
    assert_eq!(found(pipeline, topic).await, wanted, "{topic}");
}

#[tokio::test]
async fn a_stateless_query_forwards_headers() {
    let statements = "
        CREATE STREAM same AS SELECT * FROM s;
        CREATE STREAM again AS SELECT k, a FROM same WHERE a >= 0;
        CREATE STREAM each AS SELECT k, UNNEST(b) AS one FROM s;
        CREATE STREAM moved AS SELECT a, k FROM s PARTITION BY a;";
    for (rows, cut_after) in [(1, 1), (7, 2), (100, 1_000)] {
        let pipeline = pipeline(statements).await;
        write(&pipeline).await;
        drive(&pipeline, rows, cut_after).await;
        for (topic, times) in [("same", 1), ("again", 1), ("each", 2), ("moved", 1)] {
            expect_forwarded(&pipeline, topic, times).await;
        }
    }
}

#[tokio::test]
async fn what_was_decoded_for_another_query_before_gets_its_headers() {
    let mut pipeline = pipeline("CREATE STREAM same AS SELECT * FROM s;").await;
    write(&pipeline).await;
    drive(&pipeline, 100, 1).await;
    pipeline.execute("CREATE STREAM later AS SELECT k, b FROM s;").await.expect("a query is made");
    drive(&pipeline, 100, 1).await;
    expect_forwarded(&pipeline, "later", 1).await;
}

#[tokio::test]
async fn a_change_of_a_group_has_the_headers_of_the_record_that_made_it() {
    let pipeline =
        pipeline("SET emit = 'all'; CREATE TABLE groups AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;").await;
    write(&pipeline).await;
    drive(&pipeline, 7, 2).await;
    // A group has the greatest time of its rows; two partitions give them out of order.
    let mut forwarded: Vec<_> = found(&pipeline, "groups").await.into_iter().map(|(_, headers)| headers).collect();
    forwarded.sort();
    let mut wanted: Vec<_> = (0..RECORDS).map(of_record).collect();
    wanted.sort();
    assert_eq!(forwarded, wanted);
}

#[tokio::test]
async fn a_row_that_stands_for_many_records_has_no_headers() {
    let statements = "
        CREATE TABLE groups AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;
        CREATE TABLE closed AS SELECT a, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 4 SECONDS, GRACE PERIOD 0 SECONDS)
            GROUP BY a EMIT FINAL;";
    let pipeline = pipeline(statements).await;
    write(&pipeline).await;
    drive(&pipeline, 100, 1_000).await;
    for topic in ["groups", "closed"] {
        let found = found(&pipeline, topic).await;
        assert!(4 < found.len(), "{topic}: {found:?}");
        assert!(found.iter().all(|(_, headers)| headers.is_empty()), "{topic}: {found:?}");
    }
}
