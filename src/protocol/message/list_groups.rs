//! ListGroups: all groups that this broker keeps.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api ListGroups = 16, versions 0..=5, flexible 3;
    Request {
        states_filter: Vec<String> [4..],
        types_filter: Vec<String> [5..],
    }
    Response {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [0..],
        groups: Vec<Group> [0..],
    }
    Group {
        group_id: String [0..],
        protocol_type: String [0..],
        group_state: String [4..],
        group_type: String [5..],
    }
}
