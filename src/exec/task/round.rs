//! What one round gives to the leaves: rows in offset order, and over several inputs in the order of event time.
//!
//! The order between inputs is the merge of their heads (event time, then tables before streams, then leaf, then offset); a table
//! whose rows have no time that compares with the stream's is read first.
//! It stops where an input that is not at its readable end has nothing waiting, since its next row might have come first. A
//! repartition's end is where its producers have written all that lay before them, which their markers tell.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;

use super::input::Input;
use super::input::Place;
use super::input::Ready;
use super::input::slice_columns;
use super::spec::LeafSpec;
use super::times::NO_TIME;
use crate::exec::ExecError;
use crate::exec::carried::Carried;
use crate::model::Offset;
use crate::model::TopicPartition;

/// A round's rows by leaf.
#[derive(Default)]
pub struct Round {
    /// Rows with their system columns.
    pub leaves: Vec<Vec<RecordBatch>>,
    /// How many there are.
    pub rows: usize,
    /// Their bytes, as they were read.
    pub bytes: usize,
    /// The first of the changes that they make, and how many these are.
    pub first: Option<Place>,
    pub changes: usize,
    /// The greatest stream time at a row.
    pub clock: Option<i64>,
    /// The headers of the rows' records, as far as they are used.
    pub headers: Carried,
}

/// Counts places of rows over rounds.
#[derive(Default)]
pub struct Sequence {
    next: i64,
    last: Option<(TopicPartition, i64, i64)>,
}

impl Sequence {
    /// The places of rows of a partition; rows of one change share theirs.
    fn places(&mut self, partition: TopicPartition, offsets: &[i64], places: &[i64]) -> Vec<i64> {
        let (Some(first), Some(last)) = (offsets.first().zip(places.first()), offsets.last().zip(places.last())) else {
            return Vec::new();
        };
        self.next += i64::from(self.last != Some((partition, *first.0, *first.1)));
        self.last = Some((partition, *last.0, *last.1));
        let mut numbers = Vec::with_capacity(offsets.len());
        numbers.push(self.next);
        for (offsets, places) in offsets.windows(2).zip(places.windows(2)) {
            self.next += i64::from(offsets[0] != offsets[1] || places[0] != places[1]);
            numbers.push(self.next);
        }
        numbers
    }
}

/// Where a round ends: at whichever is reached first, and after one row at the earliest.
#[derive(Debug, Clone, Copy)]
pub struct RoundLimits {
    /// Rows over all inputs.
    rows_max: usize,
    /// Bytes over all inputs, as they were read.
    bytes_max: usize,
}

impl RoundLimits {
    /// Limits of at least one row and one byte, so that a round always passes.
    pub fn new(rows_max: usize, bytes_max: usize) -> Self {
        Self { rows_max: rows_max.max(1), bytes_max: bytes_max.max(1) }
    }

    /// Whether a round, or what waits for one, may grow beyond this.
    pub fn allow_more_than(&self, rows: usize, bytes: usize) -> bool {
        rows < self.rows_max && bytes < self.bytes_max
    }
}

/// Takes what waits, up to the limits.
pub fn assemble(
    inputs: &mut [Input],
    specs: &[LeafSpec],
    sequence: &mut Sequence,
    limits: RoundLimits,
    latest: Option<i64>,
    skipped: &HashSet<Place>,
) -> Result<Round, ExecError> {
    let mut round = Round { leaves: vec![Vec::new(); specs.len()], ..Round::default() };
    let mut taken = false;
    for input in inputs.iter_mut() {
        taken |= input.decode(&specs[input.leaf], limits, latest, skipped)?;
    }
    let waits = 1 < inputs.iter().filter(|input| input.is_awaited).count();
    if taken && waits {
        // What was read elsewhere may have been written after what an end that was seen before does not show.
        let at_end = inputs.iter().filter(|input| input.is_awaited && input.is_at_end());
        at_end.for_each(|input| input.queue.ask());
    }
    while limits.allow_more_than(round.rows, round.bytes) {
        let may_get_more =
            |input: &Input| input.is_awaited && input.ready.is_empty() && !input.is_known_at_end(&specs[input.leaf]);
        if waits && inputs.iter().any(may_get_more) {
            break;
        }
        let heads = inputs.iter().enumerate().filter_map(|(at, input)| input.head().map(|time| (time, at)));
        let Some((_, first)) = heads.clone().min() else { break };
        let second = heads.filter(|(_, at)| *at != first).min();
        let left = RoundLimits { rows_max: limits.rows_max - round.rows, bytes_max: limits.bytes_max - round.bytes };
        let count = run(&inputs[first], first, second, left);
        let leaf = inputs[first].leaf;
        let others = least_of_others(inputs, first);
        let batch = take(&mut inputs[first], &specs[leaf], sequence, count, &mut round, others)?;
        for twin in twins(specs, leaf) {
            round.leaves[twin].push(batch.clone());
        }
        round.leaves[leaf].push(batch);
    }
    Ok(round)
}

/// The stream time that no row of the other inputs lies behind, `None` if there is none that it would wait for.
fn least_of_others(inputs: &[Input], taken: usize) -> Option<i64> {
    let is_out = |input: &Input| {
        // As `Task::note_idle` will say after the round.
        let is_plain = input.progress.is_plain();
        let never_had_a_row =
            is_plain && input.is_at_end() && input.progress.clock.is_none() && input.taken_clock.is_none();
        never_had_a_row || (input.progress.idle && input.ready.is_empty())
    };
    let waits = |(at, input): &(usize, &Input)| *at != taken && input.sets_time && !is_out(input);
    let others = inputs.iter().enumerate().filter(waits);
    others.map(|(_, input)| input.taken_clock.max(input.progress.clock).unwrap_or(i64::MIN)).min()
}

