//! The running values of aggregates, one entry a group, and their layout in state.
//!
//! COUNT, SUM and AVG are linear: a row with weight -1 takes itself back. MIN, MAX, the earliest and the latest are not: the
//! planner refuses them over retractions. What SUM and AVG keep, and what their results are, `functions` says, as for queries that are read once.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::datatypes::Date32Type;
use arrow::datatypes::Decimal128Type;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Time64MicrosecondType;
use arrow::datatypes::TimestampMicrosecondType;

use super::collected::Collected;
use super::results::Results;
use crate::exec::ExecError;
use crate::format::RowValues;
use crate::functions::DoubleSum;
use crate::functions::ExactSum;
use crate::functions::Extreme;
use crate::functions::OffsetEnd;
use crate::functions::Running;
use crate::functions::Total;
use crate::functions::TotalKind;
use crate::functions::TotalStyle;
use crate::plan::AggregateFunction;
use crate::plan::OffsetNulls;

/// The values of an argument, whatever its type.
pub enum Reader<'a> {
    /// Types that order as integers: numbers, dates, times, decimals, booleans.
    Int(Box<dyn Fn(usize) -> i128 + 'a>, &'a dyn Array),
    /// Doubles.
    Float(&'a [f64], &'a dyn Array),
    /// Texts and bytes.
    Bytes(Box<dyn Fn(usize) -> &'a [u8] + 'a>, &'a dyn Array),
    /// Arrays, maps and structs, each as the bytes of a row of state.
    Nested(Vec<Vec<u8>>, &'a dyn Array),
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
            DataType::List(_) | DataType::Map(..) | DataType::Struct(_) => {
                let rows = RecordBatch::try_from_iter([("value", Arc::clone(array))])?;
                Reader::Nested(RowValues::encode(&rows)?, array.as_ref())
            }
            other => return Err(ExecError::UnknownNode(format!("an aggregate over {other}"))),
        })
    }

    /// The value, `None` for null.
    fn value(&self, row: usize) -> Option<Kept> {
        if self.is_null(row) {
            return None;
        }
        match self {
            Reader::Int(value, _) => Some(Kept::Int(value(row))),
            Reader::Float(values, _) => Some(Kept::Float(values[row])),
            Reader::Bytes(value, _) => Some(Kept::Bytes(value(row).to_vec())),
            Reader::Nested(rows, _) => Some(Kept::Bytes(rows[row].clone())),
            Reader::Nothing => None,
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Reader::Int(_, array) | Reader::Float(_, array) | Reader::Bytes(_, array) | Reader::Nested(_, array) => {
                array.is_null(row)
            }
            Reader::Nothing => false,
        }
    }
}

/// One value of an argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    Int(i128),
    Float(f64),
    Bytes(Vec<u8>),
}

/// What an aggregate keeps for one group.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    /// Rows that count.
    Count(i64),
    /// Of integers and decimals.
    Exact(ExactSum),
    /// Of doubles.
    Double(DoubleSum),
    /// The least or greatest so far.
    BestInt(Option<i128>),
    BestFloat(Option<f64>),
    BestBytes(Option<Vec<u8>>),
    /// The first or last so far: nothing, or a value that may be null behind the number of its row.
    Kept(Option<(i64, Option<Kept>)>),
    /// Several values.
    Collected(Collected),
}

/// One aggregate over all groups of a batch.
pub struct Accumulator {
    function: AggregateFunction,
    /// Of SUM and AVG.
    total: Option<Total>,
    argument: DataType,
    output: DataType,
    values: Vec<Value>,
}

impl Accumulator {
    /// No groups yet. `argument` is the type that is summed or compared, `output` the column's.
    pub fn new(function: AggregateFunction, style: TotalStyle, argument: DataType, output: DataType) -> Self {
        let total = match function {
            AggregateFunction::Sum => Total::of_array(TotalKind::Sum, style, &argument),
            AggregateFunction::Avg => Total::of_array(TotalKind::Avg, style, &argument),
            _ => None,
        };
        Self { function, total, argument, output, values: Vec::new() }
    }

    /// A group that has seen nothing.
    pub fn push_empty(&mut self) {
        let float = self.argument == DataType::Float64;
        let bytes = matches!(self.argument, DataType::Utf8 | DataType::Binary);
        self.values.push(match self.function {
            AggregateFunction::CountStar | AggregateFunction::Count => Value::Count(0),
            AggregateFunction::Sum | AggregateFunction::Avg if float => Value::Double(DoubleSum::default()),
            AggregateFunction::Sum | AggregateFunction::Avg => Value::Exact(ExactSum::default()),
            AggregateFunction::Min | AggregateFunction::Max if float => Value::BestFloat(None),
            AggregateFunction::Min | AggregateFunction::Max if bytes => Value::BestBytes(None),
            AggregateFunction::Min | AggregateFunction::Max => Value::BestInt(None),
            AggregateFunction::ByOffset(..) => Value::Kept(None),
            AggregateFunction::Collect(_) => Value::Collected(Collected::default()),
        });
    }

