//! A column of results, filled group by group or row by row.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::BinaryArray;
use arrow::array::BooleanArray;
use arrow::array::Date32Array;
use arrow::array::Decimal128Array;
use arrow::array::Float64Array;
use arrow::array::Int32Array;
use arrow::array::Int64Array;
use arrow::array::StringArray;
use arrow::array::Time64MicrosecondArray;
use arrow::array::TimestampMicrosecondArray;
use arrow::datatypes::DataType;

use crate::error::Error;
use crate::error::SqlState;
use crate::exec::ExecError;
use crate::plan::AggregateStyle;

/// Values of one output column.
pub struct Results {
    output: DataType,
    values: Values,
    /// Results that did not fit the column's type and are null in it.
    pub overflows: usize,
}

enum Values {
    Int(Vec<Option<i128>>),
    Float(Vec<Option<f64>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Results {
    /// No results yet, of a column of type `output`.
    pub fn new(output: &DataType) -> Self {
        let values = match output {
            DataType::Float64 => Values::Float(Vec::new()),
            DataType::Utf8 | DataType::Binary => Values::Bytes(Vec::new()),
            _ => Values::Int(Vec::new()),
        };
        Self { output: output.clone(), values, overflows: 0 }
    }

    /// Nothing.
    pub fn push_null(&mut self) {
        match &mut self.values {
            Values::Int(values) => values.push(None),
            Values::Float(values) => values.push(None),
            Values::Bytes(values) => values.push(None),
        }
    }

    /// Zero.
    pub fn push_zero(&mut self) {
        match &mut self.values {
            Values::Int(values) => values.push(Some(0)),
            Values::Float(values) => values.push(Some(0.0)),
            Values::Bytes(values) => values.push(None),
        }
    }

    /// An integer, or a decimal's digits.
    pub fn push_int(&mut self, value: Option<i128>) {
        match &mut self.values {
            Values::Int(values) => values.push(value),
            Values::Float(values) => values.push(value.map(|value| value as f64)),
            Values::Bytes(values) => values.push(None),
        }
    }

    /// A double.
    pub fn push_float(&mut self, value: Option<f64>) {
        match &mut self.values {
            Values::Float(values) => values.push(value),
            Values::Int(values) => values.push(None),
            Values::Bytes(values) => values.push(None),
        }
    }

    /// A text or bytes.
    pub fn push_bytes(&mut self, value: Option<Vec<u8>>) {
        match &mut self.values {
            Values::Bytes(values) => values.push(value),
            Values::Int(values) => values.push(None),
            Values::Float(values) => values.push(None),
        }
    }

    /// A sum with `scale` digits after the point. PostgreSQL's that does not fit is null and counted; ksqlDB's integer
    /// wraps, its decimal fails the query.
    pub fn push_sum(&mut self, sum: i128, scale: i8, style: AggregateStyle) -> Result<(), ExecError> {
        let rescaled = match &self.output {
            DataType::Decimal128(_, wanted) => rescale(sum, scale, *wanted),
            DataType::Float64 => {
                self.push_float(Some(sum as f64 / 10f64.powi(i32::from(scale))));
                return Ok(());
            }
            _ => Some(sum),
        };
        let fitting = rescaled.filter(|sum| fits(*sum, &self.output));
        match (style, fitting, &self.output) {
            (_, Some(sum), _) => self.push_int(Some(sum)),
            (AggregateStyle::Ksqldb, None, DataType::Int32) => self.push_int(Some(i128::from(sum as i32))),
            (AggregateStyle::Ksqldb, None, DataType::Int64) => self.push_int(Some(i128::from(sum as i64))),
            (AggregateStyle::Ksqldb, None, _) => {
                return Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "Numeric field overflow").into());
            }
            (AggregateStyle::Postgres, None, _) => {
                self.overflows += 1;
                self.push_null();
            }
        }
        Ok(())
    }

    /// `sum / count`, where `sum` has `scale` digits after the point; rounded half away from zero in a decimal column.
    pub fn push_ratio(&mut self, sum: i128, count: i64, scale: i8) {
        match &self.output {
            DataType::Decimal128(_, wanted) => {
                let count = i128::from(count);
                let whole = rescale(sum, scale, *wanted).map(|sum| {
                    let (quotient, rest) = (sum / count, sum % count);
                    if count.abs() <= rest.abs() * 2 { quotient + (sum.signum() * count.signum()) } else { quotient }
                });
                self.push_int(whole);
            }
            _ => self.push_float(Some(sum as f64 / 10f64.powi(i32::from(scale)) / count as f64)),
        }
    }

    /// The column.
    pub fn finish(self) -> Result<ArrayRef, ExecError> {
        macro_rules! ints {
            ($array:ty, $native:ty, $values:expr) => {
                <$array>::from_iter($values.into_iter().map(|value| value.map(|value| value as $native)))
            };
        }
        Ok(match (self.values, &self.output) {
            (Values::Float(values), _) => Arc::new(Float64Array::from(values)),
            (Values::Bytes(values), DataType::Binary) => Arc::new(BinaryArray::from_iter(values)),
            (Values::Bytes(values), _) => {
                let texts = values.into_iter().map(|value| value.map(String::from_utf8).transpose());
                let texts = texts.collect::<Result<Vec<_>, _>>();
                Arc::new(StringArray::from(texts.map_err(|_| ExecError::InternalRecord("a text in state"))?))
            }
            (Values::Int(values), DataType::Int32) => Arc::new(ints!(Int32Array, i32, values)),
            (Values::Int(values), DataType::Int64) => Arc::new(ints!(Int64Array, i64, values)),
            (Values::Int(values), DataType::Date32) => Arc::new(ints!(Date32Array, i32, values)),
            (Values::Int(values), DataType::Time64(_)) => Arc::new(ints!(Time64MicrosecondArray, i64, values)),
            (Values::Int(values), DataType::Timestamp(_, zone)) => {
                Arc::new(ints!(TimestampMicrosecondArray, i64, values).with_timezone_opt(zone.clone()))
            }
            (Values::Int(values), DataType::Boolean) => {
                Arc::new(BooleanArray::from_iter(values.into_iter().map(|value| value.map(|value| value != 0))))
            }
            (Values::Int(values), DataType::Decimal128(precision, scale)) => {
                Arc::new(Decimal128Array::from(values).with_precision_and_scale(*precision, *scale)?)
            }
            (Values::Int(_), other) => return Err(ExecError::UnknownNode(format!("an aggregate of type {other}"))),
        })
    }
}

fn rescale(value: i128, from: i8, to: i8) -> Option<i128> {
    let factor = 10i128.checked_pow(u32::from(from.abs_diff(to)))?;
    if from <= to { value.checked_mul(factor) } else { Some(value / factor) }
}

fn fits(value: i128, output: &DataType) -> bool {
    match output {
        DataType::Int32 => i32::try_from(value).is_ok(),
        DataType::Int64 => i64::try_from(value).is_ok(),
        DataType::Decimal128(precision, _) => {
            10i128.checked_pow(u32::from(*precision)).is_none_or(|limit| value.unsigned_abs() < limit.unsigned_abs())
        }
        _ => true,
    }
}
