//! What compaction makes of a batch: fewer records at the offsets that they had, or none at all.

use super::Batch;
use super::BatchError;
use super::BatchHeader;
use super::Codec;
use super::Payload;
use super::Record;
use super::builder;
use super::compression;
use super::header::HEADER_SIZE;
use crate::model::LeaderEpoch;
use crate::model::Offset;

use bytes::BytesMut;

/// How a batch is to be written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retain {
    /// Its transaction is committed and its marker goes: its records stand for themselves.
    pub end_transaction: bool,
    /// When (wall clock, ms) its tombstones may go, if that was not said before.
    pub delete_horizon_ms: Option<i64>,
}

impl Batch {
    /// When (wall clock, ms) the batch's tombstones may go, if a compaction has said so.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.header().attributes.has_delete_horizon().then_some(self.header().base_timestamp)
    }

    /// The batch with those of its records that `keep` wants, which may be none. Its offsets, its producer, its codec and
    /// the records' times stay as they are. `payload` is the batch's own.
    pub fn retain(
        &self,
        payload: &Payload<'_>,
        keep: impl Fn(&Record<'_>) -> bool,
        how: Retain,
    ) -> Result<Batch, BatchError> {
        let mut header = *self.header();
        if how.end_transaction {
            header.attributes = header.attributes.not_transactional();
        }
        if let (Some(horizon), None) = (how.delete_horizon_ms, self.delete_horizon_ms()) {
            header.attributes = header.attributes.with_delete_horizon();
            header.base_timestamp = horizon;
        }
        let mut records = BytesMut::new();
        header.record_count = 0;
        for record in payload.records() {
            let record = record?;
            if !keep(&record) {
                continue;
            }
            let timestamp_delta = record.timestamp.wrapping_sub(header.base_timestamp);
            let offset_delta = record.offset.0 - header.base_offset;
            let headers: Vec<_> = record.headers.collect();
            builder::write_record(&mut records, timestamp_delta, offset_delta, record.key, record.value, &headers);
            header.record_count += 1;
        }
        let packed = match header.attributes.codec() {
            _ if header.record_count == 0 => {
                header.attributes = header.attributes.with_codec(Codec::None);
                Vec::new()
            }
            codec => {
                compression::compress(codec.into(), &records).expect("a payload was unpacked, so its codec is known")
            }
        };
        let mut bytes = BytesMut::zeroed(HEADER_SIZE);
        bytes.extend_from_slice(&packed);
        Ok(Batch::seal(header, bytes))
    }

    /// A batch without records that stands for the offsets from `first` to `last`.
    pub fn filler(first: Offset, last: Offset, leader_epoch: LeaderEpoch) -> Batch {
        let header = BatchHeader {
            base_offset: first.0,
            batch_length: 0,
            leader_epoch: leader_epoch.0,
            attributes: Default::default(),
            last_offset_delta: i32::try_from(last.0 - first.0).expect("a segment's offsets lie near each other"),
            base_timestamp: -1,
            max_timestamp: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 0,
            crc: 0,
        };
        Batch::seal(header, BytesMut::zeroed(HEADER_SIZE))
    }
}
