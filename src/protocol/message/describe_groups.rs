//! DescribeGroups: groups and their members.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use bytes::Bytes;

use super::ErrorCode;
use super::OPERATIONS_NOT_ASKED;
use super::declare::messages;

messages! {
    api DescribeGroups = 15, versions 0..=6, flexible 5;
    Request {
        groups: Vec<String> [0..],
        include_authorized_operations: bool [3..],
    }
    Response {
        throttle_time_ms: i32 [1..],
        groups: Vec<Group> [0..],
    }
    Group {
        error_code: ErrorCode [0..],
        error_message: Option<String> [6..],
        group_id: String [0..],
        group_state: String [0..],
        protocol_type: String [0..],
        protocol_data: String [0..],
        members: Vec<Member> [0..],
        authorized_operations: i32 [3..] = OPERATIONS_NOT_ASKED,
    }
    Member {
        member_id: String [0..],
        group_instance_id: Option<String> [4..],
        client_id: String [0..],
        client_host: String [0..],
        member_metadata: Bytes [0..],
        member_assignment: Bytes [0..],
    }
}
