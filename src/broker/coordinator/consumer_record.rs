//! The records of a group of the consumer protocol (KIP-848) in `__consumer_offsets`, as Kafka 4.1 has them: the group's
//! epoch (key 3), each member's subscription (5), the epoch of the target assignment (6), each member's target (7), and
//! what each member has (8). All values are of version 0.
//!
//! Two kinds of Kafka's are not written and passed over: the partitions of topics (key 4, which 4.1 replaced by a hash in
//! the group's record), and the topics that a pattern fits (key 16): they follow from the metadata.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::tags::for_each_tag;
use crate::broker::GroupProtocol;
use crate::broker::partitions_by_topic;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::PrimitiveError;
use crate::protocol::Reader;
use crate::protocol::Writer;

const VALUE_VERSION: i16 = 0;
const EPOCH_KEY: i16 = 3;
const MEMBER_KEY: i16 = 5;
const TARGET_EPOCH_KEY: i16 = 6;
const TARGET_KEY: i16 = 7;
const CURRENT_KEY: i16 = 8;
const TAG_METADATA_HASH: u32 = 0;
const TAG_CLASSIC: u32 = 0;
/// Before what may be missing.
const IS_THERE: i8 = 1;

/// Some partitions.
pub(in crate::broker) type Partitions = BTreeSet<TopicPartition>;

/// One record; without a value it forgets what one of its key said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) enum ConsumerRecord {
    Epoch(Option<GroupEpoch>),
    Member { member: String, value: Option<Subscription> },
    TargetEpoch(Option<i32>),
    Target { member: String, value: Option<Partitions> },
    Current { member: String, value: Option<Current> },
}

/// The number of a group's state, and what it was reached with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::broker) struct GroupEpoch {
    pub group_epoch: i32,
    /// Stands for the topics that members read, and their partitions.
    pub metadata_hash: i64,
}

/// What a member says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::broker) struct Subscription {
    pub instance: Option<String>,
    pub rack: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub topics: BTreeSet<String>,
    pub pattern: Option<String>,
    pub rebalance_timeout_ms: i32,
    pub assignor: Option<String>,
    /// Of a member of the classic protocol.
    pub classic: Option<ClassicProtocols>,
}

/// What a member of the classic protocol says besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct ClassicProtocols {
    pub session_timeout_ms: i32,
    /// In the order of its preference.
    pub protocols: Vec<GroupProtocol>,
}

/// How far a member is on the way to its target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::broker) enum Progress {
    /// It has all.
    #[default]
    Stable,
    /// It has to give partitions back before it gets its next epoch.
    Revoking,
    /// Others have to give partitions back before it gets them.
    Waiting,
}

/// What a member has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::broker) struct Current {
    pub member_epoch: i32,
    pub previous_member_epoch: i32,
    pub progress: Progress,
    pub assigned: Partitions,
    pub revoking: Partitions,
}

impl ConsumerRecord {
    /// Whether it forgets what one of its key said.
    pub(super) fn is_tombstone(&self) -> bool {
        match self {
            Self::Epoch(value) => value.is_none(),
            Self::Member { value, .. } => value.is_none(),
            Self::TargetEpoch(value) => value.is_none(),
            Self::Target { value, .. } => value.is_none(),
            Self::Current { value, .. } => value.is_none(),
        }
    }

    /// The bytes of its key and its value.
    pub(super) fn encode(&self, group: &str) -> (Vec<u8>, Option<Vec<u8>>) {
        let (number, member) = match self {
            Self::Epoch(_) => (EPOCH_KEY, None),
            Self::Member { member, .. } => (MEMBER_KEY, Some(member)),
            Self::TargetEpoch(_) => (TARGET_EPOCH_KEY, None),
            Self::Target { member, .. } => (TARGET_KEY, Some(member)),
            Self::Current { member, .. } => (CURRENT_KEY, Some(member)),
        };
        let mut key = Writer::new();
        key.i16(number);
        key.string(group);
        member.iter().for_each(|member| key.string(member));
        let value = match self {
            Self::Epoch(value) => value.as_ref().map(encode_epoch),
            Self::Member { value, .. } => value.as_ref().map(encode_subscription),
            Self::TargetEpoch(value) => value.map(|epoch| versioned(|writer| writer.i32(epoch))),
            Self::Target { value, .. } => {
                value.as_ref().map(|value| versioned(|writer| write_partitions(writer, value)))
            }
            Self::Current { value, .. } => value.as_ref().map(encode_current),
        };
        (key.finish(), value)
    }

