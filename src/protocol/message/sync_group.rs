//! SyncGroup: a member asks for its share of the partitions; the leader brings all shares.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use bytes::Bytes;

use super::ErrorCode;
use super::declare::messages;

messages! {
    api SyncGroup = 14, versions 0..=5, flexible 4;
    Request {
        group_id: String [0..],
        generation_id: i32 [0..],
        member_id: String [0..],
        group_instance_id: Option<String> [3..],
        protocol_type: Option<String> [5..],
        protocol_name: Option<String> [5..],
        assignments: Vec<Assignment> [0..],
    }
    Assignment {
        member_id: String [0..],
        assignment: Bytes [0..],
    }
    Response {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [0..],
        protocol_type: Option<String> [5..],
        protocol_name: Option<String> [5..],
        assignment: Bytes [0..],
    }
}
