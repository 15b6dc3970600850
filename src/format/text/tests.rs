//! Texts as PostgreSQL 15 prints and reads them.

use arrow::array::Array;
use arrow::array::timezone::Tz;

use super::RowsBuilder;
use super::write;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;

fn zone(name: &str) -> Tz {
    name.parse().expect("a zone of the tz database")
}

fn round(sql_type: SqlType, text: &str, name: &str) -> Result<String, String> {
    let column = Column { name: "c".to_owned(), sql_type, role: ColumnRole::Value };
    let mut rows = RowsBuilder::new(&[column], zone(name));
    rows.push(&[Some(text)]).map_err(|error| error.to_string())?;
    let batch = rows.finish();
    let mut out = Vec::new();
    write(batch.column(0).as_ref(), 0, zone(name), &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).expect("all texts are UTF-8"))
}

#[test]
fn texts_are_read_and_printed_as_postgresql_does() {
    let numeric = SqlType::Decimal { precision: 12, scale: 2 };
    for (sql_type, text, printed) in [
        (SqlType::Boolean, "yes", "t"),
        (SqlType::Boolean, " OF ", "f"),
        (SqlType::Int, " -42 ", "-42"),
        (SqlType::BigInt, "9223372036854775807", "9223372036854775807"),
        (SqlType::Double, "1e15", "1e+15"),
        (SqlType::Double, "-infinity", "-Infinity"),
        (numeric.clone(), "12.505", "12.51"),
        (numeric, "-3", "-3.00"),
        (SqlType::Text, " a\tb ", " a\tb "),
        (SqlType::Bytes, "\\x00fF", "\\x00ff"),
        (SqlType::Bytes, "a\\\\\\001", "\\x615c01"),
        (SqlType::Date, "2024-02-29", "2024-02-29"),
        (SqlType::Date, "0044-03-15 BC", "0044-03-15 BC"),
        (SqlType::Time, "13:05", "13:05:00"),
        (SqlType::Time, "13:05:00.2500", "13:05:00.25"),
        (SqlType::Timestamp, "2024-02-29T13:05:00.123456", "2024-02-29 13:05:00.123456"),
        (SqlType::Timestamp, "2024-02-29", "2024-02-29 00:00:00"),
        (SqlType::Timestamp, "1969-12-31 23:59:59.9", "1969-12-31 23:59:59.9"),
        (SqlType::Timestamp, "infinity", "infinity"),
    ] {
        assert_eq!(round(sql_type, text, "UTC").as_deref(), Ok(printed), "{text}");
    }
}

#[test]
fn instants_are_told_on_the_clock_of_the_session() {
    for (text, name, printed) in [
        ("2024-02-29 13:05:00", "UTC", "2024-02-29 13:05:00+00"),
        ("2024-02-29 13:05:00Z", "Europe/Zurich", "2024-02-29 14:05:00+01"),
        ("2024-07-01 12:00:00", "Europe/Zurich", "2024-07-01 12:00:00+02"),
        ("2024-02-29 13:05:00+05:30", "Asia/Kolkata", "2024-02-29 13:05:00+05:30"),
        ("2024-02-29 13:05:00-08", "UTC", "2024-02-29 21:05:00+00"),
    ] {
        assert_eq!(round(SqlType::TimestampTz, text, name).as_deref(), Ok(printed), "{text}");
    }
}

#[test]
fn a_text_that_is_no_value_is_an_error() {
    for (sql_type, text) in [
        (SqlType::Boolean, "o"),
        (SqlType::Boolean, ""),
        (SqlType::Int, "2147483648"),
        (SqlType::Int, "1.0"),
        (SqlType::Double, "1e400"),
        (SqlType::Double, "one"),
        (SqlType::Decimal { precision: 3, scale: 1 }, "100"),
        (SqlType::Bytes, "\\xf"),
        (SqlType::Bytes, "\\9"),
        (SqlType::Date, "2023-02-29"),
        (SqlType::Time, "24:00:01"),
        (SqlType::Timestamp, "2024-02-29 13"),
        (SqlType::TimestampTz, "2024-02-29 13:05+99"),
    ] {
        assert!(round(sql_type.clone(), text, "UTC").is_err(), "{sql_type} {text}");
    }
}

#[test]
fn random_texts_never_panic_and_what_is_read_reads_back() {
    let random = SeededRandom::new(11);
    let letters: Vec<char> = "0123456789-+:. eETZ\\xNaNinfBC'é".chars().collect();
    let types = [
        SqlType::Boolean,
        SqlType::Int,
        SqlType::BigInt,
        SqlType::Double,
        SqlType::Decimal { precision: 38, scale: 10 },
        SqlType::Bytes,
        SqlType::Date,
        SqlType::Time,
        SqlType::Timestamp,
        SqlType::TimestampTz,
    ];
    for _ in 0..20_000 {
        let length = random.next_u64() % 24;
        let text: String = (0..length).map(|_| letters[random.next_u64() as usize % letters.len()]).collect();
        for sql_type in &types {
            if let Ok(printed) = round(sql_type.clone(), &text, "UTC") {
                assert_eq!(round(sql_type.clone(), &printed, "UTC"), Ok(printed), "{sql_type} {text}");
            }
        }
    }
}

#[test]
fn a_failed_row_leaves_nothing_behind() {
    let column = |name: &str| Column { name: name.to_owned(), sql_type: SqlType::Int, role: ColumnRole::Value };
    let mut rows = RowsBuilder::new(&[column("a"), column("b")], zone("UTC"));
    rows.push(&[Some("1"), None]).expect("a good row");
    assert!(rows.push(&[Some("2"), Some("x")]).is_err());
    assert!(rows.push(&[Some("2")]).is_err());
    rows.push(&[Some("3"), Some("4")]).expect("a good row");
    let batch = rows.finish();
    assert_eq!(batch.num_rows(), 2);
    assert!(batch.column(1).is_null(0));
}