    /// What follows the number `number` in a key, with its value: the group, and the record. `Ok(None)` for other kinds,
    /// and for versions of a newer Kafka.
    pub(super) fn decode(
        number: i16,
        key: &mut Reader<'_>,
        value: Option<&[u8]>,
    ) -> Result<Option<(String, Self)>, PrimitiveError> {
        if !matches!(number, EPOCH_KEY | MEMBER_KEY | TARGET_EPOCH_KEY | TARGET_KEY | CURRENT_KEY) {
            return Ok(None);
        }
        let group = key.string()?.to_string();
        let mut value = value.map(Reader::new);
        if let Some(value) = &mut value
            && value.i16()? != VALUE_VERSION
        {
            return Ok(None);
        }
        let mut member = || key.string().map(str::to_string);
        let record = match number {
            EPOCH_KEY => Self::Epoch(value.map(decode_epoch).transpose()?),
            MEMBER_KEY => Self::Member { member: member()?, value: value.map(decode_subscription).transpose()? },
            TARGET_EPOCH_KEY => Self::TargetEpoch(value.map(|mut value| value.i32()).transpose()?),
            TARGET_KEY => {
                let read = |mut value: Reader<'_>| read_partitions(&mut value);
                Self::Target { member: member()?, value: value.map(read).transpose()? }
            }
            _ => Self::Current { member: member()?, value: value.map(decode_current).transpose()? },
        };
        Ok(Some((group, record)))
    }
}

/// A value without tagged fields.
fn versioned(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.i16(VALUE_VERSION);
    write(&mut writer);
    writer.no_tagged_fields();
    writer.finish()
}

fn encode_epoch(value: &GroupEpoch) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.i16(VALUE_VERSION);
    writer.i32(value.group_epoch);
    // A tagged field with its default is left out.
    if value.metadata_hash == 0 {
        writer.no_tagged_fields();
        return writer.finish();
    }
    writer.unsigned_varint(1);
    writer.unsigned_varint(TAG_METADATA_HASH);
    writer.unsigned_varint(8);
    writer.i64(value.metadata_hash);
    writer.finish()
}

fn decode_epoch(mut value: Reader<'_>) -> Result<GroupEpoch, PrimitiveError> {
    let (group_epoch, mut metadata_hash) = (value.i32()?, 0);
    for_each_tag(&mut value, |tag, field| {
        if tag == TAG_METADATA_HASH {
            metadata_hash = field.i64()?;
        }
        Ok(())
    })?;
    Ok(GroupEpoch { group_epoch, metadata_hash })
}

fn encode_subscription(value: &Subscription) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.i16(VALUE_VERSION);
    writer.compact_nullable_string(value.instance.as_deref());
    writer.compact_nullable_string(value.rack.as_deref());
    writer.compact_string(&value.client_id);
    writer.compact_string(&value.client_host);
    writer.compact_array_count(value.topics.len());
    value.topics.iter().for_each(|topic| writer.compact_string(topic));
    writer.compact_nullable_string(value.pattern.as_deref());
    writer.i32(value.rebalance_timeout_ms);
    writer.compact_nullable_string(value.assignor.as_deref());
    match &value.classic {
        None => writer.no_tagged_fields(),
        Some(classic) => {
            let mut field = Writer::new();
            write_classic(&mut field, classic);
            writer.unsigned_varint(1);
            writer.unsigned_varint(TAG_CLASSIC);
            writer.unsigned_varint(u32::try_from(field.finish().len()).unwrap_or(u32::MAX));
            write_classic(&mut writer, classic);
        }
    }
    writer.finish()
}

fn write_classic(writer: &mut Writer, value: &ClassicProtocols) {
    writer.i8(IS_THERE);
    writer.i32(value.session_timeout_ms);
    writer.compact_array_count(value.protocols.len());
    for protocol in &value.protocols {
        writer.compact_string(&protocol.name);
        writer.compact_nullable_bytes(Some(&protocol.metadata));
        writer.no_tagged_fields();
    }
    writer.no_tagged_fields();
}

