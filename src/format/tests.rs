//! Records to rows and back, in every format, with garbage beside good ones.

use arrow::array::Array;
use arrow::array::AsArray;
use arrow::array::timezone::Tz;
use arrow::datatypes::Decimal128Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;

use super::*;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;
use crate::protocol::Headers;

fn column(name: &str, sql_type: SqlType, role: ColumnRole) -> Column {
    Column { name: name.to_owned(), sql_type, role }
}

fn value(name: &str, sql_type: SqlType) -> Column {
    column(name, sql_type, ColumnRole::Value)
}

fn ksql() -> CodecOptions {
    CodecOptions { names: NameMatch::UpperFallback, times: TimeStyle::EpochMillis, ..CodecOptions::default() }
}

fn decode(columns: &[Column], format: FormatSpec, options: &CodecOptions, values: &[&str]) -> Decoded {
    let decoder = Decoder::new(columns, FormatSpec::None, format, options).expect("the format carries the columns");
    decoder.decode(values.iter().enumerate().map(|(offset, value)| RawRecord {
        headers: Headers::default(),
        offset: offset as i64,
        timestamp: 7,
        key: None,
        value: Some(value.as_bytes()),
    }))
}

fn one(sql_type: SqlType, options: &CodecOptions, json: &str) -> Result<String, String> {
    let document = format!("{{\"A\": {json}}}");
    let decoded = decode(&[value("A", sql_type)], FormatSpec::Json, options, &[&document]);
    if let Some(bad) = decoded.bad.first() {
        return Err(bad.reason.clone());
    }
    let mut out = Vec::new();
    let utc: Tz = "+00:00".parse().expect("a fixed offset");
    text::write(decoded.rows.column(0).as_ref(), 0, utc, &mut out).expect("a type of ours");
    Ok(String::from_utf8(out).expect("UTF-8"))
}

const MONEY: SqlType = SqlType::Decimal { precision: 4, scale: 2 };

