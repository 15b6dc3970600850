//! OffsetFetch: of one group, or, from version 8 on, of many.

use std::collections::BTreeMap;

use super::context::Context;
use super::error_code::code_of_group;
use super::table::Answer;
use crate::broker::FetchedOffset;
use crate::model::TopicPartition;
use crate::protocol::ErrorCode;
use crate::protocol::offset_fetch;

const MANY_FROM: i16 = 8;
/// From here on topics have ids in place of names.
const IDS_FROM: i16 = 10;
/// Before, an error of the group stands at each partition.
const GROUP_ERROR_FROM: i16 = 2;

impl Answer for offset_fetch::Request {
    async fn answer(self, context: &Context) -> offset_fetch::Response {
        let only_stable = self.require_stable;
        if MANY_FROM <= context.version {
            let group = |group: offset_fetch::Group| {
                let member = group.member_id.as_deref().filter(|member| !member.is_empty());
                let fetched = match context.broker().check_fetch_offsets(&group.group_id, member, group.member_epoch) {
                    Ok(()) => fetch(context, &group.group_id, group.topics, only_stable),
                    Err(error) => (Vec::new(), code_of_group(&error)),
                };
                offset_fetch::FetchedGroup { group_id: group.group_id, topics: fetched.0, error_code: fetched.1 }
            };
            return offset_fetch::Response {
                groups: self.groups.into_iter().map(group).collect(),
                ..offset_fetch::Response::default()
            };
        }
        let (mut topics, error_code) = fetch(context, &self.group_id, self.topics, only_stable);
        if context.version < GROUP_ERROR_FROM && error_code != ErrorCode::NONE {
            let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            partitions.for_each(|partition| partition.error_code = error_code);
        }
        offset_fetch::Response { topics, error_code, ..offset_fetch::Response::default() }
    }
}

/// Where a group stands in `topics`, or wherever it stands.
fn fetch(
    context: &Context,
    group: &str,
    topics: Option<Vec<offset_fetch::Topic>>,
    only_stable: bool,
) -> (Vec<offset_fetch::FetchedTopic>, ErrorCode) {
    let Some(topics) = topics else { return fetch_all(context, group, only_stable) };
    let mut asked = Vec::new();
    let by_id = IDS_FROM <= context.version;
    let find = |topic: &offset_fetch::Topic, index: i32| context.partition(&topic.name, topic.topic_id, by_id, index);
    for topic in &topics {
        asked.extend(topic.partition_indexes.iter().filter_map(|index| find(topic, *index).ok()));
    }
    let (found, error_code): (BTreeMap<TopicPartition, offset_fetch::FetchedPartition>, _) =
        match context.broker().fetch_offsets(group, Some(&asked), only_stable) {
            Ok(found) => (found.into_iter().map(told).collect(), ErrorCode::NONE),
            Err(error) => (BTreeMap::new(), code_of_group(&error)),
        };
    let fetched = |topic: offset_fetch::Topic| {
        let partition = |index: &i32| {
            match find(&topic, *index) {
                Ok(partition) => found.get(&partition).cloned().unwrap_or_else(|| nothing(*index)),
                // By name, nobody has committed anything there; an id may be wrong.
                Err(error_code) if by_id => offset_fetch::FetchedPartition { error_code, ..nothing(*index) },
                Err(_) => nothing(*index),
            }
        };
        let partitions = topic.partition_indexes.iter().map(partition).collect();
        offset_fetch::FetchedTopic { partitions, topic_id: topic.topic_id, name: topic.name }
    };
    (topics.into_iter().map(fetched).collect(), error_code)
}

fn fetch_all(context: &Context, group: &str, only_stable: bool) -> (Vec<offset_fetch::FetchedTopic>, ErrorCode) {
    let found = match context.broker().fetch_offsets(group, None, only_stable) {
        Ok(found) => found,
        Err(error) => return (Vec::new(), code_of_group(&error)),
    };
    let metadata = context.broker().metadata();
    let mut topics: BTreeMap<(String, [u8; 16]), Vec<offset_fetch::FetchedPartition>> = BTreeMap::new();
    for (partition, found) in found.into_iter().map(told) {
        // Positions of a topic that is gone are nobody's.
        if let Some(topic) = metadata.topic_by_id(partition.topic) {
            topics.entry((topic.name.clone(), topic.id.0)).or_default().push(found);
        }
    }
    let fetched = |((name, topic_id), partitions)| offset_fetch::FetchedTopic { name, topic_id, partitions };
    (topics.into_iter().map(fetched).collect(), ErrorCode::NONE)
}

/// Where nothing was committed.
fn nothing(partition_index: i32) -> offset_fetch::FetchedPartition {
    offset_fetch::FetchedPartition {
        partition_index,
        metadata: Some(String::new()),
        ..offset_fetch::FetchedPartition::default()
    }
}

fn told((partition, outcome): FetchedOffset) -> (TopicPartition, offset_fetch::FetchedPartition) {
    let told = nothing(partition.partition.0);
    let told = match outcome {
        Ok(None) => told,
        Ok(Some(committed)) => offset_fetch::FetchedPartition {
            committed_offset: committed.offset.0,
            committed_leader_epoch: committed.leader_epoch.0,
            metadata: Some(committed.metadata),
            ..told
        },
        Err(error) => offset_fetch::FetchedPartition { error_code: code_of_group(&error), ..told },
    };
    (partition, told)
}