fn read_classic(field: &mut Reader<'_>) -> Result<Option<ClassicProtocols>, PrimitiveError> {
    if field.i8()? != IS_THERE {
        return Ok(None);
    }
    let session_timeout_ms = field.i32()?;
    let mut protocols = Vec::new();
    for _ in 0..field.compact_array_count()? {
        let name = field.compact_string()?.to_string();
        let metadata = Bytes::copy_from_slice(field.compact_nullable_bytes()?.unwrap_or_default());
        protocols.push(GroupProtocol { name, metadata });
        field.skip_tagged_fields()?;
    }
    Ok(Some(ClassicProtocols { session_timeout_ms, protocols }))
}

fn decode_subscription(mut value: Reader<'_>) -> Result<Subscription, PrimitiveError> {
    let optional = |value: &mut Reader<'_>| value.compact_nullable_string().map(|text| text.map(str::to_string));
    let (instance, rack) = (optional(&mut value)?, optional(&mut value)?);
    let client_id = value.compact_string()?.to_string();
    let client_host = value.compact_string()?.to_string();
    let count = value.compact_array_count()?;
    let topics = (0..count).map(|_| value.compact_string().map(str::to_string)).collect::<Result<_, _>>()?;
    let pattern = optional(&mut value)?;
    let rebalance_timeout_ms = value.i32()?;
    let (assignor, mut classic) = (optional(&mut value)?, None);
    for_each_tag(&mut value, |tag, field| {
        if tag == TAG_CLASSIC {
            classic = read_classic(field)?;
        }
        Ok(())
    })?;
    Ok(Subscription {
        instance,
        rack,
        client_id,
        client_host,
        topics,
        pattern,
        rebalance_timeout_ms,
        assignor,
        classic,
    })
}

fn encode_current(value: &Current) -> Vec<u8> {
    versioned(|writer| {
        writer.i32(value.member_epoch);
        writer.i32(value.previous_member_epoch);
        writer.i8(match value.progress {
            Progress::Stable => 0,
            Progress::Revoking => 1,
            Progress::Waiting => 2,
        });
        write_partitions(writer, &value.assigned);
        write_partitions(writer, &value.revoking);
    })
}

fn decode_current(mut value: Reader<'_>) -> Result<Current, PrimitiveError> {
    let (member_epoch, previous_member_epoch) = (value.i32()?, value.i32()?);
    let progress = match value.i8()? {
        1 => Progress::Revoking,
        2 => Progress::Waiting,
        // A state of a newer Kafka: the next heartbeat takes the member on from what it has.
        _ => Progress::Stable,
    };
    let (assigned, revoking) = (read_partitions(&mut value)?, read_partitions(&mut value)?);
    Ok(Current { member_epoch, previous_member_epoch, progress, assigned, revoking })
}

fn write_partitions(writer: &mut Writer, partitions: &Partitions) {
    let topics = partitions_by_topic(partitions);
    writer.compact_array_count(topics.len());
    for (TopicId(id), numbers) in topics {
        writer.uuid(&id);
        writer.compact_array_count(numbers.len());
        numbers.into_iter().for_each(|number| writer.i32(number));
        writer.no_tagged_fields();
    }
}

