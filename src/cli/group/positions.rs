//! Where a group stands, and putting it elsewhere.

use std::collections::BTreeMap;

use crate::cli::kafka::Cluster;
use crate::cli::kafka::refused;
use crate::error::Error;
use crate::protocol::ErrorCode;
use crate::protocol::offset_commit;
use crate::protocol::offset_fetch;

const OFFSET_FETCH: i16 = 7;
const OFFSET_COMMIT: i16 = 8;

/// Positions by topic and partition.
pub(super) type Positions = BTreeMap<(String, i32), i64>;

/// All positions of a group, as its coordinator `node` knows them.
pub(super) async fn fetch(cluster: &mut Cluster<'_>, node: i32, group: &str) -> Result<Positions, Error> {
    let request = offset_fetch::Request { group_id: group.to_string(), topics: None, ..Default::default() };
    let answered = cluster.ask_at(node, OFFSET_FETCH, &request).await?;
    if answered.error_code != ErrorCode::NONE {
        return Err(refused(&format!("group \"{group}\""), answered.error_code, None));
    }
    let mut positions = Positions::new();
    for topic in answered.topics {
        for partition in topic.partitions.into_iter().filter(|partition| 0 <= partition.committed_offset) {
            positions.insert((topic.name.clone(), partition.partition_index), partition.committed_offset);
        }
    }
    Ok(positions)
}

/// Puts a group that has no members where `positions` says.
pub(super) async fn commit(
    cluster: &mut Cluster<'_>,
    node: i32,
    group: &str,
    positions: &Positions,
) -> Result<(), Error> {
    let mut topics: BTreeMap<String, Vec<offset_commit::Partition>> = BTreeMap::new();
    for ((topic, partition_index), offset) in positions {
        let partition = offset_commit::Partition {
            partition_index: *partition_index,
            committed_offset: *offset,
            committed_metadata: Some(String::new()),
            ..Default::default()
        };
        topics.entry(topic.clone()).or_default().push(partition);
    }
    let topic = |(name, partitions)| offset_commit::Topic { name, partitions, ..Default::default() };
    let topics = topics.into_iter().map(topic).collect();
    let request = offset_commit::Request { group_id: group.to_string(), topics, ..Default::default() };
    let answered = cluster.ask_at(node, OFFSET_COMMIT, &request).await?;
    for topic in answered.topics {
        for partition in topic.partitions {
            match partition.error_code {
                ErrorCode::NONE => {}
                code @ (ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION) => {
                    let error = refused(&format!("group \"{group}\" has members and was not moved"), code, None);
                    return Err(error.hint("Stop its consumers first."));
                }
                code => {
                    let what = format!("partition {} of topic \"{}\"", partition.partition_index, topic.name);
                    return Err(refused(&format!("group \"{group}\" was not moved in {what}"), code, None));
                }
            }
        }
    }
    Ok(())
}
