//! DescribeGroups.

use super::context::Context;
use super::error_code::code_of_group;
use super::metadata::GROUP_BITS;
use super::table::Answer;
use crate::broker::DescribedMember;
use crate::broker::GroupError;
use crate::broker::GroupState;
use crate::protocol::ErrorCode;
use crate::protocol::OPERATIONS_NOT_ASKED;
use crate::protocol::describe_groups;

/// Before, a group that is not there is dead.
const NOT_FOUND_FROM: i16 = 6;

impl Answer for describe_groups::Request {
    async fn answer(self, context: &Context) -> describe_groups::Response {
        let authorized_operations = match self.include_authorized_operations {
            true => GROUP_BITS,
            false => OPERATIONS_NOT_ASKED,
        };
        let groups = self.groups.into_iter().map(|group| match describe(context, group) {
            group if group.error_code == ErrorCode::NONE => describe_groups::Group { authorized_operations, ..group },
            refused => refused,
        });
        describe_groups::Response { groups: groups.collect(), ..describe_groups::Response::default() }
    }
}

fn describe(context: &Context, group_id: String) -> describe_groups::Group {
    match context.broker().describe_group(&group_id) {
        Ok(group) => describe_groups::Group {
            group_id,
            group_state: group.state.to_string(),
            protocol_type: group.protocol_type,
            protocol_data: group.protocol,
            members: group.members.into_iter().map(member).collect(),
            ..describe_groups::Group::default()
        },
        Err(GroupError::GroupNotFound | GroupError::OtherProtocol { .. }) if context.version < NOT_FOUND_FROM => {
            describe_groups::Group {
                group_id,
                group_state: GroupState::Dead.to_string(),
                ..describe_groups::Group::default()
            }
        }
        Err(error) => describe_groups::Group {
            error_code: code_of_group(&error),
            error_message: Some(format!("Group {group_id}: {error}.")),
            group_id,
            group_state: GroupState::Dead.to_string(),
            ..describe_groups::Group::default()
        },
    }
}

fn member(member: DescribedMember) -> describe_groups::Member {
    describe_groups::Member {
        member_id: member.member,
        group_instance_id: member.instance,
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    }
}
