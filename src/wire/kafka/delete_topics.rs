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
            let (error_code, error_message) = match deleted {
                Ok(()) => (ErrorCode::NONE, None),
                Err(refusal) => (refusal.code, Some(refusal.message)),
            };
            responses.push(TopicResult { name: topic.name, topic_id: topic.topic_id, error_code, error_message });
        }
        Response { responses, ..Response::default() }
    }
}

async fn delete(context: &Context, topic: &Topic) -> Result<(), Refusal> {
    let metadata = context.broker().metadata();
    let (found, unknown) = match &topic.name {
        Some(name) => (metadata.topic(name), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        None => (metadata.topic_by_id(TopicId(topic.topic_id)), ErrorCode::UNKNOWN_TOPIC_ID),
    };
    let found = found.ok_or_else(|| Refusal::new(unknown, "there is no such topic"))?;
    Ok(context.broker().delete_topic(found.id).await?)
}
