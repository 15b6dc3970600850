//! CreatePartitions.

use super::context::Context;
use super::error_code::Refusal;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::create_partitions as message;
use message::Request;
use message::Response;
use message::Topic;
use message::TopicResult;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let mut results = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let added = add(context, &topic, self.validate_only).await;
            let (error_code, error_message) = match added {
                Ok(()) => (ErrorCode::NONE, None),
                Err(refusal) => (refusal.code, Some(refusal.message)),
            };
            results.push(TopicResult { name: topic.name, error_code, error_message });
        }
        Response { results, ..Response::default() }
    }
}

async fn add(context: &Context, topic: &Topic, validate_only: bool) -> Result<(), Refusal> {
    let metadata = context.broker().metadata();
    let found = metadata.topic(&topic.name);
    let found = found.ok_or_else(|| Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic"))?;
    if let Some(assignments) = &topic.assignments {
        let added = usize::try_from(topic.count - found.partitions.min(topic.count)).unwrap_or(0);
        let is_here = assignments.iter().all(|assignment| assignment.broker_ids == [context.node_id()]);
        if !is_here || assignments.len() != added {
            let message = "each new partition is on this node alone";
            return Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
        }
    }
    Ok(context.broker().add_partitions(found.id, topic.count, validate_only).await?)
}
