//! Produce: record batches to append. Versions below 3 carry older formats and are answered with an error.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::declare::messages;
use bytes::Bytes;

use super::CurrentLeader;
use super::ErrorCode;
use super::NodeEndpoint;

messages! {
    api Produce = 0, versions 0..=13, flexible 9;
    Request {
        transactional_id: Option<String> [3..],
        acks: i16 [0..],
        timeout_ms: i32 [0..],
        topic_data: Vec<TopicData> [0..],
    }
    TopicData {
        name: String [0..=12],
        topic_id: [u8; 16] [13..],
        partition_data: Vec<PartitionData> [0..],
    }
    PartitionData {
        index: i32 [0..],
        records: Option<Bytes> [0..],
    }
    Response {
        responses: Vec<TopicResponse> [0..],
        throttle_time_ms: i32 [1..],
        node_endpoints: Vec<NodeEndpoint> [tag 0, 10..],
    }
    TopicResponse {
        name: String [0..=12],
        topic_id: [u8; 16] [13..],
        partition_responses: Vec<PartitionResponse> [0..],
    }
    PartitionResponse {
        index: i32 [0..],
        error_code: ErrorCode [0..],
        base_offset: i64 [0..] = -1,
        log_append_time_ms: i64 [2..] = -1,
        log_start_offset: i64 [5..] = -1,
        record_errors: Vec<RecordError> [8..],
        error_message: Option<String> [8..],
        current_leader: CurrentLeader [tag 0, 10..],
    }
    RecordError {
        batch_index: i32 [8..],
        batch_index_error_message: Option<String> [8..],
    }
}
