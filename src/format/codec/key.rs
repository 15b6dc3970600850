//! The memcomparable key: bytes that sort as the values do.
//!
//! A column is one tag byte, `0` for null and `1` for a value, then the value: integers big endian with the sign
//! bit turned over, doubles by their total order, texts and bytes with `00` written as `00 FF` and `00 00` at the end.

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
use arrow::datatypes::UInt64Type;
use arrow::record_batch::RecordBatch;
use arrow::record_batch::RecordBatchOptions;

use super::nested::Form;
use crate::format::FormatError;
use crate::format::value::Row;
use crate::format::value::Slot;
use crate::model::SqlType;

const NULL: u8 = 0;
const VALUE: u8 = 1;
const ESCAPED: u8 = 0xFF;

/// Encodes and decodes keys.
pub struct RowKeys;

impl RowKeys {
    /// The key of every row of `columns`, which have one length. No columns: `rows` empty keys come from `encode_rows`.
    pub fn encode(columns: &[ArrayRef]) -> Result<Vec<Vec<u8>>, FormatError> {
        Self::encode_rows(columns, columns.first().map_or(0, |column| column.len()))
    }

    /// The key of every row of `columns`, when there may be no column.
    pub fn encode_rows(columns: &[ArrayRef], rows: usize) -> Result<Vec<Vec<u8>>, FormatError> {
        let writer = KeyWriter::new(columns)?;
        let bytes = writer.bytes_expected(rows);
        (0..rows)
            .map(|row| {
                let mut key = Vec::with_capacity(bytes);
                writer.write(row, &mut key)?;
                Ok(key)
            })
            .collect()
    }

    /// The key of one row.
    pub fn encode_row(columns: &[ArrayRef], row: usize) -> Result<Vec<u8>, FormatError> {
        let mut key = Vec::new();
        KeyWriter::new(columns)?.write(row, &mut key)?;
        Ok(key)
    }

    /// The columns of keys that were encoded with the types of `schema`.
    pub fn decode(keys: &[&[u8]], schema: &Arc<Schema>) -> Result<RecordBatch, FormatError> {
        let mut rest: Vec<&[u8]> = keys.to_vec();
        let mut columns = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            columns.push(take(field.data_type(), &mut rest)?);
        }
        if rest.iter().any(|rest| !rest.is_empty()) {
            return Err(corrupt("bytes after the last column"));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(keys.len()));
        RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
            .map_err(|error| corrupt(error.to_string()))
    }
}

fn corrupt(reason: impl Into<String>) -> FormatError {
    FormatError::Corrupt { what: "state key", reason: reason.into() }
}

/// Writes a row's value in one column.
type ColumnWriter<'a> = Box<dyn Fn(usize, &mut Vec<u8>) -> Result<(), FormatError> + 'a>;

/// Writes keys row by row: for who needs no `Vec` for each.
pub struct KeyWriter<'a> {
    columns: Vec<ColumnWriter<'a>>,
    /// Bytes of the columns' values, with room for their tags and ends.
    bytes: usize,
}

