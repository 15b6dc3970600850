//! All settings, a row each.

use std::time::Duration;

use super::setting::SettingKind;
use super::setting::TopicSetting;
use super::value::boolean;
use super::value::int;
use super::value::limit;
use super::value::local_limit;
use super::value::not_negative;
use super::value::number;
use super::value::positive;
use crate::cluster::CleanupPolicy;
use crate::cluster::CompressionType;
use crate::cluster::FlushPolicy;
use crate::cluster::TimestampType;

/// What Kafka has in place of no limit.
const UNLIMITED: i64 = i64::MAX;

/// A setting with one value, which is told and can be set to nothing else.
macro_rules! fixed {
    ($name:literal, $broker_name:literal, $kind:ident, $value:literal, $documentation:literal) => {
        TopicSetting {
            name: $name,
            broker_name: $broker_name,
            kind: SettingKind::$kind,
            documentation: $documentation,
            read: |_| $value.to_string(),
            write: |_, value| match value == $value {
                true => Ok(()),
                false => Err(concat!("\"", $value, "\", the only value that is supported")),
            },
        }
    };
}

/// A setting with a value of its own. Unless its documentation says something else, it is obeyed.
macro_rules! setting {
    ($name:literal, $broker_name:literal, $kind:ident, $read:expr, $write:expr, $documentation:literal) => {
        TopicSetting {
            name: $name,
            broker_name: $broker_name,
            kind: SettingKind::$kind,
            documentation: $documentation,
            read: $read,
            write: $write,
        }
    };
}

/// All that a topic can say of its compression.
const COMPRESSION_TYPES: [CompressionType; 6] = [
    CompressionType::Producer,
    CompressionType::Uncompressed,
    CompressionType::Gzip,
    CompressionType::Snappy,
    CompressionType::Lz4,
    CompressionType::Zstd,
];

/// Kafka's word for it.
fn kind_name(kind: CompressionType) -> &'static str {
    match kind {
        CompressionType::Producer => "producer",
        CompressionType::Uncompressed => "uncompressed",
        CompressionType::Gzip => "gzip",
        CompressionType::Snappy => "snappy",
        CompressionType::Lz4 => "lz4",
        CompressionType::Zstd => "zstd",
    }
}

