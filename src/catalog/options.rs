//! The WITH clause of CREATE: each option's name, kind and allowed values.

use super::EmitMode;
use super::Format;
use super::OnError;
use super::TopicSettings;
use super::WindowOfKey;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::format::Pattern;
use crate::model::SqlType;
use crate::sql::Name;
use crate::sql::WithOption;
use crate::sql::nearest;

/// When an append to the topic is answered; `cluster` has the same three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// After its flush.
    Ack,
    /// At once, flushed soon.
    Interval,
    /// At once, flushed when the operating system likes.
    Os,
}

/// What a WITH clause says; what is `None` was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelationOptions {
    /// `kafka_topic`
    pub topic: Option<String>,
    /// `partitions`
    pub partitions: Option<i32>,
    /// `replicas`
    pub replicas: Option<i32>,
    /// `key_format`, or `format`
    pub key_format: Option<Format>,
    /// `value_format`, or `format`
    pub value_format: Option<Format>,
    /// `key_delimiter` without a format of the key's own
    pub key_delimiter: Option<char>,
    /// `value_delimiter` without a format of the value's own
    pub value_delimiter: Option<char>,
    /// `wrap_single_value`
    pub wrap_single_value: Option<bool>,
    /// A single value stands bare where `wrap_single_value` is not said: the session's wish.
    pub unwraps_by_default: bool,
    /// `timestamp`: a column, as typed.
    pub timestamp: Option<Name>,
    /// `timestamp_format`
    pub timestamp_format: Option<String>,
    /// `window_type` and `window_size`: the keys hold windows that another engine made.
    pub window: Option<WindowOfKey>,
    /// `on_error`
    pub on_error: Option<OnError>,
    /// `emit`
    pub emit: Option<EmitMode>,
    /// How the topic is kept.
    pub settings: TopicSettings,
    /// `flush`
    pub flush: Option<Flush>,
    /// `ttl_ms`, or `ttl`: how long after its event time a row is kept, with where it stands.
    pub ttl_ms: Option<(i64, Position)>,
}

type Set = fn(&mut Reading, &WithOption) -> Result<()>;

/// One line an option.
const OPTIONS: &[(&str, Set)] = &[
    ("emit", |reading, option| {
        reading.options.emit = Some(one_of(option, &[("net", EmitMode::Net), ("all", EmitMode::All)])?);
        Ok(())
    }),
    ("flush", |reading, option| {
        let policies = [("ack", Flush::Ack), ("interval", Flush::Interval), ("os", Flush::Os)];
        reading.options.flush = Some(one_of(option, &policies)?);
        Ok(())
    }),
    ("format", |reading, option| {
        let format = format(option)?;
        reading.options.key_format = Some(format);
        reading.options.value_format = Some(format);
        reading.both = true;
        Ok(())
    }),
    ("kafka_topic", |reading, option| {
        reading.options.topic = Some(option.value.clone());
        Ok(())
    }),
    ("key_delimiter", |reading, option| {
        reading.options.key_delimiter = Some(delimiter(option)?);
        Ok(())
    }),
    ("key_format", |reading, option| {
        reading.options.key_format = Some(format(option)?);
        reading.single = true;
        Ok(())
    }),
    ("on_error", |reading, option| {
        let choices = [("dlq", OnError::DeadLetter), ("skip", OnError::Skip), ("fail", OnError::Fail)];
        reading.options.on_error = Some(one_of(option, &choices)?);
        Ok(())
    }),
    ("partitions", |reading, option| {
        reading.options.partitions = Some(positive(option)?);
        Ok(())
    }),
    ("replicas", |reading, option| {
        reading.options.replicas = Some(positive(option)?);
        Ok(())
    }),
    ("timestamp", |reading, option| {
        // ksqlDB writes the column's name in quotes that are not part of it.
        let (value, quoted) = match option.value.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
            Some(inner) => (inner.to_string(), true),
            None => (option.value.clone(), false),
        };
        reading.options.timestamp = Some(Name { value, quoted, position: option.name.position, schema: None });
        Ok(())
    }),
    ("timestamp_format", |reading, option| {
        // A record that it cannot read has no time, and is a bad one: with such a pattern all were.
        if let Err(reason) = Pattern::new(&option.value) {
            let message = format!("option \"timestamp_format\" cannot be \"{}\"", option.value);
            let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(option.name.position);
            return Err(error.detail(format!("It is no pattern of a time: {reason}.")));
        }
        reading.options.timestamp_format = Some(option.value.clone());
        Ok(())
    }),
    ("value_delimiter", |reading, option| {
        reading.options.value_delimiter = Some(delimiter(option)?);
        Ok(())
    }),
    ("value_format", |reading, option| {
        reading.options.value_format = Some(format(option)?);
        reading.single = true;
        Ok(())
    }),
    ("window_size", |reading, option| {
        reading.window_size_ms = Some(duration_ms(option)?);
        Ok(())
    }),
    ("window_type", |reading, option| {
        let kinds = [("tumbling", WindowKind::Sized), ("hopping", WindowKind::Sized), ("session", WindowKind::Session)];
        reading.window_kind = Some((one_of(option, &kinds)?, option.name.clone()));
        Ok(())
    }),
    ("ttl", |reading, option| reading.set_ttl(option, duration_ms(option)?)),
    ("ttl_ms", |reading, option| {
        let ttl_ms = number(option)?;
        if ttl_ms < 1 {
            return Err(invalid(option, "a number of milliseconds greater than zero"));
        }
        reading.set_ttl(option, ttl_ms)
    }),
    ("wrap_single_value", |reading, option| {
        reading.options.wrap_single_value = Some(one_of(option, &[("true", true), ("false", false)])?);
        Ok(())
    }),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WindowKind {
    Sized,
    Session,
}