    /// A row of a group; `weight` -1 takes it back. Of two groups that are merged `arrival` tells whose row came first.
    pub fn add(
        &mut self,
        group: usize,
        reader: &Reader<'_>,
        row: usize,
        weight: i64,
        arrival: i64,
    ) -> Result<(), ExecError> {
        if let (Value::Kept(kept), AggregateFunction::ByOffset(end, nulls)) = (&mut self.values[group], self.function) {
            let counts = nulls == OffsetNulls::Counted || !reader.is_null(row);
            if counts && (end == OffsetEnd::Latest || kept.is_none()) {
                *kept = Some((arrival, reader.value(row)));
            }
            return Ok(());
        }
        if let (Value::Collected(collected), AggregateFunction::Collect(kind)) =
            (&mut self.values[group], self.function)
        {
            collected.add(kind, reader.value(row), weight, arrival);
            return Ok(());
        }
        if reader.is_null(row) {
            return Ok(());
        }
        let least = self.function == AggregateFunction::Min;
        match (&mut self.values[group], reader) {
            (Value::Count(count), _) => *count += weight,
            (Value::Exact(sum), Reader::Int(value, _)) => sum.add(value(row), weight),
            (Value::Double(sum), Reader::Float(values, _)) => sum.add(values[row], weight),
            (Value::BestInt(best), Reader::Int(value, _)) => {
                let value = value(row);
                if best.is_none_or(|best| if least { value < best } else { best < value }) {
                    *best = Some(value);
                }
            }
            (Value::BestFloat(best), Reader::Float(values, _)) => {
                let value = values[row];
                let extreme = if least { Extreme::Least } else { Extreme::Greatest };
                if best.is_none_or(|best| extreme.is_better(value, best)) {
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

    /// A group that has seen what group `group` of `from` has.
    pub fn push_copy(&mut self, from: &Accumulator, group: usize) {
        self.values.push(from.values[group].clone());
    }

    /// A group that has seen what group `group` has.
    pub fn push_again(&mut self, group: usize) {
        self.values.push(self.values[group].clone());
    }

    /// Group `into` takes all that group `group` of `from` has seen.
    pub fn merge(&mut self, into: usize, from: &Accumulator, group: usize) -> Result<(), ExecError> {
        self.take_value(into, &from.values[group])
    }

    /// Group `into` takes all that group `group` has seen.
    pub fn merge_within(&mut self, into: usize, group: usize) -> Result<(), ExecError> {
        let value = self.values[group].clone();
        self.take_value(into, &value)
    }

    fn take_value(&mut self, into: usize, other: &Value) -> Result<(), ExecError> {
        let least = self.function == AggregateFunction::Min;
        let extreme = if least { Extreme::Least } else { Extreme::Greatest };
        let earliest = matches!(self.function, AggregateFunction::ByOffset(OffsetEnd::Earliest, _));
        match (&mut self.values[into], other) {
            (Value::Count(own), Value::Count(other)) => *own += other,
            (Value::Exact(own), Value::Exact(other)) => own.merge(other),
            (Value::Double(own), Value::Double(other)) => own.merge(other),
            (Value::BestInt(own), Value::BestInt(Some(other))) => {
                if own.is_none_or(|own| if least { *other < own } else { own < *other }) {
                    *own = Some(*other);
                }
            }
            (Value::BestFloat(own), Value::BestFloat(Some(other))) => {
                if own.is_none_or(|own| extreme.is_better(*other, own)) {
                    *own = Some(*other);
                }
            }
            (Value::BestBytes(own), Value::BestBytes(Some(other))) => {
                if own.as_ref().is_none_or(|own| if least { other < own } else { own < other }) {
                    *own = Some(other.clone());
                }
            }
            (Value::Kept(own), Value::Kept(Some(other))) => {
                if own.as_ref().is_none_or(|own| if earliest { other.0 < own.0 } else { own.0 < other.0 }) {
                    *own = Some(other.clone());
                }
            }
            (Value::Collected(own), Value::Collected(other)) => {
                let AggregateFunction::Collect(kind) = self.function else { return Err(self.mismatch()) };
                own.merge(kind, other);
            }
            (Value::BestInt(_), Value::BestInt(None))
            | (Value::BestFloat(_), Value::BestFloat(None))
            | (Value::BestBytes(_), Value::BestBytes(None))
            | (Value::Kept(_), Value::Kept(None)) => {}
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
        match (&self.values[group], &self.total) {
            (Value::Count(count), _) => results.push_int(Some(i128::from(*count))),
            (Value::Exact(sum), Some(total)) => results.push_total(total, total.of_exact(sum))?,
            (Value::Double(sum), Some(total)) => results.push_total(total, total.of_double(sum))?,
            (Value::BestInt(best), _) => results.push_int(*best),
            (Value::BestFloat(best), _) => results.push_float(*best),
            (Value::BestBytes(best), _) => results.push_bytes(best.clone()),
            (Value::Kept(kept), _) => results.push_kept(kept.clone().and_then(|(_, kept)| kept))?,
            (Value::Collected(collected), _) => results.push_array(collected.result(&self.output)?)?,
            (Value::Exact(_) | Value::Double(_), None) => return Err(self.mismatch()),
        }
        Ok(())
    }

    /// Adds a group's state to `state`.
    pub fn write(&self, group: usize, state: &mut Vec<u8>) {
        match &self.values[group] {
            Value::Count(count) => state.extend(count.to_be_bytes()),
            Value::Exact(sum) => sum.write(state),
            Value::Double(sum) => sum.write(state),
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
            Value::Kept(kept) => write_kept(kept.as_ref(), state),
            Value::Collected(collected) => collected.write(state),
        }
    }

    /// A group with the state that `write` wrote; `state` moves behind it.
    pub fn push_read(&mut self, state: &mut &[u8]) -> Result<(), ExecError> {
        self.push_empty();
        match self.values.last_mut().expect("a group was just pushed") {
            Value::Count(count) => *count = i64::from_be_bytes(take(state)?),
            Value::Exact(sum) => *sum = ExactSum::read(state).ok_or(CUT_SHORT)?,
            Value::Double(sum) => *sum = DoubleSum::read(state).ok_or(CUT_SHORT)?,
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
            Value::Kept(kept) => *kept = read_kept(state)?,
            Value::Collected(collected) => *collected = Collected::read(state)?,
            Value::BestInt(_) | Value::BestFloat(_) | Value::BestBytes(_) => {}
        }
        Ok(())
    }
}

/// A mark, and behind it the number of the row and the value if there is one.
pub(super) fn write_kept(kept: Option<&(i64, Option<Kept>)>, state: &mut Vec<u8>) {
    let Some((arrival, value)) = kept else {
        state.push(0);
        return;
    };
    state.push(match value {
        None => 1,
        Some(Kept::Int(_)) => 2,
        Some(Kept::Float(_)) => 3,
        Some(Kept::Bytes(_)) => 4,
    });
    state.extend(arrival.to_be_bytes());
    match value {
        None => {}
        Some(Kept::Int(value)) => state.extend(value.to_be_bytes()),
        Some(Kept::Float(value)) => state.extend(value.to_bits().to_be_bytes()),
        Some(Kept::Bytes(value)) => {
            state.extend((value.len() as u32).to_be_bytes());
            state.extend(value);
        }
    }
}

pub(super) fn read_kept(state: &mut &[u8]) -> Result<Option<(i64, Option<Kept>)>, ExecError> {
    let [mark] = take::<1>(state)?;
    if mark == 0 {
        return Ok(None);
    }
    let arrival = i64::from_be_bytes(take(state)?);
    let value = match mark {
        1 => None,
        2 => Some(Kept::Int(i128::from_be_bytes(take(state)?))),
        3 => Some(Kept::Float(f64::from_bits(u64::from_be_bytes(take(state)?)))),
        4 => {
            let length = u32::from_be_bytes(take(state)?) as usize;
            let (bytes, rest) = state.split_at_checked(length).ok_or(CUT_SHORT)?;
            *state = rest;
            Some(Kept::Bytes(bytes.to_vec()))
        }
        _ => return Err(CUT_SHORT),
    };
    Ok(Some((arrival, value)))
}

const CUT_SHORT: ExecError = ExecError::InternalRecord("the state of an aggregate");

/// The next `N` bytes.
pub fn take<const N: usize>(state: &mut &[u8]) -> Result<[u8; N], ExecError> {
    let (bytes, rest) = state.split_first_chunk::<N>().ok_or(CUT_SHORT)?;
    *state = rest;
    Ok(*bytes)
}
