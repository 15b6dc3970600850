//! OffsetDelete: of partitions that no member of the group reads.

use super::context::Context;
use super::error_code::code_of_group;
use super::error_code::code_of_outcome;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::offset_delete::DeletedPartition;
use crate::protocol::offset_delete::DeletedTopic;
use crate::protocol::offset_delete::Request;
use crate::protocol::offset_delete::Response;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let mut partitions = Vec::new();
        let mut topics = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut told = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let partition = context.partition(&topic.name, [0; 16], false, asked.partition_index);
                let error_code = partition.err().unwrap_or_default();
                partitions.extend(partition.ok());
                told.push(DeletedPartition { partition_index: asked.partition_index, error_code });
            }
            topics.push(DeletedTopic { name: topic.name, partitions: told });
        }
        let outcomes = match context.broker().delete_offsets(&self.group_id, partitions).await {
            Ok(outcomes) => outcomes,
            Err(error) => return Response { error_code: code_of_group(&error), ..Response::default() },
        };
        let known = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let known = known.filter(|partition| partition.error_code == ErrorCode::NONE);
        known.zip(&outcomes).for_each(|(partition, outcome)| partition.error_code = code_of_outcome(outcome));
        Response { topics, ..Response::default() }
    }
}
