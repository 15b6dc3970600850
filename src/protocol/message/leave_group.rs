//! LeaveGroup: members leave.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api LeaveGroup = 13, versions 0..=5, flexible 4;
    Request {
        group_id: String [0..],
        member_id: String [0..=2],
        members: Vec<Member> [3..],
    }
    Member {
        member_id: String [3..],
        group_instance_id: Option<String> [3..],
        reason: Option<String> [5..],
    }
    Response {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [0..],
        members: Vec<Left> [3..],
    }
    Left {
        member_id: String [3..],
        group_instance_id: Option<String> [3..],
        error_code: ErrorCode [3..],
    }
}
