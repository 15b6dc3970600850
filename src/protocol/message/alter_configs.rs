//! AlterConfigs: replaces the whole configuration of a resource.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api AlterConfigs = 33, versions 0..=2, flexible 2;
    Request {
        resources: Vec<Resource> [0..],
        validate_only: bool [0..],
    }
    Resource {
        resource_type: i8 [0..],
        resource_name: String [0..],
        configs: Vec<Config> [0..],
    }
    Config {
        name: String [0..],
        value: Option<String> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        responses: Vec<ResourceResult> [0..],
    }
    ResourceResult {
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        resource_type: i8 [0..],
        resource_name: String [0..],
    }
}
