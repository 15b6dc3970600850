//! AlterConfigs: what a topic is told from now on is what the request says, and defaults.

use super::config_value::TOPIC;
use super::context::Context;
use super::error_code::Refusal;
use super::table::Answer;
use crate::broker::TOPIC_SETTINGS;
use crate::broker::TopicConfig;
use crate::broker::TopicSetting;
use crate::model::TopicId;
use crate::protocol::ErrorCode;
use crate::protocol::alter_configs as message;
use message::Request;
use message::Resource;
use message::ResourceResult;
use message::Response;

/// Settings that are given when a topic is made, and stay.
const STAY: [&str; 2] = ["flush.messages", "flush.ms"];

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let mut responses = Vec::with_capacity(self.resources.len());
        for resource in self.resources {
            let (error_code, error_message) = match alter(context, &resource, self.validate_only).await {
                Ok(()) => (ErrorCode::NONE, None),
                Err(refusal) => (refusal.code, Some(refusal.message)),
            };
            let Resource { resource_type, resource_name, .. } = resource;
            responses.push(ResourceResult { error_code, error_message, resource_type, resource_name });
        }
        Response { responses, ..Response::default() }
    }
}

async fn alter(context: &Context, resource: &Resource, validate_only: bool) -> Result<(), Refusal> {
    let topic = topic_to_alter(context, resource.resource_type, &resource.resource_name)?;
    let make = |config: &mut TopicConfig| {
        for setting in TOPIC_SETTINGS.iter().filter(|setting| !STAY.contains(&setting.name)) {
            setting.reset(config)?;
        }
        for given in &resource.configs {
            let setting = TopicSetting::named(&given.name)?;
            match &given.value {
                Some(value) => setting.set(config, value)?,
                None if STAY.contains(&setting.name) => {}
                None => setting.reset(config)?,
            }
        }
        Ok(())
    };
    Ok(context.broker().alter_topic(topic, make, validate_only).await?)
}

/// The topic whose settings are to be changed; those of the server are not changed while it runs.
pub(super) fn topic_to_alter(context: &Context, kind: i8, name: &str) -> Result<TopicId, Refusal> {
    if kind != TOPIC {
        let message = "only the settings of topics can be changed while the server runs";
        return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    }
    let metadata = context.broker().metadata();
    let unknown = || Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic");
    metadata.topic(name).map(|topic| topic.id).ok_or_else(unknown)
}
