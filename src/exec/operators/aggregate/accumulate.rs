//! The running values of aggregates, one entry a group, and their layout in state.
//!
//! COUNT, SUM and AVG are linear: a row with weight -1 takes itself back. MIN and MAX are mergeable: the planner refuses
//! them over retractions. Sums of integers and decimals are exact in 128 bits. Sums of doubles carry Neumaier's
//! compensation: their error does not grow with the number of rows, but they depend on the order of rows in the last place.

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::datatypes::DataType;
use arrow::datatypes::Date32Type;
use arrow::datatypes::Decimal128Type;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Time64MicrosecondType;
use arrow::datatypes::TimestampMicrosecondType;

use super::results::Results;
use crate::error::Error;
use crate::error::SqlState;
use crate::exec::ExecError;
use crate::plan::AggregateFunction;
use crate::plan::AggregateStyle;

/// The values of an argument, whatever its type.
pub enum Reader<'a> {
    /// Types that order as integers: numbers, dates, times, decimals, booleans.
    Int(Box<dyn Fn(usize) -> i128 + 'a>, &'a dyn Array),
    /// Doubles.
    Float(&'a [f64], &'a dyn Array),
    /// Texts and bytes.
    Bytes(Box<dyn Fn(usize) -> &'a [u8] + 'a>, &'a dyn Array),
    /// No argument: every row counts.
    Nothing,
}

impl<'a> Reader<'a> {
    /// The reader of an array.
    pub fn new(array: &'a ArrayRef) -> Result<Self, ExecError> {
        macro_rules! int {
            ($arrow:ty) => {{
                let values = array.as_primitive::<$arrow>().values();
                Reader::Int(Box::new(move |row| i128::from(values[row])), array.as_ref())
            }};
        }
        Ok(match array.data_type() {
            DataType::Int32 => int!(Int32Type),
            DataType::Int64 => int!(Int64Type),
            DataType::Decimal128(..) => int!(Decimal128Type),
            DataType::Date32 => int!(Date32Type),
            DataType::Time64(_) => int!(Time64MicrosecondType),
            DataType::Timestamp(..) => int!(TimestampMicrosecondType),
            DataType::Boolean => {
                let values = array.as_boolean();
                Reader::Int(Box::new(move |row| i128::from(values.value(row))), array.as_ref())
            }
            DataType::Float64 => Reader::Float(array.as_primitive::<Float64Type>().values(), array.as_ref()),
            DataType::Utf8 => {
                let values = array.as_string::<i32>();
                Reader::Bytes(Box::new(move |row| values.value(row).as_bytes()), array.as_ref())
            }
            DataType::Binary => {
                let values = array.as_binary::<i32>();
                Reader::Bytes(Box::new(move |row| values.value(row)), array.as_ref())
            }
            other => return Err(ExecError::UnknownNode(format!("an aggregate over {other}"))),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Reader::Int(_, array) | Reader::Float(_, array) | Reader::Bytes(_, array) => array.is_null(row),
            Reader::Nothing => false,
        }
    }
}

/// What an aggregate keeps for one group.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    /// Rows that count.
    Count(i64),
    /// Sum and rows that count.
    Int {
        sum: i128,
        count: i64,
    },
    /// Sum, its compensation, rows that count.
    Float {
        sum: f64,
        low: f64,
        count: i64,
    },
    /// The least or greatest so far.
    BestInt(Option<i128>),
    BestFloat(Option<f64>),
    BestBytes(Option<Vec<u8>>),
}

/// One aggregate over all groups of a batch.
pub struct Accumulator {
    function: AggregateFunction,
    style: AggregateStyle,
    argument: DataType,
    output: DataType,
    values: Vec<Value>,
}

impl Accumulator {
    /// No groups yet. `argument` is the type that is summed or compared, `output` the column's.
    pub fn new(function: AggregateFunction, style: AggregateStyle, argument: DataType, output: DataType) -> Self {
        Self { function, style, argument, output, values: Vec::new() }
    }

    /// A group that has seen nothing.
    pub fn push_empty(&mut self) {
        let float = self.argument == DataType::Float64;
        let bytes = matches!(self.argument, DataType::Utf8 | DataType::Binary);
        self.values.push(match self.function {
            AggregateFunction::CountStar | AggregateFunction::Count => Value::Count(0),
            AggregateFunction::Sum | AggregateFunction::Avg if float => Value::Float { sum: 0.0, low: 0.0, count: 0 },
            AggregateFunction::Sum | AggregateFunction::Avg => Value::Int { sum: 0, count: 0 },
            AggregateFunction::Min | AggregateFunction::Max if float => Value::BestFloat(None),
            AggregateFunction::Min | AggregateFunction::Max if bytes => Value::BestBytes(None),
            AggregateFunction::Min | AggregateFunction::Max => Value::BestInt(None),
        });
    }