/// All settings, by name.
pub static TOPIC_SETTINGS: &[TopicSetting] = &[
    setting!(
        "cleanup.policy",
        "log.cleanup.policy",
        List,
        |config| match config.cleanup_policy {
            CleanupPolicy::Delete => "delete".to_string(),
            CleanupPolicy::Compact => "compact".to_string(),
            CleanupPolicy::CompactDelete => "compact,delete".to_string(),
        },
        |config, value| {
            let mut words: Vec<_> = value.split(',').map(str::trim).collect();
            words.sort_unstable();
            config.cleanup_policy = match words[..] {
                ["delete"] => CleanupPolicy::Delete,
                ["compact"] => CleanupPolicy::Compact,
                ["compact", "delete"] => CleanupPolicy::CompactDelete,
                _ => return Err("delete, compact or both"),
            };
            Ok(())
        },
        "What becomes of old records: delete drops them, compact keeps the newest of each key."
    ),
    setting!(
        "compression.gzip.level",
        "compression.gzip.level",
        Int,
        |config| config.compression.gzip_level.to_string(),
        |config, value| {
            let level = int(value).ok().filter(|level| matches!(level, -1 | 1..=9));
            config.compression.gzip_level = level.ok_or("a level from 1 to 9, or -1 for gzip's own default")?;
            Ok(())
        },
        "The level at which batches are packed with gzip; -1 for its own default."
    ),
    setting!(
        "compression.lz4.level",
        "compression.lz4.level",
        Int,
        |config| config.compression.lz4_level.to_string(),
        |config, value| {
            let level = int(value).ok().filter(|level| (1..=17).contains(level));
            config.compression.lz4_level = level.ok_or("a level from 1 to 17")?;
            Ok(())
        },
        "Kept, not obeyed: batches are packed with LZ4 at its fastest level."
    ),
    setting!(
        "compression.type",
        "compression.type",
        Text,
        |config| kind_name(config.compression.kind).to_string(),
        |config, value| {
            let kind = COMPRESSION_TYPES.into_iter().find(|kind| kind_name(*kind) == value);
            config.compression.kind = kind.ok_or("uncompressed, zstd, lz4, snappy, gzip or producer")?;
            Ok(())
        },
        "How batches are packed, those of the server's own queries too: with producer as they came."
    ),
    setting!(
        "compression.zstd.level",
        "compression.zstd.level",
        Int,
        |config| config.compression.zstd_level.to_string(),
        |config, value| {
            let level = int(value).ok().filter(|level| (-131_072..=22).contains(level));
            config.compression.zstd_level = level.ok_or("a level from -131072 to 22")?;
            Ok(())
        },
        "The level at which batches are packed with Zstandard."
    ),
    setting!(
        "delete.retention.ms",
        "log.cleaner.delete.retention.ms",
        Long,
        |config| config.compaction.delete_retention_ms.to_string(),
        |config, value| {
            config.compaction.delete_retention_ms = not_negative(value)?;
            Ok(())
        },
        "Milliseconds that a tombstone of a compacted topic is kept."
    ),
    setting!(
        "file.delete.delay.ms",
        "log.segment.delete.delay.ms",
        Long,
        |config| config.kept.file_delete_delay_ms.to_string(),
        |config, value| {
            config.kept.file_delete_delay_ms = not_negative(value)?;
            Ok(())
        },
        "Kept, not obeyed: files of dropped segments go when nobody reads them any more."
    ),
    setting!(
        "flush.messages",
        "log.flush.interval.messages",
        Long,
        |config| match config.flush {
            FlushPolicy::Ack => "1".to_string(),
            FlushPolicy::Interval(_) | FlushPolicy::Os => UNLIMITED.to_string(),
        },
        |config, value| {
            match (number(value)?, config.flush) {
                (1, _) => config.flush = FlushPolicy::Ack,
                (UNLIMITED, FlushPolicy::Ack) => config.flush = FlushPolicy::Os,
                (UNLIMITED, FlushPolicy::Interval(_) | FlushPolicy::Os) => {}
                _ => return Err("1, for a flush before each answer, or 9223372036854775807"),
            }
            Ok(())
        },
        "1: an append that waits for all replicas is answered after its flush. Set when the topic is made."
    ),
    setting!(
        "flush.ms",
        "log.flush.interval.ms",
        Long,
        |config| match config.flush {
            FlushPolicy::Interval(interval) => interval.as_millis().to_string(),
            FlushPolicy::Ack | FlushPolicy::Os => UNLIMITED.to_string(),
        },
        |config, value| {
            match (positive(value)?, config.flush) {
                (UNLIMITED, FlushPolicy::Interval(_)) => config.flush = FlushPolicy::Os,
                (UNLIMITED, FlushPolicy::Ack | FlushPolicy::Os) => {}
                (interval, _) => config.flush = FlushPolicy::Interval(Duration::from_millis(interval.unsigned_abs())),
            }
            Ok(())
        },
        "Milliseconds after which what was appended is flushed, in place of a flush before each answer. Set when the topic is made."
    ),
    fixed!(
        "follower.replication.throttled.replicas",
        "follower.replication.throttled.replicas",
        List,
        "",
        "No replica is throttled."
    ),
    setting!(
        "index.interval.bytes",
        "log.index.interval.bytes",
        Int,
        |config| config.kept.index_interval_bytes.to_string(),
        |config, value| {
            let bytes = int(value).ok().filter(|bytes| 0 <= *bytes);
            config.kept.index_interval_bytes = bytes.ok_or("a whole number from 0")?;
            Ok(())
        },
        "Kept, not obeyed: an index has an entry for some 16 KiB."
    ),
    fixed!(
        "leader.replication.throttled.replicas",
        "leader.replication.throttled.replicas",
        List,
        "",
        "No replica is throttled."
    ),
    setting!(
        "local.retention.bytes",
        "log.local.retention.bytes",
        Long,
        |config| config.kept.local_retention_bytes.to_string(),
        |config, value| {
            config.kept.local_retention_bytes = local_limit(value)?;
            Ok(())
        },
        "Kept, not obeyed: nothing is moved to other storage."
    ),
    setting!(
        "local.retention.ms",
        "log.local.retention.ms",
        Long,
        |config| config.kept.local_retention_ms.to_string(),
        |config, value| {
            config.kept.local_retention_ms = local_limit(value)?;
            Ok(())
        },
        "Kept, not obeyed: nothing is moved to other storage."
    ),
    setting!(
        "max.compaction.lag.ms",
        "log.cleaner.max.compaction.lag.ms",
        Long,
        |config| config.compaction.lag_max_ms.unwrap_or(UNLIMITED).to_string(),
        |config, value| {
            config.compaction.lag_max_ms = Some(positive(value)?).filter(|lag| *lag != UNLIMITED);
            Ok(())
        },
        "Milliseconds after which a record is compacted, however little is new."
    ),
    setting!(
        "max.message.bytes",
        "message.max.bytes",
        Int,
        |config| config.batch_bytes_max.to_string(),
        |config, value| {
            let bytes = i32::try_from(not_negative(value)?).map_err(|_| "a number of bytes below 2 GiB")?;
            config.batch_bytes_max = bytes.unsigned_abs();
            Ok(())
        },
        "Bytes of the largest record batch."
    ),
    setting!(
        "message.timestamp.after.max.ms",
        "log.message.timestamp.after.max.ms",
        Long,
        |config| config.timestamp_after_max_ms.unwrap_or(UNLIMITED).to_string(),
        |config, value| {
            config.timestamp_after_max_ms = Some(not_negative(value)?).filter(|limit| *limit != UNLIMITED);
            Ok(())
        },
        "Milliseconds that a record's time may lie after its append."
    ),
    setting!(
        "message.timestamp.before.max.ms",
        "log.message.timestamp.before.max.ms",
        Long,
        |config| config.timestamp_before_max_ms.unwrap_or(UNLIMITED).to_string(),
        |config, value| {
            config.timestamp_before_max_ms = Some(not_negative(value)?).filter(|limit| *limit != UNLIMITED);
            Ok(())
        },
        "Milliseconds that a record's time may lie before its append."
    ),
    setting!(
        "message.timestamp.type",
        "log.message.timestamp.type",
        Text,
        |config| match config.timestamp_type {
            TimestampType::CreateTime => "CreateTime".to_string(),
            TimestampType::LogAppendTime => "LogAppendTime".to_string(),
        },
        |config, value| {
            config.timestamp_type = match value {
                "CreateTime" => TimestampType::CreateTime,
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => return Err("CreateTime or LogAppendTime"),
            };
            Ok(())
        },
        "Whose the times of records are: the producer's, or that of the append."
    ),
    setting!(
        "min.cleanable.dirty.ratio",
        "log.cleaner.min.cleanable.ratio",
        Double,
        |config| (f64::from(config.compaction.dirty_permille_min) / 1000.0).to_string(),
        |config, value| {
            let ratio = value.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            config.compaction.dirty_permille_min = (ratio.ok_or("a number from 0 to 1")? * 1000.0).round() as u16;
            Ok(())
        },
        "The part of a compacted topic that must be new before it is compacted again."
    ),
    setting!(
        "min.compaction.lag.ms",
        "log.cleaner.min.compaction.lag.ms",
        Long,
        |config| config.compaction.lag_min_ms.to_string(),
        |config, value| {
            config.compaction.lag_min_ms = not_negative(value)?;
            Ok(())
        },
        "Milliseconds after its append in which a record is not compacted away."
    ),
    setting!(
        "min.insync.replicas",
        "min.insync.replicas",
        Int,
        |config| config.min_insync_replicas.to_string(),
        |config, value| {
            let replicas = u16::try_from(positive(value)?).map_err(|_| "a number from 1 to 65535")?;
            config.min_insync_replicas = replicas;
            Ok(())
        },
        "In-sync replicas without which an append that waits for all of them is refused; no more than the partition has."
    ),
    setting!(
        "preallocate",
        "log.preallocate",
        Boolean,
        |config| config.kept.preallocate.to_string(),
        |config, value| {
            config.kept.preallocate = boolean(value)?;
            Ok(())
        },
        "Kept, not obeyed: room for a segment is reserved as it fills."
    ),
    fixed!(
        "remote.log.copy.disable",
        "remote.log.copy.disable",
        Boolean,
        "false",
        "Nothing is moved to other storage."
    ),
    fixed!(
        "remote.log.delete.on.disable",
        "remote.log.delete.on.disable",
        Boolean,
        "false",
        "Nothing is moved to other storage."
    ),
    fixed!("remote.storage.enable", "remote.storage.enable", Boolean, "false", "Nothing is moved to other storage."),
    setting!(
        "retention.bytes",
        "log.retention.bytes",
        Long,
        |config| config.retention_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(UNLIMITED)).to_string(),
        |config, value| {
            config.retention_bytes = limit(value)?.map(i64::unsigned_abs);
            Ok(())
        },
        "Bytes of a partition above which its oldest segments are dropped; -1 for no limit."
    ),
    setting!(
        "retention.ms",
        "log.retention.ms",
        Long,
        |config| config.retention_ms.unwrap_or(-1).to_string(),
        |config, value| {
            config.retention_ms = limit(value)?;
            Ok(())
        },
        "Milliseconds that records are kept; -1 for ever."
    ),
    setting!(
        "segment.bytes",
        "log.segment.bytes",
        Int,
        |config| config.segment_bytes.to_string(),
        |config, value| {
            const LEAST: i64 = 1 << 20;
            let bytes = number(value)?;
            let is_size = (LEAST..=i64::from(i32::MAX)).contains(&bytes);
            config.segment_bytes =
                is_size.then(|| bytes.unsigned_abs()).ok_or("a number of bytes from 1 MiB to 2 GiB")?;
            Ok(())
        },
        "Bytes at which a segment is sealed."
    ),
    setting!(
        "segment.index.bytes",
        "log.index.size.max.bytes",
        Int,
        |config| config.index_bytes_max.to_string(),
        |config, value| {
            const LEAST: i64 = 1024;
            let bytes = number(value)?;
            let is_size = (LEAST..=i64::from(i32::MAX)).contains(&bytes);
            config.index_bytes_max = is_size.then(|| bytes.unsigned_abs()).ok_or("a number of bytes from 1024")?;
            Ok(())
        },
        "Bytes of a segment's index at which it is sealed."
    ),
    setting!(
        "segment.jitter.ms",
        "log.roll.jitter.ms",
        Long,
        |config| config.kept.segment_jitter_ms.to_string(),
        |config, value| {
            config.kept.segment_jitter_ms = not_negative(value)?;
            Ok(())
        },
        "Kept, not obeyed: segments are sealed when they are due."
    ),
    setting!(
        "segment.ms",
        "log.roll.ms",
        Long,
        |config| config.segment_ms.unwrap_or(UNLIMITED).to_string(),
        |config, value| {
            config.segment_ms = Some(positive(value)?).filter(|age| *age != UNLIMITED);
            Ok(())
        },
        "Milliseconds after which a segment is sealed, however small."
    ),
    setting!(
        "unclean.leader.election.enable",
        "unclean.leader.election.enable",
        Boolean,
        |config| config.kept.unclean_leader_election.to_string(),
        |config, value| {
            config.kept.unclean_leader_election = boolean(value)?;
            Ok(())
        },
        "Kept, not obeyed: who does not hold all that was acknowledged never leads."
    ),
];
