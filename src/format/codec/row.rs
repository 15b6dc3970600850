//! The row value: a version, the number of columns, a bitmap of nulls, then the values that are there.
//!
//! Fixed values are little endian; texts and bytes carry their length as a varint. Not ordered.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::BooleanBuilder;
use arrow::array::GenericBinaryBuilder;
use arrow::array::NullArray;
use arrow::array::OffsetSizeTrait;
use arrow::array::PrimitiveBuilder;
use arrow::array::StringBuilder;
use arrow::datatypes::ArrowPrimitiveType;
use arrow::datatypes::DataType;
use arrow::datatypes::Date32Type;
use arrow::datatypes::Decimal128Type;
use arrow::datatypes::Float32Type;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int8Type;
use arrow::datatypes::Int16Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Schema;
use arrow::datatypes::Time64MicrosecondType;
use arrow::datatypes::TimeUnit;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::datatypes::TimestampMillisecondType;
use arrow::datatypes::ToByteSlice;
use arrow::datatypes::UInt64Type;
use arrow::record_batch::RecordBatch;
use arrow::record_batch::RecordBatchOptions;

use super::key::values_bytes;
use super::nested::Form;
use crate::format::FormatError;
use crate::format::value::Row;
use crate::format::value::Slot;
use crate::model::SqlType;

const VERSION: u8 = 1;

/// Encodes and decodes rows.
pub struct RowValues;

impl RowValues {
    /// Every row of `batch`.
    pub fn encode(batch: &RecordBatch) -> Result<Vec<Vec<u8>>, FormatError> {
        let count = batch.num_columns();
        let mut head = vec![VERSION];
        push_varint(count as u64, &mut head);
        let bitmap = head.len();
        head.resize(bitmap + count.div_ceil(8), 0);
        let values: usize = batch.columns().iter().map(|column| values_bytes(column.as_ref())).sum();
        let bytes = head.len() + values.div_ceil(batch.num_rows().max(1)) + count;
        let row = |_| {
            let mut row = Vec::with_capacity(bytes);
            row.extend_from_slice(&head);
            row
        };
        let mut rows: Vec<Vec<u8>> = (0..batch.num_rows()).map(row).collect();
        for (index, column) in batch.columns().iter().enumerate() {
            for (row, bytes) in rows.iter_mut().enumerate() {
                if column.is_null(row) || *column.data_type() == DataType::Null {
                    bytes[bitmap + index / 8] |= 1 << (index % 8);
                }
            }
            append(column.as_ref(), &mut rows)?;
        }
        Ok(rows)
    }

