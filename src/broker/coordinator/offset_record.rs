//! The records of `__consumer_offsets`: Kafka's OffsetCommit (key 1, value 4), GroupMetadata (key 2), and those of groups of
//! the consumer protocol (`consumer_record`).
//!
//! A committed offset carries the topic's id in tag 0 of value version 4. Records of other writers, or of versions 0 to
//! 3, name the topic only; the reader resolves the name. One tag is ours, and Kafka's readers pass over it: when an
//! offset is to be forgotten, if the client said so.

use super::CoordinatorRecord;
use super::consumer_record::ConsumerRecord;
use super::group_record::GroupMetadata;
use super::tags::for_each_tag;
use crate::broker::CommittedOffset;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicId;
use crate::protocol::PrimitiveError;
use crate::protocol::Reader;
use crate::protocol::Writer;

const OFFSET_KEY_VERSION: i16 = 1;
const OFFSET_VALUE_VERSION: i16 = 4;
const GROUP_KEY_VERSION: i16 = 2;
const TAG_TOPIC_ID: u32 = 0;
const TAG_EXPIRES: u32 = 1000;

/// What a committed offset is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::broker) struct OffsetKey {
    pub group: String,
    pub topic: String,
    pub partition: i32,
}

/// A position as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct OffsetValue {
    /// `None` if the writer named the topic only.
    pub topic: Option<TopicId>,
    pub committed: CommittedOffset,
    pub committed_ms: i64,
    /// When it is to be forgotten, if the client said so.
    pub expires_ms: Option<i64>,
}

/// One record, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) enum GroupRecord {
    /// A position; `None` forgets it.
    Offset { key: OffsetKey, value: Option<OffsetValue> },
    /// A group; `None` forgets it.
    Group { group: String, value: Option<GroupMetadata> },
    /// A part of a group of the consumer protocol.
    Consumer { group: String, record: ConsumerRecord },
}

impl GroupRecord {
    /// The group that it is about.
    pub(in crate::broker) fn group(&self) -> &str {
        match self {
            GroupRecord::Offset { key, .. } => &key.group,
            GroupRecord::Group { group, .. } | GroupRecord::Consumer { group, .. } => group,
        }
    }

    /// The record's bytes.
    pub(in crate::broker) fn encode(&self) -> CoordinatorRecord {
        let mut key = Writer::new();
        let value = match self {
            GroupRecord::Offset { key: OffsetKey { group, topic, partition }, value } => {
                key.i16(OFFSET_KEY_VERSION);
                key.string(group);
                key.string(topic);
                key.i32(*partition);
                value.as_ref().map(encode_offset)
            }
            GroupRecord::Group { group, value } => {
                key.i16(GROUP_KEY_VERSION);
                key.string(group);
                value.as_ref().map(GroupMetadata::encode)
            }
            GroupRecord::Consumer { group, record } => {
                let (key, value) = record.encode(group);
                return CoordinatorRecord { key, value };
            }
        };
        CoordinatorRecord { key: key.finish(), value }
    }

    /// What the bytes say; `Ok(None)` for a kind of record that this server does not keep.
    pub(in crate::broker) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, PrimitiveError> {
        let mut reader = Reader::new(key);
        match reader.i16()? {
            0 | OFFSET_KEY_VERSION => {
                let group = reader.string()?.to_string();
                let topic = reader.string()?.to_string();
                let key = OffsetKey { group, topic, partition: reader.i32()? };
                let value = value.map(decode_offset).transpose()?;
                Ok(Some(GroupRecord::Offset { key, value }))
            }
            GROUP_KEY_VERSION => {
                let group = reader.string()?.to_string();
                let Some(value) = value else { return Ok(Some(GroupRecord::Group { group, value: None })) };
                let metadata = GroupMetadata::decode(value)?;
                Ok(metadata.map(|metadata| GroupRecord::Group { group, value: Some(metadata) }))
            }
            number => {
                let record = ConsumerRecord::decode(number, &mut reader, value)?;
                Ok(record.map(|(group, record)| GroupRecord::Consumer { group, record }))
            }
        }
    }
}

fn encode_offset(offset: &OffsetValue) -> Vec<u8> {
    let mut value = Writer::new();
    value.i16(OFFSET_VALUE_VERSION);
    value.i64(offset.committed.offset.0);
    value.i32(offset.committed.leader_epoch.0);
    value.compact_string(&offset.committed.metadata);
    value.i64(offset.committed_ms);
    let tags = usize::from(offset.topic.is_some()) + usize::from(offset.expires_ms.is_some());
    value.unsigned_varint(tags as u32);
    if let Some(TopicId(id)) = offset.topic {
        value.unsigned_varint(TAG_TOPIC_ID);
        value.unsigned_varint(16);
        value.uuid(&id);
    }
    if let Some(expires_ms) = offset.expires_ms {
        value.unsigned_varint(TAG_EXPIRES);
        value.unsigned_varint(8);
        value.i64(expires_ms);
    }
    value.finish()
}

