//! Chance, all of it from one seed.

use std::f64::consts::TAU;

use crate::env::Random;
use crate::env::SeededRandom;

/// Draws that repeat for a seed.
pub(super) struct Dice(SeededRandom);

impl Dice {
    /// The draws of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    /// From 0 up to, not including, 1.
    pub fn unit(&self) -> f64 {
        // The upper 53 bits are a double's digits.
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From `low` up to `high`, each alike.
    pub fn between(&self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from `low` to `high`, both inclusive.
    pub fn whole(&self, low: usize, high: usize) -> usize {
        assert!(low <= high, "no number lies between {low} and {high}");
        low + self.index(high - low + 1)
    }

    /// A place in a list of `length`.
    pub fn index(&self, length: usize) -> usize {
        assert!(0 < length, "an empty list has no places");
        // Rounding may reach the end.
        ((self.unit() * length as f64) as usize).min(length - 1)
    }

    /// True in `probability` of all draws.
    pub fn chance(&self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// The standard normal distribution, by Box and Muller.
    pub fn normal(&self) -> f64 {
        (-2.0 * self.above_zero().ln()).sqrt() * (TAU * self.unit()).cos()
    }

    /// The exponential distribution.
    pub fn exponential(&self, mean: f64) -> f64 {
        -mean * self.above_zero().ln()
    }

    fn above_zero(&self) -> f64 {
        1.0 - self.unit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_means_of_their_distributions() {
        let dice = Dice::new(7);
        let count = 100_000;
        let mean = |draw: &dyn Fn() -> f64| (0..count).map(|_| draw()).sum::<f64>() / f64::from(count);
        assert!((mean(&|| dice.unit()) - 0.5).abs() < 0.01);
        assert!((mean(&|| dice.exponential(3.0)) - 3.0).abs() < 0.05);
        assert!(mean(&|| dice.normal()).abs() < 0.02);
        assert!((mean(&|| dice.normal().powi(2)) - 1.0).abs() < 0.02);
        assert!((mean(&|| dice.whole(2, 4) as f64) - 3.0).abs() < 0.02);
    }
}