    /// The rows that `encode` wrote of a batch with this schema.
    pub fn decode(rows: &[&[u8]], schema: &Arc<Schema>) -> Result<RecordBatch, FormatError> {
        let count = schema.fields().len();
        let mut nulls = Vec::with_capacity(rows.len());
        let mut rest = Vec::with_capacity(rows.len());
        for row in rows {
            let (bitmap, values) = split_head(row, count)?;
            nulls.push(bitmap);
            rest.push(values);
        }
        let mut columns = Vec::with_capacity(count);
        for (index, field) in schema.fields().iter().enumerate() {
            let is_null = |row: usize| nulls[row][index / 8] >> (index % 8) & 1 == 1;
            columns.push(take(field.data_type(), &mut rest, is_null)?);
        }
        if rest.iter().any(|rest| !rest.is_empty()) {
            return Err(corrupt("bytes after the last column"));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
            .map_err(|error| corrupt(error.to_string()))
    }
}

fn corrupt(reason: impl Into<String>) -> FormatError {
    FormatError::Corrupt { what: "state row", reason: reason.into() }
}

fn unsupported(data_type: &DataType) -> FormatError {
    FormatError::Unsupported { format: "state row", what: data_type.to_string() }
}

fn split_head(row: &[u8], count: usize) -> Result<(&[u8], &[u8]), FormatError> {
    let mut rest = row;
    match take_fixed::<1>(&mut rest)? {
        [VERSION] => (),
        [version] => return Err(corrupt(format!("version {version}"))),
    }
    let written = take_varint(&mut rest)?;
    if written != count as u64 {
        return Err(corrupt(format!("{written} columns where {count} are declared")));
    }
    rest.split_at_checked(count.div_ceil(8)).ok_or_else(|| corrupt("it ends inside the bitmap"))
}

pub(super) fn append(column: &dyn Array, rows: &mut [Vec<u8>]) -> Result<(), FormatError> {
    match column.data_type() {
        DataType::Null => (),
        DataType::Boolean => {
            let values = column.as_boolean();
            each(column, rows, |row, bytes| bytes.push(u8::from(values.value(row))));
        }
        DataType::Int8 => fixed::<Int8Type>(column, rows),
        DataType::Int16 => fixed::<Int16Type>(column, rows),
        DataType::Int32 => fixed::<Int32Type>(column, rows),
        DataType::Int64 => fixed::<Int64Type>(column, rows),
        DataType::UInt64 => fixed::<UInt64Type>(column, rows),
        DataType::Float32 => fixed::<Float32Type>(column, rows),
        DataType::Float64 => fixed::<Float64Type>(column, rows),
        DataType::Date32 => fixed::<Date32Type>(column, rows),
        DataType::Time64(TimeUnit::Microsecond) => fixed::<Time64MicrosecondType>(column, rows),
        DataType::Timestamp(TimeUnit::Microsecond, _) => fixed::<TimestampMicrosecondType>(column, rows),
        DataType::Timestamp(TimeUnit::Millisecond, _) => fixed::<TimestampMillisecondType>(column, rows),
        DataType::Decimal128(_, _) => fixed::<Decimal128Type>(column, rows),
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            each(column, rows, |row, bytes| push_bytes(values.value(row).as_bytes(), bytes));
        }
        DataType::Utf8View => {
            let values = column.as_string_view();
            each(column, rows, |row, bytes| push_bytes(values.value(row).as_bytes(), bytes));
        }
        DataType::LargeUtf8 => {
            let values = column.as_string::<i64>();
            each(column, rows, |row, bytes| push_bytes(values.value(row).as_bytes(), bytes));
        }
        DataType::Binary => {
            let values = column.as_binary::<i32>();
            each(column, rows, |row, bytes| push_bytes(values.value(row), bytes));
        }
        DataType::LargeBinary => {
            let values = column.as_binary::<i64>();
            each(column, rows, |row, bytes| push_bytes(values.value(row), bytes));
        }
        DataType::List(_) | DataType::Map(..) | DataType::Struct(_) => {
            for (row, bytes) in rows.iter_mut().enumerate().filter(|(row, _)| column.is_valid(*row)) {
                Form::Row.write(column, row, bytes)?;
            }
        }
        other => return Err(unsupported(other)),
    }
    Ok(())
}

/// Reads one value of a type that is not nested.
pub(super) fn read(sql_type: &SqlType, rest: &mut &[u8], row: &mut Row) -> Result<Slot, FormatError> {
    Ok(match sql_type {
        SqlType::Boolean => match take_fixed::<1>(rest)? {
            [0] => Slot::Boolean(false),
            [1] => Slot::Boolean(true),
            _ => return Err(corrupt("a boolean that is neither 0 nor 1")),
        },
        SqlType::Int | SqlType::Date => Slot::Int(i32::from_le_bytes(take_fixed(rest)?)),
        SqlType::BigInt | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz => {
            Slot::BigInt(i64::from_le_bytes(take_fixed(rest)?))
        }
        SqlType::Double => Slot::Double(f64::from_le_bytes(take_fixed(rest)?)),
        SqlType::Decimal { .. } => Slot::Decimal(i128::from_le_bytes(take_fixed(rest)?)),
        SqlType::Text | SqlType::Bytes | SqlType::Json | SqlType::Jsonb => row.bytes(take_bytes(rest)?),
        nested => return Err(unsupported(&nested.arrow())),
    })
}

fn each(column: &dyn Array, rows: &mut [Vec<u8>], mut append: impl FnMut(usize, &mut Vec<u8>)) {
    for (row, bytes) in rows.iter_mut().enumerate() {
        if column.is_valid(row) {
            append(row, bytes);
        }
    }
}

fn fixed<T: ArrowPrimitiveType>(column: &dyn Array, rows: &mut [Vec<u8>]) {
    // Arrow's native values are little endian on every machine that Tidemill runs on; checked at compile time.
    const { assert!(cfg!(target_endian = "little"), "rows are written little endian") }
    let values = column.as_primitive::<T>();
    each(column, rows, |row, bytes| bytes.extend_from_slice(values.value(row).to_byte_slice()));
}

fn push_bytes(value: &[u8], bytes: &mut Vec<u8>) {
    push_varint(value.len() as u64, bytes);
    bytes.extend_from_slice(value);
}

pub(super) fn push_varint(mut value: u64, bytes: &mut Vec<u8>) {
    while 0x80 <= value {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

pub(super) fn take_varint(rest: &mut &[u8]) -> Result<u64, FormatError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take_fixed::<1>(rest)?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(corrupt("a length of more than 64 bits"))
}

fn take_fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], FormatError> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or_else(|| corrupt("it ends inside a value"))?;
    *rest = after;
    Ok(*taken)
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], FormatError> {
    let length = take_varint(rest)?;
    let length = usize::try_from(length).map_err(|_| corrupt("a length over the address space"))?;
    let (taken, after) = rest.split_at_checked(length).ok_or_else(|| corrupt("it ends inside a text"))?;
    *rest = after;
    Ok(taken)
}

