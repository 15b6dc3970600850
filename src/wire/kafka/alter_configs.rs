//! AlterConfigs: what a topic is told from now on is what the request says, and defaults.

use std::collections::HashMap;
use std::collections::HashSet;

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
        let mut named: HashMap<(i8, String), usize> = HashMap::new();
        for resource in &self.resources {
            *named.entry((resource.resource_type, resource.resource_name.clone())).or_default() += 1;
        }
        let mut responses = Vec::with_capacity(self.resources.len());
        for resource in self.resources {
            let altered = match named[&(resource.resource_type, resource.resource_name.clone())] {
                1 => alter(context, &resource, self.validate_only).await,
                _ => Err(Refusal::new(ErrorCode::INVALID_REQUEST, "the resource is named twice")),
            };
            let (error_code, error_message) = match altered {
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
    check_given(resource.configs.iter().map(|given| (&*given.name, given.value.is_some())))?;
    let make = |config: &mut TopicConfig| {
        for setting in TOPIC_SETTINGS.iter().filter(|setting| !STAY.contains(&setting.name)) {
            setting.reset(config)?;
        }
        for given in &resource.configs {
            let setting = TopicSetting::named(&given.name)?;
            setting.set(config, given.value.as_deref().unwrap_or_default())?;
        }
        Ok(())
    };
    Ok(context.broker().alter_topic(topic, make, validate_only).await?)
}

/// Refuses a setting that is named twice, or that has no value where it needs one.
pub(super) fn check_given<'a>(settings: impl Iterator<Item = (&'a str, bool)>) -> Result<(), Refusal> {
    let mut names = HashSet::new();
    for (name, has_value) in settings {
        if !names.insert(name) {
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, "a setting is named twice"));
        }
        if !has_value {
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, "a setting has no value"));
        }
    }
    Ok(())
}

/// The topic whose settings are to be changed; those of the server are not changed while it runs.
pub(super) fn topic_to_alter(context: &Context, kind: i8, name: &str) -> Result<TopicId, Refusal> {
    if kind != TOPIC {
        let message = "only the settings of topics can be changed while the server runs";
        return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    }
    let metadata = context.broker().metadata();
    if name.is_empty() {
        return Err(Refusal::new(ErrorCode::INVALID_REQUEST, "topics have no settings in common"));
    }
    let unknown = || Refusal::new(context.unknown_topic(name), "there is no such topic");
    metadata.topic(name).map(|topic| topic.id).ok_or_else(unknown)
}
