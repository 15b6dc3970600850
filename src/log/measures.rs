//! What a log tells of itself in numbers.

use std::time::Duration;

use crate::metrics::Counter;
use crate::metrics::Gauge;
use crate::metrics::Histogram;
use crate::metrics::LATENCY_BOUNDS;
use crate::metrics::Metrics;

use super::CompactionReport;
use super::partition::Queued;

/// Batches of a flush group.
const BATCH_BOUNDS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];
/// Bytes of a flush group, from 1 KiB to 64 MiB.
const BYTES_BOUNDS: [f64; 9] =
    [1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0];

/// The instruments of one log directory.
pub(super) struct Measures {
    flush_seconds: Histogram,
    group_batches: Histogram,
    group_bytes: Histogram,
    journal_bytes: Gauge,
    compactions: Counter,
    compaction_failures: Counter,
    compaction_bytes_before: Counter,
    compaction_bytes_after: Counter,
    compaction_keys: Gauge,
    compaction_key_bytes: Gauge,
    scrubbed_segments: Counter,
    scrubbed_bytes: Counter,
    damaged_segments: Gauge,
}

/// What a flush group holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupSize {
    batches: usize,
    bytes: u64,
}

impl GroupSize {
    /// Of entries that are about to be flushed.
    pub(super) fn of(entries: &[Queued]) -> Self {
        let with_bytes = entries.iter().filter(|queued| queued.file.is_some());
        Self { batches: with_bytes.clone().count(), bytes: with_bytes.map(|queued| queued.entry.span).sum() }
    }
}

impl Measures {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.counter(name, help, &[]);
        let gauge = |name, help| metrics.gauge(name, help, &[]);
        let histogram = |name, help, bounds: &[f64]| metrics.histogram(name, help, &[], bounds);
        Self {
            flush_seconds: histogram(
                "tidemill_log_flush_seconds",
                "How long a flush group took to become durable.",
                &LATENCY_BOUNDS,
            ),
            group_batches: histogram("tidemill_log_group_batches", "Batches of a flush group.", &BATCH_BOUNDS),
            group_bytes: histogram("tidemill_log_group_bytes", "Bytes of a flush group's batches.", &BYTES_BOUNDS),
            journal_bytes: gauge("tidemill_log_journal_bytes", "Bytes of the journal's newest file."),
            compactions: counter("tidemill_log_compactions_total", "Compactions that had something to do."),
            compaction_failures: counter("tidemill_log_compaction_failures_total", "Compactions that failed."),
            compaction_bytes_before: counter(
                "tidemill_log_compaction_read_bytes_total",
                "Bytes of segments that compactions wrote again.",
            ),
            compaction_bytes_after: counter(
                "tidemill_log_compaction_written_bytes_total",
                "Bytes of the segments that took their place.",
            ),
            compaction_keys: gauge("tidemill_log_compaction_keys", "Keys that the last compaction remembered."),
            compaction_key_bytes: gauge("tidemill_log_compaction_key_bytes", "Bytes that those keys took."),
            scrubbed_segments: counter(
                "tidemill_log_scrubbed_segments_total",
                "Segments checked against their hashes.",
            ),
            scrubbed_bytes: counter("tidemill_log_scrubbed_bytes_total", "Bytes checked against their hashes."),
            damaged_segments: gauge("tidemill_log_damaged_segments", "Segments whose last check found damage."),
        }
    }

    pub(super) fn flushed(&self, took: Duration, size: GroupSize, journal_bytes: u64) {
        self.flush_seconds.observe(took);
        self.group_batches.observe_value(size.batches as f64);
        self.group_bytes.observe_value(size.bytes as f64);
        self.journal_bytes.set(i64::try_from(journal_bytes).unwrap_or(i64::MAX));
    }

    pub(super) fn compacted(&self, report: &CompactionReport) {
        self.compactions.add(1);
        self.compaction_bytes_before.add(report.bytes_before);
        self.compaction_bytes_after.add(report.bytes_after);
    }

    pub(super) fn compaction_failed(&self) {
        self.compaction_failures.add(1);
    }

    pub(super) fn compaction_keys(&self, keys: usize, bytes: usize) {
        self.compaction_key_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.compaction_keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
    }

    pub(super) fn scrubbed(&self, bytes: u64) {
        self.scrubbed_segments.add(1);
        self.scrubbed_bytes.add(bytes);
    }

    pub(super) fn damaged_segments(&self, count: usize) {
        self.damaged_segments.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
