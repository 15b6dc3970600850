//! The records of `__transaction_state`: Kafka's TransactionLog (key 0, value 1).
//!
//! One tagged field is ours, and Kafka's readers pass over it: the commit number.

use std::collections::BTreeMap;

use super::CoordinatorRecord;
use super::offset_record::for_each_tag;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::PrimitiveError;
use crate::protocol::Reader;
use crate::protocol::Writer;

const KEY_VERSION: i16 = 0;
const VALUE_VERSION: i16 = 1;
const TAG_COMMIT_NUMBER: u32 = 1000;
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
        value.unsigned_varint(1);
        value.unsigned_varint(TAG_COMMIT_NUMBER);
        value.unsigned_varint(8);
        value.i64(self.commit_number.cast_signed());
        CoordinatorRecord { key: Self::key(transactional_id), value: Some(value.finish()) }
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
        let mut commit_number = 0;
        for_each_tag(&mut reader, |tag, field| {
            if tag == TAG_COMMIT_NUMBER {
                commit_number = field.i64()?.cast_unsigned();
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
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_round_trips_and_every_prefix_is_an_error() {
        let record = TransactionRecord {
            producer_id: ProducerId(77),
            producer_epoch: ProducerEpoch(3),
            timeout_ms: 60_000,
            status: Status::PrepareCommit,
            partitions: BTreeMap::from([("a".to_string(), vec![0, 2]), ("b".to_string(), vec![1])]),
            commit_number: u64::MAX - 1,
            updated_ms: 5,
            started_ms: 4,
        };
        let bytes = record.encode("tidemill.node0");
        let value = bytes.value.expect("not a tombstone");
        let decoded = TransactionRecord::decode(&bytes.key, Some(&value));
        assert_eq!(decoded, Ok(Some(("tidemill.node0".to_string(), Some(record)))));
        for length in 0..value.len() {
            assert!(TransactionRecord::decode(&bytes.key, Some(&value[..length])).is_err(), "prefix of {length}");
        }
    }
}
