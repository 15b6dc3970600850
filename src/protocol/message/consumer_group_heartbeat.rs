//! ConsumerGroupHeartbeat: a member of the consumer protocol (KIP-848) joins, lives, and leaves.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api ConsumerGroupHeartbeat = 68, versions 0..=1, flexible 0;
    Request {
        group_id: String [0..],
        member_id: String [0..],
        member_epoch: i32 [0..],
        instance_id: Option<String> [0..],
        rack_id: Option<String> [0..],
        rebalance_timeout_ms: i32 [0..] = -1,
        subscribed_topic_names: Option<Vec<String>> [0..],
        subscribed_topic_regex: Option<String> [1..],
        server_assignor: Option<String> [0..],
        topic_partitions: Option<Vec<TopicPartitions>> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        member_id: Option<String> [0..],
        member_epoch: i32 [0..],
        heartbeat_interval_ms: i32 [0..],
        assignment: Option<Assignment> [0..],
    }
    Assignment {
        topic_partitions: Vec<TopicPartitions> [0..],
    }
    TopicPartitions {
        topic_id: [u8; 16] [0..],
        partitions: Vec<i32> [0..],
    }
}
