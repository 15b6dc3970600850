//! How many payments are due.

use std::sync::Arc;
use std::time::Duration;

use crate::env::Clock;

/// Payments that are sent together at most.
const BATCH_MAX: u64 = 4096;
/// How long payments gather before they are sent, at a rate.
const TICK: Duration = Duration::from_millis(10);

/// Deals payments out: so many a second, or as fast as they are taken.
pub(in crate::cli) struct Pace {
    clock: Arc<dyn Clock>,
    start: Duration,
    rate: Option<f64>,
    left: Option<u64>,
    dealt: u64,
}

impl Pace {
    /// `rate` payments a second, `count` in all; without a bound where one is not told.
    pub fn new(clock: Arc<dyn Clock>, rate: Option<f64>, count: Option<u64>) -> Self {
        Self { start: clock.monotonic(), clock, rate, left: count, dealt: 0 }
    }

    /// Waits until payments are due; how many, or 0 when all were dealt. Cancel-safe.
    pub async fn due(&mut self) -> u64 {
        let left = self.left.unwrap_or(u64::MAX);
        if left == 0 {
            return 0;
        }
        let due = loop {
            let due = match self.rate {
                None => BATCH_MAX,
                Some(rate) => {
                    let past = self.clock.monotonic().saturating_sub(self.start).as_secs_f64();
                    ((past * rate) as u64).saturating_sub(self.dealt)
                }
            };
            if 0 < due {
                break due.min(BATCH_MAX).min(left);
            }
            self.clock.sleep(TICK).await;
        };
        self.dealt += due;
        self.left = self.left.map(|left| left - due);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SimulatedClock;

    #[tokio::test]
    async fn payments_come_at_their_rate_and_end_at_their_count() {
        let clock = Arc::new(SimulatedClock::new(0));
        let mut pace = Pace::new(clock.clone(), Some(100.0), Some(120));
        clock.advance(Duration::from_millis(500));
        assert_eq!(pace.due().await, 50);
        clock.advance(Duration::from_secs(1));
        assert_eq!(pace.due().await, 70);
        assert_eq!(pace.due().await, 0);
    }

    #[tokio::test]
    async fn without_a_rate_all_are_due_at_once() {
        let mut pace = Pace::new(Arc::new(SimulatedClock::new(0)), None, Some(5000));
        assert_eq!((pace.due().await, pace.due().await, pace.due().await), (4096, 904, 0));
    }
}
