//! ListConfigResources: what has settings.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api ListConfigResources = 74, versions 0..=1, flexible 0;
    Request {
        resource_types: Vec<i8> [1..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        config_resources: Vec<ConfigResource> [0..],
    }
    ConfigResource {
        resource_name: String [0..],
        resource_type: i8 [1..] = 16,
    }
}
