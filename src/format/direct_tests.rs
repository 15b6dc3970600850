//! JSON straight into columns is JSON by way of slots: random declarations, documents and damage, through both.

use super::*;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;
use crate::model::StructField;
use crate::protocol::Headers;

const DECLARATIONS: u64 = 1_500;
const DOCUMENTS: usize = 30;

struct Draw(SeededRandom);

impl Draw {
    fn below(&self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    fn once_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn one_of<'t>(&self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len() as u64) as usize]
    }
}

fn sql_type(draw: &Draw, depth: u64) -> SqlType {
    match draw.below(if depth == 0 { 13 } else { 16 }) {
        0 => SqlType::Boolean,
        1 => SqlType::Int,
        2 => SqlType::BigInt,
        3 => SqlType::Double,
        4 => SqlType::Decimal { precision: 6, scale: 2 },
        5 => SqlType::Text,
        6 => SqlType::Bytes,
        7 => SqlType::Date,
        8 => SqlType::Time,
        9 => SqlType::Timestamp,
        10 => SqlType::TimestampTz,
        11 => SqlType::Json,
        12 => SqlType::Jsonb,
        13 => SqlType::Array(Box::new(sql_type(draw, depth - 1))),
        14 => {
            let key = if draw.once_in(3) { SqlType::Int } else { SqlType::Text };
            SqlType::Map(Box::new(key), Box::new(sql_type(draw, depth - 1)))
        }
        _ => {
            let field = |place: u64| StructField { name: name(place), sql_type: sql_type(draw, depth - 1) };
            SqlType::Struct((0..1 + draw.below(3)).map(field).collect())
        }
    }
}

/// Names that need escapes, that differ in case only, and long ones.
fn name(place: u64) -> String {
    ["A", "b", "a", "C\"x", "Größe", "a_rather_long_name_of_a_column"][place as usize % 6].to_owned()
}

/// Values of any type in forms that are rare, at the edge of a type, or wrong.
const RARE: &[&str] = &[
    "1e2",
    "-1.5E-3",
    "1.",
    "01",
    "-",
    "0.125",
    "1e400",
    "9223372036854775807",
    "9223372036854775808",
    "1234567890123456789012",
    "9007199254740993",
    "0.1000",
    "true",
    "false",
    "nul",
    "\"12\"",
    "\"x\"",
    "\" 7 \"",
    "[]",
    "[1]",
    "{}",
    "{\"a\":1}",
    "\"\"",
    "\"A\\u00e9\\n\"",
    "\"\\ud83d\\ude00\"",
    "\"\\q\"",
    "\"\t\"",
    "\"yes\"",
    "\"NaN\"",
    "\"AP8=\"",
    "\"2024-02-30\"",
    "\"2024-02-29 24:00:00\"",
    "\"2024-02-29T13:05\"",
    "NaN",
    "\"2024-02-29 13:05:60\"",
    "\"2024-02-29 13:05:00.1234567\"",
    "\"2024-02-29 13:05:00+01\"",
    "\"epoch\"",
    "\"2024-02-29 13:05:00.\"",
    "\"0000-01-01 00:00:00\"",
    "\"0001-01-01 00:00:00\"",
    "\"44-03-15 BC\"",
    "1500",
];

