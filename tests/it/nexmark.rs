//! The queries of `sql/nexmark` over generated events, held to batch queries by DataFusion over the same events.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use arrow::datatypes::TimeUnit;
use arrow::json::ReaderBuilder;
use arrow::util::display::ArrayFormatter;
use arrow::util::display::FormatOptions;
use datafusion::prelude::SessionContext;
use tidemill::cli::datagen::nexmark::EventKind;
use tidemill::cli::datagen::nexmark::Generator;
use tidemill::cli::datagen::nexmark::Options;
use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::cli::test::RawOutput;

const EVENTS: u64 = 4_000;
/// Milliseconds between the records' own times, which `q12` goes by.
const RECORD_MS: i64 = 11;

/// Each query's relation, whether it is a stream, and what a batch query says of the events.
const QUERIES: &[(&str, Kind, &str)] = &[
    ("q0", Kind::Stream, "SELECT auction, bidder, price, date_time, extra FROM bid"),
    (
        "q1",
        Kind::Stream,
        "SELECT auction, bidder, CAST('0.908' AS DECIMAL(4, 3)) * price AS price, date_time, extra FROM bid",
    ),
    ("q2", Kind::Stream, "SELECT auction, price FROM bid WHERE auction % 123 = 0"),
    (
        "q3",
        Kind::Stream,
        "SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id
         WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')",
    ),
    (
        "q4",
        Kind::Table,
        "SELECT category, AVG(final) AS average FROM (
             SELECT MAX(b.price) AS final, a.category FROM auction a JOIN bid b ON a.id = b.auction
             WHERE b.date_time BETWEEN a.date_time AND a.expires GROUP BY a.id, a.category)
         GROUP BY category",
    ),
    (
        "q5",
        Kind::Table,
        "WITH counts AS (
             SELECT auction, windowstart, COUNT(*) AS bid_count FROM (
                 SELECT auction, date_bin(INTERVAL '2 seconds', date_time) - back.span AS windowstart FROM bid
                 CROSS JOIN (VALUES (INTERVAL '0 seconds'), (INTERVAL '2 seconds'), (INTERVAL '4 seconds'),
                     (INTERVAL '6 seconds'), (INTERVAL '8 seconds')) AS back(span))
             GROUP BY auction, windowstart)
         SELECT counts.auction, counts.bid_count, counts.windowstart FROM counts
         JOIN (SELECT windowstart, MAX(bid_count) AS most FROM counts GROUP BY windowstart) AS hot
         ON counts.windowstart = hot.windowstart AND counts.bid_count >= hot.most",
    ),
    (
        "q7",
        Kind::Table,
        "SELECT b.auction, b.price, b.bidder, b.date_time, b.extra FROM bid b
         JOIN (
             SELECT MAX(price) AS most, date_bin(INTERVAL '10 seconds', date_time) + INTERVAL '10 seconds' AS ends
             FROM bid GROUP BY date_bin(INTERVAL '10 seconds', date_time)) AS highest
         ON b.price = highest.most
         WHERE b.date_time BETWEEN highest.ends - INTERVAL '10 seconds' AND highest.ends",
    ),
    (
        "q8",
        Kind::Table,
        "SELECT p.id, p.name, p.starttime, a.auctions FROM (
             SELECT id, name, date_bin(INTERVAL '10 seconds', date_time) AS starttime FROM person) p
         JOIN (
             SELECT seller, date_bin(INTERVAL '10 seconds', date_time) AS starttime, COUNT(*) AS auctions
             FROM auction GROUP BY seller, date_bin(INTERVAL '10 seconds', date_time)) a
         ON p.id = a.seller AND p.starttime = a.starttime",
    ),
    (
        "q9",
        Kind::Table,
        "SELECT id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra,
             auction, bidder, price, bid_date_time, bid_extra FROM (
             SELECT a.*, b.auction, b.bidder, b.price, b.date_time AS bid_date_time, b.extra AS bid_extra,
                 ROW_NUMBER() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time, b.recorded) AS place
             FROM auction a JOIN bid b ON a.id = b.auction WHERE b.date_time BETWEEN a.date_time AND a.expires)
         WHERE place <= 1",
    ),
    (
        "q11",
        Kind::Table,
        "SELECT bidder, MIN(date_time) AS windowstart, MAX(date_time) AS windowend, COUNT(*) AS bid_count FROM (
             SELECT bidder, date_time, SUM(begins) OVER (PARTITION BY bidder ORDER BY date_time) AS session FROM (
                 SELECT bidder, date_time, CASE WHEN
                     date_time - LAG(date_time) OVER (PARTITION BY bidder ORDER BY date_time) <= INTERVAL '10 seconds'
                     THEN 0 ELSE 1 END AS begins
                 FROM bid))
         GROUP BY bidder, session",
    ),
    (
        "q12",
        Kind::Table,
        "SELECT bidder, date_bin(INTERVAL '10 seconds', recorded) AS windowstart, COUNT(*) AS bid_count
         FROM bid GROUP BY bidder, date_bin(INTERVAL '10 seconds', recorded)",
    ),
    (
        "q15",
        Kind::Table,
        "SELECT CAST(date_time AS DATE) AS day, COUNT(*) AS total_bids,
             COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
             COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
             COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
             COUNT(DISTINCT bidder) AS total_bidders,
             COUNT(DISTINCT CASE WHEN price < 10000 THEN bidder END) AS rank1_bidders,
             COUNT(DISTINCT CASE WHEN price >= 10000 AND price < 1000000 THEN bidder END) AS rank2_bidders,
             COUNT(DISTINCT CASE WHEN price >= 1000000 THEN bidder END) AS rank3_bidders,
             COUNT(DISTINCT auction) AS total_auctions,
             COUNT(DISTINCT CASE WHEN price < 10000 THEN auction END) AS rank1_auctions,
             COUNT(DISTINCT CASE WHEN price >= 10000 AND price < 1000000 THEN auction END) AS rank2_auctions,
             COUNT(DISTINCT CASE WHEN price >= 1000000 THEN auction END) AS rank3_auctions
         FROM bid GROUP BY CAST(date_time AS DATE)",
    ),
    (
        "q16",
        Kind::Table,
        "SELECT channel, CAST(date_time AS DATE) AS day, MAX(CAST(date_time AS TIME)) AS minute,
             COUNT(*) AS total_bids,
             COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
             COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
             COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
             COUNT(DISTINCT bidder) AS total_bidders,
             COUNT(DISTINCT CASE WHEN price < 10000 THEN bidder END) AS rank1_bidders,
             COUNT(DISTINCT CASE WHEN price >= 10000 AND price < 1000000 THEN bidder END) AS rank2_bidders,
             COUNT(DISTINCT CASE WHEN price >= 1000000 THEN bidder END) AS rank3_bidders,
             COUNT(DISTINCT auction) AS total_auctions,
             COUNT(DISTINCT CASE WHEN price < 10000 THEN auction END) AS rank1_auctions,
             COUNT(DISTINCT CASE WHEN price >= 10000 AND price < 1000000 THEN auction END) AS rank2_auctions,
             COUNT(DISTINCT CASE WHEN price >= 1000000 THEN auction END) AS rank3_auctions
         FROM bid GROUP BY channel, CAST(date_time AS DATE)",
    ),
    (
        "q17",
        Kind::Table,
        "SELECT auction, CAST(date_time AS DATE) AS day, COUNT(*) AS total_bids,
             COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
             COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
             COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
             MIN(price) AS min_price, MAX(price) AS max_price, AVG(price) AS avg_price, SUM(price) AS sum_price
         FROM bid GROUP BY auction, CAST(date_time AS DATE)",
    ),
    (
        "q18",
        Kind::Table,
        "SELECT bidder, auction, price, channel, url, date_time, extra FROM (
             SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC, recorded) AS place
             FROM bid)
         WHERE place <= 1",
    ),
    (
        "q19",
        Kind::Table,
        "SELECT auction, bidder, price, channel, url, date_time, extra, rank_number FROM (
             SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC, recorded) AS rank_number FROM bid)
         WHERE rank_number <= 10",
    ),
    (
        "q20",
        Kind::Stream,
        "SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.date_time AS bid_date_time, b.extra AS bid_extra,
             a.item_name, a.description, a.initial_bid, a.reserve, a.date_time AS auction_date_time, a.expires,
             a.seller, a.category, a.extra AS auction_extra
         FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stream,
    Table,
}

