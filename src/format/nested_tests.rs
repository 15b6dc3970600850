//! ARRAY, MAP and STRUCT of every depth: random types and values through each form of them and back.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::timezone::Tz;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use super::column_builder::ColumnBuilder;
use super::value::Row;
use super::value::Slot;
use super::*;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;
use crate::model::StructField;
use crate::protocol::Headers;

const ROWS: usize = 12;

fn below(random: &SeededRandom, bound: u64) -> u64 {
    random.next_u64() % bound
}

fn sql_type(random: &SeededRandom, depth: usize, maps: bool) -> SqlType {
    let kinds = if depth == 0 { 9 } else { 12 };
    match below(random, kinds) {
        0 => SqlType::Boolean,
        1 => SqlType::Int,
        2 => SqlType::BigInt,
        3 => SqlType::Double,
        4 => SqlType::Decimal { precision: 12, scale: 2 },
        5 => SqlType::Text,
        6 => SqlType::Bytes,
        7 => SqlType::Date,
        8 => SqlType::TimestampTz,
        9 if maps => SqlType::Map(Box::new(SqlType::Text), Box::new(sql_type(random, depth - 1, maps))),
        10 => {
            let field =
                |place: u64| StructField { name: format!("f{place}\"x"), sql_type: sql_type(random, depth - 1, maps) };
            SqlType::Struct((0..1 + below(random, 3)).map(field).collect())
        }
        _ => SqlType::Array(Box::new(sql_type(random, depth - 1, maps))),
    }
}

fn slot(random: &SeededRandom, sql_type: &SqlType, row: &mut Row) -> Slot {
    if below(random, 6) == 0 {
        return Slot::Null;
    }
    let small = below(random, 5) as i64 - 2;
    match sql_type {
        SqlType::Boolean => Slot::Boolean(below(random, 2) == 0),
        SqlType::Int | SqlType::Date => Slot::Int(small as i32),
        SqlType::Double => Slot::Double(small as f64 + 0.5),
        SqlType::Decimal { .. } => Slot::Decimal(i128::from(small) * 125),
        SqlType::Text => {
            row.bytes(["", "a", "a\0", "null", "{x,\"y\"}", "\\ é "][below(random, 6) as usize].as_bytes())
        }
        SqlType::Bytes => row.bytes(&[0_u8, 255, 0][..below(random, 4) as usize]),
        SqlType::Array(item) => {
            let items: Vec<Slot> = (0..below(random, 4)).map(|_| slot(random, item, row)).collect();
            row.nested(&items)
        }
        SqlType::Map(_, value) => {
            let mut items = Vec::new();
            for place in 0..below(random, 3) {
                items.push(row.bytes(format!("k{place}").as_bytes()));
                items.push(slot(random, value, row));
            }
            row.nested(&items)
        }
        SqlType::Struct(fields) => {
            let items: Vec<Slot> = fields.iter().map(|field| slot(random, &field.sql_type, row)).collect();
            row.nested(&items)
        }
        // Whole milliseconds: JSON under ksqlDB's rules carries no more.
        _ => Slot::BigInt(small * 1000),
    }
}

fn values(random: &SeededRandom, sql_type: &SqlType) -> ArrayRef {
    let mut builder = ColumnBuilder::new(sql_type, ROWS);
    let mut row = Row::default();
    for _ in 0..ROWS {
        row.clear(0);
        let slot = slot(random, sql_type, &mut row);
        builder.append(slot, &row);
    }
    builder.finish()
}

fn batch(sql_type: &SqlType, values: &ArrayRef) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("a", sql_type.arrow(), true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(values)]).expect("a column of its type")
}

fn each(seed: u64, maps: bool, mut check: impl FnMut(&SeededRandom, &SqlType, &ArrayRef)) {
    let random = SeededRandom::new(seed);
    for _ in 0..400 {
        let sql_type = SqlType::Array(Box::new(sql_type(&random, 3, maps)));
        let values = values(&random, &sql_type);
        check(&random, &sql_type, &values);
    }
}

#[test]
fn the_arrow_type_tells_the_sql_type() {
    each(1, true, |_, sql_type, values| {
        assert_eq!(values.data_type(), &sql_type.arrow());
        assert_eq!(SqlType::from_arrow(values.data_type()).as_ref(), Some(sql_type));
    });
}

#[test]
fn rows_of_state_come_back_and_cut_ones_are_errors() {
    each(2, true, |random, sql_type, values| {
        let batch = batch(sql_type, values);
        let rows = RowValues::encode(&batch).expect("a nested row");
        let slices: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        assert_eq!(RowValues::decode(&slices, &batch.schema()).expect("what was written"), batch, "{sql_type}");
        for row in &rows {
            for _ in 0..4 {
                let mut row = row.clone();
                let at = below(random, row.len() as u64) as usize;
                match below(random, 2) {
                    0 => row.truncate(at),
                    _ => row[at] ^= 1 << below(random, 8),
                }
                // An error or another row, never a panic.
                let _ = RowValues::decode(&[&row], &batch.schema());
            }
        }
    });
}

#[test]
fn keys_come_back_and_order_as_their_values_do() {
    each(3, false, |_, sql_type, values| {
        let keys = RowKeys::encode(std::slice::from_ref(values)).expect("a key without maps");
        let slices: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let batch = batch(sql_type, values);
        assert_eq!(RowKeys::decode(&slices, &batch.schema()).expect("what was written"), batch, "{sql_type}");
        for left in 0..ROWS {
            for right in 0..ROWS {
                let order = compare(values, left, values, right);
                assert_eq!(keys[left].cmp(&keys[right]), order, "{sql_type} {left} {right}");
            }
        }
    });
}

