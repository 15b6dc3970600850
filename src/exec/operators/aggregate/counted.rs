//! How often each value of a group is there, a row of state each: what stands behind MIN, MAX, TOPK and ATTR over rows that
//! may be taken back, and behind DISTINCT. Calls that count the same values share the rows.
//!
//! The group's own state has the result alone. A row changes one count; only when the last of a value goes that the result
//! is made of, the first of those that are left are read. So a change costs the same however many values a group has.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use bytes::Bytes;

use super::AggregateSpec;
use super::CallSpec;
use super::accumulate::Kept;
use super::accumulate::RankedBy;
use super::accumulate::Reader;
use super::groups::Groups;
use super::groups::RowIn;
use super::intake::Values;
use super::keys;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::expressions::RowError;
use crate::exec::operators::log_errors;
use crate::format::RowKeys;
use crate::functions::Collect;
use crate::plan::AggregateFunction;
use crate::state::KEY_BYTES_MAX;

/// What the counts of a call are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// The aggregate takes each value once.
    Distinct,
    /// The first value is the result.
    Best,
    /// The first `k` are.
    Top { k: usize, once: bool },
    /// The value is the result if it is the only one.
    Only,
}

/// The values of a batch's rows as keys, per set of calls that count the same ones.
pub(super) struct Counted {
    sets: Vec<CountedSet>,
}

/// Calls that count the same values, each perhaps those of other rows: a value has one row of state, with a count for each
/// call, in their order, 8 bytes each.
struct CountedSet {
    /// The call in the keys of the rows.
    leader: usize,
    calls: Vec<CountedCall>,
    /// The greatest value comes first.
    descends: bool,
    /// Values are structs that are ordered.
    ranked: bool,
    value_type: DataType,
    /// Per row; `None` where the row has no value that counts for any call.
    values: Vec<Option<Vec<u8>>>,
}

struct CountedCall {
    call: usize,
    used: Use,
    /// Per row: it passes the call's FILTER.
    counts: Vec<bool>,
}

impl Counted {
    /// The values of a batch. One whose key would be too long is left out, with an entry in the processing log.
    pub(super) fn new(
        cx: &mut Cx<'_>,
        spec: &AggregateSpec,
        batch: &RecordBatch,
        values: &Values,
        group_of_row: impl Fn(usize) -> usize,
    ) -> Result<Self, ExecError> {
        let mut sets = Vec::new();
        for leader in leaders(spec) {
            let Some(argument) = values.argument(leader) else { continue };
            let function = spec.calls[leader].function;
            let (descends, ranked) = (descends(function), is_ranked(function));
            // A row whose first field is null has no place.
            let valued = if ranked { Arc::clone(argument.as_struct().column(0)) } else { Arc::clone(argument) };
            let members = spec.calls.iter().enumerate().filter(|(_, call)| call.counts == Some(leader));
            let calls: Vec<CountedCall> = members
                .map(|(call, call_spec)| {
                    let used = use_of(call_spec);
                    let counts = |row| values.passes(call, row) && (used == Use::Only || valued.is_valid(row));
                    CountedCall { call, used, counts: (0..batch.num_rows()).map(counts).collect() }
                })
                .collect();
            let mut errors = Vec::new();
            let mut row_values = Vec::with_capacity(batch.num_rows());
            for (row, mut key) in
                RowKeys::encode_rows(&[Arc::clone(argument)], batch.num_rows())?.into_iter().enumerate()
            {
                let bytes = key.len() + group_of_row(row) + keys::COUNT_OVERHEAD_BYTES;
                let fits = bytes <= KEY_BYTES_MAX;
                let counts = calls.iter().any(|call| call.counts[row]);
                if counts && !fits {
                    errors
                        .push(RowError { row, reason: format!("{bytes} bytes are over the limit of {KEY_BYTES_MAX}") });
                }
                if descends {
                    key.iter_mut().for_each(|byte| *byte = !*byte);
                }
                row_values.push((counts && fits).then_some(key));
            }
            log_errors(cx, &spec.input, batch, &errors, "value left out of an aggregate, it is too long");
            let value_type = argument.data_type().clone();
            sets.push(CountedSet { leader, calls, descends, ranked, value_type, values: row_values });
        }
        Ok(Self { sets })
    }

