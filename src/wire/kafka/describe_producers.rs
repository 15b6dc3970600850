//! DescribeProducers: who writes to a partition, and whose transaction is open.

use super::context::Context;
use super::error_code::code_of;
use super::table::Answer;
use crate::broker::ProducerDescription;
use crate::protocol::ErrorCode;
use crate::protocol::describe_producers as message;
use message::PartitionResponse;
use message::Producer;
use message::Request;
use message::Response;
use message::TopicResponse;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let mut topics = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
            for partition_index in topic.partition_indexes {
                partitions.push(match producers(context, &topic.name, partition_index).await {
                    Ok(active_producers) => {
                        PartitionResponse { partition_index, active_producers, ..PartitionResponse::default() }
                    }
                    Err(error_code) => {
                        PartitionResponse { partition_index, error_code, ..PartitionResponse::default() }
                    }
                });
            }
            topics.push(TopicResponse { name: topic.name, partitions });
        }
        Response { topics, ..Response::default() }
    }
}

async fn producers(context: &Context, topic: &str, partition: i32) -> Result<Vec<Producer>, ErrorCode> {
    let id = context.partition(topic, [0; 16], false, partition)?;
    let producers = context.broker().producers(id).await.map_err(|error| code_of(&error))?;
    let producer = |known: ProducerDescription| Producer {
        producer_id: known.id.0,
        producer_epoch: i32::from(known.epoch.0),
        last_sequence: known.last_sequence.unwrap_or(-1),
        last_timestamp: known.last_timestamp_ms,
        coordinator_epoch: known.coordinator_epoch,
        current_txn_start_offset: known.open_from.map_or(-1, |offset| offset.0),
    };
    Ok(producers.into_iter().map(producer).collect())
}
