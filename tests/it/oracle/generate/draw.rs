//! Draws from a seed.

use tidemill::env::Random;
use tidemill::env::SeededRandom;

/// Draws from a seeded generator.
pub struct Draw(SeededRandom);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    /// A number from 0 up to and without `below`.
    pub fn below(&self, below: u64) -> u64 {
        self.0.next_u64() % below
    }

    /// True once in `of` times.
    pub fn once_in(&self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub fn of<'a, T>(&self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// True once in `of` times, else null.
    pub(super) fn null_or(&self, value: impl Into<String>) -> Option<String> {
        if self.once_in(8) { None } else { Some(value.into()) }
    }
}
