//! What can be wrong with bytes, text or a declaration, and the SQLSTATE that tells it.

use crate::error::Error;
use crate::error::SqlState;

/// Why bytes or text are not a value, or a declaration has no codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A format cannot carry such columns.
    #[error("format {format} cannot carry {what}")]
    Unsupported {
        /// The format's name.
        format: &'static str,
        /// The columns or the type.
        what: String,
    },
    /// Bytes that are not what the format says.
    #[error("malformed {format}: {reason}")]
    Malformed {
        /// The format's name.
        format: &'static str,
        /// What is wrong, with the byte where it was seen if that is known.
        reason: String,
    },
    /// A value of a type that the column does not take.
    #[error("column \"{column}\": cannot read {found} as {expected}")]
    WrongType {
        /// The column.
        column: String,
        /// Its type.
        expected: String,
        /// The value, shortened.
        found: String,
    },
    /// A value that the column's type cannot hold.
    #[error("column \"{column}\": {found} is out of range for {expected}")]
    OutOfRange {
        /// The column.
        column: String,
        /// Its type.
        expected: String,
        /// The value, shortened.
        found: String,
    },
    /// A text that is not a value of the type.
    #[error("invalid input syntax for type {expected}: \"{found}\"")]
    InvalidText {
        /// The type.
        expected: &'static str,
        /// The text, shortened.
        found: String,
    },
    /// A text that is not a date or a time.
    #[error("invalid input syntax for type {expected}: \"{found}\"")]
    InvalidDatetime {
        /// The type.
        expected: &'static str,
        /// The text, shortened.
        found: String,
    },
    /// A text that is built as a date or a time, of fields that none has.
    #[error("date/time field value out of range: \"{found}\"")]
    DatetimeOutOfRange {
        /// The text, shortened.
        found: String,
        /// Whether its month or day is one that no order of year, month and day has room for as it was read.
        is_of_month: bool,
    },
    /// A text that is no JSON.
    #[error("invalid input syntax for type json")]
    InvalidDocument {
        /// What is wrong, and where.
        reason: String,
    },
    /// A character of the number 0 in a document.
    #[error("unsupported Unicode escape sequence")]
    UnsupportedEscape,
    /// A number in a document that `numeric` has no room for.
    #[error("value overflows numeric format")]
    NumberOverflow,
    /// A text of a number that the type cannot hold.
    #[error("{}\"{found}\" is out of range for type {expected}", before_value(expected))]
    TextOutOfRange {
        /// The type.
        expected: &'static str,
        /// The text, shortened.
        found: String,
    },
    /// A text that is not PostgreSQL's form of an array.
    #[error("malformed array literal: \"{found}\"")]
    MalformedArray {
        /// The text, shortened.
        found: String,
    },
    /// The event time of a record is missing or not a time.
    #[error("invalid event time in column \"{column}\": {reason}")]
    EventTime {
        /// The timestamp column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Stored bytes of ours (a state key, a state row, a repartition slice) that are not what we write.
    #[error("corrupt {what}: {reason}")]
    Corrupt {
        /// Which codec.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl From<FormatError> for Error {
    fn from(error: FormatError) -> Self {
        let state = match &error {
            FormatError::Unsupported { .. } => SqlState::INVALID_TABLE_DEFINITION,
            FormatError::Malformed { .. }
            | FormatError::WrongType { .. }
            | FormatError::InvalidText { .. }
            | FormatError::InvalidDocument { .. }
            | FormatError::MalformedArray { .. } => SqlState::INVALID_TEXT_REPRESENTATION,
            FormatError::OutOfRange { .. } | FormatError::TextOutOfRange { .. } | FormatError::NumberOverflow => {
                SqlState::NUMERIC_VALUE_OUT_OF_RANGE
            }
            FormatError::UnsupportedEscape => SqlState("22P05"),
            FormatError::EventTime { .. } | FormatError::InvalidDatetime { .. } => SqlState::INVALID_DATETIME_FORMAT,
            FormatError::DatetimeOutOfRange { .. } => SqlState::DATETIME_FIELD_OVERFLOW,
            FormatError::Corrupt { .. } => SqlState::DATA_CORRUPTED,
        };
        let told = Error::new(state, error.to_string());
        match error {
            FormatError::DatetimeOutOfRange { is_of_month: true, .. } => {
                told.hint("Perhaps you need a different \"datestyle\" setting.")
            }
            FormatError::InvalidDocument { reason } => told.detail(format!("{reason}.")),
            FormatError::UnsupportedEscape => told.detail("\\u0000 cannot be converted to text."),
            _ => told,
        }
    }
}

/// PostgreSQL's word before a text of a whole number that has no room; of a double it has none.
fn before_value(sql_type: &str) -> &'static str {
    if sql_type == "double precision" { "" } else { "value " }
}

/// A value as an error shows it: at most 80 characters.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}
