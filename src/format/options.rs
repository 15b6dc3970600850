//! How a relation's records are written: the formats of both halves and the rules of reading them.

/// How a key or a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormatSpec {
    /// Nothing: no key columns.
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

impl FormatSpec {
    /// The name that WITH clauses and errors use.
    pub fn name(self) -> &'static str {
        match self {
            FormatSpec::None => "NONE",
            FormatSpec::Kafka => "KAFKA",
            FormatSpec::Json => "JSON",
            FormatSpec::Delimited { .. } => "DELIMITED",
        }
    }
}

/// Which field of a document belongs to a column, and how freely its value is coerced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NameMatch {
    /// The field has exactly the column's name. A scalar is read as PostgreSQL's type input would read its text.
    #[default]
    Exact,
    /// ksqlDB's: the exact name, else the upper-cased name; its coercions between texts and numbers.
    UpperFallback,
}

/// How dates and times stand in a document. Both styles read epoch numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimeStyle {
    /// ISO 8601 text.
    #[default]
    Iso,
    /// Milliseconds of the epoch or of the day, days of the epoch.
    EpochMillis,
}

/// The window that stands behind the key's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowKeySize {
    /// Eight bytes, the start in milliseconds; the end is `start + size`.
    Fixed {
        /// Milliseconds from start to end.
        size_ms: i64,
    },
    /// Sixteen bytes: end, then start, in milliseconds.
    Session,
}

/// Everything about a relation's records that is not a column or a format.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CodecOptions {
    /// How names and values are matched.
    pub names: NameMatch,
    /// Whether a single JSON value column stands in an object.
    pub wrap_single: WrapSingle,
    /// How times are written in JSON and DELIMITED.
    pub times: TimeStyle,
    /// The window behind the key.
    pub window: Option<WindowKeySize>,
    /// A record without a key is no row, as in a table; where it is one, a key of nulls alone is written as none.
    pub needs_key: bool,
    /// The column that gives the event time, by index; else the record's timestamp.
    pub timestamp_column: Option<usize>,
    /// The pattern of a text timestamp column, in Java's letters.
    pub timestamp_format: Option<String>,
}

/// Whether a single value column stands in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WrapSingle {
    /// `{"A": 1}`
    #[default]
    Wrapped,
    /// `1`
    Unwrapped,
}
