//! A column of results, filled group by group or row by row.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::BinaryArray;
use arrow::array::BooleanArray;
use arrow::array::Date32Array;
use arrow::array::Decimal128Array;
use arrow::array::Float64Array;
use arrow::array::Int32Array;
use arrow::array::Int64Array;
use arrow::array::LargeBinaryArray;
use arrow::array::LargeStringArray;
use arrow::array::StringArray;
use arrow::array::Time64MicrosecondArray;
use arrow::array::TimestampMicrosecondArray;
use arrow::array::new_empty_array;
use arrow::array::new_null_array;
use arrow::compute::concat;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Schema;

use super::accumulate::Kept;
use crate::error::Error;
use crate::exec::ExecError;
use crate::format::RowValues;
use crate::functions::Number;
use crate::functions::OutOfRange;
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
    /// Arrays of one, for types that are nested.
    Arrays(Vec<ArrayRef>),
}

impl Results {
    /// No results yet, of a column of type `output`.
    pub fn new(output: &DataType) -> Self {
        let values = match output {
            DataType::Float64 => Values::Float(Vec::new()),
            DataType::Utf8 | DataType::Binary | DataType::LargeUtf8 | DataType::LargeBinary => {
                Values::Bytes(Vec::new())
            }
            nested if nested.is_nested() => Values::Arrays(Vec::new()),
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
            Values::Arrays(values) => values.push(new_null_array(&self.output, 1)),
        }
    }

    /// A value that was kept as it came, or null.
    pub fn push_kept(&mut self, value: Option<Kept>) -> Result<(), ExecError> {
        match value {
            None => self.push_null(),
            Some(Kept::Int(value)) => self.push_int(Some(value)),
            Some(Kept::Float(value)) => self.push_float(Some(value)),
            Some(Kept::Bytes(row) | Kept::Ranked { row, .. }) if self.output.is_nested() => {
                let schema = Arc::new(Schema::new(vec![Field::new("value", self.output.clone(), true)]));
                let row = RowValues::decode(&[row.as_slice()], &schema)?;
                self.push_array(Arc::clone(row.column(0)))?;
            }
            Some(Kept::Ranked { .. }) => self.push_null(),
            Some(Kept::Bytes(value)) => self.push_bytes(Some(value)),
        }
        Ok(())
    }

    /// A value as an array of one, of the column's type.
    pub fn push_array(&mut self, value: ArrayRef) -> Result<(), ExecError> {
        match &mut self.values {
            Values::Arrays(values) => values.push(value),
            Values::Int(values) if *value.data_type() == DataType::Int64 => {
                values.push(Some(i128::from(value.as_primitive::<Int64Type>().value(0))));
            }
            _ => return Err(ExecError::UnknownNode(format!("a value of type {}", value.data_type()))),
        }
        Ok(())
    }

    /// An integer, or a decimal's digits.
    pub fn push_int(&mut self, value: Option<i128>) {
        match &mut self.values {
            Values::Int(values) => values.push(value),
            Values::Float(values) => values.push(value.map(|value| value as f64)),
            Values::Bytes(_) | Values::Arrays(_) => self.push_null(),
        }
    }

    /// A double.
    pub fn push_float(&mut self, value: Option<f64>) {
        match &mut self.values {
            Values::Float(values) => values.push(value),
            Values::Int(_) | Values::Bytes(_) | Values::Arrays(_) => self.push_null(),
        }
    }

    /// A text or bytes.
    pub fn push_bytes(&mut self, value: Option<Vec<u8>>) {
        match &mut self.values {
            Values::Bytes(values) => values.push(value),
            Values::Int(_) | Values::Float(_) | Values::Arrays(_) => self.push_null(),
        }
    }

    /// A sum or another number that may not fit. PostgreSQL's that does not fit is null and noted; ksqlDB's fails the query.
    pub fn push_number(&mut self, style: TotalStyle, result: Result<Number, OutOfRange>) -> Result<(), ExecError> {
        match result {
            Ok(Number::Null) => self.push_null(),
            Ok(Number::Exact(value)) => self.push_int(Some(value)),
            Ok(Number::Double(value)) => self.push_float(Some(value)),
            Err(overflow) if style == TotalStyle::Ksqldb => return Err(Error::from(overflow).into()),
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
            Values::Arrays(values) => values.len(),
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
            (Values::Arrays(values), output) if values.is_empty() => new_empty_array(output),
            (Values::Arrays(values), _) => concat(&values.iter().map(|value| value.as_ref()).collect::<Vec<_>>())?,
            (Values::Float(values), _) => Arc::new(Float64Array::from(values)),
            (Values::Bytes(values), DataType::Binary) => Arc::new(BinaryArray::from_iter(values)),
            (Values::Bytes(values), DataType::LargeBinary) => Arc::new(LargeBinaryArray::from_iter(values)),
            (Values::Bytes(values), DataType::LargeUtf8) => Arc::new(LargeStringArray::from(texts(values)?)),
            (Values::Bytes(values), _) => Arc::new(StringArray::from(texts(values)?)),
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

fn texts(values: Vec<Option<Vec<u8>>>) -> Result<Vec<Option<String>>, ExecError> {
    let texts = values.into_iter().map(|value| value.map(String::from_utf8).transpose());
    texts.collect::<Result<_, _>>().map_err(|_| ExecError::InternalRecord("a text in state"))
}
