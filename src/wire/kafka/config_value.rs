//! Where the value of a setting comes from, and what kind it is, by Kafka's numbers.

use super::context::Context;
use crate::broker::SettingKind;
use crate::broker::TopicConfig;
use crate::broker::TopicSetting;

/// Kinds of what has settings.
pub(super) const TOPIC: i8 = 2;
/// See `TOPIC`.
pub(super) const BROKER: i8 = 4;
/// See `TOPIC`.
pub(super) const BROKER_LOGGER: i8 = 8;
/// See `TOPIC`.
pub(super) const CLIENT_METRICS: i8 = 16;
/// See `TOPIC`.
pub(super) const GROUP: i8 = 32;

/// Whether a broker's settings are this node's; no name stands for all nodes.
pub(super) fn is_this_node(context: &Context, name: &str) -> bool {
    name.is_empty() || name == context.node_id().to_string()
}

/// Who said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConfigSource {
    /// The topic itself.
    Topic = 1,
    /// The server's configuration.
    Server = 4,
    /// Nobody.
    Default = 5,
}

impl ConfigSource {
    /// Of a topic's value.
    pub fn of(setting: &TopicSetting, config: &TopicConfig) -> Self {
        match setting.is_given(config) {
            true => ConfigSource::Topic,
            false => ConfigSource::Default,
        }
    }
}

/// Kafka's number of a kind of value.
pub(super) fn kind_number(kind: SettingKind) -> i8 {
    match kind {
        SettingKind::Boolean => 1,
        SettingKind::Text => 2,
        SettingKind::Int => 3,
        SettingKind::Long => 5,
        SettingKind::Double => 6,
        SettingKind::List => 7,
    }
}