impl<'a> KeyWriter<'a> {
    /// The writer of the keys of `columns`, which have one length.
    pub fn new(columns: &'a [ArrayRef]) -> Result<Self, FormatError> {
        assert!(columns.windows(2).all(|two| two[0].len() == two[1].len()), "the columns of a key have one length");
        let bytes = columns.iter().map(|column| values_bytes(column.as_ref()) + 3 * column.len()).sum();
        let columns = columns.iter().map(|column| column_writer(column.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { columns, bytes })
    }

    /// Appends the key of `row`.
    pub fn write(&self, row: usize, key: &mut Vec<u8>) -> Result<(), FormatError> {
        self.columns.iter().try_for_each(|column| column(row, key))
    }

    /// About how long a key is.
    fn bytes_expected(&self, rows: usize) -> usize {
        self.bytes.div_ceil(rows.max(1))
    }
}

/// Bytes of a column's values, about.
pub(super) fn values_bytes(column: &dyn Array) -> usize {
    match column.data_type() {
        DataType::Utf8 => {
            let offsets = column.as_string::<i32>().value_offsets();
            (offsets[offsets.len() - 1] - offsets[0]) as usize
        }
        fixed => fixed.primitive_width().unwrap_or(12) * column.len(),
    }
}

pub(super) fn column_writer(column: &dyn Array) -> Result<ColumnWriter<'_>, FormatError> {
    Ok(match column.data_type() {
        DataType::Null => tagged(column, |_, _| ()),
        DataType::Boolean => {
            let values = column.as_boolean();
            tagged(column, move |row, key| key.push(u8::from(values.value(row))))
        }
        DataType::Int8 => fixed::<Int8Type, 1>(column, |value| (value as u8 ^ 0x80).to_be_bytes()),
        DataType::Int16 => fixed::<Int16Type, 2>(column, |value| (value as u16 ^ 1 << 15).to_be_bytes()),
        DataType::Int32 => fixed::<Int32Type, 4>(column, ordered_i32),
        DataType::Int64 => fixed::<Int64Type, 8>(column, ordered_i64),
        DataType::UInt64 => fixed::<UInt64Type, 8>(column, u64::to_be_bytes),
        DataType::Date32 => fixed::<Date32Type, 4>(column, ordered_i32),
        DataType::Time64(TimeUnit::Microsecond) => fixed::<Time64MicrosecondType, 8>(column, ordered_i64),
        DataType::Timestamp(TimeUnit::Microsecond, _) => fixed::<TimestampMicrosecondType, 8>(column, ordered_i64),
        DataType::Timestamp(TimeUnit::Millisecond, _) => fixed::<TimestampMillisecondType, 8>(column, ordered_i64),
        DataType::Float64 => fixed::<Float64Type, 8>(column, ordered_f64),
        DataType::Decimal128(_, _) => {
            fixed::<Decimal128Type, 16>(column, |value| (value as u128 ^ 1 << 127).to_be_bytes())
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            tagged(column, move |row, key| escape(values.value(row).as_bytes(), key))
        }
        DataType::Utf8View => {
            let values = column.as_string_view();
            tagged(column, move |row, key| escape(values.value(row).as_bytes(), key))
        }
        DataType::LargeUtf8 => {
            let values = column.as_string::<i64>();
            tagged(column, move |row, key| escape(values.value(row).as_bytes(), key))
        }
        DataType::Binary => {
            let values = column.as_binary::<i32>();
            tagged(column, move |row, key| escape(values.value(row), key))
        }
        DataType::LargeBinary => {
            let values = column.as_binary::<i64>();
            tagged(column, move |row, key| escape(values.value(row), key))
        }
        DataType::List(_) | DataType::Struct(_) => Box::new(move |row, key| {
            key.push(if column.is_null(row) { NULL } else { VALUE });
            match column.is_valid(row) {
                true => Form::Key.write(column, row, key),
                false => Ok(()),
            }
        }),
        other => return Err(unsupported(other)),
    })
}

/// Reads one value of a type that is not nested, behind its tag.
pub(super) fn read(sql_type: &SqlType, rest: &mut &[u8], row: &mut Row) -> Result<Slot, FormatError> {
    Ok(match sql_type {
        SqlType::Boolean => match take_fixed::<1>(rest)? {
            [0] => Slot::Boolean(false),
            [1] => Slot::Boolean(true),
            _ => return Err(corrupt("a boolean that is neither 0 nor 1")),
        },
        SqlType::Int | SqlType::Date => Slot::Int(i32_of_ordered(take_fixed(rest)?)),
        SqlType::BigInt | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz => {
            Slot::BigInt(i64_of_ordered(take_fixed(rest)?))
        }
        SqlType::Double => Slot::Double(double_of_ordered(take_fixed(rest)?)),
        SqlType::Decimal { .. } => Slot::Decimal((u128::from_be_bytes(take_fixed(rest)?) ^ 1 << 127) as i128),
        SqlType::Text | SqlType::Bytes | SqlType::Json | SqlType::Jsonb => {
            let mut unescaped = Vec::new();
            take_text(rest, &mut unescaped)?;
            row.bytes(&unescaped)
        }
        nested => return Err(unsupported(&nested.arrow())),
    })
}

