//! Offsets of partitions: their ends, and where a time is.

use std::collections::BTreeMap;

use super::Cluster;
use super::TopicPartitions;
use super::refused;
use crate::error::Error;
use crate::protocol::ErrorCode;
use crate::protocol::list_offsets as message;

const LIST_OFFSETS: i16 = 5;
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
/// Of what transactions wrote, all.
const READ_UNCOMMITTED: i8 = 0;
/// Of what transactions wrote, what is committed.
const READ_COMMITTED: i8 = 1;

/// A place in each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Place {
    /// The first offset that is kept.
    Start,
    /// Behind the last record that can be read: before the first open transaction.
    End,
    /// Behind the last record, whatever transactions are open.
    HighWatermark,
    /// The first record at this time or later, in ms since 1970-01-01 UTC; the end if there is none.
    Time(i64),
}

/// Offsets by topic and partition.
pub(in crate::cli) type OffsetAt = BTreeMap<(String, i32), i64>;

/// The offset of `place` in each of these partitions.
pub(in crate::cli) async fn list_offsets(
    cluster: &mut Cluster<'_>,
    partitions: &TopicPartitions,
    place: Place,
) -> Result<OffsetAt, Error> {
    let (timestamp, isolation) = match place {
        Place::Start => (EARLIEST, READ_COMMITTED),
        Place::End => (LATEST, READ_COMMITTED),
        Place::HighWatermark => (LATEST, READ_UNCOMMITTED),
        Place::Time(time) => (time, READ_COMMITTED),
    };
    let mut found = ask(cluster, partitions, timestamp, isolation).await?;
    let after_all: TopicPartitions = partitions
        .iter()
        .filter(|(topic, index, _)| found.get(&(topic.clone(), *index)) == Some(&-1))
        .cloned()
        .collect();
    if !after_all.is_empty() {
        found.extend(ask(cluster, &after_all, LATEST, isolation).await?);
    }
    Ok(found)
}

async fn ask(
    cluster: &mut Cluster<'_>,
    partitions: &TopicPartitions,
    timestamp: i64,
    isolation_level: i8,
) -> Result<OffsetAt, Error> {
    let mut by_leader: BTreeMap<i32, BTreeMap<String, Vec<message::Partition>>> = BTreeMap::new();
    for (topic, partition_index, leader) in partitions {
        let partition = message::Partition { partition_index: *partition_index, timestamp, ..Default::default() };
        by_leader.entry(*leader).or_default().entry(topic.clone()).or_default().push(partition);
    }
    let mut found = OffsetAt::new();
    for (leader, topics) in by_leader {
        let topics = topics.into_iter().map(|(name, partitions)| message::Topic { name, partitions }).collect();
        let request = message::Request { isolation_level, topics, ..Default::default() };
        for topic in cluster.ask_at(leader, LIST_OFFSETS, &request).await?.topics {
            for partition in topic.partitions {
                if partition.error_code != ErrorCode::NONE {
                    let what = format!("partition {} of topic \"{}\"", partition.partition_index, topic.name);
                    return Err(refused(&what, partition.error_code, None));
                }
                found.insert((topic.name.clone(), partition.partition_index), partition.offset);
            }
        }
    }
    Ok(found)
}
