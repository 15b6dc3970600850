//! Rows to records.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::record_batch::RecordBatch;

use super::CodecOptions;
use super::EncodedRows;
use super::FormatError;
use super::FormatSpec;
use super::WindowKeySize;
use super::half::Half;
use super::kafka;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;

/// Writes the records of one relation.
pub struct Encoder {
    columns: usize,
    key: Half,
    value: Half,
    window: Option<WindowWriter>,
    /// Key columns of doubles: equal keys must have equal bytes.
    double_keys: Vec<usize>,
    writes_null_key: bool,
    /// A key whose columns are all null is written as no key.
    omits_null_keys: bool,
}

struct WindowWriter {
    start: (usize, SqlType),
    /// Sessions only.
    end: Option<(usize, SqlType)>,
}

impl Encoder {
    /// The encoder of a relation with these columns, refused if a format cannot carry them.
    pub fn new(
        columns: &[Column],
        key: FormatSpec,
        value: FormatSpec,
        options: &CodecOptions,
    ) -> Result<Self, FormatError> {
        let bound = |role: ColumnRole| {
            let found = columns.iter().position(|column| column.role == role);
            let index = found.ok_or_else(|| FormatError::Unsupported {
                format: "windowed key",
                what: "columns without the window's bounds".to_owned(),
            })?;
            Ok((index, columns[index].sql_type.clone()))
        };
        let window = match options.window {
            None => None,
            Some(WindowKeySize::Fixed { .. }) => {
                Some(WindowWriter { start: bound(ColumnRole::WindowStart)?, end: None })
            }
            Some(WindowKeySize::Session) => {
                Some(WindowWriter { start: bound(ColumnRole::WindowStart)?, end: Some(bound(ColumnRole::WindowEnd)?) })
            }
        };
        Ok(Self {
            columns: columns.len(),
            key: Half::new(columns, ColumnRole::Key, key, options)?,
            value: Half::new(columns, ColumnRole::Value, value, options)?,
            window,
            double_keys: (0..columns.len())
                .filter(|index| columns[*index].role == ColumnRole::Key && columns[*index].sql_type == SqlType::Double)
                .collect(),
            writes_null_key: Half::writes_bare_null(options.names),
            omits_null_keys: !options.needs_key && !Half::writes_bare_null(options.names),
        })
    }

    /// The records of rows whose first columns are the relation's, in its order. Columns behind them are not read.
    pub fn encode(&self, batch: &RecordBatch) -> Result<EncodedRows, FormatError> {
        let arrays = &*self.arrays(batch)?;
        let mut rows = EncodedRows::default();
        // Rows of one relation are mostly about as long as one another.
        let mut room = 64;
        for row in 0..batch.num_rows() {
            let value = self.half(&self.value, arrays, row, false, room);
            room = value.as_ref().map_or(room, |value| value.len() + value.len() / 8);
            rows.values.push(value);
            match self.key(arrays, row) {
                Ok(key) => rows.keys.push(key),
                Err(error) => {
                    rows.keys.push(None);
                    rows.values[row] = None;
                    rows.errors.push((row, error.to_string()));
                }
            }
        }
        Ok(rows)
    }

    /// The keys alone, as for tombstones; a row whose key cannot be written has none.
    pub fn encode_keys(&self, batch: &RecordBatch) -> Result<Vec<Option<Vec<u8>>>, FormatError> {
        let arrays = &*self.arrays(batch)?;
        (0..batch.num_rows()).map(|row| self.key(arrays, row)).collect()
    }

    fn arrays<'a>(&self, batch: &'a RecordBatch) -> Result<Cow<'a, [ArrayRef]>, FormatError> {
        let arrays = batch.columns().get(..self.columns).ok_or_else(|| FormatError::Unsupported {
            format: "rows",
            what: format!("{} columns where {} are declared", batch.num_columns(), self.columns),
        })?;
        if self.double_keys.is_empty() {
            return Ok(Cow::Borrowed(arrays));
        }
        let mut arrays = arrays.to_vec();
        for index in &self.double_keys {
            let values = arrays[*index].as_primitive::<Float64Type>();
            arrays[*index] = Arc::new(values.unary::<_, Float64Type>(one_of_equal));
        }
        Ok(Cow::Owned(arrays))
    }

    fn key(&self, arrays: &[ArrayRef], row: usize) -> Result<Option<Vec<u8>>, FormatError> {
        let key = match self.omits_null_keys && self.key.is_all_null(arrays, row) {
            true => None,
            false => self.half(&self.key, arrays, row, self.writes_null_key, 32),
        };
        let Some(window) = &self.window else { return Ok(key) };
        let mut key = key.unwrap_or_default();
        if let Some(end) = &window.end {
            key.extend_from_slice(&bound(arrays, row, end)?.to_be_bytes());
        }
        key.extend_from_slice(&bound(arrays, row, &window.start)?.to_be_bytes());
        Ok(Some(key))
    }

    /// The bytes of one half; there is `room` for so many before more is asked for.
    fn half(&self, half: &Half, arrays: &[ArrayRef], row: usize, bare_null: bool, room: usize) -> Option<Vec<u8>> {
        match half {
            Half::None => None,
            Half::Kafka(index, column) => kafka::encode(arrays[*index].as_ref(), row, &column.sql_type),
            Half::Json(_, writer) if !bare_null && writer.is_bare_null(arrays, row) => None,
            Half::Json(_, writer) => {
                let mut out = Vec::with_capacity(room);
                writer.write(arrays, row, &mut out);
                Some(out)
            }
            Half::Delimited(columns) => {
                let only = |(index, _): &(usize, Column)| arrays[*index].is_null(row);
                if columns.columns.len() == 1 && columns.columns.iter().all(only) {
                    return None;
                }
                let mut out = Vec::with_capacity(room);
                columns.encode(arrays, row, &mut out);
                Some(out)
            }
        }
    }
}

/// The one double that stands for all that are equal to it: there are two zeros and many NaN.
fn one_of_equal(value: f64) -> f64 {
    if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    }
}

/// A bound of the window in milliseconds.
fn bound(arrays: &[ArrayRef], row: usize, (index, sql_type): &(usize, SqlType)) -> Result<i64, FormatError> {
    let array = arrays[*index].as_ref();
    if array.is_null(row) {
        return Err(FormatError::Malformed { format: "windowed key", reason: "the window is null".to_owned() });
    }
    Ok(match sql_type {
        SqlType::BigInt => array.as_primitive::<Int64Type>().value(row),
        _ => array.as_primitive::<TimestampMicrosecondType>().value(row).div_euclid(1000),
    })
}