/// The order of values, told by Arrow's rows of their parts: nulls first, lists as their elements, structs as their fields.
fn compare(left: &ArrayRef, at: usize, right: &ArrayRef, other: usize) -> Ordering {
    use arrow::array::AsArray;
    match (left.is_null(at), right.is_null(other)) {
        (false, false) => {}
        (left, right) => return right.cmp(&left),
    }
    if let Some(fields) = left.as_struct_opt() {
        let pairs = fields.columns().iter().zip(right.as_struct().columns());
        return pairs
            .map(|(left, right)| compare(left, at, right, other))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal);
    }
    if let Some(list) = left.as_list_opt::<i32>() {
        let (left, right) = (list.value(at), right.as_list::<i32>().value(other));
        for place in 0..left.len().min(right.len()) {
            let order = compare(&left, place, &right, place);
            if order.is_ne() {
                return order;
            }
        }
        return left.len().cmp(&right.len());
    }
    arrow::array::make_comparator(left, right, arrow::compute::SortOptions::default()).expect("a simple type")(
        at, other,
    )
}

#[test]
fn documents_come_back_under_both_rules() {
    each(4, true, |_, sql_type, values| {
        let columns = [Column { name: "a".to_owned(), sql_type: sql_type.clone(), role: ColumnRole::Value }];
        let ksql =
            CodecOptions { names: NameMatch::UpperFallback, times: TimeStyle::EpochMillis, ..CodecOptions::default() };
        for options in [CodecOptions::default(), ksql] {
            let encoder =
                Encoder::new(&columns, FormatSpec::None, FormatSpec::Json, &options).expect("JSON carries it");
            let encoded = encoder.encode(&batch(sql_type, values)).expect("rows of its columns");
            let decoder =
                Decoder::new(&columns, FormatSpec::None, FormatSpec::Json, &options).expect("JSON carries it");
            let decoded = decoder.decode(encoded.values.iter().enumerate().map(|(offset, value)| RawRecord {
                headers: Headers::default(),
                offset: offset as i64,
                timestamp: 0,
                key: None,
                value: value.as_deref(),
            }));
            assert!(decoded.bad.is_empty(), "{sql_type}: {:?}", decoded.bad);
            assert_eq!(decoded.rows.column(0), values, "{sql_type}");
        }
    });
}

#[test]
fn postgresqls_text_comes_back() {
    let utc: Tz = "+00:00".parse().expect("a fixed offset");
    each(5, true, |_, sql_type, values| {
        for row in (0..ROWS).filter(|row| values.is_valid(*row)) {
            let mut out = Vec::new();
            text::write(values.as_ref(), row, utc, &mut out).expect("it has a text");
            let text = String::from_utf8(out).expect("UTF-8");
            let read = text::read(sql_type, &text, utc).unwrap_or_else(|error| panic!("{sql_type}: {text}: {error}"));
            assert_eq!(&read, &values.slice(row, 1), "{sql_type}: {text}");
        }
    });
}

#[test]
fn one_wrong_element_makes_its_record_bad_and_no_other() {
    let field = |name: &str, sql_type| StructField { name: name.to_owned(), sql_type };
    let numbers = SqlType::Array(Box::new(SqlType::Int));
    let of = SqlType::Struct(vec![field("A", numbers), field("B", SqlType::Boolean)]);
    let columns = [Column { name: "S".to_owned(), sql_type: of, role: ColumnRole::Value }];
    let decoder = Decoder::new(&columns, FormatSpec::None, FormatSpec::Json, &CodecOptions::default()).expect("JSON");
    let documents = [
        r#"{"S": {"A": [1, null], "B": true, "other": [{}]}}"#,
        r#"{"S": {"A": [1, "x"], "B": true}}"#,
        r#"{"S": {"A": {"k": 1}}}"#,
        r#"{"S": [1]}"#,
        r#"{"S": {"A": ["x"]}, "S": {"A": [2]}}"#,
        r#"{"S": {"A": [1, 2}}"#,
    ];
    let decoded = decoder.decode(documents.iter().enumerate().map(|(offset, value)| RawRecord {
        headers: Headers::default(),
        offset: offset as i64,
        timestamp: 0,
        key: None,
        value: Some(value.as_bytes()),
    }));
    assert_eq!(decoded.offsets, [0, 4]);
    let reasons: Vec<&str> = decoded.bad.iter().map(|bad| bad.reason.as_str()).collect();
    assert_eq!(reasons[0], "column \"S\": cannot read \"x\" as INT");
    assert_eq!(reasons[1], "column \"S\": cannot read {\"k\":1} as ARRAY<INT>");
    assert!(reasons[2].contains("as STRUCT<\"A\" ARRAY<INT>, \"B\" BOOLEAN>"), "{}", reasons[2]);
    assert!(reasons[3].starts_with("malformed JSON"), "{}", reasons[3]);
}

#[test]
fn wrong_texts_of_arrays_are_errors() {
    let utc: Tz = "+00:00".parse().expect("a fixed offset");
    let of = SqlType::Array(Box::new(SqlType::Int));
    for text in ["", "{", "{1", "1,2", "{1,}", "{,1}", "{1}x", "{\"1}", "{{1}}", "{x}", "{1\\"] {
        assert!(text::read(&of, text, utc).is_err(), "{text}");
    }
    let deep = (0..10).fold(SqlType::Int, |inner, _| SqlType::Array(Box::new(inner)));
    assert!(text::read(&deep, &format!("{}{}", "{".repeat(10), "}".repeat(10)), utc).is_err());
}
