//! ROWTIME in the list of columns of INSERT and COPY: the time that a row's record gets.

use arrow::array::timezone::Tz;

use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::format;

/// What a value of INSERT or a field of COPY is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetColumn {
    /// A column of the relation, by its index.
    Column(usize),
    /// The time of the record.
    RowTime,
}

impl TargetColumn {
    /// Its name in the relation.
    pub(super) fn name<'a>(&self, relation: &'a Relation) -> &'a str {
        match self {
            TargetColumn::Column(index) => &relation.columns[*index].name,
            TargetColumn::RowTime => "rowtime",
        }
    }
}

/// The milliseconds since 1970 that a text tells: as a whole number, or as a timestamp, without an offset on a clock of `zone`.
pub(super) fn told_ms(text: &str, zone: Tz) -> Result<i64> {
    let text = text.trim();
    if let Ok(milliseconds) = text.parse::<i64>() {
        return checked(milliseconds);
    }
    let micros = format::text::parse_timestamp_tz(text, zone).ok_or_else(|| {
        let message = format!("invalid input syntax for rowtime: \"{text}\"");
        Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
            .hint("Write a timestamp, or milliseconds since 1970.")
    })?;
    checked(micros.div_euclid(1000))
}

/// Kafka's records have no time before 1970.
fn checked(milliseconds: i64) -> Result<i64> {
    match milliseconds {
        0.. => Ok(milliseconds),
        _ => Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "rowtime cannot be before 1970")),
    }
}