/// The leaves that read the same rows as `leaf`, which stands before them.
fn twins(specs: &[LeafSpec], leaf: usize) -> impl Iterator<Item = usize> {
    specs.iter().enumerate().filter(move |(_, spec)| spec.twin_of == Some(leaf)).map(|(twin, _)| twin)
}

/// How many rows of the first waiting slice come before the head of the next input.
fn run(input: &Input, at: usize, second: Option<(i64, usize)>, left: RoundLimits) -> usize {
    let Some(ready) = input.ready.front() else { return 0 };
    let waiting = &ready.times[ready.taken..];
    let before = match second {
        None => waiting.len(),
        Some(second) => waiting.iter().take_while(|time| (input.turn(**time), at) < second).count(),
    };
    let count = before.min(left.rows_max).min((left.bytes_max / ready.row_bytes).max(1));
    whole_changes(ready, count)
}

/// So many rows, and those that make one change with the last of them: what a row was and what it is are never parted.
fn whole_changes(ready: &Ready, count: usize) -> usize {
    let change = |row: usize| (ready.offsets[row], ready.places[row]);
    let Some(last) = count.checked_sub(1).map(|last| change(ready.taken + last)) else { return 0 };
    let rest = ready.taken + count..ready.times.len();
    count + rest.take_while(|row| change(*row) == last).count()
}

fn take(
    input: &mut Input,
    spec: &LeafSpec,
    sequence: &mut Sequence,
    count: usize,
    round: &mut Round,
    others: Option<i64>,
) -> Result<RecordBatch, ExecError> {
    let partition = input.partition;
    let waiting = input.ready.front_mut().ok_or(ExecError::InternalRecord("a head without rows"))?;
    let (from, upto) = (waiting.taken, waiting.taken + count);
    let mut columns = slice_columns(&waiting.rows, from, count);
    let before = sequence.next;
    let seqs = sequence.places(partition, &waiting.offsets[from..upto], &waiting.places[from..upto]);
    if let Some(headers) = &waiting.headers {
        for (row, seq) in (from..upto).zip(&seqs) {
            if let Some(entry) = headers.find(waiting.places[row]) {
                round.headers.note(*seq, headers, entry);
            }
        }
    }
    round.changes += usize::try_from(sequence.next - before).unwrap_or(0);
    let mut clocks = waiting.clocks.slice(from, count);
    if input.sets_time {
        input.taken_clock = clocks.last().copied();
        if let Some(others) = others {
            clocks = clocks.iter().map(|clock| others.min(*clock)).collect::<Vec<i64>>().into();
        }
        round.clock = round.clock.max(clocks.last().copied());
    } else if !input.is_awaited {
        // Where its sender stood says nothing of the windows that are open here.
        clocks = vec![others.unwrap_or(NO_TIME); count].into();
    }
    columns.push(Arc::new(Int64Array::new(waiting.times.slice(from, count), None)) as ArrayRef);
    columns.push(Arc::new(Int64Array::new(clocks, None)));
    columns.push(Arc::new(Int64Array::from(seqs)));
    columns.extend(slice_columns(std::slice::from_ref(&waiting.changes), from, count));
    round.rows += count;
    round.bytes = round.bytes.saturating_add(count.saturating_mul(waiting.row_bytes));
    let (offset, change) = (waiting.offsets[from], waiting.places[from]);
    round.first.get_or_insert(Place { partition, offset, change });
    let last = waiting.offsets[upto - 1];
    waiting.taken = upto;
    let all = upto == waiting.times.len();
    let split = !all && waiting.offsets[upto] == last;
    if all {
        input.ready.pop_front();
    }
    // A repartition's slice has one offset for all its rows: the position moves when the last of them is taken.
    input.mid_slice = split;
    if !split {
        input.pass(Offset(last + 1));
        input.pass_gap();
    }
    Ok(RecordBatch::try_new(Arc::clone(&spec.layout.schema), columns)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;

    #[test]
    fn a_round_ends_between_changes_and_never_inside_one() {
        let column = || Arc::new(Int64Array::from(vec![0; 6])) as ArrayRef;
        let ready = Ready {
            rows: Vec::new(),
            times: vec![0; 6].into(),
            clocks: vec![0; 6].into(),
            changes: column(),
            offsets: vec![1, 1, 1, 1, 2, 2].into(),
            places: vec![7, 8, 8, 9, 9, 9].into(),
            headers: None,
            row_bytes: 1,
            taken: 0,
        };
        let counts: Vec<usize> = (1..=6).map(|count| whole_changes(&ready, count)).collect();
        assert_eq!(counts, [1, 3, 3, 4, 6, 6]);
        assert_eq!(whole_changes(&Ready { taken: 1, ..ready }, 1), 2);
    }

    #[test]
    fn rows_of_one_change_share_their_place_over_runs_too() {
        let partition = |number| TopicPartition::new(crate::model::TopicId::from_random([1; 16]), number);
        let mut sequence = Sequence::default();
        assert_eq!(sequence.places(partition(0), &[1, 1, 1, 2], &[7, 7, 8, 8]), [1, 1, 2, 3]);
        assert_eq!(sequence.places(partition(0), &[2, 2], &[8, 9]), [3, 4]);
        assert_eq!(sequence.places(partition(1), &[2], &[9]), [5]);
        assert_eq!(sequence.places(partition(1), &[], &[]), [0; 0]);
        assert_eq!(sequence.places(partition(1), &[2, 3], &[9, 9]), [5, 6]);
    }
}
