//! LeaveGroup: of one member, or, from version 3 on, of many, as an administrator removes them.

use super::context::Context;
use super::error_code::code_of_group;
use super::error_code::code_of_outcome;
use super::table::Answer;
use crate::broker::LeaveGroup;
use crate::broker::LeavingMember;
use crate::protocol::leave_group;

const MANY_FROM: i16 = 3;

impl Answer for leave_group::Request {
    async fn answer(self, context: &Context) -> leave_group::Response {
        let is_one = context.version < MANY_FROM;
        let members: Vec<_> = match is_one {
            true => vec![LeavingMember { member: self.member_id, instance: None }],
            false => {
                let leaving = self.members.into_iter();
                leaving.map(|it| LeavingMember { member: it.member_id, instance: it.group_instance_id }).collect()
            }
        };
        let request = LeaveGroup { group: self.group_id, members: members.clone() };
        let outcomes = match context.broker().leave_group(request).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                return leave_group::Response { error_code: code_of_group(&error), ..leave_group::Response::default() };
            }
        };
        if is_one {
            let error_code = outcomes.first().map(code_of_outcome).unwrap_or_default();
            return leave_group::Response { error_code, ..leave_group::Response::default() };
        }
        let left = |(member, outcome): (LeavingMember, &Result<(), _>)| leave_group::Left {
            member_id: member.member,
            group_instance_id: member.instance,
            error_code: code_of_outcome(outcome),
        };
        leave_group::Response {
            members: members.into_iter().zip(&outcomes).map(left).collect(),
            ..leave_group::Response::default()
        }
    }
}
