//! CreatePartitions: more partitions for topics that are there.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api CreatePartitions = 37, versions 0..=3, flexible 2;
    Request {
        topics: Vec<Topic> [0..],
        timeout_ms: i32 [0..],
        validate_only: bool [0..],
    }
    Topic {
        name: String [0..],
        count: i32 [0..],
        assignments: Option<Vec<Assignment>> [0..],
    }
    Assignment {
        broker_ids: Vec<i32> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        results: Vec<TopicResult> [0..],
    }
    TopicResult {
        name: String [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
    }
}
