//! The stream time of rows that a sink gathers for a cut, as marks will say it.
//!
//! Readers take the greatest of a record's time and the stream time before it; a mark names only the rows at which it is
//! another one.

use crate::exec::mark::Said;
use crate::exec::task::NO_TIME;
use crate::exec::task::Spoken;

/// Clocks that one mark names, so that it is no large record; the rows after that are for another mark.
const CLOCKS_MAX: usize = 64;

/// Rows for one partition.
#[derive(Debug, Default)]
pub struct Clocks {
    parts: Vec<Part>,
    /// Stream time at the last row.
    last: Option<i64>,
}

/// Rows for one mark.
#[derive(Debug, Default)]
struct Part {
    /// Rows before these.
    before: usize,
    rows: u32,
    clocks: Vec<(u32, i64)>,
    last: Option<i64>,
}

impl Clocks {
    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// A row with its record's time and the stream time at it.
    pub fn push(&mut self, record_time: i64, clock: i64) {
        if self.parts.last().is_none_or(|part| part.clocks.len() == CLOCKS_MAX) {
            let before = self.parts.last().map_or(0, |part| part.before + part.rows as usize);
            self.parts.push(Part { before, ..Part::default() });
        }
        let clock = self.last.map_or(clock, |last| last.max(clock));
        self.last = Some(clock);
        let Some(part) = self.parts.last_mut() else { return };
        if clock != part.last.map_or(record_time, |last| last.max(record_time)) {
            part.clocks.push((part.rows, clock));
        }
        part.rows += 1;
        part.last = Some(clock);
    }

    /// What each mark says, with the number of rows before it. Without rows there is one mark.
    pub fn take(&mut self) -> Vec<(usize, Spoken)> {
        self.last = None;
        let parts = std::mem::take(&mut self.parts);
        let count = parts.len();
        let spoken = parts.into_iter().enumerate().map(|(number, part)| {
            let last = part.last.filter(|last| *last != NO_TIME);
            let said = (number + 1 < count).then_some(Said { clock: last, idle: false });
            (part.before, Spoken { rows: part.rows, clocks: part.clocks, said })
        });
        let spoken: Vec<(usize, Spoken)> = spoken.collect();
        if spoken.is_empty() { vec![(0, Spoken::default())] } else { spoken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_tell_their_time_themselves_are_not_named() {
        let mut clocks = Clocks::default();
        for (record_time, clock) in [(5, 5), (3, 5), (6, 8), (7, 8), (9, 9), (11, 10)] {
            clocks.push(record_time, clock);
        }
        let named = vec![(2, 8), (5, 10)];
        assert_eq!(clocks.take(), [(0, Spoken { rows: 6, clocks: named, said: None })]);
        assert_eq!(clocks.take(), [(0, Spoken::default())]);
    }

    #[test]
    fn a_mark_names_so_many_rows_and_the_next_one_the_rest() {
        let mut clocks = Clocks::default();
        (0..100).for_each(|row| clocks.push(row, row + 1_000));
        let taken = clocks.take();
        let shape: Vec<(usize, u32, usize)> =
            taken.iter().map(|(before, spoken)| (*before, spoken.rows, spoken.clocks.len())).collect();
        assert_eq!(shape, [(0, 64, 64), (64, 36, 36)]);
        assert_eq!(taken[0].1.said, Some(Said { clock: Some(1_063), idle: false }));
    }
}
