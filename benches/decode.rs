//! JSON documents into Arrow columns, beside arrow-json's reader over the same bytes in the same run.
//!
//! `cargo bench --bench decode` prints rows and megabytes a second of one thread: ten flat columns, ten columns of which some
//! are nested, and three of ten columns. Of the last our decoder checks all ten, since a record's fate depends on the
//! declaration alone; arrow-json is told of three and passes over the others. The best of several runs counts, in turns.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::json::ReaderBuilder;
use tidemill::format::CodecOptions;
use tidemill::format::Decoder;
use tidemill::format::FormatSpec;
use tidemill::format::RawRecord;
use tidemill::model::Column;
use tidemill::model::ColumnRole;
use tidemill::model::SqlType;
use tidemill::model::StructField;
use tidemill::protocol::Headers;

/// Documents of one batch, as many as a round has rows.
const BATCH_ROWS: usize = 8_192;
/// Batches of one run.
const BATCHES: usize = 12;
/// Runs, of which the best counts.
const RUNS: usize = 7;

/// What one line of the answer is about.
struct Case {
    name: &'static str,
    columns: Vec<Column>,
    used: Vec<usize>,
    documents: Vec<Vec<u8>>,
}

fn column(name: &str, sql_type: SqlType) -> Column {
    Column { name: name.to_owned(), sql_type, role: ColumnRole::Value }
}

fn flat_columns() -> Vec<Column> {
    vec![
        column("id", SqlType::BigInt),
        column("account", SqlType::Text),
        column("amount", SqlType::Double),
        column("quantity", SqlType::Int),
        column("open", SqlType::Boolean),
        column("at", SqlType::Timestamp),
        column("city", SqlType::Text),
        column("price", SqlType::BigInt),
        column("score", SqlType::Double),
        column("note", SqlType::Text),
    ]
}

/// A number that follows from `row`, below `below`.
fn pick(row: usize, salt: u64, below: u64) -> u64 {
    let mut mixed = (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed >> 32) * below) >> 32
}

const CITIES: [&str; 5] = ["Phoenix", "Los Angeles", "Zürich", "Boise", "Portland"];

fn flat(row: usize) -> String {
    format!(
        r#"{{"id":{},"account":"account-{:06}","amount":{}.{:02},"quantity":{},"open":{},"at":"2026-01-01T{:02}:{:02}:{:02}.{:03}","city":"{}","price":{},"score":0.{:06},"note":"{}"}}"#,
        row + 1_000,
        pick(row, 1, 1_000_000),
        pick(row, 2, 100_000),
        pick(row, 3, 100),
        pick(row, 4, 1_000),
        pick(row, 5, 2) == 1,
        pick(row, 6, 24),
        pick(row, 7, 60),
        pick(row, 8, 60),
        pick(row, 9, 1_000),
        CITIES[pick(row, 10, 5) as usize],
        pick(row, 11, 100_000_000),
        pick(row, 12, 1_000_000),
        &"sent by the door of the house at the sea"[..pick(row, 13, 40) as usize],
    )
}

fn nested_columns() -> Vec<Column> {
    let field = |name: &str, sql_type| StructField { name: name.to_owned(), sql_type };
    let place = SqlType::Struct(vec![
        field("city", SqlType::Text),
        field("latitude", SqlType::Double),
        field("longitude", SqlType::Double),
    ]);
    let mut columns = flat_columns();
    columns[6] = column("place", place);
    columns[8] = column("scores", SqlType::Array(Box::new(SqlType::Int)));
    columns[9] = column("tags", SqlType::Map(Box::new(SqlType::Text), Box::new(SqlType::Text)));
    columns
}

fn nested(row: usize) -> String {
    let flat = flat(row);
    let head = &flat[..flat.find(",\"city\"").expect("a flat document has a city")];
    format!(
        r#"{head},"place":{{"city":"{}","latitude":{}.{:04},"longitude":-{}.{:04}}},"price":{},"scores":[{},{},{}],"tags":{{"colour":"{}","size":"{}"}}}}"#,
        CITIES[pick(row, 10, 5) as usize],
        pick(row, 14, 90),
        pick(row, 15, 10_000),
        pick(row, 16, 180),
        pick(row, 17, 10_000),
        pick(row, 11, 100_000_000),
        pick(row, 18, 100),
        pick(row, 19, 100),
        pick(row, 20, 100),
        ["red", "green", "blue"][pick(row, 21, 3) as usize],
        pick(row, 22, 50),
    )
}

