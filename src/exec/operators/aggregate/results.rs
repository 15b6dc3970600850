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
use crate::exec::ExecError;
use crate::functions::Number;
use crate::functions::OutOfRange;
use crate::functions::Total;
use crate::functions::TotalStyle;

/// Values of one output column.
pub struct Results {
    output: DataType,
    values: Values,
    /// Rows whose result did not fit the column's type and is null in it.
    pub overflows: Vec<(usize, OutOfRange)>,
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
        Self { output: output.clone(), values, overflows: Vec::new() }
    }

    /// Nothing.
    pub fn push_null(&mut self) {
        match &mut self.values {
            Values::Int(values) => values.push(None),
            Values::Float(values) => values.push(None),
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

    /// A sum or an average. PostgreSQL's that does not fit is null and noted; ksqlDB's fails the query.
    pub fn push_total(&mut self, total: &Total, result: Result<Number, OutOfRange>) -> Result<(), ExecError> {
        match result {
            Ok(Number::Null) => self.push_null(),
            Ok(Number::Exact(value)) => self.push_int(Some(value)),
            Ok(Number::Double(value)) => self.push_float(Some(value)),
            Err(overflow) if total.style() == TotalStyle::Ksqldb => return Err(Error::from(overflow).into()),
            Err(overflow) => {
                self.overflows.push((self.len(), overflow));
                self.push_null();
            }
        }
        Ok(())
    }

    fn len(&self) -> usize {
        match &self.values {
            Values::Int(values) => values.len(),
            Values::Float(values) => values.len(),
            Values::Bytes(values) => values.len(),
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
