//! The bytes of a checkpoint: see `checkpoint`.

use std::collections::HashMap;
use std::collections::VecDeque;

use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::PrimitiveError;
use crate::protocol::Reader;
use crate::protocol::Writer;

use super::epochs::Epochs;
use super::index::Decoded;
use super::index::Index;
use super::producers::AbortedTransaction;
use super::producers::Producer;
use super::producers::Producers;
use super::producers::Written;
use super::segment::Segment;

const VERSION: i16 = 4;
/// The oldest version that is read; it had no times of producers.
const VERSION_MIN: i16 = 3;

/// What a checkpoint tells.
#[derive(Default)]
pub(super) struct Snapshot {
    pub(super) producers: Producers,
    pub(super) epochs: Epochs,
    /// The segment in which its offset lies, if there is something of it before the offset.
    pub(super) within: Option<Within>,
}

/// The way to a checkpoint within a segment.
pub(super) struct Within {
    pub(super) segment_base: Offset,
    /// Of the batches before the checkpoint.
    pub(super) index: Index,
    /// Bytes of the segment before it.
    pub(super) position: u64,
}

/// The bytes of a checkpoint at `offset`, up to which `within` reaches, if it is not the start of a segment.
pub(super) fn encode(offset: Offset, producers: &Producers, epochs: &Epochs, within: Option<&Segment>) -> Vec<u8> {
    let (known, aborted) = producers.parts();
    let mut writer = Writer::new();
    writer.i16(VERSION);
    writer.i64(offset.0);
    writer.array_count(epochs.starts().len());
    for (epoch, start) in epochs.starts() {
        writer.i32(epoch.0);
        writer.i64(start.0);
    }
    writer.array_count(aborted.len());
    for transaction in aborted {
        writer.i64(transaction.producer_id.0);
        writer.i64(transaction.first_offset.0);
        writer.i64(transaction.last_offset.0);
    }
    writer.array_count(known.len());
    for (id, producer) in known {
        writer.i64(id.0);
        writer.i16(producer.epoch.0);
        writer.i32(producer.coordinator_epoch);
        writer.i64(producer.open_from.map_or(-1, |offset| offset.0));
        writer.i64(producer.last_offset.0);
        writer.i64(producer.last_timestamp_ms);
        writer.array_count(producer.written.len());
        for written in &producer.written {
            writer.i32(written.base_sequence);
            writer.i32(written.last_sequence);
            writer.i64(written.base_offset.0);
            writer.i64(written.next_offset.0);
        }
    }
    writer.array_count(usize::from(within.is_some()));
    if let Some(segment) = within {
        writer.i64(segment.base.0);
        writer.bytes(&segment.index.encode(offset, segment.length, segment.appended_at_ms));
    }
    writer.finish()
}

/// What stands in those bytes; `None` if they are of another version or offset.
pub(super) fn decode(offset: Offset, bytes: &[u8]) -> Option<Snapshot> {
    read(offset, bytes).ok().flatten()
}

fn read(offset: Offset, bytes: &[u8]) -> Result<Option<Snapshot>, PrimitiveError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if !(VERSION_MIN..=VERSION).contains(&version) || reader.i64()? != offset.0 {
        return Ok(None);
    }
    let mut epochs = Epochs::default();
    for _ in 0..reader.array_count()? {
        epochs.add(LeaderEpoch(reader.i32()?), Offset(reader.i64()?));
    }
    let mut aborted = Vec::new();
    for _ in 0..reader.array_count()? {
        aborted.push(AbortedTransaction {
            producer_id: ProducerId(reader.i64()?),
            first_offset: Offset(reader.i64()?),
            last_offset: Offset(reader.i64()?),
        });
    }
    let mut known = HashMap::new();
    for _ in 0..reader.array_count()? {
        let id = ProducerId(reader.i64()?);
        let epoch = ProducerEpoch(reader.i16()?);
        let coordinator_epoch = reader.i32()?;
        let open_from = Some(reader.i64()?).filter(|offset| 0 <= *offset).map(Offset);
        let last_offset = Offset(reader.i64()?);
        let last_timestamp_ms = if version == VERSION { reader.i64()? } else { -1 };
        let mut written = VecDeque::new();
        for _ in 0..reader.array_count()? {
            written.push_back(Written {
                base_sequence: reader.i32()?,
                last_sequence: reader.i32()?,
                base_offset: Offset(reader.i64()?),
                next_offset: Offset(reader.i64()?),
            });
        }
        known.insert(id, Producer { epoch, coordinator_epoch, open_from, last_offset, last_timestamp_ms, written });
    }
    let mut within = None;
    for _ in 0..reader.array_count()? {
        let segment_base = Offset(reader.i64()?);
        let Some(Decoded { index, length: position, .. }) = Index::decode(reader.bytes()?) else { return Ok(None) };
        within = Some(Within { segment_base, index, position });
    }
    Ok(Some(Snapshot { producers: Producers::from_parts(known, aborted), epochs, within }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_of_the_version_before_has_producers_without_times() {
        let producer = Producer {
            epoch: ProducerEpoch(2),
            coordinator_epoch: 3,
            open_from: Some(Offset(4)),
            last_offset: Offset(5),
            last_timestamp_ms: 6,
            written: VecDeque::new(),
        };
        let of =
            |producer: &Producer| Producers::from_parts(HashMap::from([(ProducerId(1), producer.clone())]), vec![]);
        let mut bytes = encode(Offset(7), &of(&producer), &Epochs::default(), None);
        let read = |bytes: &[u8]| decode(Offset(7), bytes).map(|snapshot| snapshot.producers);
        assert_eq!(read(&bytes), Some(of(&producer)));
        bytes[1] = 5;
        assert_eq!(read(&bytes), None, "of a version to come");
        // Version, offset, three counts, and the producer's fields before its time.
        let time = 2 + 8 + 3 * 4 + 8 + 2 + 4 + 8 + 8;
        bytes.drain(time..time + 8);
        bytes[1] = 3;
        assert_eq!(read(&bytes), Some(of(&Producer { last_timestamp_ms: -1, ..producer })));
    }
}
