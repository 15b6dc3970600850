//! DeleteRecords: drops what lies before an offset.

use super::context::Context;
use super::error_code::code_of;
use super::table::Answer;
use crate::model::Offset;
use crate::protocol::ErrorCode;
use crate::protocol::delete_records as message;
use message::Partition;
use message::PartitionResult;
use message::Request;
use message::Response;
use message::TopicResult;

/// In place of an offset: all that can be read.
const UP_TO_HIGH_WATERMARK: i64 = -1;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let mut topics = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in topic.partitions {
                let partition_index = partition.partition_index;
                partitions.push(match delete(context, &topic.name, partition).await {
                    Ok(low_watermark) => PartitionResult {
                        partition_index,
                        low_watermark: low_watermark.0,
                        ..PartitionResult::default()
                    },
                    Err(error_code) => PartitionResult { partition_index, error_code, ..PartitionResult::default() },
                });
            }
            topics.push(TopicResult { name: topic.name, partitions });
        }
        Response { topics, ..Response::default() }
    }
}

async fn delete(context: &Context, topic: &str, partition: Partition) -> Result<Offset, ErrorCode> {
    let id = context.partition(topic, [0; 16], false, partition.partition_index)?;
    let before = (partition.offset != UP_TO_HIGH_WATERMARK).then_some(Offset(partition.offset));
    context.broker().delete_records(id, before).await.map_err(|error| code_of(&error))
}