    /// Whether no call counts values.
    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// A row into a group with this key, for the calls that count.
    pub(super) fn add(
        &self,
        cx: &mut Cx<'_>,
        groups: &mut Groups,
        (group, key): (usize, &Bytes),
        readers: &[Reader<'_>],
        row: &RowIn,
    ) -> Result<(), ExecError> {
        for set in &self.sets {
            if let Some(value) = &set.values[row.row] {
                set.add(cx, groups, (group, key), value, readers, row)?;
            }
        }
        Ok(())
    }
}

impl CountedSet {
    fn add(
        &self,
        cx: &mut Cx<'_>,
        groups: &mut Groups,
        (group, key): (usize, &Bytes),
        value: &[u8],
        readers: &[Reader<'_>],
        row: &RowIn,
    ) -> Result<(), ExecError> {
        let state_key = keys::count(self.leader, key, value);
        let mut counts = match cx.table(0).get(&state_key)? {
            Some(bytes) => self.counts_of(&bytes)?,
            None => vec![0; self.calls.len()],
        };
        let before = counts.clone();
        let counting = self.calls.iter().zip(&mut counts).filter(|(call, _)| call.counts[row.row]);
        counting.for_each(|(_, count)| *count += row.weight);
        match counts.iter().all(|count| *count == 0) {
            true => cx.table(0).delete(state_key)?,
            false => {
                cx.table(0).put(state_key, counts.iter().flat_map(|count| count.to_be_bytes()).collect::<Vec<u8>>())?;
            }
        }
        for (number, call) in self.calls.iter().enumerate().filter(|(_, call)| call.counts[row.row]) {
            let changed = (call, before[number], counts[number]);
            self.take(cx, groups, (group, key), changed, &readers[call.call], row)?;
        }
        Ok(())
    }

    /// A row into a call's accumulator: its value was there `before` times and is there `after` times.
    fn take(
        &self,
        cx: &mut Cx<'_>,
        groups: &mut Groups,
        (group, key): (usize, &Bytes),
        (call, before, after): (&CountedCall, i64, i64),
        reader: &Reader<'_>,
        row: &RowIn,
    ) -> Result<(), ExecError> {
        let (came, went) = (before == 0, after == 0);
        let accumulator = &mut groups.accumulators[call.call];
        match call.used {
            Use::Distinct if came => accumulator.add(group, reader, row.row, 1, row.arrival)?,
            Use::Distinct if went => accumulator.add(group, reader, row.row, -1, row.arrival)?,
            Use::Best if came => accumulator.add(group, reader, row.row, 1, row.arrival)?,
            Use::Best if went && accumulator.may_hold(group, &reader.value(row.row)) => {
                accumulator.replace(group, self.first(cx, key, 1, true)?);
            }
            Use::Top { once, .. } if 0 < row.weight && (came || !once) => {
                accumulator.add(group, reader, row.row, 1, row.arrival)?;
            }
            Use::Top { k, once } if row.weight < 0 && (went || !once) => {
                if accumulator.may_hold(group, &reader.value(row.row)) {
                    accumulator.replace(group, self.first(cx, key, k, once)?);
                }
            }
            Use::Only if came || went => {
                // Two tell already that there is not one alone.
                accumulator.replace(group, self.first(cx, key, 2, true)?);
            }
            Use::Distinct | Use::Best | Use::Top { .. } | Use::Only => {}
        }
        Ok(())
    }

    fn counts_of(&self, bytes: &[u8]) -> Result<Vec<i64>, ExecError> {
        let (counts, rest) = bytes.as_chunks();
        match counts.len() == self.calls.len() && rest.is_empty() {
            true => Ok(counts.iter().map(|count| i64::from_be_bytes(*count)).collect()),
            false => Err(ExecError::InternalRecord("how often a value is there")),
        }
    }

    /// The first `k` values, each as often as it is there or `once`. The call that asks is alone in its set.
    fn first(&self, cx: &mut Cx<'_>, group: &[u8], k: usize, once: bool) -> Result<Vec<Option<Kept>>, ExecError> {
        let prefix = keys::count(self.leader, group, &[]);
        let mut found: Vec<(Vec<u8>, usize)> = Vec::new();
        let mut left = k;
        for entry in cx.table(0).prefix(&prefix) {
            let (key, count) = entry?;
            let times = if once { 1 } else { usize::try_from(self.counts_of(&count)?[0]).unwrap_or(0).min(left) };
            let value = key[prefix.len()..].iter().map(|byte| if self.descends { !*byte } else { *byte }).collect();
            found.push((value, times));
            left -= times;
            if left == 0 {
                break;
            }
        }
        let bytes: Vec<&[u8]> = found.iter().map(|(value, _)| value.as_slice()).collect();
        let schema = Arc::new(Schema::new(vec![Field::new("value", self.value_type.clone(), true)]));
        let values: ArrayRef = Arc::clone(RowKeys::decode(&bytes, &schema)?.column(0));
        let reader = match self.ranked {
            true => Reader::of_ranked(&values, RankedBy::AllFields)?,
            false => Reader::new(&values)?,
        };
        let repeated = found.iter().enumerate().flat_map(|(row, (_, times))| std::iter::repeat_n(row, *times));
        Ok(repeated.map(|row| reader.value(row)).collect())
    }
}

fn use_of(call: &CallSpec) -> Use {
    match call.function {
        AggregateFunction::Min | AggregateFunction::Max => Use::Best,
        AggregateFunction::Collect(Collect::TopK { k } | Collect::TopRows { k }) => {
            Use::Top { k: k as usize, once: false }
        }
        AggregateFunction::Collect(Collect::TopKDistinct { k }) => Use::Top { k: k as usize, once: true },
        AggregateFunction::Collect(Collect::Attr) => Use::Only,
        _ => Use::Distinct,
    }
}

fn descends(function: AggregateFunction) -> bool {
    matches!(
        function,
        AggregateFunction::Max
            | AggregateFunction::Collect(Collect::TopK { .. } | Collect::TopRows { .. } | Collect::TopKDistinct { .. })
    )
}

fn is_ranked(function: AggregateFunction) -> bool {
    matches!(function, AggregateFunction::Collect(Collect::TopRows { .. }))
}

/// The calls in whose rows of state values are counted.
fn leaders(spec: &AggregateSpec) -> impl Iterator<Item = usize> {
    spec.calls.iter().enumerate().filter(|(call, call_spec)| call_spec.counts == Some(*call)).map(|(call, _)| call)
}

/// Forgets the counts of a group.
pub(super) fn forget(cx: &mut Cx<'_>, spec: &AggregateSpec, group: &[u8]) -> Result<(), ExecError> {
    for call in leaders(spec) {
        let prefix = keys::count(call, group, &[]);
        let gone = cx.table(0).prefix(&prefix).collect::<Result<Vec<_>, _>>()?;
        for (key, _) in gone {
            cx.table(0).delete(key)?;
        }
    }
    Ok(())
}
