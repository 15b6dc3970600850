//! Retention: whole segments go when all in them is too old, or when the partition holds too much without them.
//!
//! Age counts from the append: a history that is loaded today is kept as long as what happens today. A record's own time
//! counts only so far as it lies behind the append, so that no date in the future keeps a segment for ever.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::Broker;
use super::BrokerError;
use crate::cluster::CleanupPolicy;
use crate::cluster::TopicConfig;
use crate::log::LogDir;
use crate::log::LogError;
use crate::log::SegmentDescription;
use crate::model::Offset;
use crate::model::TopicPartition;

/// How far behind its append a record's time counts, Kafka's `message.timestamp.after.max.ms`.
const FUTURE_MS: i64 = 60 * 60 * 1000;

impl Broker {
    /// Drops what every topic's retention says, once every `interval`, until the broker is closed or gone.
    pub fn keep_retention(self: &Arc<Self>, interval: Duration) {
        self.every(interval, |broker| async move { broker.retain().await }.boxed());
    }

    /// Drops what every topic's retention says now. One partition's failure does not keep the others from it; the
    /// last one is answered.
    pub(super) async fn retain(&self) -> Result<(), BrokerError> {
        let metadata = self.metadata.snapshot();
        let mut outcome = Ok(());
        for topic in metadata.topics().filter(|topic| drops(&topic.config)) {
            for partition in topic.partition_ids() {
                let (log, config, now_ms) = (Arc::clone(&self.log), topic.config, self.env.clock.wall_millis());
                let kept = self.env.threads.blocking(move || retain_partition(&log, partition, &config, now_ms)).await;
                match kept {
                    // It is made with its first use, or was dropped meanwhile.
                    Ok(()) | Err(LogError::UnknownPartition { .. }) => {}
                    Err(error) => outcome = Err(error.into()),
                }
            }
        }
        outcome
    }

    /// Seals the last segments of topics that are not compacted, where their time has come: retention, which seals too, comes
    /// by far less often than some of them are told to.
    pub(super) async fn seal_old(&self) -> Result<(), BrokerError> {
        let (log, metadata, now_ms) = (Arc::clone(&self.log), self.metadata.snapshot(), self.env.clock.wall_millis());
        let sealed = self.env.threads.blocking(move || {
            let mut outcome = Ok(());
            let ages =
                |config: &TopicConfig| config.cleanup_policy == CleanupPolicy::Delete && config.segment_ms.is_some();
            for topic in metadata.topics().filter(|topic| ages(&topic.config)) {
                for partition in topic.partition_ids() {
                    match seal_if_due(&log, partition, &topic.config, now_ms) {
                        Ok(()) | Err(LogError::UnknownPartition { .. }) => {}
                        Err(error) => outcome = Err(error),
                    }
                }
            }
            outcome
        });
        sealed.await?;
        Ok(())
    }
}

/// Whether anything is ever dropped or a segment begun for its age.
fn drops(config: &TopicConfig) -> bool {
    match config.cleanup_policy {
        CleanupPolicy::Delete | CleanupPolicy::CompactDelete => true,
        CleanupPolicy::Compact => config.segment_ms.is_some() || config.compaction.lag_max_ms.is_some(),
    }
}

fn retain_partition(
    log: &LogDir,
    partition: TopicPartition,
    config: &TopicConfig,
    now_ms: i64,
) -> Result<(), LogError> {
    seal_if_due(log, partition, config, now_ms)?;
    let segments = log.segments(partition)?;
    let Some(start) = first_kept(config, &segments, now_ms) else { return Ok(()) };
    let ends = log.ends(partition)?;
    let start = start.min(ends.high_watermark);
    if ends.log_start_offset < start {
        tracing::info!(%partition, from = %ends.log_start_offset, upto = %start, "retention drops records");
        log.advance_log_start(partition, start)?;
    }
    Ok(())
}

/// Seals the last segment if its time has come.
pub(super) fn seal_if_due(
    log: &LogDir,
    partition: TopicPartition,
    config: &TopicConfig,
    now_ms: i64,
) -> Result<(), LogError> {
    match rolls(config, &log.segments(partition)?, now_ms) {
        true => log.roll(partition),
        false => Ok(()),
    }
}

/// Whether the last segment is to be sealed: it is open for long enough, or nothing in it is kept any longer.
fn rolls(config: &TopicConfig, segments: &[SegmentDescription], now_ms: i64) -> bool {
    let Some(last) = segments.last().filter(|last| !last.is_empty()) else { return false };
    let open_for = now_ms.saturating_sub(last.begun_at_ms);
    let is_old = |age_max_ms: Option<i64>| age_max_ms.is_some_and(|age_max_ms| age_max_ms <= open_for);
    // Only what is sealed can be compacted.
    let is_due = config.cleanup_policy != CleanupPolicy::Delete && is_old(config.compaction.lag_max_ms);
    is_old(config.segment_ms) || is_due || expired(config, last, now_ms)
}

