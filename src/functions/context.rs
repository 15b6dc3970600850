//! What a function may know beside its arguments: the time, a seed, a time zone.
//!
//! It travels as a value in DataFusion's `ConfigOptions` extensions. The cut's time is a cell, since an operator's
//! expressions are made once and outlive many cuts.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use datafusion::common::config::ConfigEntry;
use datafusion::common::config::ConfigExtension;
use datafusion::common::config::ConfigOptions;
use datafusion::common::config::ExtensionOptions;
use datafusion::error::DataFusionError;

use crate::error::Error;

/// The time of the cut that a standing query works on, shared by its expressions.
#[derive(Debug, Clone)]
pub struct CutTime(Arc<AtomicI64>);

const NO_CUT: i64 = i64::MIN;

impl Default for CutTime {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(NO_CUT)))
    }
}

impl CutTime {
    /// Sets the time, microseconds since 1970-01-01 UTC; never below an earlier cut's.
    pub fn set(&self, micros: i64) {
        self.0.fetch_max(micros, Ordering::Relaxed);
    }

    /// The time, `None` outside of standing queries.
    pub fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|micros| *micros != NO_CUT)
    }
}

/// What functions see of the statement that calls them.
#[derive(Debug, Clone)]
pub struct Context {
    /// When the statement began, microseconds since 1970-01-01 UTC.
    pub clock_micros: i64,
    /// The time of the cut, in a standing query.
    pub cut_time: CutTime,
    /// Where chance begins.
    pub seed: u64,
    /// The session's time zone, a name of the tz database or an offset.
    pub time_zone: String,
    drawn: Arc<AtomicU64>,
}

impl Context {
    /// The context of a statement.
    pub fn new(clock_micros: i64, seed: u64, time_zone: impl Into<String>) -> Self {
        Self {
            clock_micros,
            cut_time: CutTime::default(),
            seed,
            time_zone: time_zone.into(),
            drawn: Arc::new(AtomicU64::new(0)),
        }
    }

    /// What `now()` answers.
    pub fn now_micros(&self) -> i64 {
        self.cut_time.get().unwrap_or(self.clock_micros)
    }

    /// The next 64 bits of chance: SplitMix64 of the seed and of how many were drawn.
    pub fn draw(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut mixed = self.seed.wrapping_add(drawn.wrapping_mul(GAMMA));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The context that was put into `options`; its absence is our bug.
    pub(super) fn of(options: &ConfigOptions) -> Result<&Self, DataFusionError> {
        options
            .extensions
            .get::<Context>()
            .ok_or_else(|| DataFusionError::External(Box::new(Error::internal("a plan without a functions::Context"))))
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new(0, 0, "UTC")
    }
}

impl ConfigExtension for Context {
    const PREFIX: &'static str = "tidemill";
}

impl ExtensionOptions for Context {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> datafusion::error::Result<()> {
        Err(DataFusionError::External(Box::new(Error::internal(format!("tidemill.{key} is not set by name")))))
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_cut_wins_and_never_goes_back() {
        let context = Context::new(5, 1, "UTC");
        assert_eq!(context.now_micros(), 5);
        let clone = context.clone();
        context.cut_time.set(20);
        context.cut_time.set(10);
        assert_eq!(clone.now_micros(), 20);
    }

    #[test]
    fn one_seed_draws_one_sequence() {
        let draws = |seed| {
            let context = Context::new(0, seed, "UTC");
            (0..4).map(|_| context.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn options_carry_the_context() {
        let mut options = ConfigOptions::default();
        assert!(Context::of(&options).is_err());
        options.extensions.insert(Context::new(9, 0, "UTC"));
        assert_eq!(Context::of(&options).map(Context::now_micros).ok(), Some(9));
    }
}
