//! Control batches: the markers that end a transaction in a partition.

use crate::model::ProducerEpoch;
use crate::model::ProducerId;

use super::Batch;
use super::BatchBuilder;
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
