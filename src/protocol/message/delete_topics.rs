//! DeleteTopics, by name or id.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DeleteTopics = 20, versions 1..=6, flexible 4;
    Request {
        topics: Vec<Topic> [6..],
        topic_names: Vec<String> [0..=5],
        timeout_ms: i32 [0..],
    }
    Topic {
        name: Option<String> [6..],
        topic_id: [u8; 16] [6..],
    }
    Response {
        throttle_time_ms: i32 [1..],
        responses: Vec<TopicResult> [0..],
    }
    TopicResult {
        name: Option<String> [0..],
        topic_id: [u8; 16] [6..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [5..],
    }
}
