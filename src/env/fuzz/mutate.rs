//! Inputs that follow from a seed: small bytes, and changed ones.

/// Bytes that lengths, counts and signs break at.
const EDGE_BYTES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff];
/// Numbers that fields break at.
const EDGES: [i64; 12] = [0, 1, -1, -2, 2, 127, 128, 65_535, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN];
/// Varints of counts that are not there.
const VARINTS: [&[u8]; 5] = [
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0x80, 0x80, 0x40],
    &[0x80, 0x00],
    &[0xff, 0xff, 0x03],
];
const INPUT_BYTES_MAX: usize = 16 << 10;

/// Chance that follows from a seed (SplitMix64).
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// What follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) }
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, or 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.draw() % limit.max(1) as u64) as usize
    }

    /// Bytes of which most are small, rarely many.
    pub fn small_bytes(&mut self) -> Vec<u8> {
        let length = match self.below(10) {
            0 => self.below(4000),
            1..=3 => self.below(200),
            _ => self.below(40),
        };
        let mut bytes = Vec::with_capacity(length);
        for _ in 0..length {
            bytes.push(match self.below(16) {
                0 => self.draw() as u8,
                1 => [0x7f, 0x80, 0xff][self.below(3)],
                2 | 3 => b'a' + self.below(3) as u8,
                4..=7 => self.below(4) as u8 + 1,
                _ => 0,
            });
        }
        bytes
    }

    /// One of the seeds, changed a few times.
    pub fn mutated(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, seeds);
        }
        bytes.truncate(INPUT_BYTES_MAX);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        match self.below(11) {
            0..=2 if at < bytes.len() => bytes[at] = EDGE_BYTES[self.below(EDGE_BYTES.len())],
            3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            4 => self.set_number(&mut bytes[at..]),
            5 => bytes.truncate(at),
            6 => {
                let fresh = self.small_bytes();
                bytes.splice(at..at, fresh.into_iter().take(16));
            }
            7 => {
                let until = (at + self.below(32)).min(bytes.len());
                bytes.drain(at..until);
            }
            // Elements once more, as many as a greater count would have.
            8 => {
                let until = (at + 1 + self.below(48)).min(bytes.len());
                let again = bytes[at..until].repeat(1 + self.below(40));
                bytes.splice(at..at, again);
            }
            9 => {
                let varint = VARINTS[self.below(VARINTS.len())];
                let until = (at + 1).min(bytes.len());
                bytes.splice(at..until, varint.iter().copied());
            }
            _ => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }

    /// A number of 2, 4 or 8 bytes at the start, if it fits.
    fn set_number(&mut self, bytes: &mut [u8]) {
        let width = [2, 4, 8][self.below(3)];
        let value = match self.below(3) {
            0 => self.below(64) as i64,
            _ => EDGES[self.below(EDGES.len())],
        };
        if let Some(field) = bytes.get_mut(..width) {
            field.copy_from_slice(&value.to_be_bytes()[8 - width..]);
        }
    }
}
