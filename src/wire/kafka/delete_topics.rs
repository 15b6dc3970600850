//! DeleteTopics, by name or by id.

use std::collections::HashMap;

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
        let topics: Vec<_> = self.topics.into_iter().chain(named).collect();
        let metadata = context.broker().metadata();
        // A topic may be named by its name and by its id.
        let key = |topic: &Topic| match topic.name.as_ref().and_then(|name| metadata.topic(name)) {
            Some(found) if topic.topic_id == [0; 16] => (None, found.id.0),
            _ => (topic.name.clone(), topic.topic_id),
        };
        let mut times: HashMap<_, usize> = HashMap::new();
        for topic in &topics {
            *times.entry(key(topic)).or_default() += 1;
        }
        let mut responses = Vec::new();
        for topic in topics {
            // What is named twice is told once.
            let deleted = match times.remove(&key(&topic)) {
                None => continue,
                Some(1) => delete(context, &topic).await,
                Some(_) => Err(Refusal::new(ErrorCode::INVALID_REQUEST, "the topic is named twice")),
            };
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
    let has_id = topic.topic_id != [0; 16];
    if topic.name.is_some() == has_id {
        return Err(Refusal::new(ErrorCode::INVALID_REQUEST, "a topic is named by its name or by its id"));
    }
    let (found, unknown) = match &topic.name {
        Some(name) => (metadata.topic(name), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        None => (metadata.topic_by_id(TopicId(topic.topic_id)), ErrorCode::UNKNOWN_TOPIC_ID),
    };
    let found = found.ok_or_else(|| Refusal::new(unknown, "there is no such topic"))?;
    context.broker().delete_topic(found.id).await?;
    Ok(TopicResult { name: Some(found.name.clone()), topic_id: found.id.0, ..TopicResult::default() })
}