fn take(data_type: &DataType, rest: &mut [&[u8]], is_null: impl Fn(usize) -> bool) -> Result<ArrayRef, FormatError> {
    Ok(match data_type {
        DataType::Null => Arc::new(NullArray::new(rest.len())),
        DataType::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(rest.len());
            for (row, rest) in rest.iter_mut().enumerate() {
                builder.append_option(match is_null(row) {
                    true => None,
                    false => match take_fixed::<1>(rest)? {
                        [0] => Some(false),
                        [1] => Some(true),
                        _ => return Err(corrupt("a boolean that is neither 0 nor 1")),
                    },
                });
            }
            Arc::new(builder.finish())
        }
        DataType::Int8 => primitive::<Int8Type, 1>(data_type, rest, is_null, i8::from_le_bytes)?,
        DataType::Int16 => primitive::<Int16Type, 2>(data_type, rest, is_null, i16::from_le_bytes)?,
        DataType::Int32 => primitive::<Int32Type, 4>(data_type, rest, is_null, i32::from_le_bytes)?,
        DataType::Int64 => primitive::<Int64Type, 8>(data_type, rest, is_null, i64::from_le_bytes)?,
        DataType::UInt64 => primitive::<UInt64Type, 8>(data_type, rest, is_null, u64::from_le_bytes)?,
        DataType::Float32 => primitive::<Float32Type, 4>(data_type, rest, is_null, f32::from_le_bytes)?,
        DataType::Float64 => primitive::<Float64Type, 8>(data_type, rest, is_null, f64::from_le_bytes)?,
        DataType::Date32 => primitive::<Date32Type, 4>(data_type, rest, is_null, i32::from_le_bytes)?,
        DataType::Time64(TimeUnit::Microsecond) => {
            primitive::<Time64MicrosecondType, 8>(data_type, rest, is_null, i64::from_le_bytes)?
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            primitive::<TimestampMicrosecondType, 8>(data_type, rest, is_null, i64::from_le_bytes)?
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            primitive::<TimestampMillisecondType, 8>(data_type, rest, is_null, i64::from_le_bytes)?
        }
        DataType::Decimal128(_, _) => primitive::<Decimal128Type, 16>(data_type, rest, is_null, i128::from_le_bytes)?,
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
            let mut builder = StringBuilder::new();
            for (row, rest) in rest.iter_mut().enumerate() {
                if is_null(row) {
                    builder.append_null();
                } else {
                    let text = std::str::from_utf8(take_bytes(rest)?).map_err(|error| corrupt(error.to_string()))?;
                    builder.append_value(text);
                }
            }
            let texts: ArrayRef = Arc::new(builder.finish());
            match data_type {
                DataType::Utf8 => texts,
                other => arrow::compute::cast(&texts, other).map_err(|error| corrupt(error.to_string()))?,
            }
        }
        DataType::Binary => bytes::<i32>(rest, is_null)?,
        DataType::LargeBinary => bytes::<i64>(rest, is_null)?,
        DataType::List(_) | DataType::Map(..) | DataType::Struct(_) => {
            Form::Row.take(data_type, rest, |row, _| Ok(is_null(row)))?
        }
        other => return Err(unsupported(other)),
    })
}

fn bytes<O: OffsetSizeTrait>(rest: &mut [&[u8]], is_null: impl Fn(usize) -> bool) -> Result<ArrayRef, FormatError> {
    let mut builder = GenericBinaryBuilder::<O>::new();
    for (row, rest) in rest.iter_mut().enumerate() {
        builder.append_option(if is_null(row) { None } else { Some(take_bytes(rest)?) });
    }
    Ok(Arc::new(builder.finish()))
}

fn primitive<T: ArrowPrimitiveType, const N: usize>(
    data_type: &DataType,
    rest: &mut [&[u8]],
    is_null: impl Fn(usize) -> bool,
    value: impl Fn([u8; N]) -> T::Native,
) -> Result<ArrayRef, FormatError> {
    let mut builder = PrimitiveBuilder::<T>::with_capacity(rest.len()).with_data_type(data_type.clone());
    for (row, rest) in rest.iter_mut().enumerate() {
        builder.append_option(if is_null(row) { None } else { Some(value(take_fixed::<N>(rest)?)) });
    }
    Ok(Arc::new(builder.finish()))
}