/// A value in the usual form, a rarer one, or of any type.
fn value(draw: &Draw, sql_type: &SqlType) -> String {
    let number = || draw.one_of(&["0", "7", "-12", "3.5", "-0", "123456", "99999.99", "0.25", "2147483648"]).to_owned();
    if draw.once_in(12) {
        return "null".to_owned();
    }
    if draw.once_in(10) {
        return draw.one_of(RARE).to_owned();
    }
    let blank = || draw.one_of(&["", "", "", " ", "\n "]);
    match sql_type {
        SqlType::Boolean => draw.one_of(&["true", "false"]).to_owned(),
        SqlType::Int | SqlType::BigInt | SqlType::Double | SqlType::Decimal { .. } => number(),
        SqlType::Text => {
            draw.one_of(&["\"\"", "\"plain\"", "\"a text of more than eight\"", "\"größe\"", "12"]).to_owned()
        }
        SqlType::Json | SqlType::Jsonb => {
            draw.one_of(&["{\"b\": [1, 2.50], \"a\" : null}", "[true,\"größe\"]", "12", "\"text\""]).to_owned()
        }
        SqlType::Bytes => draw.one_of(&["\"AP8=\"", "\"\""]).to_owned(),
        SqlType::Date => draw.one_of(&["\"2024-02-29\"", "\"1969-12-31\"", "\"2100-03-01\"", "19"]).to_owned(),
        SqlType::Time => draw.one_of(&["\"13:05:00\"", "1000"]).to_owned(),
        SqlType::Timestamp | SqlType::TimestampTz => draw
            .one_of(&["\"2024-02-29 13:05:00.25\"", "\"2026-01-01T00:00:00Z\"", "\"1970-01-01 00:00:00\"", "1500"])
            .to_owned(),
        SqlType::Array(item) => {
            let items: Vec<String> = (0..draw.below(4)).map(|_| value(draw, item)).collect();
            format!("[{}{}]", blank(), items.join(&format!("{},{}", blank(), blank())))
        }
        SqlType::Map(key, value_type) => {
            let key = || match **key {
                SqlType::Int => draw.one_of(&["1", "01", "2"]),
                _ => draw.one_of(&["k", "l", "größe", "\\u006b"]),
            };
            let entry = || format!("\"{}\":{}{}", key(), blank(), value(draw, value_type));
            format!("{{{}}}", (0..draw.below(4)).map(|_| entry()).collect::<Vec<_>>().join(","))
        }
        SqlType::Struct(fields) => {
            object(draw, fields.iter().map(|field| (field.name.as_str(), &field.sql_type)).collect(), 12)
        }
    }
}

/// An object with these fields; once in `times` something is odd about each.
fn object(draw: &Draw, mut fields: Vec<(&str, &SqlType)>, times: u64) -> String {
    if draw.once_in(times) {
        let count = fields.len();
        fields.swap(0, draw.below(count as u64) as usize);
    }
    let blank = draw.one_of(&["", "", "", " "]);
    let mut written = Vec::new();
    for (name, sql_type) in fields {
        let name = match draw.below(2 * times) {
            0 => name.to_lowercase(),
            1 => name.to_uppercase(),
            2 => "nobody's".to_owned(),
            3 => continue,
            _ => name.to_owned(),
        };
        let name = serde_json::Value::from(name);
        let field = format!("{name}{}:{blank}{}", draw.one_of(&["", "", ""]), value(draw, sql_type));
        if draw.once_in(2 * times) {
            written.push(format!("{name}:{}", value(draw, sql_type)));
        }
        written.push(field);
    }
    format!("{{{}}}", written.join(&format!(",{blank}")))
}

/// A document with one byte more, less or other.
fn damaged(draw: &Draw, document: &str) -> Vec<u8> {
    let mut bytes = document.as_bytes().to_vec();
    let at = draw.below(bytes.len() as u64) as usize;
    match draw.below(5) {
        0 => drop(bytes.remove(at)),
        1 => bytes.insert(at, b",:{}[]\"\\ x9-."[draw.below(13) as usize]),
        2 => bytes[at] = b"\0\x1f\x7f\xff\xc3,:}\"0"[draw.below(10) as usize],
        3 => bytes.truncate(at),
        _ => bytes.extend_from_slice([&b" "[..], b"\n", b"x", b"{}", b","][draw.below(5) as usize]),
    }
    bytes
}

/// A declaration with its documents; of a column that may give the event time, that it does.
struct Case {
    columns: Vec<Column>,
    options: CodecOptions,
    documents: Vec<Vec<u8>>,
}

fn case(draw: &Draw) -> Case {
    let columns: Vec<Column> = (0..1 + draw.below(6))
        .map(|place| Column { name: name(place), sql_type: sql_type(draw, 2), role: ColumnRole::Value })
        .collect();
    let gives_time = |column: &Column| matches!(column.sql_type, SqlType::BigInt | SqlType::Timestamp | SqlType::Text);
    let options = CodecOptions {
        names: if draw.once_in(2) { NameMatch::Exact } else { NameMatch::UpperFallback },
        timestamp_column: columns.iter().position(gives_time).filter(|_| draw.once_in(3)),
        ..CodecOptions::default()
    };
    let fields = || columns.iter().map(|column| (column.name.as_str(), &column.sql_type)).collect();
    let documents = (0..DOCUMENTS)
        .map(|_| match draw.below(40) {
            0 => b"null".to_vec(),
            1 => b"[]".to_vec(),
            2 => Vec::new(),
            3..8 => damaged(draw, &object(draw, fields(), 12)),
            _ => object(draw, fields(), 12).into_bytes(),
        })
        .collect();
    Case { columns, options, documents }
}

