//! A batch is decoded once, however many queries read it.

use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;

const RECORDS: usize = 2_000;
const QUERIES: usize = 100;
/// Of the first relation that was made.
const DEAD_LETTERS: &str = "__tidemill.r1.dead-letters";
const COLUMNS: &str = "card TEXT KEY, amount BIGINT, country TEXT, at TIMESTAMP, tags ARRAY<TEXT>";

async fn pipeline() -> Pipeline {
    let mut pipeline = Pipeline::open(PipelineOptions::default()).await.expect("an engine");
    make(&mut pipeline, &format!("CREATE STREAM payments ({COLUMNS}) WITH (kafka_topic = 'payments')")).await;
    pipeline
}

async fn make(pipeline: &mut Pipeline, statement: &str) {
    pipeline.execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
}

/// Writes records, one in a hundred of which no relation can read.
async fn pay(pipeline: &Pipeline) {
    let values: Vec<Vec<u8>> = (0..RECORDS)
        .map(|number| match number % 100 {
            7 => b"{\"amount\":\"many\"}".to_vec(),
            _ => format!("{{\"amount\":{number},\"country\":\"C{}\",\"tags\":[\"x\"]}}", number % 9).into_bytes(),
        })
        .collect();
    for (first, values) in (0..).step_by(250).zip(values.chunks(250)) {
        let records = values.iter().zip(first..).map(|(value, time)| (time, Some(&b"c"[..]), Some(value.as_slice())));
        pipeline.produce_many("payments", 0, records).await.expect("records are taken");
    }
}

async fn drive(pipeline: &Pipeline) {
    pipeline.drive_with(500, &mut || true).await.expect("the queries run");
    assert_eq!(pipeline.failed_query(), None);
}

fn count(pipeline: &Pipeline, view: &str) -> usize {
    pipeline.view(view).expect("the view is there").iter().map(|batch| batch.num_rows()).sum()
}

#[tokio::test]
async fn a_hundred_queries_on_a_stream_decode_each_record_once() {
    let mut pipeline = pipeline().await;
    for number in 0..QUERIES {
        let select = match number % 4 {
            0 => "country, COUNT(*) AS n FROM payments GROUP BY country",
            1 => "country, SUM(amount) AS n FROM payments GROUP BY country",
            2 => "card, COUNT(*) AS n FROM payments WHERE 3 < amount GROUP BY card",
            _ => "country, MAX(amount) AS n FROM payments WHERE amount % 2 = 0 GROUP BY country",
        };
        make(&mut pipeline, &format!("CREATE TABLE v{number} AS SELECT {select}")).await;
    }
    pay(&pipeline).await;
    drive(&pipeline).await;
    let counts = pipeline.runtime().decode_counts();
    assert_eq!((counts.decoded, counts.given), (RECORDS as u64, (RECORDS * QUERIES) as u64));
    assert!(0 < counts.kept_bytes);
    assert_eq!((count(&pipeline, "v0"), count(&pipeline, "v2")), (9, 1));
    let letters = pipeline.records(DEAD_LETTERS).await.expect("the topic is read");
    assert_eq!(letters.len(), RECORDS / 100, "a relation's bad records are written once");
}

#[tokio::test]
async fn a_reader_of_another_column_has_it_built_beside_what_is_there() {
    let mut pipeline = pipeline().await;
    make(&mut pipeline, "CREATE TABLE per_country AS SELECT country, COUNT(*) AS n FROM payments GROUP BY country")
        .await;
    pay(&pipeline).await;
    drive(&pipeline).await;
    make(&mut pipeline, "CREATE STREAM tagged AS SELECT card, country, tags, amount FROM payments").await;
    make(&mut pipeline, "CREATE STREAM copied AS SELECT card, country, tags, amount FROM payments").await;
    drive(&pipeline).await;
    let counts = pipeline.runtime().decode_counts();
    assert_eq!(counts.decoded, 2 * RECORDS as u64, "once for the first query, once for the columns of the others");
    let tagged = pipeline.records("tagged").await.expect("the topic is read");
    assert_eq!(tagged.len(), RECORDS - RECORDS / 100);
    assert_eq!(tagged[1].value.as_deref(), Some(&b"{\"country\":\"C1\",\"tags\":[\"x\"],\"amount\":1}"[..]));
    let copied = pipeline.records("copied").await.expect("the topic is read");
    let same = tagged.iter().zip(&copied).all(|(tagged, copied)| tagged.value == copied.value);
    assert!(same && tagged.len() == copied.len());
}

#[tokio::test]
async fn relations_of_one_declaration_over_a_topic_share_their_rows_and_others_do_not() {
    let mut pipeline = pipeline().await;
    make(&mut pipeline, &format!("CREATE STREAM twin ({COLUMNS}) WITH (kafka_topic = 'payments')")).await;
    make(&mut pipeline, "CREATE STREAM other (country TEXT, amount TEXT) WITH (kafka_topic = 'payments')").await;
    make(&mut pipeline, "CREATE TABLE a AS SELECT country, COUNT(*) AS n FROM payments GROUP BY country").await;
    make(&mut pipeline, "CREATE TABLE b AS SELECT country, COUNT(*) AS n FROM twin GROUP BY country").await;
    pay(&pipeline).await;
    drive(&pipeline).await;
    assert_eq!(pipeline.runtime().decode_counts().decoded, RECORDS as u64);
    // What is bad for one declaration is a row of another.
    make(
        &mut pipeline,
        "CREATE TABLE c AS SELECT country, COUNT(*) AS n FROM other WHERE amount = 'many' GROUP BY country",
    )
    .await;
    make(&mut pipeline, "CREATE STREAM d AS SELECT country, amount FROM other WHERE amount = 'many'").await;
    drive(&pipeline).await;
    assert_eq!(pipeline.records("d").await.expect("the topic is read").len(), RECORDS / 100);
    assert_eq!(pipeline.runtime().decode_counts().decoded, 2 * RECORDS as u64);
}
