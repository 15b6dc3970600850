//! ConsumerGroupHeartbeat: answered when what it changed is durable.

use std::collections::BTreeSet;
use std::time::Duration;

use super::context::Context;
use super::error_code::code_of_group;
use super::table::Answer;
use crate::broker::ConsumerHeartbeat;
use crate::broker::GroupError;
use crate::broker::partitions_by_topic;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::consumer_group_heartbeat as message;
use message::Assignment;
use message::Request;
use message::Response;
use message::TopicPartitions;

/// Before, the coordinator gave members their names (KIP-1082).
const NAMES_FROM: i16 = 1;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        match heartbeat(self, context).await {
            Ok(response) => response,
            Err(error) => Response {
                error_code: code_of_group(&error),
                error_message: Some(error.to_string()),
                ..Response::default()
            },
        }
    }
}

async fn heartbeat(request: Request, context: &Context) -> Result<Response, GroupError> {
    if request.member_id.is_empty() && NAMES_FROM <= context.version {
        return Err(GroupError::InvalidRequest { reason: "the member id is empty" });
    }
    if request.group_id.trim().is_empty() {
        return Err(GroupError::InvalidRequest { reason: "the group id is empty" });
    }
    let partitions = |topic: &TopicPartitions| -> Vec<_> {
        topic.partitions.iter().map(|number| TopicPartition::new(TopicId(topic.topic_id), *number)).collect()
    };
    let owned = |topics: Vec<TopicPartitions>| topics.iter().flat_map(partitions).collect();
    let request = ConsumerHeartbeat {
        group: request.group_id,
        member: request.member_id,
        member_epoch: request.member_epoch,
        instance: request.instance_id,
        rack: request.rack_id,
        client_id: context.client_id().to_string(),
        client_host: context.client_host().to_string(),
        rebalance_timeout: u64::try_from(request.rebalance_timeout_ms).ok().map(Duration::from_millis),
        topics: request.subscribed_topic_names,
        pattern: request.subscribed_topic_regex,
        assignor: request.server_assignor,
        owned: request.topic_partitions.map(owned),
    };
    let answer = context.broker().consumer_heartbeat(request).await?;
    Ok(Response {
        member_id: Some(answer.member),
        member_epoch: answer.member_epoch,
        heartbeat_interval_ms: i32::try_from(answer.heartbeat_interval.as_millis()).unwrap_or(i32::MAX),
        assignment: answer.assignment.map(|assigned| assignment(&assigned)),
        ..Response::default()
    })
}

fn assignment(partitions: &BTreeSet<TopicPartition>) -> Assignment {
    let topic = |(TopicId(topic_id), partitions)| TopicPartitions { topic_id, partitions };
    Assignment { topic_partitions: partitions_by_topic(partitions).into_iter().map(topic).collect() }
}
