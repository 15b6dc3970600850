//! WriteTxnMarkers: an administrator's tool ends what a producer left open in partitions.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api WriteTxnMarkers = 27, versions 1..=1, flexible 1;
    Request {
        markers: Vec<Marker> [0..],
    }
    Marker {
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        transaction_result: bool [0..],
        topics: Vec<Topic> [0..],
        coordinator_epoch: i32 [0..],
    }
    Topic {
        name: String [0..],
        partition_indexes: Vec<i32> [0..],
    }
    Response {
        markers: Vec<MarkerResult> [0..],
    }
    MarkerResult {
        producer_id: i64 [0..],
        topics: Vec<TopicResult> [0..],
    }
    TopicResult {
        name: String [0..],
        partitions: Vec<PartitionResult> [0..],
    }
    PartitionResult {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
