//! The options of a topic that can be changed while it is used: in CREATE's WITH, and in ALTER .. SET and RESET.

use super::options::invalid;
use super::options::number;
use super::options::one_of;
use super::options::positive;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::Name;
use crate::sql::WithOption;
use crate::sql::nearest;

/// A limit that may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So much.
    AtMost(i64),
    /// As much as there is.
    None,
}

/// Whose the times of a topic's records are; `cluster` has the same two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageTimestamps {
    /// The producer's.
    CreateTime,
    /// The time of the append.
    LogAppendTime,
}

/// What a clause says of a topic; what is `None` was not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopicSettings {
    /// `retention_ms`
    pub retention_ms: Option<Limit>,
    /// `retention_bytes`
    pub retention_bytes: Option<Limit>,
    /// `segment_bytes`
    pub segment_bytes: Option<u64>,
    /// `segment_index_bytes`
    pub segment_index_bytes: Option<u64>,
    /// `segment_ms`
    pub segment_ms: Option<i64>,
    /// `max_message_bytes`
    pub max_message_bytes: Option<u32>,
    /// `message_timestamp_type`
    pub message_timestamp_type: Option<MessageTimestamps>,
    /// `message_timestamp_before_max_ms`
    pub message_timestamp_before_max_ms: Option<Limit>,
    /// `message_timestamp_after_max_ms`
    pub message_timestamp_after_max_ms: Option<Limit>,
    /// `min_compaction_lag_ms`
    pub min_compaction_lag_ms: Option<i64>,
    /// `max_compaction_lag_ms`
    pub max_compaction_lag_ms: Option<Limit>,
    /// `delete_retention_ms`
    pub delete_retention_ms: Option<i64>,
    /// `min_cleanable_dirty_ratio`, in thousandths
    pub dirty_permille_min: Option<u16>,
}

type Set = fn(&mut TopicSettings, &WithOption) -> Result<()>;

/// One line an option.
const SETTINGS: &[(&str, Set)] = &[
    ("delete_retention_ms", |settings, option| {
        settings.delete_retention_ms = Some(not_negative(option, "a number of milliseconds")?);
        Ok(())
    }),
    ("max_compaction_lag_ms", |settings, option| {
        settings.max_compaction_lag_ms = Some(limit(option, "a number of milliseconds, or -1 for no limit")?);
        Ok(())
    }),
    ("max_message_bytes", |settings, option| {
        // A batch's own header has 61 bytes.
        const LEAST: i32 = 1024;
        settings.max_message_bytes = Some(at_least(option, LEAST)?.unsigned_abs());
        Ok(())
    }),
    ("message_timestamp_after_max_ms", |settings, option| {
        let after = limit(option, "a number of milliseconds, or -1 for no limit")?;
        settings.message_timestamp_after_max_ms = Some(after);
        Ok(())
    }),
    ("message_timestamp_before_max_ms", |settings, option| {
        let before = limit(option, "a number of milliseconds, or -1 for no limit")?;
        settings.message_timestamp_before_max_ms = Some(before);
        Ok(())
    }),
    ("message_timestamp_type", |settings, option| {
        let kinds =
            [("CreateTime", MessageTimestamps::CreateTime), ("LogAppendTime", MessageTimestamps::LogAppendTime)];
        settings.message_timestamp_type = Some(one_of(option, &kinds)?);
        Ok(())
    }),
    ("min_cleanable_dirty_ratio", |settings, option| {
        settings.dirty_permille_min = Some(permille(option)?);
        Ok(())
    }),
    ("min_compaction_lag_ms", |settings, option| {
        settings.min_compaction_lag_ms = Some(not_negative(option, "a number of milliseconds")?);
        Ok(())
    }),
    ("retention_bytes", |settings, option| {
        settings.retention_bytes = Some(limit(option, "a number of bytes, or -1 for no limit")?);
        Ok(())
    }),
    ("retention_ms", |settings, option| {
        settings.retention_ms = Some(limit(option, "a number of milliseconds, or -1 for ever")?);
        Ok(())
    }),
    ("segment_bytes", |settings, option| {
        // Kafka's least value, below which files are mostly overhead.
        const LEAST: i32 = 1 << 20;
        settings.segment_bytes = Some(u64::from(at_least(option, LEAST)?.unsigned_abs()));
        Ok(())
    }),
    ("segment_index_bytes", |settings, option| {
        // Some forty entries, one for each 16 KiB.
        const LEAST: i32 = 1024;
        settings.segment_index_bytes = Some(u64::from(at_least(option, LEAST)?.unsigned_abs()));
        Ok(())
    }),
    ("segment_ms", |settings, option| {
        settings.segment_ms = Some(i64::from(positive(option)?));
        Ok(())
    }),
];

impl TopicSettings {
    /// Takes in an option if it is one of a topic's; whether it is. `name` is its name in lower case.
    pub(super) fn set(&mut self, name: &str, option: &WithOption) -> Result<bool> {
        match SETTINGS.iter().find(|(known, _)| *known == name) {
            Some((_, set)) => set(self, option).map(|()| true),
            None => Ok(false),
        }
    }

    /// The names of all options.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SETTINGS.iter().map(|(name, _)| *name)
    }

    /// Reads the clause of ALTER .. SET. An unknown name is an error with the nearest known one.
    pub fn read(clause: &[WithOption]) -> Result<Self> {
        let mut settings = Self::default();
        for (index, option) in clause.iter().enumerate() {
            let name = option.name.value.to_lowercase();
            if clause[..index].iter().any(|earlier| earlier.name.value.eq_ignore_ascii_case(&name)) {
                let message = format!("option \"{name}\" is given twice");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(option.name.position));
            }
            if !settings.set(&name, option)? {
                return Err(unknown(&option.name));
            }
        }
        Ok(settings)
    }

    /// The names of ALTER .. RESET, in lower case.
    pub fn names_to_reset(names: &[Name]) -> Result<Vec<&'static str>> {
        let known = |name: &Name| Self::names().find(|known| name.value.eq_ignore_ascii_case(known));
        names.iter().map(|name| known(name).ok_or_else(|| unknown(name))).collect()
    }
}

fn unknown(name: &Name) -> Error {
    let lower = name.value.to_lowercase();
    let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("option \"{lower}\" cannot be changed"))
        .at(name.position);
    match nearest(&lower, TopicSettings::names()) {
        Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
        None => {
            let known: Vec<_> = TopicSettings::names().collect();
            error.hint(format!("The options that can be are {}.", known.join(", ")))
        }
    }
}

fn limit(option: &WithOption, wanted: &str) -> Result<Limit> {
    match number(option)? {
        -1 => Ok(Limit::None),
        most @ 0.. => Ok(Limit::AtMost(most)),
        _ => Err(invalid(option, wanted)),
    }
}

fn not_negative(option: &WithOption, wanted: &str) -> Result<i64> {
    let value: i64 = number(option)?;
    if 0 <= value { Ok(value) } else { Err(invalid(option, wanted)) }
}

fn at_least(option: &WithOption, least: i32) -> Result<i32> {
    let bytes = positive(option)?;
    if least <= bytes { Ok(bytes) } else { Err(invalid(option, &format!("a number of bytes from {least}"))) }
}

/// A part of one, in thousandths.
fn permille(option: &WithOption) -> Result<u16> {
    let wrong = || invalid(option, "a number from 0 to 1");
    let ratio: f64 = option.value.trim().parse().map_err(|_| wrong())?;
    if (0.0..=1.0).contains(&ratio) { Ok((ratio * 1000.0).round() as u16) } else { Err(wrong()) }
}
