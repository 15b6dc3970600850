//! A case as it is written.

use std::path::Path;

use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;

use super::comments;
use crate::env::Disk;
use crate::env::OpenMode;
use crate::error::Error;
use crate::error::SqlState;

/// A file of cases. Fields that are not listed here are remarks.
#[derive(Debug, Clone, Deserialize)]
pub struct CaseFile {
    /// The cases.
    pub tests: Vec<CaseNode>,
}

/// A case before it is expanded.
#[derive(Debug, Clone, Deserialize)]
pub struct CaseNode {
    /// What it shows; unique in its file once expanded.
    pub name: String,
    /// `false` leaves it out.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// One run for each; it stands for `{FORMAT}`.
    #[serde(default)]
    pub format: Vec<String>,
    /// One run for each; it stands for `{CONFIG}` in a property.
    #[serde(default)]
    pub config: Vec<String>,
    /// What is executed, in order.
    pub statements: Vec<String>,
    /// ksqlDB's settings.
    #[serde(default)]
    pub properties: Map<String, Value>,
    /// Topics that are there before.
    #[serde(default)]
    pub topics: Vec<TopicNode>,
    /// Records written, in order.
    #[serde(default)]
    pub inputs: Vec<RecordNode>,
    /// Records wanted; only topics named here are looked at.
    pub outputs: Option<Vec<RecordNode>>,
    /// What the statements answer, in their order; those after the last are not looked at.
    #[serde(default)]
    pub responses: Vec<ResponseNode>,
    /// How answers are compared.
    #[serde(rename = "outputConditions")]
    pub output_conditions: Option<OutputConditionsNode>,
    /// The case must fail.
    #[serde(rename = "expectedException", alias = "expectedError")]
    pub expected: Option<ExpectedError>,
    /// What else must hold afterwards.
    pub post: Option<PostNode>,
}

fn enabled() -> bool {
    true
}

fn one_partition() -> i32 {
    1
}

/// A topic that is there before.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicNode {
    /// Its name.
    pub name: String,
    /// How keys are written.
    pub key_format: Option<String>,
    /// How values are written.
    pub value_format: Option<String>,
    /// How many partitions it has.
    #[serde(default = "one_partition")]
    pub partitions: i32,
}

/// A record, its key and value as JSON or as the text of another format.
#[derive(Debug, Clone, Deserialize)]
pub struct RecordNode {
    /// The topic.
    pub topic: String,
    /// The key.
    #[serde(default)]
    pub key: Value,
    /// The value.
    #[serde(default)]
    pub value: Value,
    /// Milliseconds; 0 for an input, unchecked for an output.
    pub timestamp: Option<i64>,
    /// The window in the key.
    pub window: Option<WindowNode>,
    /// The headers.
    #[serde(default)]
    pub headers: Vec<HeaderNode>,
}

/// The window in a key.
#[derive(Debug, Clone, Deserialize)]
pub struct WindowNode {
    /// First millisecond.
    pub start: i64,
    /// `time`: the first millisecond after it; `session`: its last.
    pub end: i64,
    /// `time` or `session`, any case.
    #[serde(rename = "type", default)]
    pub kind: String,
}

/// A header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeaderNode {
    /// Its key.
    #[serde(rename = "KEY")]
    pub key: String,
    /// Its value in base64.
    #[serde(rename = "VALUE")]
    pub value: Option<String>,
}

/// The error wanted. Its Java class is not looked at.
#[derive(Debug, Clone, Deserialize)]
pub struct ExpectedError {
    /// A part of its message.
    pub message: Option<String>,
}

/// What a statement answers. What ksqlDB says of a statement without rows is not looked at.
#[derive(Debug, Clone, Deserialize)]
pub struct ResponseNode {
    /// The lines of a SELECT.
    pub query: Option<Vec<ResponseLineNode>>,
}

/// A line of an answer: what its columns are, a row, or how it ended.
#[derive(Debug, Clone, Deserialize)]
pub struct ResponseLineNode {
    /// What the columns are.
    pub header: Option<ResponseHeaderNode>,
    /// A row.
    pub row: Option<ResponseRowNode>,
}

/// What the columns of an answer are.
#[derive(Debug, Clone, Deserialize)]
pub struct ResponseHeaderNode {
    /// Its columns as in CREATE.
    pub schema: Option<String>,
}

/// A row of an answer.
#[derive(Debug, Clone, Deserialize)]
pub struct ResponseRowNode {
    /// Its values.
    pub columns: Vec<Value>,
}

/// How answers are compared.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputConditionsNode {
    /// Whether the rows come in the order of the case.
    #[serde(default)]
    pub verify_order: bool,
}

/// What must hold afterwards.
#[derive(Debug, Clone, Deserialize)]
pub struct PostNode {
    /// Relations that must be there.
    #[serde(default)]
    pub sources: Vec<SourceNode>,
    /// Topics that must, and must not, be there.
    pub topics: Option<PostTopicsNode>,
}

/// A relation that must be there.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceNode {
    /// Its name.
    pub name: String,
    /// `stream` or `table`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its columns as in CREATE.
    pub schema: Option<String>,
    /// A name, or an object with `format`, `windowType` and `windowSize`.
    pub key_format: Option<Value>,
    /// A name, or an object with `format`.
    pub value_format: Option<Value>,
    /// Whether `CREATE SOURCE` made it.
    pub is_source: Option<bool>,
}

/// Topics that must, and must not, be there.
#[derive(Debug, Clone, Deserialize)]
pub struct PostTopicsNode {
    /// A pattern that no topic's name may match.
    pub blacklist: Option<String>,
    /// Topics that must be there.
    #[serde(default)]
    pub topics: Vec<PostTopicNode>,
}

/// A topic that must be there.
#[derive(Debug, Clone, Deserialize)]
pub struct PostTopicNode {
    /// Its name.
    pub name: String,
}

impl CaseFile {
    /// Reads a file of cases.
    pub fn read(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let cannot_read = |error: std::io::Error| {
            Error::new(SqlState::IO_ERROR, format!("could not read {shown}")).detail(error.to_string())
        };
        let file = disk.open(path, OpenMode::Read).map_err(cannot_read)?;
        let length = usize::try_from(file.len().map_err(cannot_read)?).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        file.read_at(&mut bytes, 0).map_err(cannot_read)?;
        let text = String::from_utf8(bytes).map_err(|error| malformed(&shown.to_string(), &error.to_string()))?;
        Self::parse(&text).map_err(|reason| malformed(&shown.to_string(), &reason))
    }

    /// Reads the text of a file of cases.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(&comments::blank(text)).map_err(|error| error.to_string())
    }
}

fn malformed(path: &str, reason: &str) -> Error {
    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, format!("{path} is not a file of cases")).detail(reason)
}