/// What is put together when all options were read.
#[derive(Default)]
struct Reading {
    options: RelationOptions,
    both: bool,
    single: bool,
    window_kind: Option<(WindowKind, Name)>,
    window_size_ms: Option<i64>,
}

impl RelationOptions {
    /// Reads a WITH clause. Names are alike in any case; an unknown one is an error with the nearest known one.
    pub fn read(clause: &[WithOption]) -> Result<Self> {
        let mut reading = Reading::default();
        for (index, option) in clause.iter().enumerate() {
            let name = option.name.value.to_lowercase();
            let name = name.as_str();
            if clause[..index].iter().any(|earlier| earlier.name.value.eq_ignore_ascii_case(name)) {
                return Err(Error::new(SqlState::SYNTAX_ERROR, format!("option \"{name}\" is given twice"))
                    .at(option.name.position));
            }
            if reading.options.settings.set(name, option)? {
                continue;
            }
            if let Some(format) = full_name_format(name, clause) {
                let message = format!("{format} does not support the following configs: [fullSchemaName]");
                return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(option.name.position));
            }
            let Some((_, set)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
                let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("unknown option \"{name}\""))
                    .at(option.name.position);
                return Err(match nearest(name, all_names()) {
                    Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
                    None => error.hint(format!("The options are {}.", known_names())),
                });
            };
            set(&mut reading, option)?;
        }
        reading.finish()
    }
}

/// The format that is to have a full name of ksqlDB's schemas, which none here has, if an option tells one.
fn full_name_format(option: &str, clause: &[WithOption]) -> Option<String> {
    let half = match option {
        "value_avro_schema_full_name" | "value_schema_full_name" => "value_format",
        "key_schema_full_name" => "key_format",
        _ => return None,
    };
    let told = |name: &str| clause.iter().find(|option| option.name.value.eq_ignore_ascii_case(name));
    told(half).or_else(|| told("format")).map(|format| format.value.to_uppercase())
}

impl RelationOptions {
    /// Whether a single value column stands in an object: told only where it makes a difference.
    pub fn wrap_of(&self, value: Format, value_columns: usize) -> Result<bool> {
        let Some(wrap) = self.wrap_single_value else {
            return Ok(value_columns != 1 || value != Format::Json || !self.unwraps_by_default);
        };
        let wrong = |message: String| Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
        if value_columns != 1 {
            return wrong("'WRAP_SINGLE_VALUE' is only valid for single-field value schemas".to_owned());
        }
        match value {
            Format::Json => Ok(wrap),
            Format::Delimited { .. } | Format::Kafka | Format::None if wrap => {
                wrong(format!("Format '{}' does not support 'WRAP_SINGLE_VALUE' set to 'true'.", value.name()))
            }
            Format::Delimited { .. } | Format::Kafka | Format::None => Ok(wrap),
        }
    }
}

impl Reading {
    fn set_ttl(&mut self, option: &WithOption, ttl_ms: i64) -> Result<()> {
        if self.options.ttl_ms.is_some() {
            let message = "ttl cannot stand beside ttl_ms";
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(option.name.position));
        }
        self.options.ttl_ms = Some((ttl_ms, option.name.position));
        Ok(())
    }

    fn finish(mut self) -> Result<RelationOptions> {
        let clash = |message: &str| Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        if self.both && self.single {
            return clash("format cannot stand beside key_format or value_format");
        }
        let options = &mut self.options;
        for (name, chosen, format) in [
            ("key_delimiter", &mut options.key_delimiter, &mut options.key_format),
            ("value_delimiter", &mut options.value_delimiter, &mut options.value_format),
        ] {
            if format.is_some() {
                *format = delimited(name, *format, chosen.take())?;
            }
        }
        self.options.window = match (self.window_kind, self.window_size_ms) {
            (None, None) => None,
            (None, Some(_)) => return clash("window_size needs window_type"),
            (Some((WindowKind::Session, _)), None) => Some(WindowOfKey { size_ms: None }),
            (Some((WindowKind::Session, _)), Some(_)) => return clash("session windows have no window_size"),
            (Some((WindowKind::Sized, _)), Some(size_ms)) => Some(WindowOfKey { size_ms: Some(size_ms) }),
            (Some((WindowKind::Sized, name)), None) => {
                return clash("window_type needs window_size").map_err(|error| error.at(name.position));
            }
        };
        Ok(self.options)
    }
}

