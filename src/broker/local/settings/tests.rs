//! Each setting takes what it tells.

use std::collections::HashSet;
use std::time::Duration;

use super::setting::IN_ORDER_OF_BITS;
use super::*;
use crate::cluster::FlushPolicy;
use crate::cluster::TopicConfig;

#[test]
fn every_setting_takes_the_value_that_it_tells() {
    let names: Vec<_> = TOPIC_SETTINGS.iter().map(|setting| setting.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    for setting in TOPIC_SETTINGS {
        let mut config = TopicConfig::default();
        setting.reset(&mut config).unwrap_or_else(|error| panic!("{}: {error}", setting.name));
        assert_eq!(config, TopicConfig::default(), "{}", setting.name);
        assert!(setting.set(&mut config, "no such value").is_err(), "{}", setting.name);
    }
    let bits: HashSet<_> = TOPIC_SETTINGS.iter().map(TopicSetting::bit).collect();
    assert_eq!(bits.len(), TOPIC_SETTINGS.len());
    assert!(IN_ORDER_OF_BITS.len() <= 64);
}

#[test]
fn a_default_that_was_given_is_told_as_given_until_it_is_taken_back() {
    let setting = TopicSetting::named("retention.ms").expect("it is one");
    let mut config = TopicConfig::default();
    assert!(!setting.is_given(&config));
    setting.set(&mut config, "604800000").expect("it takes it");
    assert!(setting.is_given(&config) && setting.value(&config) == setting.default_value());
    setting.reset(&mut config).expect("it takes it");
    assert!(!setting.is_given(&config));
    config.retention_ms = None;
    assert!(setting.is_given(&config), "by a statement");
}

#[test]
fn what_is_set_is_told() {
    let mut config = TopicConfig::default();
    let values = [
        ("cleanup.policy", "compact,delete"),
        ("compression.gzip.level", "9"),
        ("compression.lz4.level", "1"),
        ("compression.type", "zstd"),
        ("compression.zstd.level", "-5"),
        ("delete.retention.ms", "7"),
        ("file.delete.delay.ms", "1"),
        ("index.interval.bytes", "0"),
        ("local.retention.bytes", "-1"),
        ("local.retention.ms", "1"),
        ("max.compaction.lag.ms", "8"),
        ("max.message.bytes", "10000"),
        ("message.timestamp.after.max.ms", "9"),
        ("message.timestamp.before.max.ms", "10"),
        ("message.timestamp.type", "LogAppendTime"),
        ("min.cleanable.dirty.ratio", "0.25"),
        ("min.compaction.lag.ms", "11"),
        ("min.insync.replicas", "2"),
        ("preallocate", "true"),
        ("retention.bytes", "12"),
        ("retention.ms", "-1"),
        ("segment.bytes", "1048576"),
        ("segment.index.bytes", "2048"),
        ("segment.jitter.ms", "14"),
        ("segment.ms", "13"),
        ("unclean.leader.election.enable", "true"),
    ];
    for (name, value) in values {
        let setting = TopicSetting::named(name).expect("it is one");
        setting.set(&mut config, value).expect("it takes it");
        assert_eq!(setting.value(&config), value, "{name}");
    }
    assert!(TopicSetting::named("no.such").is_err());
    let refused = [
        ("compression.gzip.level", "0"),
        ("compression.lz4.level", "18"),
        ("compression.type", "ZSTD"),
        ("compression.zstd.level", "23"),
        ("index.interval.bytes", "4294967296"),
        ("local.retention.ms", "-3"),
    ];
    for (name, value) in refused {
        let setting = TopicSetting::named(name).expect("it is one");
        assert!(setting.set(&mut config, value).is_err(), "{name} = {value}");
    }
}

#[test]
fn a_flush_is_before_each_answer_after_a_time_or_the_systems() {
    let set = |name: &str, value: &str| {
        let mut config = TopicConfig::default();
        TopicSetting::named(name).and_then(|setting| setting.set(&mut config, value)).map(|()| config.flush).ok()
    };
    assert_eq!(set("flush.messages", "1"), Some(FlushPolicy::Ack));
    assert_eq!(set("flush.messages", "9223372036854775807"), Some(FlushPolicy::Os));
    assert_eq!(set("flush.ms", "50"), Some(FlushPolicy::Interval(Duration::from_millis(50))));
    assert_eq!(set("flush.messages", "7"), None);
}

#[test]
fn lists_grow_and_shrink() {
    let setting = TopicSetting::named("cleanup.policy").expect("it is one");
    let config = TopicConfig::default();
    let changed = |values, change| setting.changed_list(&config, values, change).expect("it is a list");
    assert_eq!(changed("compact", ListChange::Append), "delete,compact");
    assert_eq!(changed("delete", ListChange::Subtract), "");
    let other = TopicSetting::named("retention.ms").expect("it is one");
    assert!(other.changed_list(&config, "7", ListChange::Append).is_err());
}
