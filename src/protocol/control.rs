//! Control batches: the markers that end a transaction in a partition, and marks of event time.
//!
//! Clients skip control records, those of types that they do not know as well.

use crate::model::ProducerEpoch;
use crate::model::ProducerId;

use super::Batch;
use super::BatchBuilder;
use super::BatchError;
use super::ProducerStamp;
use super::Transactional;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlMarker {
    /// Its records are never to be read.
    Abort,
    /// Its records are there.
    Commit,
}

impl ControlMarker {
    /// The marker in the key of a control record: version i16, type i16.
    pub(super) fn from_key(key: &[u8]) -> Option<Self> {
        let [_, _, high, low] = *key.first_chunk::<4>()?;
        match i16::from_be_bytes([high, low]) {
            0 => Some(ControlMarker::Abort),
            1 => Some(ControlMarker::Commit),
            _ => None,
        }
    }

    fn key(self) -> [u8; 4] {
        match self {
            ControlMarker::Abort => [0, 0, 0, 0],
            ControlMarker::Commit => [0, 0, 0, 1],
        }
    }
}

/// The type of a mark in a control record's key: "TM". Kafka has given out 0 to 6.
const MARK: i16 = i16::from_be_bytes(*b"TM");

/// What a control batch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// It ends a transaction.
    End(ControlMarker),
    /// It belongs to a transaction and says how far a writer of the partition has come in event time.
    Mark(Vec<u8>),
}

impl Control {
    /// What a control record says.
    pub(super) fn from_record(key: &[u8], value: &[u8]) -> Result<Self, BatchError> {
        if let Some(marker) = ControlMarker::from_key(key) {
            return Ok(Control::End(marker));
        }
        let is_mark = key.len() == 4 && key[..2] == [0, 0] && key[2..] == MARK.to_be_bytes();
        if is_mark { Ok(Control::Mark(value.to_vec())) } else { Err(BatchError::ControlMarker) }
    }
}

/// A batch with a mark, to be stamped with the producer whose transaction it belongs to.
pub fn mark_batch(value: &[u8], timestamp_ms: i64) -> BatchBuilder {
    let [high, low] = MARK.to_be_bytes();
    let mut builder = BatchBuilder::new().control();
    builder.append(timestamp_ms, Some(&[0, 0, high, low]), Some(value), &[]);
    builder
}

/// The batch that ends `producer`'s transaction in a partition.
pub fn control_batch(
    marker: ControlMarker,
    id: ProducerId,
    epoch: ProducerEpoch,
    coordinator_epoch: i32,
    timestamp_ms: i64,
) -> Batch {
    let stamp = ProducerStamp { id, epoch, base_sequence: -1 };
    let mut builder = BatchBuilder::new().producer(stamp, Transactional::Yes).control();
    let mut value = [0; 6];
    value[2..].copy_from_slice(&coordinator_epoch.to_be_bytes());
    builder.append(timestamp_ms, Some(&marker.key()), Some(&value), &[]);
    builder.finish()
}
