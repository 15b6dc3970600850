//! The numbers of rows whose table was declared without a key: UUIDs of version 7, each greater than all before it.
//!
//! They begin with the milliseconds of the clock and go on with random bits, so that processes that know nothing of each other,
//! or of what was before a crash, make different ones.

use std::sync::Arc;

use arrow::array::BinaryArray;
use arrow::record_batch::RecordBatch;
use parking_lot::Mutex;

use crate::catalog::Relation;
use crate::env::Env;
use crate::error::Error;
use crate::error::Result;

/// Bits behind the time that count; the random ones are 64 of them, the others room to go on.
const NUMBER_BITS: u32 = 74;
/// Of these the last ones, which stand behind the UUID's variant.
const LAST_BITS: u32 = 62;

/// Who makes them.
#[derive(Default)]
pub(super) struct RowKeys {
    /// The next one that is certainly greater than all before it.
    next: Mutex<RowKey>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct RowKey {
    millis: u64,
    number: u128,
}

impl RowKeys {
    /// The rows with a number each, if their table was declared without a key.
    pub(super) fn give(&self, env: &Env, relation: &Relation, rows: RecordBatch) -> Result<RecordBatch> {
        let Some(place) = relation.row_key() else { return Ok(rows) };
        let drawn = RowKey {
            millis: u64::try_from(env.clock.wall_millis()).unwrap_or(0),
            number: u128::from(env.random.next_u64()),
        };
        let first = self.take(drawn, rows.num_rows());
        let mut columns = rows.columns().to_vec();
        columns[place] =
            Arc::new(BinaryArray::from_iter_values((0..rows.num_rows()).map(|row| first.behind(row).uuid())));
        RecordBatch::try_new(rows.schema(), columns)
            .map_err(|error| Error::internal("rows with their numbers").caused_by(error))
    }

    /// The first of so many: what was drawn, or what is next where the clock stands or goes back.
    fn take(&self, drawn: RowKey, count: usize) -> RowKey {
        let mut next = self.next.lock();
        let first = drawn.max(*next);
        *next = first.behind(count);
        assert!(next.number < 1 << NUMBER_BITS, "the numbers of one millisecond are used up");
        first
    }
}

impl RowKey {
    fn behind(self, count: usize) -> Self {
        Self { number: self.number + count as u128, ..self }
    }

    /// Version 7 of RFC 9562.
    fn uuid(self) -> [u8; 16] {
        let (before, after) = (self.number >> LAST_BITS, self.number & ((1 << LAST_BITS) - 1));
        let bits = u128::from(self.millis) << 80 | 0x7 << 76 | before << 64 | 0b10 << LAST_BITS | after;
        bits.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_greater_than_those_before_it_whatever_the_clock_does() {
        let keys = RowKeys::default();
        let mut last = [0; 16];
        for (millis, number, count) in [(5, u64::MAX, 3), (5, 1, 1), (5, u64::MAX, 2), (4, 9, 1), (6, 0, 2)] {
            let first = keys.take(RowKey { millis, number: u128::from(number) }, count);
            for row in 0..count {
                let made = first.behind(row).uuid();
                assert!(last < made, "{last:02x?} before {made:02x?}");
                assert_eq!((made[6] >> 4, made[8] >> 6), (7, 0b10), "the version and the variant");
                last = made;
            }
        }
        assert_eq!(last[..6], [0, 0, 0, 0, 0, 6], "the time stands in front");
    }
}
