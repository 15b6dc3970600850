//! DeleteTopics, by name or by id.

use super::context::Context;
use super::error_code::Refusal;
use super::table::Answer;
use crate::model::TopicId;
use crate::protocol::ErrorCode;
use crate::protocol::delete_topics as message;
use message::Request;
use message::Response;
use message::Topic;
use message::TopicResult;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let named = self.topic_names.into_iter().map(|name| Topic { name: Some(name), ..Topic::default() });
        let mut responses = Vec::new();
        for topic in self.topics.into_iter().chain(named) {
            let deleted = delete(context, &topic).await;
            responses.push(match deleted {
                Ok(deleted) => deleted,
                Err(refusal) => TopicResult {
                    name: topic.name,
                    topic_id: topic.topic_id,
                    error_code: refusal.code,
                    error_message: Some(refusal.message),
                },
            });
        }
        Response { responses, ..Response::default() }
    }
}

async fn delete(context: &Context, topic: &Topic) -> Result<TopicResult, Refusal> {
    let metadata = context.broker().metadata();
    let (found, unknown) = match &topic.name {
        Some(name) => (metadata.topic(name), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        None => (metadata.topic_by_id(TopicId(topic.topic_id)), ErrorCode::UNKNOWN_TOPIC_ID),
    };
    let found = found.ok_or_else(|| Refusal::new(unknown, "there is no such topic"))?;
    context.broker().delete_topic(found.id).await?;
    Ok(TopicResult { name: Some(found.name.clone()), topic_id: found.id.0, ..TopicResult::default() })
}