/// The events of one kind: their rows as JSON, with the records' times.
struct Rows {
    kind: EventKind,
    lines: Vec<(i64, Vec<u8>)>,
}

fn events() -> Vec<Rows> {
    // A slow site, so that sessions end and ten seconds are not all.
    let generator = Generator::new(Options { rate: 40, ..Options::default() });
    let mut rows: Vec<Rows> = EventKind::ALL.into_iter().map(|kind| Rows { kind, lines: Vec::new() }).collect();
    for number in 0..EVENTS {
        let event = generator.event(number);
        let mut line = Vec::new();
        event.write_row(&mut line);
        rows[event.kind() as usize].lines.push((number as i64 * RECORD_MS, line));
    }
    rows
}

fn schema_of(kind: EventKind) -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let field = |(name, data_type): (&str, &DataType)| Field::new(name, data_type.clone(), true);
    let (number, text) = (&DataType::Int64, &DataType::Utf8);
    let fields: Vec<Field> = match kind {
        EventKind::Person => vec![
            ("id", number),
            ("name", text),
            ("email_address", text),
            ("credit_card", text),
            ("city", text),
            ("state", text),
            ("date_time", &time),
            ("extra", text),
        ],
        EventKind::Auction => vec![
            ("id", number),
            ("item_name", text),
            ("description", text),
            ("initial_bid", number),
            ("reserve", number),
            ("date_time", &time),
            ("expires", &time),
            ("seller", number),
            ("category", number),
            ("extra", text),
        ],
        EventKind::Bid => vec![
            ("auction", number),
            ("bidder", number),
            ("price", number),
            ("channel", text),
            ("url", text),
            ("date_time", &time),
            ("extra", text),
        ],
    }
    .into_iter()
    .map(field)
    .collect();
    Arc::new(Schema::new(fields))
}

