//! DescribeLogDirs: how large partitions are.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DescribeLogDirs = 35, versions 1..=4, flexible 2;
    Request {
        topics: Option<Vec<Topic>> [0..],
    }
    Topic {
        topic: String [0..],
        partitions: Vec<i32> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [3..],
        results: Vec<LogDir> [0..],
    }
    LogDir {
        error_code: ErrorCode [0..],
        log_dir: String [0..],
        topics: Vec<TopicResult> [0..],
        total_bytes: i64 [4..] = -1,
        usable_bytes: i64 [4..] = -1,
    }
    TopicResult {
        name: String [0..],
        partitions: Vec<PartitionResult> [0..],
    }
    PartitionResult {
        partition_index: i32 [0..],
        partition_size: i64 [0..],
        offset_lag: i64 [0..],
        is_future_key: bool [0..],
    }
}