fn decode_offset(value: &[u8]) -> Result<OffsetValue, PrimitiveError> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    let offset = Offset(reader.i64()?);
    let leader_epoch = LeaderEpoch(if 3 <= version { reader.i32()? } else { -1 });
    if version < OFFSET_VALUE_VERSION {
        let metadata = reader.string()?.to_string();
        let committed = CommittedOffset { offset, leader_epoch, metadata };
        let committed_ms = reader.i64()?;
        let expires_ms = if version == 1 { Some(reader.i64()?).filter(|at| 0 <= *at) } else { None };
        return Ok(OffsetValue { topic: None, committed, committed_ms, expires_ms });
    }
    let metadata = reader.compact_string()?.to_string();
    let committed_ms = reader.i64()?;
    let (mut topic, mut expires_ms) = (None, None);
    for_each_tag(&mut reader, |tag, field| {
        match tag {
            TAG_TOPIC_ID => topic = Some(TopicId(field.uuid()?)),
            TAG_EXPIRES => expires_ms = Some(field.i64()?),
            _ => {}
        }
        Ok(())
    })?;
    let committed = CommittedOffset { offset, leader_epoch, metadata };
    Ok(OffsetValue { topic, committed, committed_ms, expires_ms })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::broker::coordinator::group_record::MemberMetadata;

    fn group() -> GroupMetadata {
        let member = |name: &str, instance: Option<&str>| MemberMetadata {
            member: name.to_string(),
            instance: instance.map(str::to_string),
            client_id: "client".to_string(),
            client_host: "/127.0.0.1".to_string(),
            rebalance_timeout_ms: 300_000,
            session_timeout_ms: 45_000,
            subscription: Bytes::from_static(b"topics"),
            assignment: Bytes::from_static(b"partitions"),
        };
        GroupMetadata {
            protocol_type: "consumer".to_string(),
            generation: 4,
            protocol: Some("range".to_string()),
            leader: Some("a".to_string()),
            since_ms: 1000,
            members: vec![member("a", None), member("b", Some("instance"))],
        }
    }

    #[test]
    fn records_round_trip_and_tombstones_too() {
        let key = OffsetKey { group: "g".to_string(), topic: "t".to_string(), partition: 3 };
        let committed =
            CommittedOffset { offset: Offset(7), leader_epoch: LeaderEpoch(2), metadata: "stream time 5".to_string() };
        let value = OffsetValue { topic: Some(TopicId([9; 16])), committed, committed_ms: 1000, expires_ms: None };
        let expiring = OffsetValue { expires_ms: Some(2000), topic: None, ..value.clone() };
        let records = [
            GroupRecord::Offset { key: key.clone(), value: Some(value) },
            GroupRecord::Offset { key: key.clone(), value: Some(expiring) },
            GroupRecord::Offset { key, value: None },
            GroupRecord::Group { group: "g".to_string(), value: Some(group()) },
            GroupRecord::Group { group: "g".to_string(), value: None },
        ];
        for record in records {
            let bytes = record.encode();
            assert_eq!(GroupRecord::decode(&bytes.key, bytes.value.as_deref()), Ok(Some(record)));
        }
    }

    #[test]
    fn offsets_that_kafka_3_wrote_are_read() {
        // OffsetCommitKey version 1 and OffsetCommitValue version 3, byte for byte as Kafka's message generator lays
        // them out: version, fields in order, strings with an i16 length.
        let key = b"\x00\x01\x00\x02g1\x00\x02t1\x00\x00\x00\x05";
        let value =
            b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x2a\x00\x00\x00\x07\x00\x01m\x00\x00\x00\x00\x00\x00\x03\xe8";
        let committed = CommittedOffset { offset: Offset(42), leader_epoch: LeaderEpoch(7), metadata: "m".to_string() };
        let expected = GroupRecord::Offset {
            key: OffsetKey { group: "g1".to_string(), topic: "t1".to_string(), partition: 5 },
            value: Some(OffsetValue { topic: None, committed, committed_ms: 1000, expires_ms: None }),
        };
        assert_eq!(GroupRecord::decode(key, Some(value)), Ok(Some(expected)));
    }

    #[test]
    fn any_prefix_of_a_record_is_an_error_not_a_panic() {
        let bytes = GroupRecord::Group { group: "g".to_string(), value: Some(group()) }.encode();
        let value = bytes.value.expect("not a tombstone");
        for length in 0..value.len() {
            assert!(GroupRecord::decode(&bytes.key, Some(&value[..length])).is_err());
        }
    }
}