fn records(case: &Case) -> impl Iterator<Item = RawRecord<'_>> {
    case.documents.iter().enumerate().map(|(offset, document)| RawRecord {
        headers: Headers::default(),
        offset: offset as i64,
        timestamp: 7,
        key: None,
        value: Some(document),
    })
}

fn same(seed: u64, case: &Case, ours: &Decoded, theirs: &Decoded) {
    let about = || format!("seed {seed}: {:?} {:?}", case.columns, case.options);
    assert_eq!(ours.offsets, theirs.offsets, "{}", about());
    assert_eq!(ours.bad, theirs.bad, "{}", about());
    assert_eq!((&ours.op, &ours.event_times), (&theirs.op, &theirs.event_times), "{}", about());
}

#[test]
fn documents_go_straight_into_columns_as_they_go_by_way_of_slots() {
    let (mut rows, mut bad, mut direct) = (0, 0, 0);
    for seed in 0..DECLARATIONS {
        let draw = Draw(SeededRandom::new(seed));
        let case = case(&draw);
        let decoder = Decoder::new(&case.columns, FormatSpec::None, FormatSpec::Json, &case.options);
        let decoder = decoder.expect("JSON carries all types");
        let theirs = decoder.decode_by_slots(records(&case));
        // What was learned of the form of documents changes nothing.
        for _ in 0..2 {
            let ours = decoder.decode(records(&case));
            same(seed, &case, &ours, &theirs);
            assert_eq!(ours.rows, theirs.rows, "seed {seed}");
        }
        let used: Vec<usize> = (0..case.columns.len()).filter(|_| draw.once_in(2)).collect();
        let some = decoder.decode_columns(records(&case), &used);
        same(seed, &case, &some, &theirs);
        for (place, column) in some.rows.columns().iter().enumerate() {
            match used.contains(&place) {
                true => assert_eq!(column, theirs.rows.column(place), "seed {seed}"),
                false => assert_eq!(column.logical_null_count(), column.len(), "nobody asked for it"),
            }
        }
        for record in records(&case).filter(|record| theirs.offsets.contains(&record.offset)) {
            let valid = serde_json::from_slice::<serde_json::Value>(record.value.expect("it has one"));
            assert!(valid.is_ok(), "seed {seed}: {valid:?}");
        }
        rows += theirs.offsets.len();
        bad += theirs.bad.len();
        direct += decoder.are_direct(records(&case));
    }
    assert!(10_000 < rows && 10_000 < bad, "both kinds are there: {rows} rows, {bad} bad");
    assert!(rows / 2 < direct, "most go the direct way, {direct} of {rows}");
}

#[test]
fn documents_in_another_order_or_with_other_blanks_go_the_direct_way() {
    let columns: Vec<Column> = ["a", "b", "c"]
        .map(|name| Column { name: name.to_owned(), sql_type: SqlType::BigInt, role: ColumnRole::Value })
        .to_vec();
    let decoder = Decoder::new(&columns, FormatSpec::None, FormatSpec::Json, &CodecOptions::default());
    let decoder = decoder.expect("JSON carries numbers");
    let documents = [
        r#"{"a":1,"b":2,"c":3}"#,
        r#"{"c":3,"b":2,"a":1}"#,
        r#"{"c": 3, "b": 2, "a": 1}"#,
        r#" {"c" : 3 , "x":[1,{"y":null}],"b":2, "a": 1 } "#,
        r#"{"b":2}"#,
        "{}",
    ];
    let case = Case {
        columns: Vec::new(),
        options: CodecOptions::default(),
        documents: documents.iter().map(|document| document.as_bytes().to_vec()).collect(),
    };
    assert_eq!(decoder.are_direct(records(&case)), documents.len());
    let decoded = decoder.decode(records(&case));
    assert_eq!(decoded.rows, decoder.decode_by_slots(records(&case)).rows);
    assert_eq!(decoded.rows.column(0).null_count(), 2);
}
