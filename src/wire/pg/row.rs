//! Rows of a result as DataRow messages, text or binary, column by column.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::BinaryArray;
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::datatypes::Date32Type;
use arrow::datatypes::Decimal128Type;
use arrow::datatypes::DurationMicrosecondType;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::IntervalMonthDayNanoType;
use arrow::datatypes::IntervalUnit;
use arrow::datatypes::Time64MicrosecondType;
use arrow::datatypes::TimeUnit;
use arrow::datatypes::TimestampMicrosecondType;
use bytes::BufMut;

use super::backend::Outgoing;
use super::frontend::Format;
use super::numeric::put_numeric;
use super::parameter::POSTGRES_EPOCH_DAYS;
use super::parameter::POSTGRES_EPOCH_MICROS;
use super::pg_type;
use super::pg_type::PgType;
use crate::engine::OutputField;
use crate::engine::TextKind;
use crate::engine::uuid_bytes;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::SqlType;

/// The formats of a result's columns, as Bind asked for them.
#[derive(Debug, Clone)]
pub(super) struct ResultFormats(Vec<Format>);

impl ResultFormats {
    /// All text.
    pub fn text() -> Self {
        Self(Vec::new())
    }

    /// All binary.
    pub fn binary() -> Self {
        Self(vec![Format::Binary])
    }

    /// None for all text, one for all, or one for each of `columns`.
    pub fn new(formats: Vec<Format>, columns: usize) -> Result<Self, Error> {
        if 1 < formats.len() && formats.len() != columns {
            let message = format!("{} result formats were given for {columns} columns", formats.len());
            return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
        }
        Ok(Self(formats))
    }

    /// The format of column `index`.
    pub fn of(&self, index: usize) -> Format {
        match &self.0[..] {
            [] => Format::Text,
            [all] => *all,
            each => each[index],
        }
    }
}

/// A batch whose columns are ready to be written row by row.
pub(super) struct RowBatch {
    columns: Vec<(ArrayRef, Format)>,
    rows: usize,
}

