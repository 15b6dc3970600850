//! ConsumerGroupDescribe: groups of the consumer protocol (KIP-848) and their members.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::OPERATIONS_NOT_ASKED;
use super::declare::messages;

messages! {
    api ConsumerGroupDescribe = 69, versions 0..=1, flexible 0;
    Request {
        group_ids: Vec<String> [0..],
        include_authorized_operations: bool [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        groups: Vec<Group> [0..],
    }
    Group {
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        group_id: String [0..],
        group_state: String [0..],
        group_epoch: i32 [0..],
        assignment_epoch: i32 [0..],
        assignor_name: String [0..],
        members: Vec<Member> [0..],
        authorized_operations: i32 [0..] = OPERATIONS_NOT_ASKED,
    }
    Member {
        member_id: String [0..],
        instance_id: Option<String> [0..],
        rack_id: Option<String> [0..],
        member_epoch: i32 [0..],
        client_id: String [0..],
        client_host: String [0..],
        subscribed_topic_names: Vec<String> [0..],
        subscribed_topic_regex: Option<String> [0..],
        assignment: Assignment [0..],
        target_assignment: Assignment [0..],
        member_type: i8 [1..] = -1,
    }
    Assignment {
        topic_partitions: Vec<TopicPartitions> [0..],
    }
    TopicPartitions {
        topic_id: [u8; 16] [0..],
        topic_name: String [0..],
        partitions: Vec<i32> [0..],
    }
}
