//! CreateAcls: lets or forbids somebody to do something.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api CreateAcls = 30, versions 1..=3, flexible 2;
    Request {
        creations: Vec<Creation> [0..],
    }
    Creation {
        resource_type: i8 [0..],
        resource_name: String [0..],
        resource_pattern_type: i8 [1..] = 3,
        principal: String [0..],
        host: String [0..],
        operation: i8 [0..],
        permission_type: i8 [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        results: Vec<CreationResult> [0..],
    }
    CreationResult {
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
    }
}
