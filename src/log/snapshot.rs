//! The snapshot file of a segment: producers, aborted transactions and epochs at its base offset.
//!
//! A cache: if it is missing or torn, the segments before are read again.

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
use super::producers::AbortedTransaction;
use super::producers::Producer;
use super::producers::Producers;
use super::producers::Written;

const VERSION: i16 = 2;

/// The bytes of a snapshot at `offset`.
pub(super) fn encode(offset: Offset, producers: &Producers, epochs: &Epochs) -> Vec<u8> {
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
        writer.array_count(producer.written.len());
        for written in &producer.written {
            writer.i32(written.base_sequence);
            writer.i32(written.last_sequence);
            writer.i64(written.base_offset.0);
            writer.i64(written.next_offset.0);
        }
    }
    writer.finish()
}

/// What stands in those bytes; `None` if they are of another version or offset.
pub(super) fn decode(offset: Offset, bytes: &[u8]) -> Option<(Producers, Epochs)> {
    read(offset, bytes).ok().flatten()
}

fn read(offset: Offset, bytes: &[u8]) -> Result<Option<(Producers, Epochs)>, PrimitiveError> {
    let mut reader = Reader::new(bytes);
    if reader.i16()? != VERSION || reader.i64()? != offset.0 {
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
        let mut written = VecDeque::new();
        for _ in 0..reader.array_count()? {
            written.push_back(Written {
                base_sequence: reader.i32()?,
                last_sequence: reader.i32()?,
                base_offset: Offset(reader.i64()?),
                next_offset: Offset(reader.i64()?),
            });
        }
        known.insert(id, Producer { epoch, coordinator_epoch, open_from, last_offset, written });
    }
    Ok(Some((Producers::from_parts(known, aborted), epochs)))
}
