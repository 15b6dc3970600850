//! A stream, a table or a view: columns over a topic.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use super::Compatibility;
use super::TextKind;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::QueryId;
use crate::model::ROW_KEY;
use crate::model::RelationId;
use crate::model::SessionNumber;
use crate::model::TopicId;

/// Facts or latest rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RelationKind {
    /// Facts appended.
    Stream,
    /// The latest row per key. Kept by a query when `Relation::query` is there.
    Table,
}

/// How a key or a value is written in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// No key columns.
    None,
    /// Kafka's own serializers, one column.
    Kafka,
    /// A JSON document.
    Json,
    /// One line of CSV.
    Delimited {
        /// Between fields.
        delimiter: char,
    },
}

impl Format {
    /// The name that WITH clauses and errors use.
    pub fn name(self) -> &'static str {
        match self {
            Format::None => "NONE",
            Format::Kafka => "KAFKA",
            Format::Json => "JSON",
            Format::Delimited { .. } => "DELIMITED",
        }
    }

    /// Whether it has no bytes for a key of so many columns that is null.
    pub fn lacks_null(self, columns: usize) -> bool {
        match self {
            Format::Kafka => true,
            Format::Delimited { .. } => columns == 1,
            Format::Json | Format::None => false,
        }
    }
}

/// The formats of both halves of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Formats {
    /// Of the key.
    pub key: Format,
    /// Of the value.
    pub value: Format,
    /// `WRAP_SINGLE_VALUE`: a single JSON value column stands in an object.
    pub wrap_single_value: bool,
}

/// What becomes of a record that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OnError {
    /// To the dead-letter topic.
    DeadLetter,
    /// Counted and left out.
    Skip,
    /// The query stops.
    Fail,
}

/// The window that stands in the keys of a windowed view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WindowOfKey {
    /// Milliseconds from start to end; `None` for sessions, whose key holds both.
    pub size_ms: Option<i64>,
}

/// A column of numbers that are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// By index into the relation's columns.
    pub column: usize,
    /// `GENERATED ALWAYS`: statements may not tell it.
    pub always: bool,
    /// The first number of all.
    pub start: i64,
    /// The first one that no block has.
    pub next: i64,
}

/// Columns over a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Never reused.
    pub id: RelationId,
    /// The name, folded.
    pub name: String,
    /// Stream or table.
    pub kind: RelationKind,
    /// Made by `CREATE MATERIALIZED VIEW` rather than `CREATE TABLE AS`; they differ in what clients are shown.
    pub materialized_view: bool,
    /// All columns in the order of `SELECT *`; roles say which are keys. Window bounds stand after the others of a
    /// declared relation and after the keys of a kept one.
    pub columns: Vec<Column>,
    /// How records are written.
    pub formats: Formats,
    /// The topic's name.
    pub topic: String,
    /// The topic's id.
    pub topic_id: TopicId,
    /// The topic's number of partitions.
    pub partitions: i32,
    /// The value column that gives the event time, by index into `columns`; else the record's timestamp.
    pub timestamp_column: Option<usize>,
    /// `TIMESTAMP_FORMAT`, for a text column.
    pub timestamp_format: Option<String>,
    /// The window in the key.
    pub window: Option<WindowOfKey>,
    /// What becomes of bad records.
    pub on_error: OnError,
    /// The dead-letter topic, when `on_error` is `DeadLetter`.
    pub dead_letter_topic: Option<(String, TopicId)>,
    /// Made by `CREATE SOURCE`: it is never written here, and its topic stays.
    #[serde(default)]
    pub read_only: bool,
    /// Declared WITH (kafka_topic = ..): a table over a topic that others write too, so INSERT is an upsert as theirs are.
    #[serde(default)]
    pub names_topic: bool,
    /// Its CREATE made the topic, under PostgreSQL's rules: the records go with the table, as rows do there.
    #[serde(default)]
    pub owns_topic: bool,
    /// Value columns that no SQL statement may make NULL, by index into `columns`.
    #[serde(default)]
    pub not_null: Vec<usize>,
    /// What text columns were declared as, by index into `columns`; SQL statements keep to it.
    #[serde(default)]
    pub text_kinds: BTreeMap<usize, TextKind>,
    /// The text of the expression that gives the value of a column that a statement does not tell, by index into `columns`; else
    /// it is NULL. Records of clients have what they have.
    #[serde(default)]
    pub defaults: BTreeMap<usize, String>,
    /// The column whose values are numbers in the order of their rows' coming, where a statement tells none.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// Milliseconds that a row of a table is kept after its event time; `None` for ever.
    #[serde(default)]
    pub ttl_ms: Option<i64>,
    /// The session whose temporary table it is: to others its name means nothing.
    #[serde(default)]
    pub session: Option<SessionNumber>,
    /// The query that keeps it.
    pub query: Option<QueryId>,
    /// Under which rules it was made; decides how times are written in JSON and how names match.
    pub compatibility: Compatibility,
    /// The statement, for people.
    pub statement: String,
    /// Who made it.
    pub owner: String,
}

impl Relation {
    /// The indexes of the key columns proper, without window bounds.
    pub fn key_columns(&self) -> Vec<usize> {
        self.indexes(|role| *role == ColumnRole::Key)
    }

    /// The columns that statements see; those that only tell rows apart stand behind them.
    pub fn shown_columns(&self) -> &[Column] {
        let shown = self.columns.iter().position(Column::is_hidden).unwrap_or(self.columns.len());
        &self.columns[..shown]
    }

    /// The column that tells the rows of a table apart that was declared without a key.
    pub fn row_key(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.is_hidden() && column.name == ROW_KEY)
    }

    /// The indexes of the value columns.
    pub fn value_columns(&self) -> Vec<usize> {
        self.indexes(|role| *role == ColumnRole::Value)
    }

    /// Whether records may say that the key of a row is null.
    pub fn has_null_keys(&self) -> bool {
        !self.formats.key.lacks_null(self.key_columns().len())
    }

    fn indexes(&self, wanted: impl Fn(&ColumnRole) -> bool) -> Vec<usize> {
        (0..self.columns.len()).filter(|index| wanted(&self.columns[*index].role)).collect()
    }

    /// The name as somebody sees it who looks at the tables of all sessions.
    pub fn name_among_all(&self) -> String {
        match self.session {
            None => self.name.clone(),
            Some(session) => format!("{}.{}", session.schema(), self.name),
        }
    }

    /// Whether rows are replaced by key.
    pub fn is_table(&self) -> bool {
        self.kind == RelationKind::Table
    }
}
