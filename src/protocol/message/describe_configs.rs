//! DescribeConfigs.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DescribeConfigs = 32, versions 1..=4, flexible 4;
    Request {
        resources: Vec<Resource> [0..],
        include_synonyms: bool [1..],
        include_documentation: bool [3..],
    }
    Resource {
        resource_type: i8 [0..],
        resource_name: String [0..],
        configuration_keys: Option<Vec<String>> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        results: Vec<ResourceResult> [0..],
    }
    ResourceResult {
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        resource_type: i8 [0..],
        resource_name: String [0..],
        configs: Vec<Config> [0..],
    }
    Config {
        name: String [0..],
        value: Option<String> [0..],
        read_only: bool [0..],
        config_source: i8 [1..] = -1,
        is_sensitive: bool [0..],
        synonyms: Vec<Synonym> [1..],
        config_type: i8 [3..],
        documentation: Option<String> [3..],
    }
    Synonym {
        name: String [1..],
        value: Option<String> [1..],
        source: i8 [1..],
    }
}
