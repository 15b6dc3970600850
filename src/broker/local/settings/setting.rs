//! One setting: its name, its kind, how it is read, set and taken back.

use super::TOPIC_SETTINGS;
use crate::broker::BrokerError;
use crate::cluster::TopicConfig;

/// What kind of value a setting has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// `true` or `false`.
    Boolean,
    /// A text.
    Text,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A number.
    Double,
    /// Texts with commas between them.
    List,
}

/// One setting of a topic.
pub struct TopicSetting {
    /// Kafka's name.
    pub name: &'static str,
    /// The name of the broker's default for it.
    pub broker_name: &'static str,
    /// What kind of value it has.
    pub kind: SettingKind,
    /// What it is.
    pub documentation: &'static str,
    pub(super) read: fn(&TopicConfig) -> String,
    /// `Err` with what it takes.
    pub(super) write: fn(&mut TopicConfig, &str) -> Result<(), &'static str>,
}

impl TopicSetting {
    /// The setting of that name.
    pub fn named(name: &str) -> Result<&'static TopicSetting, BrokerError> {
        let found = TOPIC_SETTINGS.iter().find(|setting| setting.name == name);
        found.ok_or_else(|| BrokerError::UnknownSetting { name: name.to_string() })
    }

    /// Its value.
    pub fn value(&self, config: &TopicConfig) -> String {
        (self.read)(config)
    }

    /// Its value where nothing else is said.
    pub fn default_value(&self) -> String {
        self.value(&TopicConfig::default())
    }

    /// Gives it a value.
    pub fn set(&self, config: &mut TopicConfig, value: &str) -> Result<(), BrokerError> {
        (self.write)(config, value.trim()).map_err(|wanted| BrokerError::InvalidSetting {
            name: self.name,
            value: value.to_string(),
            wanted,
        })?;
        config.given |= self.bit();
        Ok(())
    }

    /// Whether somebody gave it its value, be that the default.
    pub fn is_given(&self, config: &TopicConfig) -> bool {
        config.given & self.bit() != 0 || self.value(config) != self.default_value()
    }

    /// Nobody gave it its value any more.
    pub fn forget(&self, config: &mut TopicConfig) {
        config.given &= !self.bit();
    }

    /// Its bit among those of the settings that were given.
    pub(super) fn bit(&self) -> u64 {
        let place = IN_ORDER_OF_BITS.iter().position(|name| *name == self.name);
        1 << place.expect("every setting has a bit")
    }

    /// Gives it its default.
    pub fn reset(&self, config: &mut TopicConfig) -> Result<(), BrokerError> {
        self.set(config, &self.default_value())?;
        self.forget(config);
        Ok(())
    }

    /// The values of a list, changed by adding or taking away some.
    pub fn changed_list(&self, config: &TopicConfig, values: &str, change: ListChange) -> Result<String, BrokerError> {
        if self.kind != SettingKind::List {
            let wanted = "set as a whole, since it is no list";
            return Err(BrokerError::InvalidSetting { name: self.name, value: values.to_string(), wanted });
        }
        let current = self.value(config);
        let split = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|value| !value.is_empty()).map(str::to_string).collect()
        };
        let (mut list, values) = (split(&current), split(values));
        match change {
            ListChange::Append => {
                for value in values {
                    if !list.contains(&value) {
                        list.push(value);
                    }
                }
            }
            ListChange::Subtract => list.retain(|value| !values.contains(value)),
        }
        Ok(list.join(","))
    }
}

/// Which bit of `TopicConfig::given` is whose. They stand on disk: new settings come at the end, and none moves.
pub(super) const IN_ORDER_OF_BITS: &[&str] = &[
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

/// How a list is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListChange {
    /// Values are added.
    Append,
    /// Values are taken away.
    Subtract,
}
