//! JoinGroup: a member asks to be in a group's next generation.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use bytes::Bytes;

use super::ErrorCode;
use super::declare::messages;

messages! {
    api JoinGroup = 11, versions 0..=9, flexible 6;
    Request {
        group_id: String [0..],
        session_timeout_ms: i32 [0..],
        rebalance_timeout_ms: i32 [1..] = -1,
        member_id: String [0..],
        group_instance_id: Option<String> [5..],
        protocol_type: String [0..],
        protocols: Vec<Protocol> [0..],
        reason: Option<String> [8..],
    }
    Protocol {
        name: String [0..],
        metadata: Bytes [0..],
    }
    Response {
        throttle_time_ms: i32 [2..],
        error_code: ErrorCode [0..],
        generation_id: i32 [0..] = -1,
        protocol_type: Option<String> [7..],
        protocol_name: Option<String> [0..],
        leader: String [0..],
        skip_assignment: bool [9..],
        member_id: String [0..],
        members: Vec<Member> [0..],
    }
    Member {
        member_id: String [0..],
        group_instance_id: Option<String> [5..],
        metadata: Bytes [0..],
    }
}
