//! What BIT_AND, BIT_OR and BIT_XOR keep: how many values there are, and in how many of them each bit is set. So a value is
//! taken back as it was added.

use super::accumulate::take;
use crate::exec::ExecError;
use crate::plan::BitOperation;

/// Bits of a value.
const BITS: usize = i64::BITS as usize;

/// See the file's head.
#[derive(Debug, Clone, PartialEq)]
pub struct BitCounts {
    values: i64,
    set: [i64; BITS],
}

impl Default for BitCounts {
    fn default() -> Self {
        Self { values: 0, set: [0; BITS] }
    }
}

impl BitCounts {
    /// A value with a weight.
    pub fn add(&mut self, value: i64, weight: i64) {
        self.values += weight;
        let mut left = value as u64;
        while left != 0 {
            self.set[left.trailing_zeros() as usize] += weight;
            left &= left - 1;
        }
    }

    /// All that another one has seen.
    pub fn merge(&mut self, other: &Self) {
        self.values += other.values;
        self.set.iter_mut().zip(other.set).for_each(|(own, other)| *own += other);
    }

    /// The values in one, `None` of none.
    pub fn result(&self, operation: BitOperation) -> Option<i64> {
        let is_set = |count: i64| match operation {
            BitOperation::And => count == self.values,
            BitOperation::Or => 0 < count,
            BitOperation::Xor => count % 2 != 0,
        };
        let bits = self.set.iter().enumerate().filter(|(_, count)| is_set(**count));
        (0 < self.values).then(|| bits.fold(0, |value, (bit, _)| value | 1 << bit))
    }

    /// The number of values, the bits that are set in any, and the count of each of these; big-endian.
    pub fn write(&self, state: &mut Vec<u8>) {
        let counted = || self.set.iter().enumerate().filter(|(_, count)| **count != 0);
        let mask = counted().fold(0_u64, |mask, (bit, _)| mask | 1 << bit);
        state.extend(self.values.to_be_bytes());
        state.extend(mask.to_be_bytes());
        counted().for_each(|(_, count)| state.extend(count.to_be_bytes()));
    }

    /// What `write` wrote; `state` moves behind it.
    pub fn read(state: &mut &[u8]) -> Result<Self, ExecError> {
        let mut read = Self { values: i64::from_be_bytes(take(state)?), ..Self::default() };
        let mask = u64::from_be_bytes(take(state)?);
        for bit in (0..BITS).filter(|bit| mask >> bit & 1 == 1) {
            read.set[bit] = i64::from_be_bytes(take(state)?);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_was_never_there() {
        let mut counts = BitCounts::default();
        [0b0110, -1, 0b0011].into_iter().for_each(|value| counts.add(value, 1));
        let results = |counts: &BitCounts| {
            [BitOperation::And, BitOperation::Or, BitOperation::Xor].map(|operation| counts.result(operation))
        };
        assert_eq!(results(&counts), [Some(0b0010), Some(-1), Some(0b0110 ^ -1 ^ 0b0011)]);
        counts.add(-1, -1);
        assert_eq!(results(&counts), [Some(0b0010), Some(0b0111), Some(0b0101)]);
        let mut state = Vec::new();
        counts.write(&mut state);
        assert_eq!(state.len(), 16 + 3 * 8);
        assert_eq!(BitCounts::read(&mut state.as_slice()).unwrap(), counts);
        assert!(BitCounts::read(&mut &state[..20]).is_err());
        counts.add(0b0110, -1);
        counts.add(0b0011, -1);
        assert_eq!(counts, BitCounts::default());
        assert_eq!(results(&counts), [None; 3]);
    }
}