fn unsupported(data_type: &DataType) -> FormatError {
    FormatError::Unsupported { format: "state key", what: data_type.to_string() }
}

fn tagged<'a>(column: &'a dyn Array, append: impl Fn(usize, &mut Vec<u8>) + 'a) -> ColumnWriter<'a> {
    let is_null_type = *column.data_type() == DataType::Null;
    Box::new(move |row, key| {
        if is_null_type || column.is_null(row) {
            key.push(NULL);
        } else {
            key.push(VALUE);
            append(row, key);
        }
        Ok(())
    })
}

fn fixed<'a, T: ArrowPrimitiveType, const N: usize>(
    column: &'a dyn Array,
    ordered: impl Fn(T::Native) -> [u8; N] + 'a,
) -> ColumnWriter<'a> {
    let values = column.as_primitive::<T>();
    tagged(column, move |row, key| key.extend_from_slice(&ordered(values.value(row))))
}

fn ordered_i32(value: i32) -> [u8; 4] {
    (value as u32 ^ 1 << 31).to_be_bytes()
}

fn ordered_i64(value: i64) -> [u8; 8] {
    (value as u64 ^ 1 << 63).to_be_bytes()
}

/// Negative doubles with all bits turned over, the others with the sign bit set: the order of IEEE's totalOrder,
/// with one zero and, above infinity, one NaN, as PostgreSQL compares and groups them.
fn ordered_f64(value: f64) -> [u8; 8] {
    let value = if value.is_nan() {
        f64::NAN.abs()
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    let bits = value.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    ordered.to_be_bytes()
}

fn double_of_ordered(bytes: [u8; 8]) -> f64 {
    let ordered = u64::from_be_bytes(bytes);
    f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered })
}

fn escape(bytes: &[u8], key: &mut Vec<u8>) {
    if !bytes.contains(&0) {
        key.extend_from_slice(bytes);
        return key.extend_from_slice(&[0, 0]);
    }
    for part in bytes.split_inclusive(|byte| *byte == 0) {
        key.extend_from_slice(part);
        if part.ends_with(&[0]) {
            key.push(ESCAPED);
        }
    }
    key.extend_from_slice(&[0, 0]);
}

fn take(data_type: &DataType, rest: &mut [&[u8]]) -> Result<ArrayRef, FormatError> {
    Ok(match data_type {
        DataType::Null => {
            take_each(rest, |_, _| Err(corrupt("a value of type null")))?;
            Arc::new(NullArray::new(rest.len()))
        }
        DataType::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(rest.len());
            take_each(rest, |rest, is_value| {
                builder.append_option(match is_value {
                    false => None,
                    true => match take_fixed::<1>(rest)? {
                        [0] => Some(false),
                        [1] => Some(true),
                        _ => return Err(corrupt("a boolean that is neither 0 nor 1")),
                    },
                });
                Ok(())
            })?;
            Arc::new(builder.finish())
        }
        DataType::Int8 => take_primitive::<Int8Type, 1>(data_type, rest, |bytes| (bytes[0] ^ 0x80) as i8)?,
        DataType::Int16 => {
            take_primitive::<Int16Type, 2>(data_type, rest, |bytes| (u16::from_be_bytes(bytes) ^ 1 << 15) as i16)?
        }
        DataType::Int32 => take_primitive::<Int32Type, 4>(data_type, rest, i32_of_ordered)?,
        DataType::Int64 => take_primitive::<Int64Type, 8>(data_type, rest, i64_of_ordered)?,
        DataType::UInt64 => take_primitive::<UInt64Type, 8>(data_type, rest, u64::from_be_bytes)?,
        DataType::Date32 => take_primitive::<Date32Type, 4>(data_type, rest, i32_of_ordered)?,
        DataType::Time64(TimeUnit::Microsecond) => {
            take_primitive::<Time64MicrosecondType, 8>(data_type, rest, i64_of_ordered)?
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            take_primitive::<TimestampMicrosecondType, 8>(data_type, rest, i64_of_ordered)?
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            take_primitive::<TimestampMillisecondType, 8>(data_type, rest, i64_of_ordered)?
        }
        DataType::Float64 => take_primitive::<Float64Type, 8>(data_type, rest, double_of_ordered)?,
        DataType::Decimal128(_, _) => take_primitive::<Decimal128Type, 16>(data_type, rest, |bytes| {
            (u128::from_be_bytes(bytes) ^ 1 << 127) as i128
        })?,
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
            let mut builder = StringBuilder::new();
            take_texts(rest, |bytes| {
                let text = bytes.map(std::str::from_utf8).transpose().map_err(|error| corrupt(error.to_string()))?;
                builder.append_option(text);
                Ok(())
            })?;
            cast_text(Arc::new(builder.finish()), data_type)?
        }
        DataType::Binary => take_bytes::<i32>(rest)?,
        DataType::LargeBinary => take_bytes::<i64>(rest)?,
        DataType::List(_) | DataType::Struct(_) => {
            Form::Key.take(data_type, rest, |_, rest| match take_fixed::<1>(rest)? {
                [NULL] => Ok(true),
                [VALUE] => Ok(false),
                [tag] => Err(corrupt(format!("tag {tag}"))),
            })?
        }
        other => return Err(unsupported(other)),
    })
}

