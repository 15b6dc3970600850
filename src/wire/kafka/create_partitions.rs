//! CreatePartitions.

use std::collections::HashMap;

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
        let mut times: HashMap<String, usize> = HashMap::new();
        for topic in &self.topics {
            *times.entry(topic.name.clone()).or_default() += 1;
        }
        let mut results = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            // What is named twice is told once.
            let added = match times.remove(&topic.name) {
                None => continue,
                Some(1) => add(context, &topic, self.validate_only).await,
                Some(_) => Err(Refusal::new(ErrorCode::INVALID_REQUEST, "the topic is named twice")),
            };
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
