//! The records of `__consumer_offsets`: Kafka's OffsetCommit (key 1, value 4) and GroupMetadata (key 2, value 3).
//!
//! A committed offset carries the topic's id in tag 0 of value version 4. Records of other writers, or of versions 0 to
//! 3, name the topic only; the reader resolves the name.

use super::CoordinatorRecord;
use crate::broker::CommittedOffset;
use crate::broker::Generation;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicId;
use crate::protocol::PrimitiveError;
use crate::protocol::Reader;
use crate::protocol::Writer;

const OFFSET_KEY_VERSION: i16 = 1;
const OFFSET_VALUE_VERSION: i16 = 4;
const GROUP_KEY_VERSION: i16 = 2;
const GROUP_VALUE_VERSION: i16 = 3;
const TAG_TOPIC_ID: u32 = 0;

/// What a committed offset is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct OffsetKey {
    pub group: String,
    pub topic: String,
    pub partition: i32,
}

/// One record, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) enum GroupRecord {
    /// A position; `None` forgets it.
    Offset { key: OffsetKey, value: Option<(Option<TopicId>, CommittedOffset)> },
    /// A group's members, each with the generation it joined with; `None` forgets the group.
    Group { group: String, value: Option<(Generation, Vec<(String, Generation)>)> },
}

impl GroupRecord {
    /// The record's bytes.
    pub(in crate::broker) fn encode(&self, now_ms: i64) -> CoordinatorRecord {
        let mut key = Writer::new();
        match self {
            GroupRecord::Offset { key: OffsetKey { group, topic, partition }, value } => {
                key.i16(OFFSET_KEY_VERSION);
                key.string(group);
                key.string(topic);
                key.i32(*partition);
                let value = value.as_ref().map(|(id, committed)| encode_offset(*id, committed, now_ms));
                CoordinatorRecord { key: key.finish(), value }
            }
            GroupRecord::Group { group, value } => {
                key.i16(GROUP_KEY_VERSION);
                key.string(group);
                let value = value.as_ref().map(|(generation, members)| encode_group(*generation, members, now_ms));
                CoordinatorRecord { key: key.finish(), value }
            }
        }
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
                let value = value.map(decode_group).transpose()?;
                Ok(Some(GroupRecord::Group { group, value }))
            }
            _ => Ok(None),
        }
    }
}

fn encode_offset(id: Option<TopicId>, committed: &CommittedOffset, now_ms: i64) -> Vec<u8> {
    let mut value = Writer::new();
    value.i16(OFFSET_VALUE_VERSION);
    value.i64(committed.offset.0);
    value.i32(committed.leader_epoch.0);
    value.compact_string(&committed.metadata);
    value.i64(now_ms);
    match id {
        None => value.no_tagged_fields(),
        Some(TopicId(id)) => {
            value.unsigned_varint(1);
            value.unsigned_varint(TAG_TOPIC_ID);
            value.unsigned_varint(16);
            value.uuid(&id);
        }
    }
    value.finish()
}

fn decode_offset(value: &[u8]) -> Result<(Option<TopicId>, CommittedOffset), PrimitiveError> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    let offset = Offset(reader.i64()?);
    let leader_epoch = LeaderEpoch(if 3 <= version { reader.i32()? } else { -1 });
    if version < OFFSET_VALUE_VERSION {
        let metadata = reader.string()?.to_string();
        return Ok((None, CommittedOffset { offset, leader_epoch, metadata }));
    }
    let metadata = reader.compact_string()?.to_string();
    reader.i64()?; // commit timestamp
    let mut id = None;
    for_each_tag(&mut reader, |tag, field| {
        if tag == TAG_TOPIC_ID {
            id = Some(TopicId(field.uuid()?));
        }
        Ok(())
    })?;
    Ok((id, CommittedOffset { offset, leader_epoch, metadata }))
}