fn take_bytes<O: OffsetSizeTrait>(rest: &mut [&[u8]]) -> Result<ArrayRef, FormatError> {
    let mut builder = GenericBinaryBuilder::<O>::new();
    take_texts(rest, |bytes| {
        builder.append_option(bytes);
        Ok(())
    })?;
    Ok(Arc::new(builder.finish()))
}

fn cast_text(texts: ArrayRef, data_type: &DataType) -> Result<ArrayRef, FormatError> {
    match data_type {
        DataType::Utf8 => Ok(texts),
        other => arrow::compute::cast(&texts, other).map_err(|error| corrupt(error.to_string())),
    }
}

fn i32_of_ordered(bytes: [u8; 4]) -> i32 {
    (u32::from_be_bytes(bytes) ^ 1 << 31) as i32
}

fn i64_of_ordered(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ 1 << 63) as i64
}

fn take_each<'a>(
    rest: &mut [&'a [u8]],
    mut value: impl FnMut(&mut &'a [u8], bool) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    for rest in rest {
        match take_fixed::<1>(rest)? {
            [NULL] => value(rest, false)?,
            [VALUE] => value(rest, true)?,
            [tag] => return Err(corrupt(format!("tag {tag}"))),
        }
    }
    Ok(())
}

fn take_fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], FormatError> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or_else(|| corrupt("it ends inside a column"))?;
    *rest = after;
    Ok(*taken)
}

fn take_primitive<T: ArrowPrimitiveType, const N: usize>(
    data_type: &DataType,
    rest: &mut [&[u8]],
    value: impl Fn([u8; N]) -> T::Native,
) -> Result<ArrayRef, FormatError> {
    let mut builder = PrimitiveBuilder::<T>::with_capacity(rest.len()).with_data_type(data_type.clone());
    take_each(rest, |rest, is_value| {
        builder.append_option(if is_value { Some(value(take_fixed::<N>(rest)?)) } else { None });
        Ok(())
    })?;
    Ok(Arc::new(builder.finish()))
}

fn take_texts(
    rest: &mut [&[u8]],
    mut value: impl FnMut(Option<&[u8]>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let mut unescaped = Vec::new();
    take_each(rest, |rest, is_value| {
        if !is_value {
            return value(None);
        }
        unescaped.clear();
        take_text(rest, &mut unescaped)?;
        value(Some(&unescaped))
    })
}

/// Appends the next text, unescaped.
fn take_text(rest: &mut &[u8], unescaped: &mut Vec<u8>) -> Result<(), FormatError> {
    loop {
        let zero = rest.iter().position(|byte| *byte == 0).ok_or_else(|| corrupt("a text without its end"))?;
        unescaped.extend_from_slice(&rest[..zero]);
        let after = rest.get(zero + 1).copied();
        *rest = rest.get(zero + 2..).unwrap_or_default();
        match after {
            Some(0) => return Ok(()),
            Some(ESCAPED) => unescaped.push(0),
            _ => return Err(corrupt("a zero that is neither escaped nor the end")),
        }
    }
}
