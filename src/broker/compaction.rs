//! Which topics are compacted, when, and how fast.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;

use super::Broker;
use super::BrokerError;
use super::TRANSACTION_STATE;
use super::retention::seal_if_due;
use crate::cluster::CleanupPolicy;
use crate::cluster::TopicConfig;
use crate::cluster::TopicRecord;
use crate::env::Clock;
use crate::log::CompactionReport;
use crate::log::CompactionRequest;
use crate::log::LogError;
use crate::model::TopicPartition;

impl Broker {
    /// Seals what is open for long enough, and compacts what is worth it, once every `interval`, until the broker is closed or
    /// gone. At most about `bytes_per_second` are read and written.
    pub fn keep_compacted(self: &Arc<Self>, interval: Duration, bytes_per_second: u64) {
        let pace = Pace::new(Arc::clone(&self.env.clock), bytes_per_second);
        self.every(interval, move |broker| {
            let pace = pace.clone();
            async move {
                let sealed = broker.seal_old().await;
                broker.compact(&pace).await.and(sealed)
            }
            .boxed()
        });
    }

    /// Compacts every topic that asks for it, as far as it is worth it. One partition's failure keeps no other from it; the
    /// last one is answered, and `compaction_errors` has them all.
    pub(super) async fn compact(&self, pace: &Pace) -> Result<(), BrokerError> {
        let metadata = self.metadata.snapshot();
        let mut outcome = Ok(());
        // A partition that cannot be read now may still need the whole history of its transactions.
        let all_there = self.damaged_partitions().is_empty();
        let compacts = |topic: &&TopicRecord| {
            topic.config.cleanup_policy != CleanupPolicy::Delete && (all_there || topic.name != TRANSACTION_STATE)
        };
        for topic in metadata.topics().filter(compacts) {
            for partition in topic.partition_ids() {
                let (log, mut pace, request) = (Arc::clone(&self.log), pace.clone(), request(&topic.config));
                let (config, now_ms) = (topic.config, self.env.clock.wall_millis());
                let compacted = self.env.threads.blocking(move || {
                    // Only what is sealed is compacted: retention, which seals too, comes by far less often.
                    seal_if_due(&log, partition, &config, now_ms)?;
                    log.compact(partition, request, &mut |bytes| pace.take(bytes))
                });
                let compacted = compacted.await;
                if let Err(error) = self.note_compaction(partition, compacted) {
                    tracing::warn!(topic = topic.name, %partition, %error, "a partition could not be compacted");
                    outcome = Err(error.into());
                }
            }
        }
        outcome
    }

    /// Keeps in mind why a compaction failed, until one does not.
    fn note_compaction(
        &self,
        partition: TopicPartition,
        compacted: Result<Option<CompactionReport>, LogError>,
    ) -> Result<(), LogError> {
        let mut errors = self.compaction_errors.lock();
        match compacted {
            Err(LogError::Closed) => Ok(()),
            // It is made with its first use, or was dropped meanwhile.
            Ok(_) | Err(LogError::UnknownPartition { .. }) => {
                errors.remove(&partition);
                Ok(())
            }
            Err(error) => {
                errors.insert(partition, error.to_string());
                Err(error)
            }
        }
    }
}

/// What the log is asked for on behalf of a topic.
fn request(config: &TopicConfig) -> CompactionRequest {
    CompactionRequest {
        delete_retention_ms: config.compaction.delete_retention_ms,
        dirty_permille_min: u64::from(config.compaction.dirty_permille_min),
        lag_min_ms: config.compaction.lag_min_ms,
        lag_max_ms: config.compaction.lag_max_ms,
    }
}

/// Lets so many bytes pass in a second. Blocks the thread that takes them.
#[derive(Clone)]
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    bytes_per_second: u64,
    taken: u64,
}

impl Pace {
    /// How many bytes pass before it is slept once.
    const STEP: u64 = 4 << 20;

    pub(super) fn new(clock: Arc<dyn Clock>, bytes_per_second: u64) -> Self {
        Self { clock, bytes_per_second: bytes_per_second.max(1), taken: 0 }
    }

    pub(super) fn take(&mut self, bytes: u64) {
        self.taken += bytes;
        if Self::STEP <= self.taken {
            let pause = self.taken as f64 / self.bytes_per_second as f64;
            self.taken = 0;
            block_on(self.clock.sleep(Duration::from_secs_f64(pause)));
        }
    }
}