fn read_partitions(reader: &mut Reader<'_>) -> Result<Partitions, PrimitiveError> {
    let mut partitions = Partitions::new();
    for _ in 0..reader.compact_array_count()? {
        let topic = TopicId(reader.uuid()?);
        for _ in 0..reader.compact_array_count()? {
            partitions.insert(TopicPartition::new(topic, reader.i32()?));
        }
        reader.skip_tagged_fields()?;
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::coordinator::GroupRecord;

    fn partitions() -> Partitions {
        [(1, 0), (1, 7), (2, 3)].map(|(topic, number)| TopicPartition::new(TopicId([topic; 16]), number)).into()
    }

    fn records() -> Vec<ConsumerRecord> {
        let subscription = Subscription {
            instance: Some("i".to_string()),
            rack: None,
            client_id: "c".to_string(),
            client_host: "/127.0.0.1".to_string(),
            topics: ["a", "b"].map(str::to_string).into(),
            pattern: Some("x.*".to_string()),
            rebalance_timeout_ms: 300,
            assignor: Some("range".to_string()),
            classic: None,
        };
        let protocol = GroupProtocol { name: "range".to_string(), metadata: Bytes::from_static(b"wanted") };
        let classic = Some(ClassicProtocols { session_timeout_ms: 45_000, protocols: vec![protocol] });
        let classic = Subscription { classic, ..subscription.clone() };
        let current = |progress| Current {
            member_epoch: 5,
            previous_member_epoch: 4,
            progress,
            assigned: partitions(),
            revoking: Partitions::new(),
        };
        let member = || "m".to_string();
        vec![
            ConsumerRecord::Epoch(Some(GroupEpoch { group_epoch: 9, metadata_hash: 0 })),
            ConsumerRecord::Epoch(Some(GroupEpoch { group_epoch: 9, metadata_hash: -3 })),
            ConsumerRecord::Epoch(None),
            ConsumerRecord::Member { member: member(), value: Some(subscription) },
            ConsumerRecord::Member { member: member(), value: Some(classic) },
            ConsumerRecord::Member { member: member(), value: None },
            ConsumerRecord::TargetEpoch(Some(8)),
            ConsumerRecord::TargetEpoch(None),
            ConsumerRecord::Target { member: member(), value: Some(partitions()) },
            ConsumerRecord::Target { member: member(), value: None },
            ConsumerRecord::Current { member: member(), value: Some(current(Progress::Stable)) },
            ConsumerRecord::Current { member: member(), value: Some(current(Progress::Revoking)) },
            ConsumerRecord::Current { member: member(), value: Some(current(Progress::Waiting)) },
            ConsumerRecord::Current { member: member(), value: None },
        ]
    }

    #[test]
    fn records_round_trip_tombstones_too_and_a_cut_one_is_an_error() {
        for record in records() {
            let record = GroupRecord::Consumer { group: "g".to_string(), record };
            let bytes = record.encode();
            assert_eq!(GroupRecord::decode(&bytes.key, bytes.value.as_deref()), Ok(Some(record)));
            // The last byte counts the tagged fields, which a value may end without here.
            for length in 0..bytes.value.as_ref().map_or(0, |value| value.len() - 1) {
                let cut = bytes.value.as_ref().map(|value| &value[..length]);
                assert!(GroupRecord::decode(&bytes.key, cut).is_err(), "{length} bytes of {bytes:?}");
            }
        }
    }

    #[test]
    fn records_that_kafka_wrote_are_read() {
        // Byte for byte as Kafka's message generator lays out ConsumerGroupMetadata and
        // ConsumerGroupCurrentMemberAssignment of version 0.
        let record = GroupRecord::decode(b"\0\x03\0\x01g", Some(b"\0\0\0\0\0\x05\x01\0\x08\0\0\0\0\0\0\0\x07"));
        let epoch = GroupEpoch { group_epoch: 5, metadata_hash: 7 };
        let of = |record| Ok(Some(GroupRecord::Consumer { group: "g".to_string(), record }));
        assert_eq!(record, of(ConsumerRecord::Epoch(Some(epoch))));
        let value = b"\0\0\0\0\0\x05\0\0\0\x04\x01\x01\x02\
            \x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x02\0\0\0\x03\0\0";
        let current = Current {
            member_epoch: 5,
            previous_member_epoch: 4,
            progress: Progress::Revoking,
            assigned: Partitions::new(),
            revoking: [TopicPartition::new(TopicId([1; 16]), 3)].into(),
        };
        let expected = of(ConsumerRecord::Current { member: "m".to_string(), value: Some(current) });
        assert_eq!(GroupRecord::decode(b"\0\x08\0\x01g\0\x01m", Some(value)), expected);
        assert_eq!(GroupRecord::decode(b"\0\x03\0\x01g", Some(b"\0\x01\0")), Ok(None), "of a newer version");
        assert_eq!(GroupRecord::decode(b"\0\x10\0\x01g\0\x01.", None), Ok(None), "a pattern's topics");
    }
}