fn all_names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(name, _)| *name).chain(TopicSettings::names())
}

fn known_names() -> String {
    let mut names: Vec<_> = all_names().collect();
    names.sort_unstable();
    names.join(", ")
}

/// The names of all options, for who types them.
pub fn option_names() -> Vec<&'static str> {
    let mut names: Vec<_> = OPTIONS.iter().map(|(name, _)| *name).chain(TopicSettings::names()).collect();
    names.sort_unstable();
    names
}

pub(super) fn invalid(option: &WithOption, wanted: &str) -> Error {
    Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("option \"{}\" cannot be \"{}\"", option.name.value.to_lowercase(), option.value),
    )
    .at(option.name.position)
    .hint(format!("It takes {wanted}."))
}

pub(super) fn one_of<T: Copy>(option: &WithOption, choices: &[(&str, T)]) -> Result<T> {
    let found = choices.iter().find(|(name, _)| option.value.eq_ignore_ascii_case(name));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        invalid(option, &names.join(", "))
    })
}

pub(super) fn number<T: std::str::FromStr>(option: &WithOption) -> Result<T> {
    option.value.trim().parse().map_err(|_| invalid(option, "a whole number"))
}

pub(super) fn positive(option: &WithOption) -> Result<i32> {
    let count: i32 = number(option)?;
    if 0 < count { Ok(count) } else { Err(invalid(option, "a number greater than zero")) }
}

/// The format with the delimiter that was chosen, which only DELIMITED has.
pub fn delimited(name: &str, format: Option<Format>, chosen: Option<char>) -> Result<Option<Format>> {
    match (chosen, format) {
        (None, format) => Ok(format),
        (Some(delimiter), Some(Format::Delimited { .. })) => Ok(Some(Format::Delimited { delimiter })),
        (Some(_), _) => {
            let message = format!("{name} needs the format DELIMITED");
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
        }
    }
}

fn delimiter(option: &WithOption) -> Result<char> {
    match option.value.to_ascii_uppercase().as_str() {
        "SPACE" => return Ok(' '),
        "TAB" => return Ok('\t'),
        _ => {}
    }
    let mut characters = option.value.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(invalid(option, "one character, SPACE or TAB")),
    }
}

fn format(option: &WithOption) -> Result<Format> {
    match option.value.to_ascii_uppercase().as_str() {
        "JSON" => Ok(Format::Json),
        "KAFKA" => Ok(Format::Kafka),
        "DELIMITED" => Ok(Format::Delimited { delimiter: ',' }),
        "NONE" => Ok(Format::None),
        later @ ("AVRO" | "PROTOBUF" | "PROTOBUF_NOSR" | "JSON_SR" | "ARROW") => {
            Err(Error::unsupported(format!("format {later} is not supported")).at(option.name.position))
        }
        _ => {
            let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("Unknown format: {}", option.value));
            Err(error.at(option.name.position).hint("It takes JSON, DELIMITED, KAFKA or NONE."))
        }
    }
}

/// `30 SECONDS`, as ksqlDB writes window sizes.
fn duration_ms(option: &WithOption) -> Result<i64> {
    let wrong = || invalid(option, "a size such as 30 SECONDS");
    let (count, unit) = option.value.trim().split_once(' ').ok_or_else(wrong)?;
    let factor = match unit.trim().to_ascii_uppercase().trim_end_matches('S') {
        "MILLISECOND" => 1,
        "SECOND" => 1_000,
        "MINUTE" => 60_000,
        "HOUR" => 3_600_000,
        "DAY" => 86_400_000,
        _ => return Err(wrong()),
    };
    let count: i64 = count.parse().map_err(|_| wrong())?;
    match count.checked_mul(factor) {
        Some(size_ms) if 0 < size_ms => Ok(size_ms),
        _ => Err(wrong()),
    }
}

/// Whether Kafka's own serializers can write a value of this type alone.
pub(super) fn kafka_can_write(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Int | SqlType::BigInt | SqlType::Double | SqlType::Text | SqlType::Bytes => true,
        SqlType::Boolean
        | SqlType::Decimal { .. }
        | SqlType::Json
        | SqlType::Jsonb
        | SqlType::Date
        | SqlType::Time
        | SqlType::Timestamp
        | SqlType::TimestampTz
        | SqlType::Array(_)
        | SqlType::Map(..)
        | SqlType::Struct(_) => false,
    }
}
