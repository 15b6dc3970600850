//! Records and marks on their way into a commit: without producer, epoch and sequence, which only the committer knows.

use std::ops::Range;

use super::BrokerError;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;
use crate::protocol::mark_batch;

/// Records for one partition, in order, kept in one allocation.
///
/// They become one or more log batches, each within the topic's limit, every time a commit is tried.
#[derive(Debug, Clone, Default)]
pub struct PendingBatch {
    bytes: Vec<u8>,
    records: Vec<PendingRecord>,
    /// Each with the number of records that stand before it.
    marks: Vec<(usize, Range<usize>)>,
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

    /// Adds a mark behind the first `before` records. Marks are added in their order.
    ///
    /// A mark that no batch of the topic may hold is left out when the batches are made: it is worth less than the records.
    pub fn mark(&mut self, before: usize, value: &[u8]) {
        let last = self.marks.last().map_or(0, |(last, _)| *last);
        assert!(last <= before && before <= self.records.len(), "a mark behind record {before}");
        let value = self.keep(value);
        self.marks.push((before, value));
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is neither a record nor a mark.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.marks.is_empty()
    }

    /// Bytes of keys, values, headers and marks.
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The records as batches of at most `batch_bytes_max`, in order, and each mark as a batch of its own at `now_ms`.
    pub(super) fn batches(&self, batch_bytes_max: usize, now_ms: i64) -> Result<Vec<BatchBuilder>, RecordTooLarge> {
        let mut batches = Vec::new();
        let mut builder = BatchBuilder::new();
        let mut marks = self.marks.iter().peekable();
        let mut marks_before = |record: usize, builder: &mut BatchBuilder, batches: &mut Vec<BatchBuilder>| {
            while let Some((_, value)) = marks.next_if(|(before, _)| *before <= record) {
                if !builder.is_empty() {
                    batches.push(std::mem::take(builder));
                }
                let mark = mark_batch(&self.bytes[value.clone()], now_ms);
                batches.extend((mark.size_in_bytes() <= batch_bytes_max).then_some(mark));
            }
        };
        for (number, record) in self.records.iter().enumerate() {
            marks_before(number, &mut builder, &mut batches);
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
        marks_before(self.records.len(), &mut builder, &mut batches);
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
    use crate::protocol::Control;

    #[test]
    fn records_keep_their_order_over_batches_within_the_limit() {
        let mut pending = PendingBatch::new();
        for number in 0..100u8 {
            pending.append(i64::from(number), Some(&[number]), Some(&[number; 50]), &[(b"h", None)]);
        }
        let batches = pending.batches(1000, 0).expect("each record fits");
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
    fn a_mark_stands_between_the_records_where_it_was_put_and_one_over_the_limit_goes() {
        let mut pending = PendingBatch::new();
        (0..3).for_each(|number| pending.append(number, None, Some(b"row"), &[]));
        pending.mark(0, b"first");
        pending.mark(2, &[0; 2000]);
        pending.mark(2, b"second");
        pending.mark(3, b"last");
        let batches = pending.batches(1000, 7).expect("each record fits");
        let shape: Vec<(bool, usize)> = batches.iter().map(|batch| (batch.is_control(), batch.len())).collect();
        assert_eq!(shape, [(true, 1), (false, 2), (true, 1), (false, 1), (true, 1)]);
        let mark = batches[2].clone().finish();
        assert_eq!(mark.control(), Ok(Some(Control::Mark(b"second".to_vec()))));
        assert_eq!(mark.header().max_timestamp, 7);
    }

    #[test]
    fn record_over_the_limit_is_refused() {
        let mut pending = PendingBatch::new();
        pending.append(0, None, Some(&[0; 2000]), &[]);
        assert!(matches!(pending.batches(1000, 0), Err(RecordTooLarge { size }) if 2000 < size));
    }
}
