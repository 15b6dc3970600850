//! JoinGroup: answers when the generation that the member is in begins.

use std::time::Duration;

use bytes::Bytes;

use super::context::Context;
use super::error_code::code_of_group;
use super::table::Answer;
use crate::broker::GroupError;
use crate::broker::GroupProtocol;
use crate::broker::JoinGroup;
use crate::protocol::ErrorCode;
use crate::protocol::join_group;

/// From here on a client may say how long a rebalance may take; before, it is the session timeout.
const REBALANCE_TIMEOUT_FROM: i16 = 1;
/// From here on a client comes again under the name that it is given.
const TWO_STEPS_FROM: i16 = 4;
/// From here on the assignor may be missing in an answer.
const NULLABLE_PROTOCOL_FROM: i16 = 7;
/// From here on a leader may leave the assignment as it is.
const SKIP_ASSIGNMENT_FROM: i16 = 9;

impl Answer for join_group::Request {
    async fn answer(self, context: &Context) -> join_group::Response {
        let member = self.member_id.clone();
        let version = context.version;
        let rebalance_timeout_ms =
            if REBALANCE_TIMEOUT_FROM <= version { self.rebalance_timeout_ms } else { self.session_timeout_ms };
        let millis = |millis: i32| Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        // What is kept must not keep the whole frame.
        let protocol = |protocol: join_group::Protocol| GroupProtocol {
            name: protocol.name,
            metadata: Bytes::copy_from_slice(&protocol.metadata),
        };
        let request = JoinGroup {
            group: self.group_id,
            member: self.member_id,
            instance: self.group_instance_id,
            client_id: context.client_id().to_string(),
            client_host: context.client_host().to_string(),
            session_timeout: millis(self.session_timeout_ms),
            rebalance_timeout: millis(rebalance_timeout_ms),
            protocol_type: self.protocol_type,
            protocols: self.protocols.into_iter().map(protocol).collect(),
            joins_in_two_steps: TWO_STEPS_FROM <= version,
            can_skip_assignment: SKIP_ASSIGNMENT_FROM <= version,
        };
        match context.broker().join_group(request).await {
            Ok(joined) => join_group::Response {
                generation_id: joined.generation,
                protocol_type: joined.protocol_type,
                protocol_name: joined.protocol,
                leader: joined.leader,
                skip_assignment: joined.skip_assignment,
                member_id: joined.member,
                members: joined
                    .members
                    .into_iter()
                    .map(|member| join_group::Member {
                        member_id: member.member,
                        group_instance_id: member.instance,
                        metadata: member.metadata,
                    })
                    .collect(),
                ..join_group::Response::default()
            },
            Err(error) => refused(version, &error, member),
        }
    }
}

/// Of a refusal, the member's name comes back, or the one that it is to have.
fn refused(version: i16, error: &GroupError, member: String) -> join_group::Response {
    let member_id = match error {
        GroupError::MemberIdRequired { member } => member.clone(),
        _ => member,
    };
    let error_code: ErrorCode = code_of_group(error);
    let protocol_name = (version < NULLABLE_PROTOCOL_FROM).then(String::new);
    join_group::Response { error_code, member_id, protocol_name, ..join_group::Response::default() }
}
