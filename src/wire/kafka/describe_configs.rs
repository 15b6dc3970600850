//! DescribeConfigs: every setting of a topic, and what the server is told.

use std::collections::HashSet;
use std::time::Duration;

use super::config_value::BROKER;
use super::config_value::ConfigSource;
use super::config_value::GROUP;
use super::config_value::TOPIC;
use super::config_value::is_this_node;
use super::config_value::kind_number;
use super::context::Context;
use super::error_code::Refusal;
use super::table::Answer;
use crate::broker::SettingKind;
use crate::broker::TOPIC_SETTINGS;
use crate::broker::TopicConfig;
use crate::broker::TopicSetting;
use crate::protocol::ErrorCode;
use crate::protocol::describe_configs as message;
use crate::security::Operation;
use message::Config;
use message::Request;
use message::Resource;
use message::ResourceResult;
use message::Response;
use message::Synonym;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let with = With { synonyms: self.include_synonyms, documentation: self.include_documentation };
        let describe = |resource: Resource| {
            let described = configs(context, &resource, with);
            let (error_code, error_message, mut configs) = match described {
                Ok(configs) => (ErrorCode::NONE, None, configs),
                Err(refusal) => (refusal.code, Some(refusal.message), Vec::new()),
            };
            // No names are all names, as null is.
            if let Some(keys) = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty()) {
                configs.retain(|config| keys.contains(&config.name));
            }
            let Resource { resource_type, resource_name, .. } = resource;
            ResourceResult { error_code, error_message, resource_type, resource_name, configs }
        };
        // Once each, whatever keys are asked for: else a small request had a huge answer.
        let mut seen = HashSet::with_capacity(self.resources.len());
        let mut is_new = |asked: &Resource| seen.insert((asked.resource_type, asked.resource_name.clone()));
        let resources = self.resources.into_iter().filter(|asked| is_new(asked));
        Response { results: resources.map(describe).collect(), ..Response::default() }
    }
}

/// What is told besides the values.
#[derive(Clone, Copy)]
struct With {
    synonyms: bool,
    documentation: bool,
}

fn configs(context: &Context, resource: &Resource, with: With) -> Result<Vec<Config>, Refusal> {
    let name = &resource.resource_name;
    match resource.resource_type {
        TOPIC => {
            let metadata = context.broker().metadata();
            let topic = metadata.topic(name).filter(|_| context.broker().may(Operation::Read, name));
            let unknown = || Refusal::new(context.unknown_topic(name), "there is no such topic");
            let config = topic.ok_or_else(unknown)?.config;
            Ok(TOPIC_SETTINGS.iter().map(|setting| of_topic(setting, &config, with)).collect())
        }
        // What was changed for all brokers while they run: nothing.
        BROKER if name.is_empty() => Ok(Vec::new()),
        BROKER if is_this_node(context, name) => Ok(of_server(context, with)),
        BROKER => Err(Refusal::new(ErrorCode::INVALID_REQUEST, "there is no such broker")),
        GROUP if name.is_empty() => Err(Refusal::new(ErrorCode::INVALID_REQUEST, "the group has no name")),
        GROUP => Ok(of_group(context, with)),
        _ => Err(Refusal::new(ErrorCode::INVALID_REQUEST, "only topics, brokers and groups have settings")),
    }
}

fn of_topic(setting: &TopicSetting, config: &TopicConfig, with: With) -> Config {
    let (value, source) = (setting.value(config), ConfigSource::of(setting, config));
    let mut synonyms = Vec::new();
    if with.synonyms {
        if source == ConfigSource::Topic {
            let name = setting.name.to_string();
            synonyms.push(Synonym { name, value: Some(value.clone()), source: source as i8 });
        }
        let (name, value) = (setting.broker_name.to_string(), Some(setting.default_value()));
        synonyms.push(Synonym { name, value, source: ConfigSource::Default as i8 });
    }
    Config {
        name: setting.name.to_string(),
        value: Some(value),
        config_source: source as i8,
        synonyms,
        config_type: kind_number(setting.kind),
        documentation: with.documentation.then(|| setting.documentation.to_string()),
        ..Config::default()
    }
}

/// What the server is told by its own configuration, as far as Kafka has a name for it, which is changed there; and what holds
/// for topics that say nothing else.
fn of_server(context: &Context, with: With) -> Vec<Config> {
    let (door, knobs) = (context.door(), &context.door().config);
    let advertised = format!("PLAINTEXT://{}:{}", door.host, door.port);
    let idle_ms = knobs.idle_timeout.as_millis().to_string();
    let values = [
        ("advertised.listeners", advertised, SettingKind::Text),
        ("auto.create.topics.enable", knobs.auto_create_topics.to_string(), SettingKind::Boolean),
        ("broker.id", context.node_id().to_string(), SettingKind::Int),
        ("connections.max.idle.ms", idle_ms, SettingKind::Long),
        ("default.replication.factor", "1".to_string(), SettingKind::Int),
        ("fetch.max.bytes", knobs.fetch_bytes_max.to_string(), SettingKind::Int),
        ("max.connections", knobs.connections_max.to_string(), SettingKind::Int),
        ("num.partitions", knobs.default_partitions.to_string(), SettingKind::Int),
        ("socket.request.max.bytes", knobs.request_bytes_max.to_string(), SettingKind::Int),
    ];
    let of_topics =
        TOPIC_SETTINGS.iter().filter(|setting| values.iter().all(|(name, ..)| *name != setting.broker_name));
    let of_topics: Vec<_> = of_topics.map(|setting| default_of_topics(setting, with)).collect();
    let mut configs: Vec<_> = values.into_iter().map(|value| of_configuration(value, with)).collect();
    configs.extend(of_topics);
    configs.sort_by(|left, right| left.name.cmp(&right.name));
    configs
}

/// A topic's setting where the topic says nothing, under the broker's name for it. It is what it is.
fn default_of_topics(setting: &TopicSetting, with: With) -> Config {
    let (name, value, source) = (setting.broker_name.to_string(), setting.default_value(), ConfigSource::Default as i8);
    let synonym = Synonym { name: name.clone(), value: Some(value.clone()), source };
    Config {
        name,
        value: Some(value),
        read_only: true,
        config_source: source,
        synonyms: if with.synonyms { vec![synonym] } else { Vec::new() },
        config_type: kind_number(setting.kind),
        documentation: with.documentation.then(|| setting.documentation.to_string()),
        ..Config::default()
    }
}

/// What holds for every group of the consumer protocol.
fn of_group(context: &Context, with: With) -> Vec<Config> {
    let knobs = context.broker().group_config();
    let milliseconds = |duration: Duration| duration.as_millis().to_string();
    let values = [
        ("consumer.heartbeat.interval.ms", milliseconds(knobs.consumer_heartbeat_interval), SettingKind::Int),
        ("consumer.session.timeout.ms", milliseconds(knobs.consumer_session_timeout), SettingKind::Int),
    ];
    values.into_iter().map(|value| of_configuration(value, with)).collect()
}

/// What the server was told before it started.
fn of_configuration((name, value, kind): (&str, String, SettingKind), with: With) -> Config {
    let source = ConfigSource::Server as i8;
    let synonym = Synonym { name: name.to_string(), value: Some(value.clone()), source };
    Config {
        name: name.to_string(),
        value: Some(value),
        read_only: true,
        config_source: source,
        synonyms: if with.synonyms { vec![synonym] } else { Vec::new() },
        config_type: kind_number(kind),
        ..Config::default()
    }
}