/// The offset before which everything is to go; `None` if nothing is.
fn first_kept(config: &TopicConfig, segments: &[SegmentDescription], now_ms: i64) -> Option<Offset> {
    if config.cleanup_policy == CleanupPolicy::Compact {
        return None;
    }
    let mut left = segments.iter().map(|segment| segment.size_in_bytes).sum::<u64>();
    let mut start = None;
    for segment in segments.iter().filter(|segment| segment.sealed) {
        left -= segment.size_in_bytes;
        let too_much = config.retention_bytes.is_some_and(|bytes| bytes <= left);
        if !too_much && !expired(config, segment, now_ms) {
            break;
        }
        start = Some(segment.next_offset);
    }
    start
}

fn expired(config: &TopicConfig, segment: &SegmentDescription, now_ms: i64) -> bool {
    if config.cleanup_policy == CleanupPolicy::Compact {
        return false;
    }
    let (Some(retention_ms), Some(newest)) = (config.retention_ms, segment.max_timestamp) else { return false };
    let newest = newest.0.min(segment.appended_at_ms.saturating_add(FUTURE_MS)).max(segment.appended_at_ms);
    retention_ms < now_ms.saturating_sub(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventTime;

    /// A segment of 10 records and 100 bytes, appended and dated at `at_ms`.
    fn segment(number: i64, at_ms: i64, sealed: bool) -> SegmentDescription {
        SegmentDescription {
            base_offset: Offset(number * 10),
            next_offset: Offset(number * 10 + 10),
            size_in_bytes: 100,
            max_timestamp: Some(EventTime(at_ms)),
            appended_at_ms: at_ms,
            begun_at_ms: at_ms,
            sealed,
            check: None,
        }
    }

    fn config(retention_ms: Option<i64>, retention_bytes: Option<u64>) -> TopicConfig {
        TopicConfig { retention_ms, retention_bytes, segment_ms: Some(1_000_000), ..TopicConfig::default() }
    }

    #[test]
    fn what_is_too_old_goes_segment_by_segment() {
        let segments = [segment(0, 1_000, true), segment(1, 2_000, true), segment(2, 3_000, false)];
        let kept = |now_ms| first_kept(&config(Some(5_000), None), &segments, now_ms);
        assert_eq!(kept(6_000), None);
        assert_eq!(kept(6_001), Some(Offset(10)));
        assert_eq!(kept(7_001), Some(Offset(20)));
        assert_eq!(kept(i64::MAX), Some(Offset(20)), "the last segment is sealed before it goes");
        assert!(!rolls(&config(Some(5_000), None), &segments, 8_000));
        assert!(rolls(&config(Some(5_000), None), &segments, 8_001));
        assert!(rolls(&config(None, None), &segments, 1_003_000), "segment_ms");
    }

    #[test]
    fn an_old_segment_behind_a_younger_one_stays() {
        let segments = [segment(0, 9_000, true), segment(1, 1_000, true), segment(2, 9_000, false)];
        assert_eq!(first_kept(&config(Some(5_000), None), &segments, 10_000), None);
    }

    #[test]
    fn what_is_too_much_goes_and_never_less_than_was_asked_for_stays() {
        let segments = [segment(0, 0, true), segment(1, 0, true), segment(2, 0, false)];
        let kept = |bytes| first_kept(&config(None, Some(bytes)), &segments, 0);
        assert_eq!(kept(300), None);
        assert_eq!(kept(201), None);
        assert_eq!(kept(200), Some(Offset(10)));
        assert_eq!(kept(0), Some(Offset(20)));
    }

    #[test]
    fn history_counts_from_its_append_and_the_future_for_an_hour() {
        let loaded = SegmentDescription { max_timestamp: Some(EventTime(-1_000)), ..segment(0, 1_000, true) };
        assert!(!expired(&config(Some(5_000), None), &loaded, 6_000));
        let dated_2099 = SegmentDescription { max_timestamp: Some(EventTime(4_070_908_800_000)), ..loaded };
        assert!(!expired(&config(Some(5_000), None), &dated_2099, 1_000 + FUTURE_MS + 5_000));
        assert!(expired(&config(Some(5_000), None), &dated_2099, 1_000 + FUTURE_MS + 5_001));
    }

    #[test]
    fn a_compacted_topic_is_never_dropped() {
        let compacted = TopicConfig { cleanup_policy: CleanupPolicy::Compact, ..config(Some(1), Some(0)) };
        assert_eq!(first_kept(&compacted, &[segment(0, 0, true), segment(1, 0, false)], i64::MAX), None);
        assert!(!rolls(&compacted, &[segment(0, 0, false)], 10));
    }
}
