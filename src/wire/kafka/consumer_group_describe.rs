//! ConsumerGroupDescribe.

use std::collections::BTreeSet;

use super::context::Context;
use super::error_code::code_of_group;
use super::metadata::GROUP_BITS;
use super::table::Answer;
use crate::broker::DescribedConsumerMember;
use crate::broker::GroupState;
use crate::broker::partitions_by_topic;
use crate::model::TopicPartition;
use crate::protocol::ErrorCode;
use crate::protocol::OPERATIONS_NOT_ASKED;
use crate::protocol::consumer_group_describe as message;
use message::Assignment;
use message::Group;
use message::Member;
use message::Request;
use message::Response;
use message::TopicPartitions;

/// Says that a member speaks the classic protocol.
const CLASSIC: i8 = 0;
/// Says that a member speaks the consumer protocol.
const CONSUMER: i8 = 1;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let authorized_operations = match self.include_authorized_operations {
            true => GROUP_BITS,
            false => OPERATIONS_NOT_ASKED,
        };
        let groups = self.group_ids.into_iter().map(|group| match describe(context, group) {
            group if group.error_code == ErrorCode::NONE => Group { authorized_operations, ..group },
            refused => refused,
        });
        Response { groups: groups.collect(), ..Response::default() }
    }
}

fn describe(context: &Context, group_id: String) -> Group {
    let group = match context.broker().describe_consumer_group(&group_id) {
        Ok(group) => group,
        Err(error) => {
            return Group {
                error_code: code_of_group(&error),
                error_message: Some(format!("Group {group_id}: {error}.")),
                group_id,
                group_state: GroupState::Dead.to_string(),
                ..Group::default()
            };
        }
    };
    Group {
        group_id,
        group_state: group.state.to_string(),
        group_epoch: group.group_epoch,
        assignment_epoch: group.assignment_epoch,
        assignor_name: group.assignor,
        members: group.members.into_iter().map(|described| member(context, described)).collect(),
        ..Group::default()
    }
}

fn member(context: &Context, member: DescribedConsumerMember) -> Member {
    Member {
        assignment: assignment(context, &member.assignment),
        target_assignment: assignment(context, &member.target),
        member_id: member.member,
        instance_id: member.instance,
        rack_id: member.rack,
        member_epoch: member.member_epoch,
        client_id: member.client_id,
        client_host: member.client_host,
        subscribed_topic_names: member.topics,
        subscribed_topic_regex: member.pattern,
        member_type: if member.is_classic { CLASSIC } else { CONSUMER },
    }
}

/// Topics that are gone are left out.
fn assignment(context: &Context, partitions: &BTreeSet<TopicPartition>) -> Assignment {
    let metadata = context.broker().metadata();
    let topics = partitions_by_topic(partitions).into_iter().filter_map(|(topic, partitions)| {
        let topic = metadata.topic_by_id(topic)?;
        Some(TopicPartitions { topic_id: topic.id.0, topic_name: topic.name.clone(), partitions })
    });
    Assignment { topic_partitions: topics.collect() }
}
