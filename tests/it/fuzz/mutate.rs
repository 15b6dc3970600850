//! Changes inputs, and puts lengths and checksums right again, so that what lies behind them is reached.

use super::shared::Mutator;

/// Numbers that fields break at.
const EDGES: [i64; 12] = [0, 1, -1, 2, 127, 128, 255, 65_535, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN];
/// Where the header's fields begin, and how wide they are.
const FIELDS: [(usize, usize); 12] =
    [(0, 8), (8, 4), (12, 4), (16, 1), (21, 2), (23, 4), (27, 8), (35, 8), (43, 8), (51, 2), (53, 4), (57, 4)];
const HEADER: usize = 61;
const INPUT_BYTES_MAX: usize = 64 << 10;

/// Batches that follow from a seed.
pub(super) struct BatchMutator(Mutator);

impl BatchMutator {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutator::new(seed))
    }

    fn next(&mut self) -> u64 {
        self.0.draw()
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0.below(limit)
    }

    /// One of the seeds, changed a few times.
    pub(super) fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, seeds);
        }
        bytes.truncate(INPUT_BYTES_MAX);
        if bytes.len() >= HEADER && self.below(8) != 0 {
            if self.below(8) != 0 {
                let after = i32::try_from(bytes.len() - 12).expect("it is small");
                bytes[8..12].copy_from_slice(&after.to_be_bytes());
            }
            let checksum = crc32c::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(bytes.len());
        // The records are where most of the format is.
        let behind = HEADER.min(bytes.len().saturating_sub(1));
        let inside = behind + self.below(bytes.len() - behind);
        match self.below(9) {
            _ if bytes.is_empty() => bytes.push(self.next() as u8),
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[inside] ^= 1 << self.below(8),
            2 => bytes[inside] = self.next() as u8,
            3 => bytes[inside] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][self.below(6)],
            4 => self.set_field(bytes),
            5 => bytes.truncate(at),
            6 => {
                let count = self.below(16);
                let fresh: Vec<u8> = (0..count).map(|_| self.next() as u8).collect();
                bytes.splice(inside..inside, fresh);
            }
            7 => {
                let until = (inside + self.below(32)).min(bytes.len());
                bytes.drain(inside..until);
            }
            _ => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                bytes.truncate(inside);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }

    fn set_field(&mut self, bytes: &mut [u8]) {
        let (at, width) = FIELDS[self.below(FIELDS.len())];
        let value = match self.below(3) {
            0 => self.below(64) as i64,
            _ => EDGES[self.below(EDGES.len())],
        };
        if let Some(field) = bytes.get_mut(at..at + width) {
            field.copy_from_slice(&value.to_be_bytes()[8 - width..]);
        }
    }
}

/// A name for an input.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