/// Members keep the generation they joined with in their assignment bytes, which are the protocol type's own.
fn encode_group(generation: Generation, members: &[(String, Generation)], now_ms: i64) -> Vec<u8> {
    let mut value = Writer::new();
    value.i16(GROUP_VALUE_VERSION);
    value.string("tidemill");
    value.i32(generation.0);
    value.nullable_string(Some("tidemill"));
    value.nullable_string(members.first().map(|(member, _)| member.as_str()));
    value.i64(now_ms);
    value.array_count(members.len());
    for (member, joined) in members {
        value.string(member);
        value.nullable_string(None);
        value.string(member);
        value.string("");
        value.i32(0);
        value.i32(0);
        value.bytes(&[]);
        value.bytes(&joined.0.to_be_bytes());
    }
    value.finish()
}

fn decode_group(value: &[u8]) -> Result<(Generation, Vec<(String, Generation)>), PrimitiveError> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    if version != GROUP_VALUE_VERSION {
        // Another writer's group: its members are not ours, its generation is not needed to fence ours.
        return Ok((Generation(0), Vec::new()));
    }
    let ours = reader.string()? == "tidemill";
    let generation = Generation(reader.i32()?);
    reader.nullable_string()?;
    reader.nullable_string()?;
    reader.i64()?;
    let mut members = Vec::new();
    for _ in 0..reader.array_count()? {
        let member = reader.string()?.to_string();
        reader.nullable_string()?;
        reader.string()?;
        reader.string()?;
        reader.i32()?;
        reader.i32()?;
        reader.bytes()?;
        let assignment = reader.bytes()?;
        if let (true, Ok(joined)) = (ours, assignment.try_into()) {
            members.push((member, Generation(i32::from_be_bytes(joined))));
        }
    }
    Ok((generation, members))
}

/// Calls `each` with every tagged field that follows.
pub(super) fn for_each_tag<'a>(
    reader: &mut Reader<'a>,
    mut each: impl FnMut(u32, &mut Reader<'a>) -> Result<(), PrimitiveError>,
) -> Result<(), PrimitiveError> {
    let count = reader.unsigned_varint()?;
    for _ in 0..count {
        let tag = reader.unsigned_varint()?;
        let length = reader.unsigned_varint()? as usize;
        let (field, rest) = reader.remaining().split_at_checked(length).ok_or(PrimitiveError::Truncated)?;
        *reader = Reader::new(rest);
        each(tag, &mut Reader::new(field))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip_and_tombstones_too() {
        let key = OffsetKey { group: "g".to_string(), topic: "t".to_string(), partition: 3 };
        let committed =
            CommittedOffset { offset: Offset(7), leader_epoch: LeaderEpoch(2), metadata: "stream time 5".to_string() };
        let records = [
            GroupRecord::Offset { key: key.clone(), value: Some((Some(TopicId([9; 16])), committed)) },
            GroupRecord::Offset { key, value: None },
            GroupRecord::Group {
                group: "g".to_string(),
                value: Some((Generation(4), vec![("a".to_string(), Generation(4)), ("b".to_string(), Generation(2))])),
            },
            GroupRecord::Group { group: "g".to_string(), value: None },
        ];
        for record in records {
            let bytes = record.encode(1000);
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
        let expected = GroupRecord::Offset {
            key: OffsetKey { group: "g1".to_string(), topic: "t1".to_string(), partition: 5 },
            value: Some((
                None,
                CommittedOffset { offset: Offset(42), leader_epoch: LeaderEpoch(7), metadata: "m".to_string() },
            )),
        };
        assert_eq!(GroupRecord::decode(key, Some(value)), Ok(Some(expected)));
    }

    #[test]
    fn any_prefix_of_a_record_is_an_error_not_a_panic() {
        let value = Some((Generation(4), vec![("a".to_string(), Generation(4))]));
        let bytes = GroupRecord::Group { group: "g".to_string(), value }.encode(0);
        let value = bytes.value.expect("not a tombstone");
        for length in 0..value.len() {
            assert!(GroupRecord::decode(&bytes.key, Some(&value[..length])).is_err());
        }
    }
}