#[test]
fn json_is_coerced_as_ksqldb_does() {
    for (sql_type, json, text) in [
        (SqlType::Int, "12", "12"),
        (SqlType::Int, "\"12\"", "12"),
        (SqlType::Int, "12.9", "12"),
        (SqlType::BigInt, "\"-9\"", "-9"),
        (SqlType::Double, "\"1.5\"", "1.5"),
        (MONEY, "\"12.5\"", "12.50"),
        (MONEY, "12.50", "12.50"),
        (SqlType::Text, "12.50", "12.50"),
        (SqlType::Text, "true", "true"),
        (SqlType::Text, r#"{"a" : [1, "x"], "b": {} }"#, r#"{"a":[1,"x"],"b":{}}"#),
        (SqlType::Text, r#"["a", 1,[true]]"#, "[a, 1, [true]]"),
        (SqlType::Boolean, "true", "t"),
        (SqlType::Timestamp, "1500", "1970-01-01 00:00:01.5"),
        (SqlType::Date, "1", "1970-01-02"),
        (SqlType::Time, "1000", "00:00:01"),
        (SqlType::Bytes, "\"AP8=\"", "\\x00ff"),
        (SqlType::Int, "null", ""),
    ] {
        assert_eq!(one(sql_type, &ksql(), json).as_deref(), Ok(text), "{json}");
    }
    for (sql_type, json) in [
        (SqlType::Int, "2147483648"),
        (SqlType::Int, "true"),
        (SqlType::Int, "\"1.5\""),
        (SqlType::Boolean, "\"true\""),
        (SqlType::Boolean, "1"),
        (MONEY, "12.501"),
        (MONEY, "123.45"),
        (SqlType::Double, "[]"),
        (SqlType::Timestamp, "\"2024-01-01\""),
        (SqlType::Bytes, "\"*\""),
    ] {
        assert!(one(sql_type.clone(), &ksql(), json).is_err(), "{sql_type} {json}");
    }
}

#[test]
fn json_in_default_mode_takes_texts_as_postgresql_would() {
    let options = CodecOptions::default();
    for (sql_type, json, text) in [
        (SqlType::Int, "\"12\"", "12"),
        (SqlType::Int, "12.0", "12"),
        (SqlType::Boolean, "\"yes\"", "t"),
        (SqlType::Timestamp, "\"2024-02-29T13:05:00\"", "2024-02-29 13:05:00"),
        (SqlType::TimestampTz, "\"2024-02-29T13:05:00+01:00\"", "2024-02-29 12:05:00+00"),
        (SqlType::Timestamp, "1500", "1970-01-01 00:00:01.5"),
        (SqlType::Date, "\"2024-02-29\"", "2024-02-29"),
        (SqlType::Text, r#"[ 1, "x" ]"#, r#"[1,"x"]"#),
    ] {
        assert_eq!(one(sql_type, &options, json).as_deref(), Ok(text), "{json}");
    }
    for (sql_type, json) in [(SqlType::Int, "12.9"), (SqlType::Int, "\"x\""), (MONEY, "\"1.999\"")] {
        assert!(one(sql_type.clone(), &options, json).is_err(), "{sql_type} {json}");
    }
}

#[test]
fn fields_match_by_exact_name_then_upper_cased_and_the_last_duplicate_wins() {
    let columns = [value("AB", SqlType::Int), value("c", SqlType::Int)];
    let rows = decode(
        &columns,
        FormatSpec::Json,
        &ksql(),
        &[
            r#"{"ab": 1, "C": 2}"#,
            r#"{"AB": 1, "ab": 2, "c": 3, "c": 4}"#,
            r#"{"ab": true, "ab": 5, "x": [{}]}"#,
            r#"{"AB": 6, "AB": true}"#,
        ],
    );
    let first = rows.rows.column(0).as_primitive::<Int32Type>();
    let second = rows.rows.column(1).as_primitive::<Int32Type>();
    assert_eq!(first.iter().collect::<Vec<_>>(), [Some(1), Some(1), Some(5)]);
    assert_eq!(second.iter().collect::<Vec<_>>(), [None, Some(4), None]);
    assert_eq!(rows.bad[0].offset, 3);
}

#[test]
fn a_bad_record_is_told_alone_with_its_offset_and_reason() {
    let columns = [value("a", SqlType::Int), value("b", SqlType::Text)];
    let documents =
        [r#"{"a":1,"b":"x"}"#, r#"{"b":"lost","a":"no"}"#, r#"{"a":2"#, "", "[]", r#"{"a":3} x"#, r#"{"a":4}"#, "null"];
    let decoded = decode(&columns, FormatSpec::Json, &CodecOptions::default(), &documents);
    assert_eq!(decoded.offsets, [0, 6, 7]);
    assert_eq!(decoded.op, [RowOp::Value, RowOp::Value, RowOp::NoValue]);
    assert_eq!(decoded.bad.iter().map(|bad| bad.offset).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(decoded.bad[0].reason, "column \"a\": cannot read \"no\" as INT");
    assert!(decoded.rows.column(1).as_string::<i32>().value(0) == "x");
    assert!(decoded.rows.column(1).is_null(1), "nothing of the bad record is left");
}

#[test]
fn decimals_never_pass_through_a_double() {
    let columns = [value("a", SqlType::Decimal { precision: 38, scale: 18 })];
    let document = r#"{"a": 12345678901234567890.123456789012345678}"#;
    let decoded = decode(&columns, FormatSpec::Json, &ksql(), &[document]);
    let unscaled = decoded.rows.column(0).as_primitive::<Decimal128Type>().value(0);
    assert_eq!(unscaled, 12_345_678_901_234_567_890_123_456_789_012_345_678);
}

#[test]
fn delimited_lines_follow_commons_csv() {
    let columns = [value("A", SqlType::Text), value("B", SqlType::Int), value("C", SqlType::Text)];
    let format = FormatSpec::Delimited { delimiter: ',' };
    let lines = ["x,1,y", "\"a,\"\"b\"\"\",,\"\"", ",2,\n", "x,1", "x,one,y", "\"x,1,y", "x,1,y,z", ""];
    let decoded = decode(&columns, format, &ksql(), &lines);
    assert_eq!(decoded.offsets, [0, 1, 2]);
    assert_eq!(decoded.bad.len(), 5);
    let texts = decoded.rows.column(0).as_string::<i32>();
    assert_eq!(texts.iter().collect::<Vec<_>>(), [Some("x"), Some("a,\"b\""), None]);
    let last = decoded.rows.column(2).as_string::<i32>();
    assert_eq!(last.iter().collect::<Vec<_>>(), [Some("y"), Some(""), None]);
}

#[test]
fn event_time_comes_from_the_column_or_the_record_is_bad() {
    let columns = [value("t", SqlType::Text), value("n", SqlType::BigInt)];
    let documents = [r#"{"t":"2017-11-13 23:59","n":5}"#, r#"{"t":"soon","n":-5}"#, r#"{"n":6}"#];
    let by_text = CodecOptions {
        timestamp_column: Some(0),
        timestamp_format: Some("yyyy-MM-dd HH:mm".to_owned()),
        ..CodecOptions::default()
    };
    let decoded = decode(&columns, FormatSpec::Json, &by_text, &documents);
    assert_eq!((&decoded.event_times[..], decoded.bad.len()), (&[1_510_617_540_000][..], 2));
    let by_number = CodecOptions { timestamp_column: Some(1), ..CodecOptions::default() };
    let decoded = decode(&columns, FormatSpec::Json, &by_number, &documents);
    assert_eq!((&decoded.event_times[..], decoded.bad.len()), (&[5, 6][..], 1));
    let decoded = decode(&columns, FormatSpec::Json, &CodecOptions::default(), &documents);
    assert_eq!(decoded.event_times, [7, 7, 7]);
}

#[test]
fn windowed_keys_carry_their_bounds_behind_the_key() {
    let columns = [
        column("k", SqlType::Text, ColumnRole::Key),
        column("windowstart", SqlType::TimestampTz, ColumnRole::WindowStart),
        column("windowend", SqlType::BigInt, ColumnRole::WindowEnd),
        value("n", SqlType::BigInt),
    ];
    for (window, size) in [(WindowKeySize::Fixed { size_ms: 10 }, 8), (WindowKeySize::Session, 16)] {
        let options = CodecOptions { window: Some(window), ..CodecOptions::default() };
        let decoder = Decoder::new(&columns, FormatSpec::Kafka, FormatSpec::Json, &options).expect("columns");
        let encoder = Encoder::new(&columns, FormatSpec::Kafka, FormatSpec::Json, &options).expect("columns");
        let mut key = b"card".to_vec();
        if window == WindowKeySize::Session {
            key.extend_from_slice(&30_i64.to_be_bytes());
        }
        key.extend_from_slice(&20_i64.to_be_bytes());
        let record = RawRecord {
            headers: Headers::default(),
            offset: 0,
            timestamp: 0,
            key: Some(&key),
            value: Some(b"{\"n\":1}"),
        };
        let decoded = decoder.decode([record].into_iter());
        assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
        assert_eq!(decoded.rows.column(2).as_primitive::<Int64Type>().value(0), 30);
        assert_eq!(encoder.encode(&decoded.rows).expect("rows").keys[0].as_deref(), Some(key.as_slice()));
        let short = RawRecord { key: Some(&key[..size - 1]), ..record };
        assert_eq!(decoder.decode([short].into_iter()).bad.len(), 1);
    }
}

fn all_types() -> Vec<Column> {
    vec![
        column("k1", SqlType::BigInt, ColumnRole::Key),
        column("k2", SqlType::Text, ColumnRole::Key),
        value("boolean", SqlType::Boolean),
        value("int", SqlType::Int),
        value("bigint", SqlType::BigInt),
        value("double", SqlType::Double),
        value("decimal", SqlType::Decimal { precision: 38, scale: 6 }),
        value("text", SqlType::Text),
        value("json", SqlType::Json),
        value("jsonb", SqlType::Jsonb),
        value("bytes", SqlType::Bytes),
        value("date", SqlType::Date),
        value("time", SqlType::Time),
        value("timestamp", SqlType::Timestamp),
        value("timestamptz", SqlType::TimestampTz),
    ]
}

/// Random rows, made of texts so that every value is one that SQL can write.
fn random_rows(columns: &[Column], random: &SeededRandom, rows: usize) -> RecordBatch {
    let mut builder = text::RowsBuilder::new(columns, "+00:00".parse().expect("a fixed offset"));
    for _ in 0..rows {
        let texts: Vec<Option<String>> = columns
            .iter()
            .map(|column| {
                let bits = random.next_u64();
                (!bits.is_multiple_of(5)).then(|| match column.sql_type {
                    SqlType::Boolean => bits.is_multiple_of(2).to_string(),
                    SqlType::Int => (bits as i32).to_string(),
                    SqlType::BigInt => (bits as i64 >> (bits % 60)).to_string(),
                    SqlType::Double => {
                        Some(f64::from_bits(bits)).filter(|double| double.is_finite()).unwrap_or(0.5).to_string()
                    }
                    SqlType::Decimal { .. } => format!("{}.{:06}", bits as i64, bits % 1_000_000),
                    SqlType::Text => bits
                        .to_string()
                        .chars()
                        .map(|c| {
                            if c == '1' {
                                '"'
                            } else if c == '2' {
                                '\n'
                            } else if c == '3' {
                                ','
                            } else {
                                c
                            }
                        })
                        .collect(),
                    SqlType::Json | SqlType::Jsonb => format!("{{\"a\": [{bits}, null], \"b, c\": \"1|\\n\"}}"),
                    SqlType::Bytes => format!("\\x{bits:016x}"),
                    SqlType::Date => format!("{}-02-28", 1000 + bits % 8000),
                    SqlType::Time => format!("13:05:{:02}.{:03}", bits % 60, bits % 1000),
                    SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_) => {
                        unreachable!("nested columns have tests of their own")
                    }
                    SqlType::Timestamp | SqlType::TimestampTz => {
                        format!("{}-02-28 13:05:00.{:03}", 1000 + bits % 8000, bits % 1000)
                    }
                })
            })
            .collect();
        builder.push(&texts.iter().map(Option::as_deref).collect::<Vec<_>>()).expect("values of their types");
    }
    builder.finish()
}

#[test]
fn rows_come_back_as_they_were_in_every_format() {
    let delimited = FormatSpec::Delimited { delimiter: '|' };
    for seed in 0..30 {
        for (format, options) in [
            (FormatSpec::Json, CodecOptions::default()),
            (FormatSpec::Json, ksql()),
            (delimited, CodecOptions::default()),
            (delimited, ksql()),
        ] {
            let columns = all_types();
            let rows = random_rows(&columns, &SeededRandom::new(seed), 50);
            let encoder = Encoder::new(&columns, format, format, &options).expect("all types");
            let decoder = Decoder::new(&columns, format, format, &options).expect("all types");
            let encoded = encoder.encode(&rows).expect("rows of these columns");
            let records =
                encoded.keys.iter().zip(&encoded.values).enumerate().map(|(offset, (key, value))| RawRecord {
                    headers: Headers::default(),
                    offset: offset as i64,
                    timestamp: 0,
                    key: key.as_deref(),
                    value: value.as_deref(),
                });
            let decoded = decoder.decode(records);
            assert_eq!(decoded.bad, [], "seed {seed} {format:?}");
            assert_eq!(decoded.rows, rows, "seed {seed} {format:?}");
        }
    }
}

#[test]
fn garbage_never_panics_and_never_touches_its_neighbours() {
    let columns = all_types();
    let random = SeededRandom::new(5);
    let rows = random_rows(&columns, &random, 40);
    for format in [FormatSpec::Json, FormatSpec::Delimited { delimiter: ',' }] {
        let options = CodecOptions::default();
        let encoded = Encoder::new(&columns, format, format, &options)
            .and_then(|encoder| encoder.encode(&rows))
            .expect("all types");
        let decoder = Decoder::new(&columns, format, format, &options).expect("all types");
        for _ in 0..2000 {
            let good = random.next_u64() as usize % 40;
            let mut bad = encoded.values[good].clone().expect("a value");
            let place = random.next_u64() as usize % bad.len();
            match random.next_u64() % 3 {
                0 => bad[place] = random.next_u64() as u8,
                1 => bad.truncate(place),
                _ => bad.insert(place, b"{}[]\",:0e-\\"[random.next_u64() as usize % 11]),
            }
            let record = |value| RawRecord {
                headers: Headers::default(),
                offset: 0,
                timestamp: 0,
                key: encoded.keys[good].as_deref(),
                value,
            };
            let neighbour = record(encoded.values[good].as_deref());
            let decoded = decoder.decode([neighbour, record(Some(&bad)), neighbour].into_iter());
            assert_eq!(decoded.rows.num_rows() + decoded.bad.len(), 3);
            assert_eq!(decoded.rows.slice(0, 1), rows.slice(good, 1));
            assert_eq!(decoded.rows.slice(decoded.rows.num_rows() - 1, 1), rows.slice(good, 1));
        }
    }
}

#[test]
fn single_values_and_keys_stand_bare_when_told() {
    let columns = [column("K", SqlType::Text, ColumnRole::Key), value("A", SqlType::Int)];
    let options = CodecOptions { wrap_single: WrapSingle::Unwrapped, ..ksql() };
    let decoder = Decoder::new(&columns, FormatSpec::Json, FormatSpec::Json, &options).expect("columns");
    let record =
        RawRecord { headers: Headers::default(), offset: 0, timestamp: 0, key: Some(b"\"k\""), value: Some(b" 5 ") };
    let decoded = decoder.decode([record].into_iter());
    assert_eq!(decoded.bad, []);
    let encoder = Encoder::new(&columns, FormatSpec::Json, FormatSpec::Json, &options).expect("columns");
    let encoded = encoder.encode(&decoded.rows).expect("rows");
    assert_eq!(encoded.keys, [Some(b"\"k\"".to_vec())]);
    assert_eq!(encoded.values, [Some(b"5".to_vec())]);
}

#[test]
fn formats_refuse_columns_that_they_cannot_carry() {
    let two = [value("a", SqlType::Int), value("b", SqlType::Int)];
    assert!(Decoder::new(&two, FormatSpec::None, FormatSpec::Kafka, &ksql()).is_err());
    let boolean = [value("a", SqlType::Boolean)];
    assert!(Encoder::new(&boolean, FormatSpec::None, FormatSpec::Kafka, &ksql()).is_err());
    let key = [column("k", SqlType::Int, ColumnRole::Key)];
    assert!(Decoder::new(&key, FormatSpec::None, FormatSpec::Json, &ksql()).is_err());
}
