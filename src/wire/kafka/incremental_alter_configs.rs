//! IncrementalAlterConfigs: changes what is named, and leaves the rest.

use std::collections::HashMap;

use super::alter_configs::check_given;
use super::alter_configs::topic_to_alter;
use super::config_value::BROKER;
use super::config_value::is_this_node;
use super::context::Context;
use super::error_code::Refusal;
use super::table::Answer;
use crate::broker::ListChange;
use crate::broker::TopicConfig;
use crate::broker::TopicSetting;
use crate::protocol::ErrorCode;
use crate::protocol::incremental_alter_configs as message;
use message::Config;
use message::Request;
use message::Resource;
use message::ResourceResult;
use message::Response;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

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
    let only_deletes = resource.configs.iter().all(|given| given.config_operation == DELETE);
    if resource.resource_type == BROKER && only_deletes && is_this_node(context, &resource.resource_name) {
        // Nobody changed a setting of the server while it runs, so there is nothing to undo.
        return Ok(());
    }
    let topic = topic_to_alter(context, resource.resource_type, &resource.resource_name)?;
    if resource.configs.iter().any(|given| !(SET..=SUBTRACT).contains(&given.config_operation)) {
        return Err(Refusal::new(ErrorCode::INVALID_REQUEST, "the operation is not known"));
    }
    let has_value = |given: &Config| given.config_operation == DELETE || given.value.is_some();
    check_given(resource.configs.iter().map(|given| (&*given.name, has_value(given))))?;
    let make = |config: &mut TopicConfig| {
        for given in &resource.configs {
            let setting = match TopicSetting::named(&given.name) {
                // What was never set is taken back, as one of an older Kafka is.
                Err(_) if given.config_operation == DELETE => continue,
                found => found?,
            };
            let value = given.value.as_deref().unwrap_or_default();
            match given.config_operation {
                DELETE => setting.reset(config)?,
                APPEND => setting.set(config, &setting.changed_list(config, value, ListChange::Append)?)?,
                SUBTRACT => setting.set(config, &setting.changed_list(config, value, ListChange::Subtract)?)?,
                _ => setting.set(config, value)?,
            }
        }
        Ok(())
    };
    Ok(context.broker().alter_topic(topic, make, validate_only).await?)
}
