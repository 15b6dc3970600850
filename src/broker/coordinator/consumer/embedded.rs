//! The bytes with which consumers of the classic protocol subscribe and are told their share: Kafka's
//! ConsumerProtocolSubscription and ConsumerProtocolAssignment, versions 0 to 3. What a later version adds stands behind.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::topics::Topics;
use crate::broker::coordinator::consumer_record::Partitions;
use crate::broker::partitions_by_topic;
use crate::model::TopicPartition;
use crate::protocol::PrimitiveError;
use crate::protocol::Reader;
use crate::protocol::Writer;

/// Topics by name, with the partitions of each.
type NamedPartitions = Vec<(String, Vec<i32>)>;

/// What a member wants, and what it still has.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub version: i16,
    pub topics: Vec<String>,
    pub owned: NamedPartitions,
    pub rack: Option<String>,
}

impl Subscribed {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, PrimitiveError> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16()?;
        let topics =
            (0..reader.array_count()?).map(|_| reader.string().map(str::to_string)).collect::<Result<_, _>>()?;
        reader.nullable_bytes()?;
        let owned = if 1 <= version { read_partitions(&mut reader)? } else { Vec::new() };
        if 2 <= version {
            reader.i32()?;
        }
        let rack = if 3 <= version { reader.nullable_string()?.map(str::to_string) } else { None };
        Ok(Self { version, topics, owned, rack: rack.filter(|rack| !rack.is_empty()) })
    }
}

/// The partitions of a share; `None` if an assignor put more into it, which nobody else understands.
pub(super) fn read_share(bytes: &[u8]) -> Result<Option<NamedPartitions>, PrimitiveError> {
    if bytes.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut reader = Reader::new(bytes);
    reader.i16()?;
    let partitions = read_partitions(&mut reader)?;
    Ok(reader.nullable_bytes()?.is_none_or(<[u8]>::is_empty).then_some(partitions))
}

/// A share, for a member whose subscription has this version.
pub(super) fn write_share(version: i16, partitions: &Partitions, topics: &Topics) -> Bytes {
    let mut by_id = partitions_by_topic(partitions);
    let named: BTreeMap<_, _> =
        topics.by_name.iter().filter_map(|(name, (id, _))| Some((name, by_id.remove(id)?))).collect();
    let mut writer = Writer::new();
    writer.i16(version);
    writer.array_count(named.len());
    for (name, numbers) in named {
        writer.string(name);
        writer.array_count(numbers.len());
        numbers.into_iter().for_each(|number| writer.i32(number));
    }
    writer.nullable_bytes(None);
    Bytes::from(writer.finish())
}

/// The partitions by id; those of topics that are gone are left out.
pub(super) fn partitions(named: &[(String, Vec<i32>)], topics: &Topics) -> Partitions {
    let known = named.iter().filter_map(|(name, numbers)| Some((topics.by_name.get(name)?.0, numbers)));
    known.flat_map(|(id, numbers)| numbers.iter().map(move |number| TopicPartition::new(id, *number))).collect()
}

fn read_partitions(reader: &mut Reader<'_>) -> Result<NamedPartitions, PrimitiveError> {
    let mut partitions = Vec::new();
    for _ in 0..reader.array_count()? {
        let name = reader.string()?.to_string();
        let numbers = (0..reader.array_count()?).map(|_| reader.i32()).collect::<Result<_, _>>()?;
        partitions.push((name, numbers));
    }
    Ok(partitions)
}