/// Documents as arrow-json reads them.
fn read<'l>(schema: SchemaRef, documents: impl Iterator<Item = &'l [u8]>) -> RecordBatch {
    let text: Vec<u8> = documents.flat_map(|document| [document, b"\n"].concat()).collect();
    let reader = ReaderBuilder::new(Arc::clone(&schema)).build(text.as_slice()).expect("a reader");
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().expect("the documents are of the schema");
    concat_batches(&schema, &batches).expect("of one schema")
}

/// DataFusion over the events.
fn batch_engine(events: &[Rows]) -> SessionContext {
    let context = SessionContext::new();
    for rows in events {
        let batch = read(schema_of(rows.kind), rows.lines.iter().map(|(_, line)| line.as_slice()));
        let recorded = Int64Array::from_iter_values(rows.lines.iter().map(|(ms, _)| ms * 1_000));
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        let recorded = cast(&recorded, &time).expect("a time is a number");
        let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new("recorded", time, true));
        let columns: Vec<ArrayRef> = batch.columns().iter().cloned().chain([recorded]).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("one more column");
        context.register_batch(rows.kind.name(), batch).expect("a table");
    }
    context
}

/// Rows as sorted texts, times as microseconds.
fn texts(batch: &RecordBatch, names: &[String]) -> Vec<String> {
    let columns: Vec<ArrayRef> = names
        .iter()
        .map(|name| {
            let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no {name} in {:?}", batch.schema()));
            match column.data_type() {
                DataType::Timestamp(..) => {
                    let micros = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None)).expect("a time");
                    cast(&micros, &DataType::Int64).expect("a number")
                }
                DataType::Time64(_) => {
                    let micros = cast(column, &DataType::Time64(TimeUnit::Microsecond)).expect("a time");
                    cast(&micros, &DataType::Int64).expect("a number")
                }
                _ => Arc::clone(column),
            }
        })
        .collect();
    let options = FormatOptions::default();
    let formatters: Vec<ArrayFormatter<'_>> =
        columns.iter().map(|column| ArrayFormatter::try_new(column, &options).expect("a type with a text")).collect();
    let row = |row: usize| formatters.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
    let mut rows: Vec<String> = (0..batch.num_rows()).map(row).collect();
    rows.sort();
    rows
}

