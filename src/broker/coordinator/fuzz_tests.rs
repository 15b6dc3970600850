//! Mutated records of the coordinators' topics: whatever lies there is read or refused, and what is read is written again alike.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use bytes::Bytes;

use super::consumer_record::ConsumerRecord;
use super::consumer_record::Current;
use super::consumer_record::GroupEpoch;
use super::consumer_record::Progress;
use super::consumer_record::Subscription;
use super::group_record::GroupMetadata;
use super::group_record::MemberMetadata;
use super::offset_record::GroupRecord;
use super::offset_record::OffsetKey;
use super::offset_record::OffsetValue;
use super::transaction_record::Status;
use super::transaction_record::TransactionRecord;
use crate::broker::CommittedOffset;
use crate::broker::TransactionVersion;
use crate::env::Outcome;
use crate::env::Target;
use crate::env::is_wanted;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::PrimitiveError;

/// What reading takes at most, as a multiple of key and value: an element of few bytes has its texts and sets in memory.
const MULTIPLE_MAX: usize = 100;

/// An input is a key with its length in front, and a value; none if nothing follows.
fn parts(input: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (length, rest) = input.split_first()?;
    let (key, value) = rest.split_at_checked(usize::from(*length))?;
    Some((key, Some(value).filter(|value| !value.is_empty())))
}

fn joined(key: &[u8], value: Option<&[u8]>) -> Vec<u8> {
    let length = u8::try_from(key.len()).expect("a seed's key is short");
    [&[length], key, value.unwrap_or_default()].concat()
}

fn fuzz(name: &str, seeds: &[Vec<u8>], read: &dyn Fn(&[u8]) -> Outcome) {
    if !is_wanted(name) {
        return;
    }
    let report = Target { name, multiple_max: MULTIPLE_MAX, bytes_max: 4 << 10, read }.run(seeds);
    let whole = report.found.keys().filter(|outcome| outcome.kind.starts_with("whole")).count();
    eprintln!("{name}: {} inputs, {} ways, {whole} of them whole", report.tried, report.found.len());
    assert!(2 < whole && whole < report.found.len(), "{name}: both sides are reached");
}

fn outcome<T>(read: &Result<Option<T>, PrimitiveError>, reached: impl Fn(&T) -> Outcome) -> Outcome {
    match read {
        Ok(Some(record)) => reached(record),
        Ok(None) => Outcome::new("of another kind", 0),
        Err(PrimitiveError::Truncated) => Outcome::new("truncated", 0),
        Err(PrimitiveError::TooLong) => Outcome::new("too long", 0),
        Err(PrimitiveError::NegativeLength) => Outcome::new("negative", 0),
        Err(PrimitiveError::NotUtf8) => Outcome::new("not UTF-8", 0),
        Err(PrimitiveError::TooMany) => Outcome::new("too many", 0),
    }
}

#[test]
fn mutated_states_of_transactions_are_read_or_refused() {
    let plain = TransactionRecord {
        producer_id: ProducerId(77),
        producer_epoch: ProducerEpoch(3),
        timeout_ms: 60_000,
        status: Status::PrepareCommit,
        partitions: BTreeMap::from([("a".to_string(), vec![0, 2]), ("b".to_string(), vec![1])]),
        commit_number: 8,
        updated_ms: 5,
        started_ms: 4,
        ended: None,
        next_producer_id: None,
        version: TransactionVersion::One,
    };
    let newer = TransactionRecord {
        ended: Some((ProducerId(77), ProducerEpoch(2))),
        next_producer_id: Some(ProducerId(78)),
        version: TransactionVersion::Two,
        ..plain.clone()
    };
    let seeds = [&plain, &newer].map(|record| record.encode("id")).map(|it| joined(&it.key, it.value.as_deref()));
    fuzz("transaction record", &seeds, &|input| {
        let Some((key, value)) = parts(input) else { return Outcome::new("no key", 0) };
        let read = TransactionRecord::decode(key, value);
        if let Ok(Some((id, Some(record)))) = &read {
            let again = record.encode(id);
            let twice = TransactionRecord::decode(&again.key, again.value.as_deref());
            assert_eq!(twice.as_ref(), read.as_ref(), "it reads alike");
        }
        outcome(&read, |(_, record)| {
            let count = record.as_ref().map_or(0, |it| it.partitions.values().map(|all| 1 + all.len()).sum());
            Outcome::new("whole", count)
        })
    });
}

