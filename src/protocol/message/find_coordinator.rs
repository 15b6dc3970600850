//! FindCoordinator: which broker keeps a group or a transactional id.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api FindCoordinator = 10, versions 0..=5, flexible 3;
    Request {
        key: String [0..=3],
        key_type: i8 [1..],
        coordinator_keys: Vec<String> [4..],
    }
    Response {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [0..=3],
        error_message: Option<String> [1..=3],
        node_id: i32 [0..=3],
        host: String [0..=3],
        port: i32 [0..=3],
        coordinators: Vec<Coordinator> [4..],
    }
    Coordinator {
        key: String [4..],
        node_id: i32 [4..],
        host: String [4..],
        port: i32 [4..],
        error_code: ErrorCode [4..],
        error_message: Option<String> [4..],
    }
}
