//! Heartbeat: a member says that it lives.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api Heartbeat = 12, versions 0..=4, flexible 4;
    Request {
        group_id: String [0..],
        generation_id: i32 [0..],
        member_id: String [0..],
        group_instance_id: Option<String> [3..],
    }
    Response {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [0..],
    }
}
