//! One argument of one row, and one answer.

use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BinaryArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::Date32Array;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::array::LargeBinaryArray;
use datafusion::arrow::array::LargeStringArray;
use datafusion::arrow::array::ListArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::array::Time64MicrosecondArray;
use datafusion::arrow::array::TimestampMicrosecondArray;
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Date32Type;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::datatypes::Time64MicrosecondType;
use datafusion::arrow::datatypes::TimestampMicrosecondType;

use super::function::Type;
use crate::format;
use crate::model::SqlType;

/// An argument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Null.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// INT and BIGINT; days of DATE, microseconds of TIME and TIMESTAMP.
    Int(i64),
    /// DOUBLE.
    Double(f64),
    /// VARCHAR; the text of JSON and JSONB.
    Text(&'a str),
    /// BYTES.
    Bytes(&'a [u8]),
    /// A row of a column of arrays of texts.
    Texts(&'a ListArray, usize),
}

impl<'a> Cell<'a> {
    /// The cell of a column, which has one of our types; `Null` for a type that no overload names.
    pub fn of(array: &'a dyn Array, row: usize) -> Self {
        if array.is_null(row) {
            return Cell::Null;
        }
        match array.data_type() {
            DataType::Boolean => Cell::Boolean(array.as_boolean().value(row)),
            DataType::Int32 => Cell::Int(i64::from(array.as_primitive::<Int32Type>().value(row))),
            DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
            DataType::Float64 => Cell::Double(array.as_primitive::<Float64Type>().value(row)),
            DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => Cell::Text(array.as_string::<i64>().value(row)),
            DataType::LargeBinary => {
                std::str::from_utf8(array.as_binary::<i64>().value(row)).map_or(Cell::Null, Cell::Text)
            }
            DataType::List(_) => Cell::Texts(array.as_list::<i32>(), row),
            DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row)),
            DataType::Date32 => Cell::Int(i64::from(array.as_primitive::<Date32Type>().value(row))),
            DataType::Time64(_) => Cell::Int(array.as_primitive::<Time64MicrosecondType>().value(row)),
            DataType::Timestamp(..) => Cell::Int(array.as_primitive::<TimestampMicrosecondType>().value(row)),
            _ => Cell::Null,
        }
    }

    /// A text's; empty for what is none.
    pub fn text(self) -> &'a str {
        if let Cell::Text(text) = self { text } else { "" }
    }

    /// The texts of an array, or of a text that tells one; `None` for a text that does not.
    pub fn texts(self) -> Option<Vec<Option<String>>> {
        let texts = match self {
            Cell::Texts(lists, row) => lists.value(row),
            Cell::Text(written) => {
                let of = SqlType::Array(Box::new(SqlType::Text));
                let read = format::text::read(&of, written, Tz::from_str("+00:00").ok()?).ok()?;
                read.as_list::<i32>().value(0)
            }
            _ => return None,
        };
        Some(texts.as_string_opt::<i32>()?.iter().map(|text| text.map(str::to_owned)).collect())
    }

    /// Bytes'; empty for what is none.
    pub fn bytes(self) -> &'a [u8] {
        if let Cell::Bytes(bytes) = self { bytes } else { &[] }
    }

    /// A whole number's; 0 for what is none.
    pub fn int(self) -> i64 {
        if let Cell::Int(value) = self { value } else { 0 }
    }

    /// A double's; NaN for what is none.
    pub fn double(self) -> f64 {
        if let Cell::Double(value) = self { value } else { f64::NAN }
    }
}

/// What a function gives for a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Null.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// As in a cell.
    Int(i64),
    /// DOUBLE.
    Double(f64),
    /// VARCHAR, JSON, JSONB.
    Text(String),
    /// BYTES.
    Bytes(Vec<u8>),
}

impl Answer {
    /// The text, or null.
    pub fn text(text: Option<impl Into<String>>) -> Self {
        text.map_or(Answer::Null, |text| Answer::Text(text.into()))
    }

    /// The whole number, or null.
    pub fn int(value: Option<i64>) -> Self {
        value.map_or(Answer::Null, Answer::Int)
    }
}

/// The column of answers, which are all of the type.
pub fn column(answers: Vec<Answer>, of_type: Type) -> ArrayRef {
    let ints = || answers.iter().map(|answer| if let Answer::Int(value) = answer { Some(*value) } else { None });
    let texts =
        || answers.iter().map(|answer| if let Answer::Text(text) = answer { Some(text.as_str()) } else { None });
    let small = || ints().map(|value| value.and_then(|value| i32::try_from(value).ok()));
    match of_type {
        Type::Boolean => Arc::new(BooleanArray::from_iter(answers.iter().map(|answer| match answer {
            Answer::Boolean(truth) => Some(*truth),
            _ => None,
        }))),
        Type::Int => Arc::new(Int32Array::from_iter(small())),
        Type::BigInt => Arc::new(Int64Array::from_iter(ints())),
        Type::Date => Arc::new(Date32Array::from_iter(small())),
        Type::Time => Arc::new(Time64MicrosecondArray::from_iter(ints())),
        Type::Timestamp => Arc::new(TimestampMicrosecondArray::from_iter(ints())),
        Type::Double => Arc::new(Float64Array::from_iter(answers.iter().map(|answer| match answer {
            Answer::Double(value) => Some(*value),
            _ => None,
        }))),
        Type::Bytes => Arc::new(BinaryArray::from_iter(answers.iter().map(|answer| match answer {
            Answer::Bytes(bytes) => Some(bytes.as_slice()),
            _ => None,
        }))),
        Type::Json => Arc::new(LargeStringArray::from_iter(texts())),
        Type::Jsonb => Arc::new(LargeBinaryArray::from_iter(texts().map(|text| text.map(str::as_bytes)))),
        Type::Text | Type::Texts | Type::TextArray | Type::Any => Arc::new(StringArray::from_iter(texts())),
    }
}
