//! The JSON of a case as a record's bytes, and a record's bytes as such JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::case::RecordNode;
use super::case::WindowNode;
use crate::catalog::Format;
use crate::catalog::Relation;
use crate::model::ColumnRole;
use crate::model::SqlType;

/// A record as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawOutput {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Milliseconds.
    pub timestamp: i64,
    /// Its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A header's name and value.
pub(super) type Header<'a> = (&'a str, Option<Vec<u8>>);

/// A record as a case tells it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) key: Value,
    pub(super) value: Value,
    pub(super) window: Option<(i64, i64)>,
}

/// How one half of a topic's records is written.
pub(super) struct HalfOfTopic {
    format: Format,
    /// The types of its columns, for formats that do not tell them.
    types: Vec<SqlType>,
}

impl HalfOfTopic {
    /// The half of `relation` that holds the columns of `role`.
    pub(super) fn of(relation: &Relation, role: ColumnRole) -> Self {
        let types = relation.columns.iter().filter(|column| column.role == role);
        Self {
            format: if role == ColumnRole::Key { relation.formats.key } else { relation.formats.value },
            types: types.map(|column| column.sql_type.clone()).collect(),
        }
    }

    /// The half of a topic that no relation declares.
    pub(super) fn of_name(format: Option<&str>, role: ColumnRole) -> Self {
        let format = match (format.map(str::to_ascii_uppercase).as_deref(), role) {
            (Some("JSON"), _) => Format::Json,
            (Some("DELIMITED"), _) => Format::Delimited { delimiter: ',' },
            (Some("NONE"), _) => Format::None,
            (None, ColumnRole::Value) => Format::Json,
            _ => Format::Kafka,
        };
        Self { format, types: Vec::new() }
    }

    /// The bytes of a half, `None` for null.
    pub(super) fn encode(&self, value: &Value) -> Result<Option<Vec<u8>>, String> {
        if value.is_null() {
            return Ok(None);
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Ok(Some(match self.format {
            Format::None => return Ok(None),
            Format::Json => value.to_string().into_bytes(),
            Format::Delimited { .. } => text.into_bytes(),
            Format::Kafka => {
                let wrong = || format!("{value} is not a value of {:?}", self.types);
                match self.types.first() {
                    Some(SqlType::Int) => text.parse::<i32>().map_err(|_| wrong())?.to_be_bytes().to_vec(),
                    Some(SqlType::BigInt) => text.parse::<i64>().map_err(|_| wrong())?.to_be_bytes().to_vec(),
                    Some(SqlType::Double) => text.parse::<f64>().map_err(|_| wrong())?.to_be_bytes().to_vec(),
                    Some(SqlType::Bytes) => STANDARD.decode(text).map_err(|_| wrong())?,
                    _ => text.into_bytes(),
                }
            }
        }))
    }

    /// The JSON of a half's bytes.
    pub(super) fn decode(&self, bytes: Option<&[u8]>) -> Result<Value, String> {
        let Some(bytes) = bytes else { return Ok(Value::Null) };
        let text = || String::from_utf8(bytes.to_vec()).map(Value::String).map_err(|error| error.to_string());
        let wrong = || format!("{} bytes are not a value of {:?}", bytes.len(), self.types);
        match self.format {
            Format::None => Ok(Value::Null),
            Format::Json => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
            Format::Delimited { .. } => text(),
            Format::Kafka => match self.types.first() {
                Some(SqlType::Int) => Ok(Value::from(i32::from_be_bytes(bytes.try_into().map_err(|_| wrong())?))),
                Some(SqlType::BigInt) => Ok(Value::from(i64::from_be_bytes(bytes.try_into().map_err(|_| wrong())?))),
                Some(SqlType::Double) => Ok(Value::from(f64::from_be_bytes(bytes.try_into().map_err(|_| wrong())?))),
                Some(SqlType::Bytes) => Ok(Value::String(STANDARD.encode(bytes))),
                _ => text(),
            },
        }
    }
}

/// The bytes of a key with the window behind it.
pub(super) fn windowed_key(key: Option<Vec<u8>>, window: &WindowNode) -> Vec<u8> {
    let mut key = key.unwrap_or_default();
    if window.kind.eq_ignore_ascii_case("session") {
        key.extend_from_slice(&window.end.to_be_bytes());
    }
    key.extend_from_slice(&window.start.to_be_bytes());
    key
}

/// Key and value of a record.
type Halves = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The bytes of an input.
pub(super) fn encode(node: &RecordNode, key: &HalfOfTopic, value: &HalfOfTopic) -> Result<Halves, String> {
    let key = key.encode(&node.key)?;
    let key = match &node.window {
        None => key,
        Some(window) => Some(windowed_key(key, window)),
    };
    Ok((key, value.encode(&node.value)?))
}

/// The headers of an input.
pub(super) fn headers(node: &RecordNode) -> Result<Vec<Header<'_>>, String> {
    let decoded = |value: &String| STANDARD.decode(value).map_err(|_| format!("header value {value} is not base64"));
    node.headers
        .iter()
        .map(|header| Ok((header.key.as_str(), header.value.as_ref().map(decoded).transpose()?)))
        .collect()
}

/// An output as a case would tell it.
pub(super) fn show(output: &RawOutput, relation: Option<&Relation>) -> Result<Shown, String> {
    let half = |role: ColumnRole| match relation {
        Some(relation) => HalfOfTopic::of(relation, role),
        None => HalfOfTopic::of_name(None, role),
    };
    let mut key = output.key.as_deref();
    let mut window = None;
    if let (Some(of_key), Some(bytes)) = (relation.and_then(|relation| relation.window), key) {
        let short = || "the key is too short for its window".to_owned();
        let (rest, start) = bytes.split_last_chunk::<8>().ok_or_else(short)?;
        let start = i64::from_be_bytes(*start);
        let (rest, end) = match of_key.size_ms {
            Some(size_ms) => (rest, start + size_ms),
            None => {
                let (rest, end) = rest.split_last_chunk::<8>().ok_or_else(short)?;
                (rest, i64::from_be_bytes(*end))
            }
        };
        key = Some(rest);
        window = Some((start, end));
    }
    Ok(Shown {
        key: half(ColumnRole::Key).decode(key)?,
        value: half(ColumnRole::Value).decode(output.value.as_deref())?,
        window,
    })
}
