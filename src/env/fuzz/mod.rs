//! Mutated inputs for a reader of bytes, from a seed, with every allocation counted. Only in tests.
//!
//! Whatever the input is, nothing panics, and memory stays within a stated multiple of it. An input that takes a way that none
//! before took is changed further, so that what lies deep is reached from valid inputs and from nothing.
//!
//! `TIDEMILL_FUZZ_SECONDS` runs each target for so long, `TIDEMILL_FUZZ_TARGET` only those whose name holds it,
//! `TIDEMILL_SEED` begins elsewhere.

mod allocation;
mod mutate;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::time::Duration;
use std::time::Instant;

pub use self::allocation::peak;
pub use self::mutate::Mutator;

/// Inputs of a target without `TIDEMILL_FUZZ_SECONDS`.
const INPUTS: u64 = 4_000;
/// Inputs that are changed further.
const CORPUS_MAX: usize = 2_000;

/// A reader of bytes.
pub struct Target<'a> {
    /// What it reads.
    pub name: &'a str,
    /// What it takes at most, as a multiple of the input.
    pub multiple_max: usize,
    /// And besides, in bytes.
    pub bytes_max: usize,
    /// Reads an input: how it went, and how far it came. What is told is allocated, too.
    pub read: &'a dyn Fn(&[u8]) -> Outcome,
}

/// The way that an input took: alike for inputs that are read alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    /// What came of it, in words that are there before it is read.
    pub kind: &'static str,
    /// How much was read of it, or how much was in it.
    pub reached: usize,
}

/// What a run came to.
pub struct Report {
    /// Inputs.
    pub tried: u64,
    /// The inputs that took a new way, by the way.
    pub found: BTreeMap<Outcome, Vec<u8>>,
}

/// A number of the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Whether the run is about a target.
pub fn is_wanted(name: &str) -> bool {
    std::env::var("TIDEMILL_FUZZ_TARGET").map_or(true, |wanted| name.contains(&wanted))
}

/// How long a run goes on: for so many inputs, or for `TIDEMILL_FUZZ_SECONDS`.
pub struct Budget {
    inputs: u64,
    until: Option<Instant>,
}

impl Budget {
    /// It begins now.
    pub fn of(inputs: u64) -> Self {
        let seconds = number("TIDEMILL_FUZZ_SECONDS");
        Self { inputs, until: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)) }
    }

    /// Whether another input follows those that were tried.
    pub fn allows(&self, tried: u64) -> bool {
        self.until.map_or(tried < self.inputs, |until| Instant::now() < until)
    }
}

impl Target<'_> {
    /// Reads `seeds`, and what follows from them.
    pub fn run(&self, seeds: &[Vec<u8>]) -> Report {
        let budget = Budget::of(INPUTS);
        let first = number("TIDEMILL_SEED").unwrap_or(1);
        let mut report = Report { tried: 0, found: BTreeMap::new() };
        let mut corpus = vec![Vec::new()];
        for seed in seeds {
            corpus.push(seed.clone());
            report.found.entry(self.outcome(seed)).or_insert_with(|| seed.clone());
        }
        while budget.allows(report.tried) {
            let mut mutator = Mutator::new(first.wrapping_add(report.tried));
            let input = if mutator.below(8) == 0 { mutator.small_bytes() } else { mutator.mutated(&corpus) };
            report.tried += 1;
            let outcome = self.outcome(&input);
            if let Entry::Vacant(new) = report.found.entry(outcome) {
                if corpus.len() < CORPUS_MAX {
                    corpus.push(input.clone());
                }
                new.insert(input);
            }
        }
        report
    }

    fn outcome(&self, input: &[u8]) -> Outcome {
        let hex = || input.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (outcome, cost) = peak(|| catch_unwind(AssertUnwindSafe(|| (self.read)(input))));
        let outcome = outcome.unwrap_or_else(|_| panic!("{} panics at {}", self.name, hex()));
        let allowed = self.bytes_max + self.multiple_max * input.len();
        assert!(cost <= allowed, "{}: {} bytes took {cost}: {}", self.name, input.len(), hex());
        outcome
    }
}

impl Outcome {
    /// Short ways are told from one another to the byte, long ones to a quarter of their length.
    pub fn new(kind: &'static str, reached: usize) -> Self {
        let shift = reached.checked_ilog2().unwrap_or(0).saturating_sub(6);
        Self { kind, reached: reached >> shift << shift }
    }
}
