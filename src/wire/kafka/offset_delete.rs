//! OffsetDelete: of partitions that no member of the group reads.

use super::context::Context;
use super::error_code::code_of_group;
use super::error_code::code_of_outcome;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::offset_delete;

impl Answer for offset_delete::Request {
    async fn answer(self, context: &Context) -> offset_delete::Response {
        let mut partitions = Vec::new();
        let mut topics = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut told = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let partition = context.partition(&topic.name, [0; 16], false, asked.partition_index);
                let error_code = partition.err().unwrap_or_default();
                partitions.extend(partition.ok());
                told.push(offset_delete::DeletedPartition { partition_index: asked.partition_index, error_code });
            }
            topics.push(offset_delete::DeletedTopic { name: topic.name, partitions: told });
        }
        let outcomes = match context.broker().delete_offsets(&self.group_id, partitions).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                return offset_delete::Response {
                    error_code: code_of_group(&error),
                    ..offset_delete::Response::default()
                };
            }
        };
        let known = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let known = known.filter(|partition| partition.error_code == ErrorCode::NONE);
        known.zip(&outcomes).for_each(|(partition, outcome)| partition.error_code = code_of_outcome(outcome));
        offset_delete::Response { topics, ..offset_delete::Response::default() }
    }
}