    /// A row of a group; `weight` -1 takes it back.
    pub fn add(&mut self, group: usize, reader: &Reader<'_>, row: usize, weight: i64) -> Result<(), ExecError> {
        if reader.is_null(row) {
            return Ok(());
        }
        let least = self.function == AggregateFunction::Min;
        match (&mut self.values[group], reader) {
            (Value::Count(count), _) => *count += weight,
            (Value::Int { sum, count }, Reader::Int(value, _)) => {
                *sum = value(row).checked_mul(i128::from(weight)).and_then(|value| sum.checked_add(value)).ok_or_else(
                    || Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "a sum of decimals is out of range"),
                )?;
                *count += weight;
            }
            (Value::Float { sum, low, count }, Reader::Float(values, _)) => {
                let value = values[row] * weight as f64;
                let total = *sum + value;
                *low += if sum.abs() < value.abs() { (value - total) + *sum } else { (*sum - total) + value };
                *sum = total;
                *count += weight;
            }
            (Value::BestInt(best), Reader::Int(value, _)) => {
                let value = value(row);
                if best.is_none_or(|best| if least { value < best } else { best < value }) {
                    *best = Some(value);
                }
            }
            (Value::BestFloat(best), Reader::Float(values, _)) => {
                let value = values[row];
                let better = |best: f64| {
                    // PostgreSQL's order: NaN above all else.
                    let order = value.partial_cmp(&best).unwrap_or_else(|| value.is_nan().cmp(&best.is_nan()));
                    if least { order.is_lt() } else { order.is_gt() }
                };
                if best.is_none_or(better) {
                    *best = Some(value);
                }
            }
            (Value::BestBytes(best), Reader::Bytes(value, _)) => {
                let value = value(row);
                if best.as_deref().is_none_or(|best| if least { value < best } else { best < value }) {
                    *best = Some(value.to_vec());
                }
            }
            _ => return Err(self.mismatch()),
        }
        Ok(())
    }

    fn mismatch(&self) -> ExecError {
        ExecError::Contract { operator: "aggregate".to_string(), what: "an argument of another type than planned" }
    }

    /// An empty column for results of this aggregate.
    pub fn results(&self) -> Results {
        Results::new(&self.output)
    }

    /// Adds a group's result to a column.
    pub fn result(&self, group: usize, results: &mut Results) -> Result<(), ExecError> {
        let zero = self.style == AggregateStyle::Ksqldb;
        match &self.values[group] {
            Value::Count(count) => results.push_int(Some(i128::from(*count))),
            Value::Int { count: 0, .. } | Value::Float { count: 0, .. } if zero => results.push_zero(),
            Value::Int { count: 0, .. } | Value::Float { count: 0, .. } => results.push_null(),
            Value::Int { sum, count } if self.function == AggregateFunction::Avg => {
                results.push_ratio(*sum, *count, scale(&self.argument));
            }
            Value::Int { sum, .. } => results.push_sum(*sum, scale(&self.argument), self.style)?,
            Value::Float { sum, low, count } => {
                let sum = if low.is_finite() && sum.is_finite() { sum + low } else { *sum };
                let value = if self.function == AggregateFunction::Avg { sum / *count as f64 } else { sum };
                results.push_float(Some(value));
            }
            Value::BestInt(best) => results.push_int(*best),
            Value::BestFloat(best) => results.push_float(*best),
            Value::BestBytes(best) => results.push_bytes(best.clone()),
        }
        Ok(())
    }

    /// Adds a group's state to `state`.
    pub fn write(&self, group: usize, state: &mut Vec<u8>) {
        match &self.values[group] {
            Value::Count(count) => state.extend(count.to_be_bytes()),
            Value::Int { sum, count } => {
                state.extend(sum.to_be_bytes());
                state.extend(count.to_be_bytes());
            }
            Value::Float { sum, low, count } => {
                state.extend(sum.to_bits().to_be_bytes());
                state.extend(low.to_bits().to_be_bytes());
                state.extend(count.to_be_bytes());
            }
            Value::BestInt(best) => {
                state.push(u8::from(best.is_some()));
                state.extend(best.iter().flat_map(|best| best.to_be_bytes()));
            }
            Value::BestFloat(best) => {
                state.push(u8::from(best.is_some()));
                state.extend(best.iter().flat_map(|best| best.to_bits().to_be_bytes()));
            }
            Value::BestBytes(best) => {
                state.push(u8::from(best.is_some()));
                if let Some(best) = best {
                    state.extend((best.len() as u32).to_be_bytes());
                    state.extend(best);
                }
            }
        }
    }

    /// A group with the state that `write` wrote; `state` moves behind it.
    pub fn push_read(&mut self, state: &mut &[u8]) -> Result<(), ExecError> {
        self.push_empty();
        match self.values.last_mut().expect("a group was just pushed") {
            Value::Count(count) => *count = i64::from_be_bytes(take(state)?),
            Value::Int { sum, count } => {
                *sum = i128::from_be_bytes(take(state)?);
                *count = i64::from_be_bytes(take(state)?);
            }
            Value::Float { sum, low, count } => {
                *sum = f64::from_bits(u64::from_be_bytes(take(state)?));
                *low = f64::from_bits(u64::from_be_bytes(take(state)?));
                *count = i64::from_be_bytes(take(state)?);
            }
            Value::BestInt(best) if take::<1>(state)? == [1] => *best = Some(i128::from_be_bytes(take(state)?)),
            Value::BestFloat(best) if take::<1>(state)? == [1] => {
                *best = Some(f64::from_bits(u64::from_be_bytes(take(state)?)));
            }
            Value::BestBytes(best) if take::<1>(state)? == [1] => {
                let length = u32::from_be_bytes(take(state)?) as usize;
                let (bytes, rest) = state.split_at_checked(length).ok_or(CUT_SHORT)?;
                *best = Some(bytes.to_vec());
                *state = rest;
            }
            Value::BestInt(_) | Value::BestFloat(_) | Value::BestBytes(_) => {}
        }
        Ok(())
    }
}

const CUT_SHORT: ExecError = ExecError::InternalRecord("the state of an aggregate");

/// The next `N` bytes.
pub fn take<const N: usize>(state: &mut &[u8]) -> Result<[u8; N], ExecError> {
    let (bytes, rest) = state.split_first_chunk::<N>().ok_or(CUT_SHORT)?;
    *state = rest;
    Ok(*bytes)
}

fn scale(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    }
}
