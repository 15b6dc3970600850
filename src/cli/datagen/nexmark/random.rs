//! Chance that follows from a seed and the number of a stream: SplitMix64 (Steele, Lea, Flood, "Fast splittable
//! pseudorandom number generators", 2014).

/// One stream of random numbers.
pub(super) struct Random(u64);

impl Random {
    /// Stream `stream` of `seed`.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let spread = stream.wrapping_add(1).wrapping_mul(0xD1B5_4A32_D192_ED03);
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ spread)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is at most 2^32.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 32).wrapping_mul(bound) >> 32
    }

    /// A number from 0 to below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// 100 to 100,000,000, each order of size as likely as the others.
    pub(super) fn price(&mut self) -> u64 {
        (10_f64.powf(self.unit() * 6.0) * 100.0 + 0.5).floor() as u64
    }
}