#[test]
fn mutated_records_of_groups_are_read_or_refused() {
    let seeds: Vec<_> =
        records().iter().map(GroupRecord::encode).map(|it| joined(&it.key, it.value.as_deref())).collect();
    fuzz("group record", &seeds, &|input| {
        let Some((key, value)) = parts(input) else { return Outcome::new("no key", 0) };
        let read = GroupRecord::decode(key, value);
        outcome(&read, |record| match record {
            GroupRecord::Offset { value, .. } => {
                Outcome::new("whole offset", value.as_ref().map_or(0, |it| 1 + it.committed.metadata.len()))
            }
            GroupRecord::Group { value, .. } => {
                Outcome::new("whole group", value.as_ref().map_or(0, |it| 1 + it.members.len()))
            }
            GroupRecord::Consumer { record, .. } => {
                Outcome::new("whole consumer", record.encode("").1.map_or(0, |it| it.len()))
            }
        })
    });
}

/// One of each kind.
fn records() -> Vec<GroupRecord> {
    let key = OffsetKey { group: "g".to_string(), topic: "t".to_string(), partition: 1 };
    let committed = CommittedOffset { offset: Offset(4), leader_epoch: LeaderEpoch(2), metadata: "m".to_string() };
    let value = OffsetValue { topic: Some(TopicId([3; 16])), committed, committed_ms: 5, expires_ms: Some(9) };
    let member = MemberMetadata {
        member: "m".to_string(),
        instance: Some("i".to_string()),
        client_id: "c".to_string(),
        client_host: "/h".to_string(),
        rebalance_timeout_ms: 1,
        session_timeout_ms: 2,
        subscription: Bytes::from_static(b"s"),
        assignment: Bytes::from_static(b"a"),
    };
    let metadata = GroupMetadata {
        protocol_type: "consumer".to_string(),
        generation: 3,
        protocol: Some("range".to_string()),
        leader: Some("m".to_string()),
        since_ms: 4,
        members: vec![member],
    };
    let partitions =
        BTreeSet::from([TopicPartition::new(TopicId([3; 16]), 0), TopicPartition::new(TopicId([4; 16]), 2)]);
    let subscription = Subscription {
        instance: Some("i".to_string()),
        client_id: "c".to_string(),
        client_host: "/h".to_string(),
        topics: BTreeSet::from(["t".to_string(), "u".to_string()]),
        pattern: Some("t.*".to_string()),
        ..Subscription::default()
    };
    let current = Current {
        member_epoch: 5,
        previous_member_epoch: 4,
        progress: Progress::Revoking,
        assigned: partitions.clone(),
        revoking: partitions.clone(),
    };
    let member = || "m".to_string();
    let of_consumers = [
        ConsumerRecord::Epoch(Some(GroupEpoch { group_epoch: 2, metadata_hash: 9 })),
        ConsumerRecord::Member { member: member(), value: Some(subscription) },
        ConsumerRecord::TargetEpoch(Some(3)),
        ConsumerRecord::Target { member: member(), value: Some(partitions) },
        ConsumerRecord::Current { member: member(), value: Some(current) },
    ];
    let mut records = vec![
        GroupRecord::Offset { key, value: Some(value) },
        GroupRecord::Group { group: "g".to_string(), value: Some(metadata) },
    ];
    records.extend(of_consumers.map(|record| GroupRecord::Consumer { group: "g".to_string(), record }));
    records
}
