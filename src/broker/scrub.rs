//! Sealed segments are read over and over, slowly, so that damage is known before a reader meets it.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;

use super::Broker;
use super::BrokerError;
use super::compaction::Pace;
use crate::log::LogError;

/// How long it waits while the log has much to flush.
const PAUSE: Duration = Duration::from_millis(100);

impl Broker {
    /// Checks every sealed segment once in `period`, looking for those that are due once every `interval`, until the broker is closed
    /// or gone. At most about `bytes_per_second` are read; while the log is busy, nothing is.
    pub fn keep_scrubbed(self: &Arc<Self>, interval: Duration, period: Duration, bytes_per_second: u64) {
        let pace = Pace::new(Arc::clone(&self.env.clock), bytes_per_second);
        self.every(interval, move |broker| {
            let pace = pace.clone();
            async move { broker.scrub(period, &pace).await }.boxed()
        });
    }

    /// Checks the segments that were not within `period`. What is found is told by `segments`, and ends nothing.
    pub(super) async fn scrub(&self, period: Duration, pace: &Pace) -> Result<(), BrokerError> {
        let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
        let before_ms = self.env.clock.wall_millis().saturating_sub(period_ms);
        let mut outcome = Ok(());
        for partition in self.log.partitions() {
            let (log, mut pace, clock) = (Arc::clone(&self.log), pace.clone(), Arc::clone(&self.env.clock));
            let scrubbed = self.env.threads.blocking(move || {
                log.scrub(partition, before_ms, &mut |bytes| {
                    while log.is_busy() {
                        block_on(clock.sleep(PAUSE));
                    }
                    pace.take(bytes);
                })
            });
            match scrubbed.await {
                // It was dropped meanwhile.
                Ok(_) | Err(LogError::UnknownPartition { .. }) => {}
                Err(error) => outcome = Err(error.into()),
            }
        }
        self.log.count_damaged_segments();
        outcome
    }
}
