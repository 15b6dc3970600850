//! CreateTopics.

use std::collections::HashMap;

use super::config_value::ConfigSource;
use super::context::Context;
use super::error_code::Refusal;
use super::table::Answer;
use crate::broker::NewTopic;
use crate::broker::TOPIC_SETTINGS;
use crate::broker::TopicConfig;
use crate::broker::TopicRecord;
use crate::broker::TopicSetting;
use crate::protocol::ErrorCode;
use crate::protocol::create_topics as message;
use message::ConfigResult;
use message::Request;
use message::Response;
use message::Topic;
use message::TopicResult;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let mut named: HashMap<String, usize> = HashMap::new();
        for topic in &self.topics {
            *named.entry(topic.name.clone()).or_default() += 1;
        }
        let mut topics = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let name = topic.name.clone();
            // What is named twice is told once.
            let made = match named.remove(&name) {
                None => continue,
                Some(1) => {
                    create(context, topic, self.validate_only).await.map(|topic| created(&topic, self.validate_only))
                }
                _ => Err(Refusal::new(ErrorCode::INVALID_REQUEST, "the topic is named twice")),
            };
            topics.push(made.unwrap_or_else(|refusal| refused(name, refusal)));
        }
        Response { topics, ..Response::default() }
    }
}

async fn create(context: &Context, topic: Topic, validate_only: bool) -> Result<TopicRecord, Refusal> {
    let mut config = TopicConfig::default();
    for setting in &topic.configs {
        let known = TopicSetting::named(&setting.name)?;
        match &setting.value {
            Some(value) => known.set(&mut config, value)?,
            None => return Err(Refusal::new(ErrorCode::INVALID_CONFIG, "a setting has no value")),
        }
    }
    let partitions = match topic.assignments.len() {
        0 if topic.num_partitions == -1 => context.door().config.default_partitions,
        0 => topic.num_partitions,
        _ => assigned(context, &topic)?,
    };
    if topic.assignments.is_empty() && !matches!(topic.replication_factor, -1 | 1) {
        let message = "a node alone keeps one replica of a partition";
        return Err(Refusal::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
    }
    let topic = NewTopic { name: topic.name, partitions, config };
    Ok(context.broker().create_topic(topic, validate_only).await?)
}

/// The number of partitions of an assignment, which can only be to this node.
fn assigned(context: &Context, topic: &Topic) -> Result<i32, Refusal> {
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        let message = "with an assignment neither partitions nor a replication factor can be given";
        return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    }
    let mut numbers: Vec<_> = topic.assignments.iter().map(|assignment| assignment.partition_index).collect();
    numbers.sort_unstable();
    let count = i32::try_from(numbers.len()).unwrap_or(i32::MAX);
    let is_here = topic.assignments.iter().all(|assignment| assignment.broker_ids == [context.node_id()]);
    match is_here && numbers.into_iter().eq(0..count) {
        true => Ok(count),
        false => Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, "every partition is on this node alone")),
    }
}

fn created(topic: &TopicRecord, validate_only: bool) -> TopicResult {
    let config = |setting: &TopicSetting| ConfigResult {
        name: setting.name.to_string(),
        value: Some(setting.value(&topic.config)),
        config_source: ConfigSource::of(setting, &topic.config) as i8,
        ..ConfigResult::default()
    };
    TopicResult {
        name: topic.name.clone(),
        topic_id: if validate_only { [0; 16] } else { topic.id.0 },
        num_partitions: topic.partitions,
        replication_factor: 1,
        configs: Some(TOPIC_SETTINGS.iter().map(config).collect()),
        ..TopicResult::default()
    }
}

fn refused(name: String, refusal: Refusal) -> TopicResult {
    TopicResult { name, error_code: refusal.code, error_message: Some(refusal.message), ..TopicResult::default() }
}
