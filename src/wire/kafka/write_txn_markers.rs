//! WriteTxnMarkers: an administrator ends what a producer left open, partition by partition.

use super::context::Context;
use super::error_code::code_of;
use super::error_code::code_of_transaction;
use super::table::Answer;
use crate::broker::MarkerError;
use crate::broker::OutsideMarker;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::ControlMarker;
use crate::protocol::ErrorCode;
use crate::protocol::write_txn_markers as message;
use message::MarkerResult;
use message::PartitionResult;
use message::Request;
use message::Response;
use message::TopicResult;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let mut markers = Vec::with_capacity(self.markers.len());
        for marker in self.markers {
            markers.push(end(context, marker).await);
        }
        Response { markers }
    }
}

async fn end(context: &Context, asked: message::Marker) -> MarkerResult {
    let marker = OutsideMarker {
        producer: (ProducerId(asked.producer_id), ProducerEpoch(asked.producer_epoch)),
        outcome: if asked.transaction_result { ControlMarker::Commit } else { ControlMarker::Abort },
        coordinator_epoch: asked.coordinator_epoch,
    };
    let mut topics = Vec::with_capacity(asked.topics.len());
    for topic in asked.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for partition_index in topic.partition_indexes {
            let ended = end_in(context, &topic.name, partition_index, marker).await;
            partitions.push(PartitionResult { partition_index, error_code: ended.err().unwrap_or_default() });
        }
        topics.push(TopicResult { name: topic.name, partitions });
    }
    MarkerResult { producer_id: asked.producer_id, topics }
}

async fn end_in(context: &Context, topic: &str, partition: i32, marker: OutsideMarker) -> Result<(), ErrorCode> {
    let partition = context.partition(topic, [0; 16], false, partition)?;
    context.broker().end_from_outside(partition, marker).await.map_err(|error| match error {
        MarkerError::StaleEpoch => ErrorCode::INVALID_PRODUCER_EPOCH,
        MarkerError::CoordinatorFenced => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        MarkerError::InUse => ErrorCode::INVALID_TXN_STATE,
        MarkerError::Transaction(error) => code_of_transaction(&error, false),
        MarkerError::Broker(error) => code_of(&error),
    })
}