impl RowBatch {
    /// Brings each column of `batch` to the one Arrow type of its field's SQL type.
    pub fn new(batch: &RecordBatch, fields: &[OutputField], formats: &ResultFormats) -> Result<Self, Error> {
        if batch.num_columns() != fields.len() {
            let message = format!("{} columns came for {} fields", batch.num_columns(), fields.len());
            return Err(Error::internal(message));
        }
        let column = |(index, field): (usize, &OutputField)| {
            let array = batch.column(index);
            let wanted = field.sql_type.arrow();
            let array = if needs_cast(array.data_type(), &field.sql_type) {
                cast(array, &wanted).map_err(|error| Error::internal(error.to_string()).caused_by(error))?
            } else {
                array.clone()
            };
            let array = match (field.text_kind, formats.of(index)) {
                (Some(TextKind::Uuid), Format::Binary) => uuids(&array)?,
                _ => array,
            };
            if formats.of(index) == Format::Binary && !is_even(array.as_ref()) {
                return Err(Error::unsupported("an array of arrays of several lengths has no binary form")
                    .hint("Ask for it as text, or for its elements."));
            }
            Ok((array, formats.of(index)))
        };
        let columns = fields.iter().enumerate().map(column).collect::<Result<_, Error>>()?;
        Ok(Self { columns, rows: batch.num_rows() })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Writes row `row` as one DataRow.
    pub fn write(&self, row: usize, outgoing: &mut Outgoing) {
        outgoing.data_row(self.columns.len(), |body| self.put_cells(row, body));
    }

    /// How many cells a row has.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Writes the cells of row `row`, each with its length before it.
    pub fn put_cells(&self, row: usize, body: &mut Vec<u8>) {
        for (array, format) in &self.columns {
            if array.is_null(row) {
                body.put_i32(-1);
                continue;
            }
            let start = body.len();
            body.put_i32(0);
            match format {
                Format::Text => crate::engine::write_text(array.as_ref(), row, body),
                Format::Binary => put_binary(body, array.as_ref(), row),
            }
            let length = i32::try_from(body.len() - start - 4).expect("a cell is far below 2 GiB");
            body[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// The bytes of UUIDs that are kept as texts. What a Kafka client wrote can be another text.
fn uuids(texts: &ArrayRef) -> Result<ArrayRef, Error> {
    let bytes = |text: Option<&str>| match text.map(|text| (text, uuid_bytes(text))) {
        None => Ok(None),
        Some((_, Some(bytes))) => Ok(Some(bytes)),
        Some((text, None)) => {
            let message = format!("invalid input syntax for type uuid: \"{text}\"");
            Err(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message).hint("Ask for the column as text."))
        }
    };
    let uuids = texts.as_string::<i32>().iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(uuids.iter().map(Option::as_ref).collect::<BinaryArray>()))
}

/// Whether a column must be brought to the one Arrow type of its SQL type.
fn needs_cast(data_type: &DataType, sql_type: &SqlType) -> bool {
    // An instant of another zone is the same number; its zone says how it is written.
    let is_instant = matches!(data_type, DataType::Timestamp(TimeUnit::Microsecond, Some(_)));
    // There is no SQL type for a time span: it goes out as PostgreSQL's interval.
    let is_span = matches!(data_type, DataType::Interval(_) | DataType::Duration(_));
    *data_type != sql_type.arrow() && !is_instant && !is_span
}

/// Whether every array of arrays in a column holds arrays of one length, which is all that PostgreSQL's binary form can say.
fn is_even(column: &dyn Array) -> bool {
    let Some(lists) = column.as_list_opt::<i32>() else { return true };
    lists.iter().flatten().all(|list| match list.as_list_opt::<i32>() {
        None => true,
        Some(inner) => {
            let first = inner.offsets().lengths().next();
            let alike = inner.offsets().lengths().all(|length| Some(length) == first);
            inner.null_count() == 0 && alike && is_even(&list)
        }
    })
}

/// Dimensions, whether a null is there, the oid of the elements; each dimension's length and first index; the elements. An
/// array of arrays, of one length as `is_even` found, is one of more dimensions.
fn put_array(body: &mut Vec<u8>, values: &dyn Array) {
    let mut lengths = vec![values.len()];
    let mut values = values.slice(0, values.len());
    while let Some(list) = values.as_list_opt::<i32>() {
        let inner = list.offsets().lengths().next().unwrap_or(0);
        lengths.push(inner);
        values = list.values().slice(list.offsets()[0] as usize, list.offsets().lengths().sum());
    }
    let oid = SqlType::from_arrow(values.data_type()).map_or(pg_type::TEXT, |sql_type| PgType::of(&sql_type).oid);
    let dimensions = if values.is_empty() { &[] } else { lengths.as_slice() };
    let size = |length: usize| i32::try_from(length).expect("an array is far below 2^31 elements");
    body.put_i32(size(dimensions.len()));
    body.put_i32(i32::from(0 < values.null_count()));
    body.put_u32(oid);
    for length in dimensions {
        body.put_i32(size(*length));
        body.put_i32(1);
    }
    for row in 0..values.len() {
        if values.is_null(row) {
            body.put_i32(-1);
            continue;
        }
        let start = body.len();
        body.put_i32(0);
        put_binary(body, values.as_ref(), row);
        let length = size(body.len() - start - 4);
        body[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// Microseconds, days, months.
fn put_interval(body: &mut Vec<u8>, array: &dyn Array, row: usize) {
    const MICROS_PER_DAY: i64 = 86_400_000_000;
    let one = array.slice(row, 1);
    let (months, days, micros) = match array.data_type() {
        DataType::Duration(_) => {
            let span = cast(&one, &DataType::Duration(TimeUnit::Microsecond)).expect("spans of time have one scale");
            let micros = span.as_primitive::<DurationMicrosecondType>().value(0);
            (0, i32::try_from(micros / MICROS_PER_DAY).unwrap_or(i32::MAX), micros % MICROS_PER_DAY)
        }
        _ => {
            let wanted = DataType::Interval(IntervalUnit::MonthDayNano);
            let span = cast(&one, &wanted).expect("this kind of interval has room for the others");
            let span = span.as_primitive::<IntervalMonthDayNanoType>().value(0);
            (span.months, span.days, span.nanoseconds / 1000)
        }
    };
    body.put_i64(micros);
    body.put_i32(days);
    body.put_i32(months);
}

fn put_binary(body: &mut Vec<u8>, array: &dyn Array, row: usize) {
    match array.data_type() {
        DataType::Boolean => body.put_u8(u8::from(array.as_boolean().value(row))),
        DataType::Int32 => body.put_i32(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => body.put_i64(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => body.put_f64(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => put_numeric(body, array.as_primitive::<Decimal128Type>().value(row), *scale),
        DataType::Utf8 => body.put_slice(array.as_string::<i32>().value(row).as_bytes()),
        // A number of its version stands before it.
        DataType::LargeBinary => {
            body.put_u8(1);
            body.put_slice(array.as_binary::<i64>().value(row));
        }
        DataType::Binary => body.put_slice(array.as_binary::<i32>().value(row)),
        // Days and microseconds outside i32 and i64 after the move of the epoch lie 292,000 years away.
        DataType::Date32 => {
            body.put_i32(array.as_primitive::<Date32Type>().value(row).saturating_sub(POSTGRES_EPOCH_DAYS));
        }
        DataType::Time64(_) => body.put_i64(array.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Timestamp(_, _) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            // The greatest is infinity, wherever time is counted from.
            let is_infinite = micros == i64::MAX;
            body.put_i64(if is_infinite { micros } else { micros.saturating_sub(POSTGRES_EPOCH_MICROS) });
        }
        DataType::Interval(_) | DataType::Duration(_) => put_interval(body, array, row),
        DataType::List(_) => put_array(body, array.as_list::<i32>().value(row).as_ref()),
        // Text and its binary form are the same bytes; the field says TEXT, or JSON of a map and a struct.
        _ => crate::engine::write_text(array, row, body),
    }
}