fn cases() -> Vec<Case> {
    let documents = |make: fn(usize) -> String| (0..BATCH_ROWS).map(|row| make(row).into_bytes()).collect();
    let all = || (0..10).collect();
    vec![
        Case { name: "10 flat columns", columns: flat_columns(), used: all(), documents: documents(flat) },
        Case { name: "10 columns, 3 nested", columns: nested_columns(), used: all(), documents: documents(nested) },
        Case { name: "3 of 10 flat columns", columns: flat_columns(), used: vec![0, 1, 7], documents: documents(flat) },
    ]
}

fn decoder(case: &Case) -> Decoder {
    let decoder = Decoder::new(&case.columns, FormatSpec::None, FormatSpec::Json, &CodecOptions::default());
    decoder.expect("JSON carries the columns")
}

fn ours(case: &Case, decoder: &Decoder) -> RecordBatch {
    let records = case.documents.iter().enumerate().map(|(row, document)| RawRecord {
        headers: Headers::default(),
        offset: row as i64,
        timestamp: 0,
        key: None,
        value: Some(document),
    });
    let decoded = decoder.decode_columns(records, &case.used);
    assert!(decoded.bad.is_empty(), "{:?}", decoded.bad.first());
    decoded.rows.project(&case.used).expect("the columns are there")
}

fn other_decoder(case: &Case) -> arrow::json::reader::Decoder {
    let fields: Vec<_> = case.used.iter().map(|place| case.columns[*place].field()).collect();
    let builder = ReaderBuilder::new(Arc::new(Schema::new(fields))).with_batch_size(BATCH_ROWS);
    builder.build_decoder().expect("arrow-json reads the columns")
}

fn theirs(decoder: &mut arrow::json::reader::Decoder, joined: &[u8]) -> RecordBatch {
    let taken = decoder.decode(joined).expect("the documents are well");
    assert_eq!(taken, joined.len(), "the batch takes all documents");
    decoder.flush().expect("the documents are well").expect("there are rows")
}

fn time(mut body: impl FnMut() -> RecordBatch) -> Duration {
    let start = Instant::now();
    for _ in 0..BATCHES {
        assert_eq!(body().num_rows(), BATCH_ROWS);
    }
    start.elapsed()
}

fn main() {
    let mut out = std::io::stdout();
    for case in cases() {
        let joined: Vec<u8> = case.documents.iter().flat_map(|document| [document, &b"\n"[..]].concat()).collect();
        let (decoder, mut other_decoder) = (decoder(&case), other_decoder(&case));
        let (mine, other) = (ours(&case, &decoder), theirs(&mut other_decoder, &joined));
        let ids = |batch: &RecordBatch| batch.column(0).as_any().downcast_ref::<Int64Array>().cloned();
        assert_eq!(ids(&mine), ids(&other), "both read the same");
        let (mut best, mut best_other) = (Duration::MAX, Duration::MAX);
        for _ in 0..RUNS {
            best = best.min(time(|| ours(&case, &decoder)));
            best_other = best_other.min(time(|| theirs(&mut other_decoder, &joined)));
        }
        let rows = (BATCH_ROWS * BATCHES) as f64;
        let bytes = (joined.len() * BATCHES) as f64;
        for (who, taken) in [("tidemill", best), ("arrow-json", best_other)] {
            let seconds = taken.as_secs_f64();
            let line = format!(
                "{:<22} {who:<11} {:>9.0} rows/s {:>6.0} MB/s",
                case.name,
                rows / seconds,
                bytes / seconds / 1e6
            );
            let _ = writeln!(out, "{line}");
        }
        let _ = writeln!(out, "{:<22} ratio {:.2}", case.name, best_other.as_secs_f64() / best.as_secs_f64());
    }
}
