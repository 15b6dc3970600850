//! The records of `__transaction_state`: Kafka's TransactionLog (key 0, value 1).
//!
//! Two tagged fields are ours, and Kafka's readers pass over them: the commit number, and the epoch of the transaction that a
//! state ends.

use std::collections::BTreeMap;

use super::CoordinatorRecord;
use super::client_transaction::Stamp;
use super::tags::for_each_tag;
use crate::broker::TransactionVersion;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::PrimitiveError;
use crate::protocol::Reader;
use crate::protocol::Writer;

const KEY_VERSION: i16 = 0;
const VALUE_VERSION: i16 = 1;
const TAG_PREVIOUS_PRODUCER_ID: u32 = 0;
const TAG_NEXT_PRODUCER_ID: u32 = 1;
const TAG_CLIENT_VERSION: u32 = 2;
const TAG_COMMIT_NUMBER: u32 = 1000;
const TAG_ENDED_EPOCH: u32 = 1001;
/// How Kafka numbers `TransactionVersion::Two`.
const CLIENT_VERSION_TWO: i16 = 2;
/// A committer's transaction lasts one commit; nobody else may end it, so the longest timeout stands in its records.
pub(in crate::broker) const COMMITTER_TIMEOUT_MS: i32 = i32::MAX;

/// How far a transaction is; the numbers are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker) enum Status {
    /// A producer without a transaction.
    Empty,
    /// Appending.
    Ongoing,
    /// Committed; markers are to be written.
    PrepareCommit,
    /// Aborted; markers are to be written.
    PrepareAbort,
    /// Committed and marked.
    CompleteCommit,
    /// Aborted and marked.
    CompleteAbort,
}

impl Status {
    fn number(self) -> i8 {
        match self {
            Status::Empty => 0,
            Status::Ongoing => 1,
            Status::PrepareCommit => 2,
            Status::PrepareAbort => 3,
            Status::CompleteCommit => 4,
            Status::CompleteAbort => 5,
        }
    }

    fn from_number(number: i8) -> Option<Self> {
        Some(match number {
            0 => Status::Empty,
            1 => Status::Ongoing,
            2 => Status::PrepareCommit,
            3 => Status::PrepareAbort,
            4 => Status::CompleteCommit,
            5 => Status::CompleteAbort,
            _ => return None,
        })
    }
}

/// Where one transactional id stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct TransactionRecord {
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    /// How long the transaction may take.
    pub timeout_ms: i32,
    pub status: Status,
    /// Partition numbers by topic name, as Kafka's tools want to show them.
    pub partitions: BTreeMap<String, Vec<i32>>,
    /// The number of the last commit.
    pub commit_number: u64,
    pub updated_ms: i64,
    pub started_ms: i64,
    /// The stamp under which the transaction ran that this state ends. `None` in a state that ends none, in those of the
    /// committer, and in those of older servers.
    pub ended: Option<Stamp>,
    /// The producer id that follows once it is over, if the epochs of this one are used up.
    pub next_producer_id: Option<ProducerId>,
    /// How its client makes its transactions.
    pub version: TransactionVersion,
}

impl TransactionRecord {
    /// The record of `transactional_id`.
    pub(in crate::broker) fn encode(&self, transactional_id: &str) -> CoordinatorRecord {
        let mut value = Writer::new();
        value.i16(VALUE_VERSION);
        value.i64(self.producer_id.0);
        value.i16(self.producer_epoch.0);
        value.i32(self.timeout_ms);
        value.i8(self.status.number());
        value.compact_array_count(self.partitions.len());
        for (topic, partitions) in &self.partitions {
            value.compact_string(topic);
            value.compact_array_count(partitions.len());
            partitions.iter().for_each(|partition| value.i32(*partition));
            value.no_tagged_fields();
        }
        value.i64(self.updated_ms);
        value.i64(self.started_ms);
        let tags = self.tags();
        value.unsigned_varint(tags.len() as u32);
        for (tag, field) in tags {
            value.unsigned_varint(tag);
            value.unsigned_varint(field.len() as u32);
            field.iter().for_each(|byte| value.i8(byte.cast_signed()));
        }
        CoordinatorRecord { key: Self::key(transactional_id), value: Some(value.finish()) }
    }

    /// The tagged fields, by number.
    fn tags(&self) -> Vec<(u32, Vec<u8>)> {
        let mut tags = Vec::new();
        let is_two = self.version == TransactionVersion::Two;
        if let Some((id, _)) = self.ended.filter(|(id, _)| is_two || *id != self.producer_id) {
            tags.push((TAG_PREVIOUS_PRODUCER_ID, id.0.to_be_bytes().to_vec()));
        }
        if let Some(id) = self.next_producer_id {
            tags.push((TAG_NEXT_PRODUCER_ID, id.0.to_be_bytes().to_vec()));
        }
        if is_two {
            tags.push((TAG_CLIENT_VERSION, CLIENT_VERSION_TWO.to_be_bytes().to_vec()));
        }
        tags.push((TAG_COMMIT_NUMBER, self.commit_number.to_be_bytes().to_vec()));
        if let Some((_, epoch)) = self.ended {
            tags.push((TAG_ENDED_EPOCH, epoch.0.to_be_bytes().to_vec()));
        }
        tags
    }

