//! The running values of aggregates, one entry a group, and their layout in state.
//!
//! COUNT, SUM and AVG are linear: a row with weight -1 takes itself back. MIN, MAX and others are not: over retractions
//! `counted` stands behind them, and replaces what they hold. The planner refuses the rest there. What SUM and AVG keep, and what their results are, `functions` says, as for queries that are read once.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::BooleanArray;
use arrow::array::ListArray;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::datatypes::Date32Type;
use arrow::datatypes::Decimal128Type;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Time64MicrosecondType;
use arrow::datatypes::TimestampMicrosecondType;

use super::CallSpec;
use super::bits::BitCounts;
use super::collected::Collected;
use super::results::Results;
use crate::exec::ExecError;
use crate::format::RowKeys;
use crate::format::RowValues;
use crate::functions::Collect;
use crate::functions::Correlation;
use crate::functions::Dispersion;
use crate::functions::DoubleMoments;
use crate::functions::DoubleSum;
use crate::functions::ExactMoments;
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
    Int(Ints<'a>, &'a dyn Array),
    /// Doubles.
    Float(&'a [f64], &'a dyn Array),
    /// Texts and bytes.
    Bytes(Box<dyn Fn(usize) -> &'a [u8] + 'a>, &'a dyn Array),
    /// Arrays, maps and structs, each as the bytes of a row of state.
    Nested(Vec<Vec<u8>>, &'a dyn Array),
    /// Structs, each as what it is ordered by and the bytes of a row of state; one whose first field is null is null.
    Ranked(Vec<(Vec<u8>, Vec<u8>)>, &'a dyn Array),
    /// Arrays, for aggregates that take their elements.
    Items(&'a ListArray, Box<Reader<'a>>),
    /// No argument: every row counts.
    Nothing,
}

/// The values of an array that order as integers.
#[derive(Clone, Copy)]
pub enum Ints<'a> {
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Int128(&'a [i128]),
    Boolean(&'a BooleanArray),
}

impl<'a> Ints<'a> {
    /// The values of an array, if they order as integers.
    fn of(array: &'a ArrayRef) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Int32 => Ints::Int32(array.as_primitive::<Int32Type>().values()),
            DataType::Date32 => Ints::Int32(array.as_primitive::<Date32Type>().values()),
            DataType::Int64 => Ints::Int64(array.as_primitive::<Int64Type>().values()),
            DataType::Time64(_) => Ints::Int64(array.as_primitive::<Time64MicrosecondType>().values()),
            DataType::Timestamp(..) => Ints::Int64(array.as_primitive::<TimestampMicrosecondType>().values()),
            DataType::Decimal128(..) => Ints::Int128(array.as_primitive::<Decimal128Type>().values()),
            DataType::Boolean => Ints::Boolean(array.as_boolean()),
            _ => return None,
        })
    }

    /// The value of a row that is not null.
    #[inline]
    fn value(&self, row: usize) -> i128 {
        match self {
            Ints::Int32(values) => i128::from(values[row]),
            Ints::Int64(values) => i128::from(values[row]),
            Ints::Int128(values) => values[row],
            Ints::Boolean(values) => i128::from(values.value(row)),
        }
    }
}

impl<'a> Reader<'a> {
    /// The reader of an array.
    pub fn new(array: &'a ArrayRef) -> Result<Self, ExecError> {
        if let Some(ints) = Ints::of(array) {
            return Ok(Reader::Int(ints, array.as_ref()));
        }
        Ok(match array.data_type() {
            DataType::Float64 => Reader::Float(array.as_primitive::<Float64Type>().values(), array.as_ref()),
            DataType::Utf8 => {
                let values = array.as_string::<i32>();
                Reader::Bytes(Box::new(move |row| values.value(row).as_bytes()), array.as_ref())
            }
            DataType::LargeUtf8 => {
                let values = array.as_string::<i64>();
                Reader::Bytes(Box::new(move |row| values.value(row).as_bytes()), array.as_ref())
            }
            DataType::LargeBinary => {
                let values = array.as_binary::<i64>();
                Reader::Bytes(Box::new(move |row| values.value(row)), array.as_ref())
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

    /// The reader of an array's elements.
    pub fn of_items(array: &'a ArrayRef) -> Result<Self, ExecError> {
        match array.as_list_opt::<i32>() {
            Some(lists) => Ok(Reader::Items(lists, Box::new(Reader::new(lists.values())?))),
            None => Err(ExecError::UnknownNode(format!("elements of {}", array.data_type()))),
        }
    }

    /// The reader of structs that are ordered.
    pub fn of_ranked(array: &'a ArrayRef, by: RankedBy) -> Result<Self, ExecError> {
        let structs = array.as_struct_opt().filter(|structs| 0 < structs.num_columns());
        let structs = structs.ok_or_else(|| ExecError::UnknownNode(format!("rows of {}", array.data_type())))?;
        let ordered = match by {
            RankedBy::FirstField => structs.column(0),
            RankedBy::AllFields => array,
        };
        let ranks = RowKeys::encode_rows(&[Arc::clone(ordered)], array.len())?;
        let rows = RowValues::encode(&RecordBatch::try_from_iter([("value", Arc::clone(array))])?)?;
        Ok(Reader::Ranked(ranks.into_iter().zip(rows).collect(), structs.column(0).as_ref()))
    }

    /// The value, `None` for null.
    pub fn value(&self, row: usize) -> Option<Kept> {
        if self.is_null(row) {
            return None;
        }
        match self {
            Reader::Int(values, _) => Some(Kept::Int(values.value(row))),
            Reader::Float(values, _) => Some(Kept::Float(values[row])),
            Reader::Bytes(value, _) => Some(Kept::Bytes(value(row).to_vec())),
            Reader::Nested(rows, _) => Some(Kept::Bytes(rows[row].clone())),
            Reader::Ranked(rows, _) => {
                let (rank, row) = rows[row].clone();
                Some(Kept::Ranked { rank, row })
            }
            Reader::Items(..) | Reader::Nothing => None,
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Reader::Int(_, array)
            | Reader::Float(_, array)
            | Reader::Bytes(_, array)
            | Reader::Nested(_, array)
            | Reader::Ranked(_, array) => array.is_null(row),
            Reader::Items(lists, _) => lists.is_null(row),
            Reader::Nothing => false,
        }
    }
}

/// What structs are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankedBy {
    /// The first field: of equal ones the first row comes first.
    FirstField,
    /// One field after the other: rows have no order of their own.
    AllFields,
}

/// One value of an argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    Int(i128),
    Float(f64),
    Bytes(Vec<u8>),
    /// A struct, and what it is ordered by.
    Ranked {
        rank: Vec<u8>,
        row: Vec<u8>,
    },
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
    /// Values and squares.
    ExactMoments(ExactMoments),
    DoubleMoments(DoubleMoments),
    /// Boxed, since it is large.
    Correlation(Box<Correlation>),
    /// Boxed for the same reason.
    Bits(Box<BitCounts>),
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
    style: TotalStyle,
    /// Of SUM, AVG and SUM_LIST.
    total: Option<Total>,
    argument: DataType,
    output: DataType,
    counts: bool,
    /// Values are kept once each, and the result is made of them.
    keeps_values: bool,
    values: Vec<Value>,
}

impl Accumulator {
    /// No groups yet.
    pub fn new(call: &CallSpec) -> Self {
        let CallSpec { function, style, counts, keeps_values, .. } = *call;
        let (argument, output) = (call.argument_type.clone(), call.output.clone());
        let total = match function {
            AggregateFunction::Sum => Total::of_array(TotalKind::Sum, style, &argument),
            AggregateFunction::Avg => Total::of_array(TotalKind::Avg, style, &argument),
            AggregateFunction::SumList => match &argument {
                DataType::List(item) => Total::of_array(TotalKind::Sum, style, item.data_type()),
                _ => None,
            },
            _ => None,
        };
        let (counts, values) = (counts.is_some(), Vec::new());
        Self { function, style, total, argument, output, counts, keeps_values, values }
    }

    /// How several values are kept, if they are.
    fn collects(&self) -> Option<Collect> {
        match self.function {
            _ if self.keeps_values => Some(Collect::CountDistinct),
            AggregateFunction::Collect(kind) => Some(kind),
            _ => None,
        }
    }

    /// The result of a group that has seen these values.
    fn result_of(&self, seen: &Collected, results: &mut Results) -> Result<(), ExecError> {
        let (total, argument, output) = (self.total.clone(), self.argument.clone(), self.output.clone());
        let mut once =
            Self { total, argument, output, counts: false, keeps_values: false, values: Vec::new(), ..*self };
        once.push_empty();
        let values = seen.column(&self.argument)?;
        let reader = Reader::new(&values)?;
        for row in 0..values.len() {
            once.add(0, &reader, row, 1, 0)?;
        }
        once.result(0, results)
    }

    /// Whether `Counted` says what it takes.
    pub fn counts(&self) -> bool {
        self.counts
    }

    /// A group that has seen nothing.
    pub fn push_empty(&mut self) {
        let float = match &self.argument {
            DataType::List(item) if self.function == AggregateFunction::SumList => {
                item.data_type() == &DataType::Float64
            }
            argument => *argument == DataType::Float64,
        };
        let bytes = matches!(self.argument, DataType::Utf8 | DataType::Binary);
        self.values.push(match self.function {
            _ if self.keeps_values => Value::Collected(Collected::default()),
            AggregateFunction::CountStar | AggregateFunction::Count => Value::Count(0),
            AggregateFunction::Sum | AggregateFunction::Avg | AggregateFunction::SumList if float => {
                Value::Double(DoubleSum::default())
            }
            AggregateFunction::Sum | AggregateFunction::Avg | AggregateFunction::SumList => {
                Value::Exact(ExactSum::default())
            }
            AggregateFunction::Dispersion(_) if float => Value::DoubleMoments(DoubleMoments::default()),
            AggregateFunction::Dispersion(_) => Value::ExactMoments(ExactMoments::default()),
            AggregateFunction::Correlation => Value::Correlation(Box::default()),
            AggregateFunction::Bits(_) => Value::Bits(Box::default()),
            AggregateFunction::Min | AggregateFunction::Max if float => Value::BestFloat(None),
            AggregateFunction::Min | AggregateFunction::Max if bytes => Value::BestBytes(None),
            AggregateFunction::Min | AggregateFunction::Max => Value::BestInt(None),
            AggregateFunction::ByOffset(..) => Value::Kept(None),
            AggregateFunction::Collect(Collect::CountDistinct) if self.counts => Value::Count(0),
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
        if let (Some(kind), Value::Collected(collected)) = (self.collects(), &mut self.values[group]) {
            collected.add(kind, reader.value(row), weight, arrival);
            return Ok(());
        }
        if reader.is_null(row) {
            return Ok(());
        }
        let least = self.function == AggregateFunction::Min;
        match (&mut self.values[group], reader) {
            (Value::Count(count), _) => *count += weight,
            (Value::Exact(sum), Reader::Int(values, _)) => sum.add(values.value(row), weight),
            (Value::Double(sum), Reader::Float(values, _)) => sum.add(values[row], weight),
            (Value::Bits(counts), Reader::Int(values, _)) => counts.add(values.value(row) as i64, weight),
            (Value::ExactMoments(moments), Reader::Int(values, _)) => moments.add(values.value(row), weight),
            (Value::DoubleMoments(moments), Reader::Float(values, _)) => moments.add(values[row], weight),
            (Value::Correlation(pairs), Reader::Items(lists, items)) => {
                let Reader::Float(values, array) = items.as_ref() else { return Err(self.mismatch()) };
                let first = lists.value_offsets()[row] as usize;
                if lists.value_length(row) == 2 && array.is_valid(first) && array.is_valid(first + 1) {
                    pairs.add(values[first], values[first + 1], weight);
                }
            }
            (Value::Exact(_) | Value::Double(_), Reader::Items(lists, items)) => {
                let offsets = lists.value_offsets();
                for item in offsets[row] as usize..offsets[row + 1] as usize {
                    self.add(group, items, item, weight, arrival)?;
                }
            }
            (Value::BestInt(best), Reader::Int(values, _)) => {
                let value = values.value(row);
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

    /// `add` of rows that come once, each into its group of `of_row`, but for those that `filter` keeps out.
    pub fn add_all(
        &mut self,
        of_row: &[usize],
        reader: &Reader<'_>,
        filter: Option<&BooleanArray>,
    ) -> Result<(), ExecError> {
        let nulls = match reader {
            Reader::Int(_, array) => array.logical_nulls(),
            _ => None,
        };
        let counts = |row: &usize| {
            filter.is_none_or(|filter| filter.value(*row)) && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row))
        };
        let counting = (0..of_row.len()).filter(counts);
        // The calls that most queries make, in loops of their own.
        match (self.function, reader) {
            (AggregateFunction::CountStar, _) | (AggregateFunction::Count, Reader::Int(..)) if !self.keeps_values => {
                for row in counting {
                    let Value::Count(count) = &mut self.values[of_row[row]] else { return Err(self.mismatch()) };
                    *count += 1;
                }
            }
            (AggregateFunction::Sum | AggregateFunction::Avg, Reader::Int(values, _)) if !self.keeps_values => {
                for row in counting {
                    let Value::Exact(sum) = &mut self.values[of_row[row]] else { return Err(self.mismatch()) };
                    sum.add(values.value(row), 1);
                }
            }
            _ => {
                for (row, group) in of_row.iter().enumerate() {
                    if filter.is_none_or(|filter| filter.value(row)) {
                        self.add(*group, reader, row, 1, 0)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a value may be among those that a result is made of; `false` if it is surely not.
    pub fn may_hold(&self, group: usize, value: &Option<Kept>) -> bool {
        match (&self.values[group], value) {
            (Value::BestInt(best), Some(Kept::Int(value))) => best.is_some_and(|best| best == *value),
            (Value::BestBytes(best), Some(Kept::Bytes(value))) => best.as_ref().is_some_and(|best| best == value),
            (Value::Collected(collected), Some(Kept::Int(_) | Kept::Bytes(_))) => collected.has(value),
            // Doubles are equal in more ways than one.
            _ => true,
        }
    }

    /// Makes a group's result of these values, the first that are left.
    pub fn replace(&mut self, group: usize, values: Vec<Option<Kept>>) {
        let held = &mut self.values[group];
        let first = || values.first().cloned().flatten();
        match held {
            Value::BestInt(best) => {
                *best = first().and_then(|value| if let Kept::Int(value) = value { Some(value) } else { None })
            }
            Value::BestFloat(best) => {
                *best = first().and_then(|value| if let Kept::Float(value) = value { Some(value) } else { None });
            }
            Value::BestBytes(best) => {
                *best = first().and_then(|value| if let Kept::Bytes(value) = value { Some(value) } else { None });
            }
            Value::Collected(collected) => *collected = Collected::of(values),
            Value::Count(_)
            | Value::Exact(_)
            | Value::Double(_)
            | Value::ExactMoments(_)
            | Value::DoubleMoments(_)
            | Value::Correlation(_)
            | Value::Bits(_)
            | Value::Kept(_) => {}
        }
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
        let kind = self.collects();
        match (&mut self.values[into], other) {
            (Value::Count(own), Value::Count(other)) => *own += other,
            (Value::Exact(own), Value::Exact(other)) => own.merge(other),
            (Value::Double(own), Value::Double(other)) => own.merge(other),
            (Value::ExactMoments(own), Value::ExactMoments(other)) => own.merge(other),
            (Value::DoubleMoments(own), Value::DoubleMoments(other)) => own.merge(other),
            (Value::Correlation(own), Value::Correlation(other)) => own.merge(other),
            (Value::Bits(own), Value::Bits(other)) => own.merge(other),
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
                let Some(kind) = kind else { return Err(self.mismatch()) };
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
            (Value::Exact(sum), Some(total)) => results.push_number(self.style, total.of_exact(sum))?,
            (Value::Double(sum), Some(total)) => results.push_number(self.style, total.of_double(sum))?,
            (Value::ExactMoments(moments), _) => {
                let scale = if let DataType::Decimal128(_, scale) = self.argument { scale } else { 0 };
                results.push_number(self.style, Ok(moments.result(self.asked()?, scale, self.style)))?;
            }
            (Value::DoubleMoments(moments), _) => {
                results.push_number(self.style, moments.result(self.asked()?, self.style))?;
            }
            (Value::Correlation(pairs), _) => results.push_number(self.style, Ok(pairs.result(self.style)))?,
            (Value::Bits(counts), _) => {
                let AggregateFunction::Bits(operation) = self.function else { return Err(self.mismatch()) };
                results.push_int(counts.result(operation).map(i128::from));
            }
            (Value::BestInt(best), _) => results.push_int(*best),
            (Value::BestFloat(best), _) => results.push_float(*best),
            (Value::BestBytes(best), _) => results.push_bytes(best.clone()),
            (Value::Kept(kept), _) => results.push_kept(kept.clone().and_then(|(_, kept)| kept))?,
            (Value::Collected(collected), _) if self.keeps_values => self.result_of(collected, results)?,
            (Value::Collected(collected), _) if self.function == AggregateFunction::Collect(Collect::Attr) => {
                results.push_kept(collected.only())?;
            }
            (Value::Collected(collected), _) => results.push_array(collected.result(&self.output)?)?,
            (Value::Exact(_) | Value::Double(_), None) => return Err(self.mismatch()),
        }
        Ok(())
    }

    fn asked(&self) -> Result<Dispersion, ExecError> {
        match self.function {
            AggregateFunction::Dispersion(asked) => Ok(asked),
            _ => Err(self.mismatch()),
        }
    }

    /// Adds a group's state to `state`.
    pub fn write(&self, group: usize, state: &mut Vec<u8>) {
        match &self.values[group] {
            Value::Count(count) => state.extend(count.to_be_bytes()),
            Value::Exact(sum) => sum.write(state),
            Value::Double(sum) => sum.write(state),
            Value::ExactMoments(moments) => moments.write(state),
            Value::DoubleMoments(moments) => moments.write(state),
            Value::Correlation(pairs) => pairs.write(state),
            Value::Bits(counts) => counts.write(state),
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
                best.iter().for_each(|best| write_bytes(best, state));
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
            Value::ExactMoments(moments) => *moments = ExactMoments::read(state).ok_or(CUT_SHORT)?,
            Value::DoubleMoments(moments) => *moments = DoubleMoments::read(state).ok_or(CUT_SHORT)?,
            Value::Correlation(pairs) => **pairs = Correlation::read(state).ok_or(CUT_SHORT)?,
            Value::Bits(counts) => **counts = BitCounts::read(state)?,
            Value::BestInt(best) if take::<1>(state)? == [1] => *best = Some(i128::from_be_bytes(take(state)?)),
            Value::BestFloat(best) if take::<1>(state)? == [1] => {
                *best = Some(f64::from_bits(u64::from_be_bytes(take(state)?)));
            }
            Value::BestBytes(best) if take::<1>(state)? == [1] => {
                *best = Some(read_bytes(state)?);
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
        Some(Kept::Ranked { .. }) => 5,
    });
    state.extend(arrival.to_be_bytes());
    match value {
        None => {}
        Some(Kept::Int(value)) => state.extend(value.to_be_bytes()),
        Some(Kept::Float(value)) => state.extend(value.to_bits().to_be_bytes()),
        Some(Kept::Bytes(value)) => write_bytes(value, state),
        Some(Kept::Ranked { rank, row }) => {
            write_bytes(rank, state);
            write_bytes(row, state);
        }
    }
}

fn write_bytes(bytes: &[u8], state: &mut Vec<u8>) {
    state.extend((bytes.len() as u32).to_be_bytes());
    state.extend(bytes);
}

fn read_bytes(state: &mut &[u8]) -> Result<Vec<u8>, ExecError> {
    let length = u32::from_be_bytes(take(state)?) as usize;
    let (bytes, rest) = state.split_at_checked(length).ok_or(CUT_SHORT)?;
    *state = rest;
    Ok(bytes.to_vec())
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
        4 => Some(Kept::Bytes(read_bytes(state)?)),
        5 => Some(Kept::Ranked { rank: read_bytes(state)?, row: read_bytes(state)? }),
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
