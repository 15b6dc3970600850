//! The groups that a batch touches: their running values, and their place in state.
//!
//! State of a group: version, greatest event time, rows, then each aggregate's own bytes.

use super::AggregateSpec;
use super::CallSpec;
use super::accumulate::Accumulator;
use super::accumulate::Reader;
use super::accumulate::take;
use super::intake::Values;
use super::results::Results;
use crate::exec::ExecError;

const VERSION: u8 = 2;

/// A row on its way into a group.
pub struct RowIn {
    /// Its place in the batch.
    pub row: usize,
    /// -1 takes it back.
    pub weight: i64,
    /// Its event time.
    pub time: i64,
    /// Its number among all rows that the operator took.
    pub arrival: i64,
}

/// Groups by their number within the batch.
pub struct Groups {
    /// One per call.
    pub accumulators: Vec<Accumulator>,
    /// The greatest event time of each group's rows.
    pub times: Vec<i64>,
    /// The sum of weights of each group's rows.
    pub rows: Vec<i64>,
}

impl Groups {
    /// No groups yet.
    pub fn new(calls: &[CallSpec]) -> Self {
        Self { accumulators: calls.iter().map(Accumulator::new).collect(), times: Vec::new(), rows: Vec::new() }
    }

    /// Adds a group with its state, or one that has seen nothing.
    pub fn push(&mut self, state: Option<&[u8]>) -> Result<(), ExecError> {
        let Some(mut state) = state else {
            self.accumulators.iter_mut().for_each(Accumulator::push_empty);
            self.times.push(i64::MIN);
            self.rows.push(0);
            return Ok(());
        };
        if take::<1>(&mut state)? != [VERSION] {
            return Err(ExecError::InternalRecord("the state of an aggregate of another version"));
        }
        self.times.push(i64::from_be_bytes(take(&mut state)?));
        self.rows.push(i64::from_be_bytes(take(&mut state)?));
        self.accumulators.iter_mut().try_for_each(|accumulator| accumulator.push_read(&mut state))
    }

    /// A row into a group; see `Accumulator::add`. Calls that count values are left to `Counted`.
    pub fn add(&mut self, group: usize, values: &Values, readers: &[Reader<'_>], row: &RowIn) -> Result<(), ExecError> {
        for (call, accumulator) in self.accumulators.iter_mut().enumerate() {
            if !accumulator.counts() && values.passes(call, row.row) {
                accumulator.add(group, &readers[call], row.row, row.weight, row.arrival)?;
            }
        }
        self.rows[group] += row.weight;
        self.times[group] = self.times[group].max(row.time);
        Ok(())
    }

    /// Rows that all count once, each into its group of `of_row`. Calls that count values are left to `Counted`.
    pub fn add_all(
        &mut self,
        of_row: &[usize],
        values: &Values,
        readers: &[Reader<'_>],
        times: &[i64],
    ) -> Result<(), ExecError> {
        for (call, accumulator) in self.accumulators.iter_mut().enumerate() {
            if !accumulator.counts() {
                accumulator.add_all(of_row, &readers[call], values.filter(call))?;
            }
        }
        for (group, time) in of_row.iter().zip(times) {
            self.rows[*group] += 1;
            self.times[*group] = self.times[*group].max(*time);
        }
        Ok(())
    }

    /// A group that has seen what group `group` of `from` has. Answers its number.
    pub fn push_copy(&mut self, from: &Groups, group: usize) -> usize {
        for (own, other) in self.accumulators.iter_mut().zip(&from.accumulators) {
            own.push_copy(other, group);
        }
        self.times.push(from.times[group]);
        self.rows.push(from.rows[group]);
        self.rows.len() - 1
    }

    /// A group that has seen what group `group` has. Answers its number.
    pub fn push_again(&mut self, group: usize) -> usize {
        self.accumulators.iter_mut().for_each(|own| own.push_again(group));
        self.times.push(self.times[group]);
        self.rows.push(self.rows[group]);
        self.rows.len() - 1
    }

    /// Group `into` takes all that group `group` of `from` has seen.
    pub fn merge(&mut self, into: usize, from: &Groups, group: usize) -> Result<(), ExecError> {
        for (own, other) in self.accumulators.iter_mut().zip(&from.accumulators) {
            own.merge(into, other, group)?;
        }
        self.rows[into] += from.rows[group];
        self.times[into] = self.times[into].max(from.times[group]);
        Ok(())
    }

    /// Group `into` takes all that group `group` has seen.
    pub fn merge_within(&mut self, into: usize, group: usize) -> Result<(), ExecError> {
        self.accumulators.iter_mut().try_for_each(|own| own.merge_within(into, group))?;
        self.rows[into] += self.rows[group];
        self.times[into] = self.times[into].max(self.times[group]);
        Ok(())
    }

    /// Whether the group has ever had a row, or began without one.
    pub fn has_begun(&self, group: usize) -> bool {
        self.times[group] != i64::MIN
    }

    /// A group without rows that does not stay begins anew with its next row, in this round as in another.
    pub fn forget_time_of_gone(&mut self, group: usize, spec: &AggregateSpec) {
        if self.rows[group] == 0 && !spec.stays_empty() {
            self.times[group] = i64::MIN;
        }
    }

    /// A group's state.
    pub fn state(&self, group: usize) -> Vec<u8> {
        let mut state = vec![VERSION];
        state.extend(self.times[group].to_be_bytes());
        state.extend(self.rows[group].to_be_bytes());
        self.accumulators.iter().for_each(|accumulator| accumulator.write(group, &mut state));
        state
    }

    /// Empty columns for results.
    pub fn results(&self) -> Vec<Results> {
        self.accumulators.iter().map(Accumulator::results).collect()
    }

    /// Adds a group's results to columns.
    pub fn result(&self, group: usize, results: &mut [Results]) -> Result<(), ExecError> {
        self.accumulators.iter().zip(results).try_for_each(|(accumulator, column)| accumulator.result(group, column))
    }
}
