//! Records on their way into a commit: without producer, epoch and sequence, which only the committer knows.

use std::ops::Range;

use super::BrokerError;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;

/// Records for one partition, in order, kept in one allocation.
///
/// They become one or more log batches, each within the topic's limit, every time a commit is tried.
#[derive(Debug, Clone, Default)]
pub struct PendingBatch {
    bytes: Vec<u8>,
    records: Vec<PendingRecord>,
}

#[derive(Debug, Clone)]
struct PendingRecord {
    timestamp: i64,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Vec<(Range<usize>, Option<Range<usize>>)>,
}

/// A record that no batch of the topic may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordTooLarge {
    /// Bytes of a batch with this record alone.
    pub size: usize,
}

impl RecordTooLarge {
    pub(super) fn refused(self, partition: TopicPartition, limit: usize) -> BrokerError {
        BrokerError::MessageTooLarge { partition, size: self.size, limit }
    }
}

/// Bytes of a record's own fields that are not key, value or headers, at most; with room for seven varints.
const RECORD_OVERHEAD_MAX: usize = 40;
const HEADER_OVERHEAD_MAX: usize = 10;

impl PendingBatch {
    /// No records yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record with its time in ms since 1970-01-01 UTC.
    pub fn append(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) {
        let key = key.map(|key| self.keep(key));
        let value = value.map(|value| self.keep(value));
        let headers =
            headers.iter().map(|(name, value)| (self.keep(name), value.map(|value| self.keep(value)))).collect();
        self.records.push(PendingRecord { timestamp: timestamp_ms, key, value, headers });
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of keys, values and headers.
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The records as batches of at most `batch_bytes_max`, in order.
    pub(super) fn batches(&self, batch_bytes_max: usize) -> Result<Vec<BatchBuilder>, RecordTooLarge> {
        let mut batches = Vec::new();
        let mut builder = BatchBuilder::new();
        for record in &self.records {
            if !builder.is_empty() && batch_bytes_max < builder.size_in_bytes() + self.size_max(record) {
                batches.push(std::mem::take(&mut builder));
            }
            let headers: Vec<_> = record
                .headers
                .iter()
                .map(|(name, value)| (&self.bytes[name.clone()], value.clone().map(|value| &self.bytes[value])))
                .collect();
            let key = record.key.clone().map(|key| &self.bytes[key]);
            let value = record.value.clone().map(|value| &self.bytes[value]);
            builder.append(record.timestamp, key, value, &headers);
            if batch_bytes_max < builder.size_in_bytes() {
                return Err(RecordTooLarge { size: builder.size_in_bytes() });
            }
        }
        if !builder.is_empty() {
            batches.push(builder);
        }
        Ok(batches)
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn size_max(&self, record: &PendingRecord) -> usize {
        let of = |field: &Option<Range<usize>>| field.as_ref().map_or(0, |field| field.len());
        let headers =
            record.headers.iter().map(|(name, value)| name.len() + of(value) + HEADER_OVERHEAD_MAX).sum::<usize>();
        of(&record.key) + of(&record.value) + headers + RECORD_OVERHEAD_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_order_over_batches_within_the_limit() {
        let mut pending = PendingBatch::new();
        for number in 0..100u8 {
            pending.append(i64::from(number), Some(&[number]), Some(&[number; 50]), &[(b"h", None)]);
        }
        let batches = pending.batches(1000).expect("each record fits");
        assert!(1 < batches.len());
        let mut seen = Vec::new();
        for batch in batches {
            let batch = batch.finish();
            assert!(batch.size_in_bytes() <= 1000);
            for record in batch.payload().expect("uncompressed").records() {
                let record = record.expect("well formed");
                assert_eq!(record.headers.len(), 1);
                seen.push(record.key.map(|key| key[0]));
            }
        }
        assert_eq!(seen, (0..100).map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn record_over_the_limit_is_refused() {
        let mut pending = PendingBatch::new();
        pending.append(0, None, Some(&[0; 2000]), &[]);
        assert!(matches!(pending.batches(1000), Err(RecordTooLarge { size }) if 2000 < size));
    }
}