async fn pipeline(events: &[Rows]) -> Pipeline {
    // Long after the events, so that none of them is too far ahead of the clock.
    let options = PipelineOptions { wall_micros: 1_800_000_000_000_000, ..PipelineOptions::default() };
    let mut pipeline = Pipeline::open(options).await.expect("an engine");
    pipeline.execute(&text("01_streams")).await.expect("the streams are made");
    for rows in events {
        for lines in rows.lines.chunks(500) {
            let records = lines.iter().map(|(time, line)| (*time, None, Some(line.as_slice())));
            pipeline.produce_many(rows.kind.name(), 0, records).await.expect("records are taken");
        }
    }
    pipeline
}

fn text(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "sql", "nexmark", &format!("{name}.sql")].iter().collect();
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the relation of a query holds.
async fn rows_of(pipeline: &Pipeline, name: &str, kind: Kind, schema: SchemaRef) -> RecordBatch {
    match kind {
        Kind::Table => {
            let batches = pipeline.view(name).expect("the view is there");
            let schema = batches.first().unwrap_or_else(|| panic!("{name} has no rows")).schema();
            concat_batches(&schema, &batches).expect("of one schema")
        }
        Kind::Stream => {
            let catalog = pipeline.catalog().expect("a catalog");
            let relation = catalog.relation(name).expect("the stream is there");
            let key = relation.key_columns().first().map(|place| relation.columns[*place].name.clone());
            let records = pipeline.records(name).await.expect("the topic is there");
            let documents: Vec<Vec<u8>> = records.iter().map(|record| document(record, key.as_deref())).collect();
            read(schema, documents.iter().map(Vec::as_slice))
        }
    }
}

/// A record's value, with the number that its key is as the first field.
fn document(record: &RawOutput, key: Option<&str>) -> Vec<u8> {
    let value = record.value.as_deref().expect("a row of a stream has a value");
    let Some(name) = key else { return value.to_vec() };
    let key: [u8; 8] = record.key.as_deref().expect("a row has its key").try_into().expect("a BIGINT of KAFKA");
    let mut document = format!("{{\"{name}\":{},", i64::from_be_bytes(key)).into_bytes();
    document.extend_from_slice(value.strip_prefix(b"{").expect("an object"));
    document
}

#[tokio::test]
async fn what_the_queries_of_nexmark_keep_is_what_the_batch_queries_say() {
    let events = events();
    let engine = batch_engine(&events);
    let mut wrong = Vec::new();
    for (name, kind, batch) in QUERIES {
        let answer = engine.sql(batch).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let answer = answer.collect().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let schema = answer.first().expect("there are rows").schema();
        let expected = concat_batches(&schema, &answer).expect("of one schema");
        assert!(0 < expected.num_rows(), "{name} is about something");
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut pipeline = pipeline(&events).await;
        if let Err(error) = pipeline.execute(&text(name)).await {
            wrong.push(format!("{name}: {error:?}"));
            continue;
        }
        pipeline.drive_with(700, &mut || true).await.expect("the queries run");
        assert_eq!(pipeline.failed_query(), None, "{name}");
        let found = rows_of(&pipeline, name, *kind, Arc::clone(&schema)).await;
        let (found, expected) = (texts(&found, &names), texts(&expected, &names));
        if found != expected {
            let first = found.iter().zip(&expected).find(|(found, expected)| found != expected);
            wrong.push(format!(
                "{name}: {} rows, {} expected; first difference {first:?}",
                found.len(),
                expected.len()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_file_is_tested_and_each_query_that_waits_says_for_what() {
    let directory: PathBuf = [env!("CARGO_MANIFEST_DIR"), "sql", "nexmark"].iter().collect();
    let page = fs::read_to_string(directory.join("README.md")).expect("the page is there");
    let entries = fs::read_dir(&directory).expect("the directory is there");
    let mut files: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".sql").map(str::to_owned))
        .filter(|name| name.starts_with('q'))
        .collect();
    files.sort();
    let mut tested: Vec<String> = QUERIES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    tested.sort();
    assert_eq!(files, tested);
    for number in [0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 15, 16, 17, 18, 19, 20] {
        assert!(page.contains(&format!("| q{number} |")), "the page says nothing of q{number}");
    }
}
