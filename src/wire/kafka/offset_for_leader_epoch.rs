//! OffsetForLeaderEpoch: where the reign of a leader ended, so that a reader sees whether it was truncated (KIP-320).

use super::context::Context;
use super::context::leader_epoch;
use super::error_code::code_of;
use super::table::Answer;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::protocol::ErrorCode;
use crate::protocol::offset_for_leader_epoch as message;
use message::Partition;
use message::PartitionResponse;
use message::Request;
use message::Response;
use message::TopicResponse;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let mut topics = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in topic.partitions {
                let number = partition.partition;
                partitions.push(match one(context, &topic.topic, partition).await {
                    Ok(end) => PartitionResponse {
                        partition: number,
                        leader_epoch: end.map_or(-1, |(epoch, _)| epoch.0),
                        end_offset: end.map_or(-1, |(_, end)| end.0),
                        ..PartitionResponse::default()
                    },
                    Err(error_code) => {
                        PartitionResponse { partition: number, error_code, ..PartitionResponse::default() }
                    }
                });
            }
            topics.push(TopicResponse { topic: topic.topic, partitions });
        }
        Response { topics, ..Response::default() }
    }
}

async fn one(context: &Context, topic: &str, partition: Partition) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
    let id = context.partition(topic, [0; 16], false, partition.partition)?;
    let current = leader_epoch(partition.current_leader_epoch);
    let end = context.broker().epoch_end(id, LeaderEpoch(partition.leader_epoch), current).await;
    end.map_err(|error| code_of(&error))
}
