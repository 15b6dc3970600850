//! Marks: what the tasks of a query say of event time in the topic that they write. Design note 0018 has the bytes.

use super::ExecError;
use super::task::Writer;
use crate::model::QueryId;
use crate::protocol::read_varint;
use crate::protocol::write_varint;

const VERSION: u8 = 1;
const HAS_CLOCK: u8 = 1;
const IS_IDLE: u8 = 2;

/// What a task has said of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// Its stream time, milliseconds; none before its first row.
    pub clock: Option<i64>,
    /// Whether its input has been at its end for the idle timeout.
    pub idle: bool,
}

/// A control record of a topic that queries write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The query.
    pub query: QueryId,
    /// The task that writes the mark, and the records after it.
    pub task: u32,
    /// So many records that stand right behind the mark are the task's.
    pub rows: u32,
    /// The column that the records' times are from, if they are not the rows' event times.
    pub time_column: Option<String>,
    /// All tasks of the query that may write to the partition; none when the query has ended.
    pub writers: Vec<(u32, Said)>,
    /// The task's stream time at some of the records, by their place: where it is another one than the greatest of the
    /// records' times and of the stream time before.
    pub clocks: Vec<(u32, i64)>,
}

impl Mark {
    /// The last mark of a query that ends.
    pub fn of_end(query: QueryId) -> Self {
        Self { query, task: 0, rows: 0, time_column: None, writers: Vec::new(), clocks: Vec::new() }
    }

    /// Who speaks.
    pub fn writer(&self) -> Writer {
        Writer::Task(self.query, self.task)
    }

    /// The bytes of its control record's value.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        let put = |bytes: &mut Vec<u8>, number: i64| write_varint(bytes, number);
        put(&mut bytes, i64::try_from(self.query.0).unwrap_or(i64::MAX));
        put(&mut bytes, i64::from(self.task));
        put(&mut bytes, i64::from(self.rows));
        let column = self.time_column.as_deref().unwrap_or_default();
        put(&mut bytes, column.len() as i64);
        bytes.extend_from_slice(column.as_bytes());
        put(&mut bytes, self.writers.len() as i64);
        let mut clock = 0;
        for (task, said) in &self.writers {
            put(&mut bytes, i64::from(*task));
            bytes.push(said.clock.map_or(0, |_| HAS_CLOCK) | if said.idle { IS_IDLE } else { 0 });
            if let Some(said) = said.clock {
                put(&mut bytes, said.wrapping_sub(std::mem::replace(&mut clock, said)));
            }
        }
        put(&mut bytes, self.clocks.len() as i64);
        let mut row = 0;
        for (place, said) in &self.clocks {
            put(&mut bytes, i64::from(*place - std::mem::replace(&mut row, *place)));
            put(&mut bytes, said.wrapping_sub(std::mem::replace(&mut clock, *said)));
        }
        bytes
    }

    /// A mark that `encode` wrote; any other bytes are an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, ExecError> {
        Reader(bytes).mark().ok_or(ExecError::InternalRecord("a mark of event time"))
    }
}

/// The bytes that are left.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn mark(mut self) -> Option<Mark> {
        if self.byte()? != VERSION {
            return None;
        }
        let query = QueryId(u64::try_from(self.number()?).ok()?);
        let (task, rows) = (self.small()?, self.small()?);
        let length = self.count()?;
        let (column, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        let column = std::str::from_utf8(column).ok()?;
        let time_column = (!column.is_empty()).then(|| column.to_string());
        let mut clock = 0i64;
        let mut writers = Vec::with_capacity(self.count()?.min(self.0.len()));
        for _ in 0..writers.capacity() {
            let task = self.small()?;
            let flags = self.byte()?;
            let has_clock = flags & HAS_CLOCK != 0;
            if has_clock {
                clock = clock.wrapping_add(self.number()?);
            }
            writers.push((task, Said { clock: has_clock.then_some(clock), idle: flags & IS_IDLE != 0 }));
        }
        let mut clocks = Vec::new();
        let mut row = 0u32;
        for _ in 0..self.count()? {
            row = row.checked_add(self.small()?)?;
            clock = clock.wrapping_add(self.number()?);
            clocks.push((row, clock));
        }
        self.0.is_empty().then_some(Mark { query, task, rows, time_column, writers, clocks })
    }

    fn byte(&mut self) -> Option<u8> {
        self.0.split_off_first().copied()
    }

    fn number(&mut self) -> Option<i64> {
        read_varint(&mut self.0).ok()
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    /// A number of things that take a byte each at least.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::testing::Dice;
    use crate::protocol::mark_batch;

    fn random(dice: &Dice) -> Mark {
        let number = || dice.below(1 << 44) as i64 - (1 << 43);
        let said = || Said { clock: (dice.below(4) != 0).then(number), idle: dice.below(2) == 0 };
        let mut row = 0;
        let mut place = || {
            row += dice.below(300) as u32;
            row
        };
        Mark {
            query: QueryId(dice.below(1 << 40)),
            task: dice.below(100) as u32,
            rows: dice.below(100_000) as u32,
            time_column: (dice.below(3) == 0).then(|| "at".to_string()),
            writers: (0..dice.below(5)).map(|task| (task as u32, said())).collect(),
            clocks: (0..dice.below(5)).map(|_| (place(), number())).collect(),
        }
    }

    #[test]
    fn a_mark_comes_back_from_its_bytes_and_no_bytes_make_it_panic() {
        let dice = Dice::new(7);
        for _ in 0..2_000 {
            let mark = random(&dice);
            let mut bytes = mark.encode();
            assert_eq!(Mark::decode(&bytes).expect("its own bytes"), mark);
            assert!(Mark::decode(&bytes[..dice.below(bytes.len() as u64) as usize]).is_err(), "cut bytes of {mark:?}");
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << dice.below(8);
            // Whatever it says, it says it.
            let _ = Mark::decode(&bytes);
        }
    }

    #[test]
    fn a_mark_of_four_tasks_is_short() {
        let said = |clock| Said { clock: Some(1_790_000_000_000 + clock), idle: false };
        let writers = (0..4).map(|task| (task, said(i64::from(task) * 17))).collect();
        let mark = Mark { query: QueryId(12), task: 1, rows: 1, time_column: None, writers, clocks: Vec::new() };
        let bytes = mark.encode();
        assert_eq!((bytes.len(), mark_batch(&bytes, 1_790_000_000_000).finish().size_in_bytes()), (24, 96));
    }
}
