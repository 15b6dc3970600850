//! CreateTopics.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api CreateTopics = 19, versions 2..=7, flexible 5;
    Request {
        topics: Vec<Topic> [0..],
        timeout_ms: i32 [0..] = 60_000,
        validate_only: bool [1..],
    }
    Topic {
        name: String [0..],
        num_partitions: i32 [0..],
        replication_factor: i16 [0..],
        assignments: Vec<Assignment> [0..],
        configs: Vec<Config> [0..],
    }
    Assignment {
        partition_index: i32 [0..],
        broker_ids: Vec<i32> [0..],
    }
    Config {
        name: String [0..],
        value: Option<String> [0..],
    }
    Response {
        throttle_time_ms: i32 [2..],
        topics: Vec<TopicResult> [0..],
    }
    TopicResult {
        name: String [0..],
        topic_id: [u8; 16] [7..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [1..],
        topic_config_error_code: ErrorCode [tag 0, 5..],
        num_partitions: i32 [5..] = -1,
        replication_factor: i16 [5..] = -1,
        configs: Option<Vec<ConfigResult>> [5..],
    }
    ConfigResult {
        name: String [5..],
        value: Option<String> [5..],
        read_only: bool [5..],
        config_source: i8 [5..] = -1,
        is_sensitive: bool [5..],
    }
}