    /// This state once it is over, and marked: the next producer id counts from here on.
    pub(in crate::broker) fn completed(&self, status: Status, now_ms: i64) -> Self {
        let given = self.next_producer_id.map(|id| (id, ProducerEpoch(0)));
        let (producer_id, producer_epoch) = given.unwrap_or((self.producer_id, self.producer_epoch));
        Self {
            producer_id,
            producer_epoch,
            status,
            partitions: BTreeMap::new(),
            updated_ms: now_ms,
            next_producer_id: None,
            ..self.clone()
        }
    }

    /// The key of the records of `transactional_id`.
    pub(in crate::broker) fn key(transactional_id: &str) -> Vec<u8> {
        let mut key = Writer::new();
        key.i16(KEY_VERSION);
        key.string(transactional_id);
        key.finish()
    }

    /// Whether a client, and not the committer, has the id.
    pub(in crate::broker) fn is_clients(&self) -> bool {
        self.timeout_ms != COMMITTER_TIMEOUT_MS
    }

    /// The transactional id and its state; `Ok(None)` for a record of another kind, a state of a newer Kafka included.
    pub(in crate::broker) fn decode(
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<(String, Option<Self>)>, PrimitiveError> {
        let mut reader = Reader::new(key);
        if reader.i16()? != KEY_VERSION {
            return Ok(None);
        }
        let transactional_id = reader.string()?.to_string();
        let Some(value) = value else { return Ok(Some((transactional_id, None))) };
        Ok(Self::decode_value(value)?.map(|record| (transactional_id, Some(record))))
    }

    fn decode_value(value: &[u8]) -> Result<Option<Self>, PrimitiveError> {
        let mut reader = Reader::new(value);
        if reader.i16()? != VALUE_VERSION {
            return Ok(None);
        }
        let producer_id = ProducerId(reader.i64()?);
        let producer_epoch = ProducerEpoch(reader.i16()?);
        let timeout_ms = reader.i32()?;
        let Some(status) = Status::from_number(reader.i8()?) else { return Ok(None) };
        let mut partitions = BTreeMap::new();
        for _ in 0..reader.compact_array_count()? {
            let topic = reader.compact_string()?.to_string();
            let mut numbers = Vec::new();
            for _ in 0..reader.compact_array_count()? {
                numbers.push(reader.i32()?);
            }
            reader.skip_tagged_fields()?;
            partitions.insert(topic, numbers);
        }
        let updated_ms = reader.i64()?;
        let started_ms = reader.i64()?;
        let (mut commit_number, mut previous, mut next_producer_id, mut ended_epoch) = (0, None, None, None);
        let mut version = TransactionVersion::One;
        for_each_tag(&mut reader, |tag, field| {
            match tag {
                TAG_PREVIOUS_PRODUCER_ID => previous = Some(ProducerId(field.i64()?)).filter(|id| 0 <= id.0),
                TAG_NEXT_PRODUCER_ID => next_producer_id = Some(ProducerId(field.i64()?)).filter(|id| 0 <= id.0),
                TAG_CLIENT_VERSION => {
                    let number = field.i16()?;
                    version =
                        if number < CLIENT_VERSION_TWO { TransactionVersion::One } else { TransactionVersion::Two };
                }
                TAG_COMMIT_NUMBER => commit_number = field.i64()?.cast_unsigned(),
                TAG_ENDED_EPOCH => ended_epoch = Some(ProducerEpoch(field.i16()?)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(Some(Self {
            producer_id,
            producer_epoch,
            timeout_ms,
            status,
            partitions,
            commit_number,
            updated_ms,
            started_ms,
            ended: ended_epoch.map(|epoch| (previous.unwrap_or(producer_id), epoch)),
            next_producer_id,
            version,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> TransactionRecord {
        TransactionRecord {
            producer_id: ProducerId(77),
            producer_epoch: ProducerEpoch(3),
            timeout_ms: 60_000,
            status: Status::PrepareCommit,
            partitions: BTreeMap::from([("a".to_string(), vec![0, 2]), ("b".to_string(), vec![1])]),
            commit_number: u64::MAX - 1,
            updated_ms: 5,
            started_ms: 4,
            ended: None,
            next_producer_id: None,
            version: TransactionVersion::One,
        }
    }

    #[test]
    fn record_round_trips_and_every_prefix_is_an_error() {
        let of_version_2 = TransactionRecord {
            ended: Some((ProducerId(77), ProducerEpoch(2))),
            next_producer_id: Some(ProducerId(78)),
            version: TransactionVersion::Two,
            ..record()
        };
        let of_version_1 = TransactionRecord { ended: Some((ProducerId(77), ProducerEpoch(3))), ..record() };
        for record in [record(), of_version_1, of_version_2.completed(Status::CompleteCommit, 6), of_version_2] {
            let bytes = record.encode("tidemill.node0");
            let value = bytes.value.expect("not a tombstone");
            let decoded = TransactionRecord::decode(&bytes.key, Some(&value));
            assert_eq!(decoded, Ok(Some(("tidemill.node0".to_string(), Some(record)))));
            for length in 0..value.len() {
                assert!(TransactionRecord::decode(&bytes.key, Some(&value[..length])).is_err(), "prefix of {length}");
            }
        }
    }

    #[test]
    fn the_next_producer_id_counts_once_it_is_over() {
        let before = TransactionRecord { next_producer_id: Some(ProducerId(78)), ..record() };
        let after = before.completed(Status::CompleteCommit, 9);
        assert_eq!((after.producer_id, after.producer_epoch), (ProducerId(78), ProducerEpoch(0)));
        assert_eq!((after.next_producer_id, after.partitions.len(), after.updated_ms), (None, 0, 9));
    }
}
