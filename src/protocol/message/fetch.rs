//! Fetch: record batches, as they lie in the log.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::CurrentLeader;
use super::ErrorCode;
use super::NodeEndpoint;
use super::Pieces;
use super::declare::messages;

messages! {
    api Fetch = 1, versions 4..=18, flexible 12;
    Request {
        cluster_id: Option<String> [tag 0, 12..],
        replica_id: i32 [0..=14] = -1,
        replica_state: ReplicaState [tag 1, 15..],
        max_wait_ms: i32 [0..],
        min_bytes: i32 [0..],
        max_bytes: i32 [3..] = i32::MAX,
        isolation_level: i8 [4..],
        session_id: i32 [7..],
        session_epoch: i32 [7..] = -1,
        topics: Vec<FetchTopic> [0..],
        forgotten_topics_data: Vec<ForgottenTopic> [7..],
        rack_id: String [11..],
    }
    ReplicaState {
        replica_id: i32 [15..] = -1,
        replica_epoch: i64 [15..] = -1,
    }
    FetchTopic {
        topic: String [0..=12],
        topic_id: [u8; 16] [13..],
        partitions: Vec<FetchPartition> [0..],
    }
    FetchPartition {
        partition: i32 [0..],
        current_leader_epoch: i32 [9..] = -1,
        fetch_offset: i64 [0..],
        last_fetched_epoch: i32 [12..] = -1,
        log_start_offset: i64 [5..] = -1,
        partition_max_bytes: i32 [0..],
        replica_directory_id: [u8; 16] [tag 0, 17..],
        high_watermark: i64 [tag 1, 18..] = i64::MAX,
    }
    ForgottenTopic {
        topic: String [7..=12],
        topic_id: [u8; 16] [13..],
        partitions: Vec<i32> [7..],
    }
    Response {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [7..],
        session_id: i32 [7..],
        responses: Vec<TopicResponse> [0..],
        node_endpoints: Vec<NodeEndpoint> [tag 0, 16..],
    }
    TopicResponse {
        topic: String [0..=12],
        topic_id: [u8; 16] [13..],
        partitions: Vec<PartitionResponse> [0..],
    }
    PartitionResponse {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        high_watermark: i64 [0..] = -1,
        last_stable_offset: i64 [4..] = -1,
        log_start_offset: i64 [5..] = -1,
        diverging_epoch: EpochEndOffset [tag 0, 12..],
        current_leader: CurrentLeader [tag 1, 12..],
        snapshot_id: SnapshotId [tag 2, 12..],
        aborted_transactions: Option<Vec<AbortedTransaction>> [4..],
        preferred_read_replica: i32 [11..] = -1,
        records: Pieces [0..],
    }
    EpochEndOffset {
        epoch: i32 [12..] = -1,
        end_offset: i64 [12..] = -1,
    }
    SnapshotId {
        end_offset: i64 [12..] = -1,
        epoch: i32 [12..] = -1,
    }
    AbortedTransaction {
        producer_id: i64 [4..],
        first_offset: i64 [4..],
    }
}
