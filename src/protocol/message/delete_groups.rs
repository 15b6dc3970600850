//! DeleteGroups: groups without members are forgotten.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DeleteGroups = 42, versions 0..=2, flexible 2;
    Request {
        groups_names: Vec<String> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        results: Vec<Deleted> [0..],
    }
    Deleted {
        group_id: String [0..],
        error_code: ErrorCode [0..],
    }
}
