//! AlterReplicaLogDirs: another directory for partitions.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api AlterReplicaLogDirs = 34, versions 1..=2, flexible 2;
    Request {
        dirs: Vec<LogDir> [0..],
    }
    LogDir {
        path: String [0..],
        topics: Vec<Topic> [0..],
    }
    Topic {
        name: String [0..],
        partitions: Vec<i32> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        results: Vec<TopicResult> [0..],
    }
    TopicResult {
        topic_name: String [0..],
        partitions: Vec<PartitionResult> [0..],
    }
    PartitionResult {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
