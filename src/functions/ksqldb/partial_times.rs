//! What CAST and a comparison under ksqlDB's rules make of texts: timestamps, dates and times of day.

use crate::error::Error;
use crate::error::SqlState;
use crate::format;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// `__ksql_cast_timestamp(text)`, `__ksql_cast_date(text)`: parts from the end may be left out; `__ksql_cast_time(text)`: hours
/// and minutes at least. 22007 for another text; null gives null.
pub static DEFINITIONS: [Definition; 3] = [
    Definition {
        name: "__ksql_cast_timestamp",
        about: "",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Timestamp }],
        nulls: Nulls::GiveNull,
        compute: |cells| read(cells, "TIMESTAMP", format::micros_of_partial_time),
    },
    Definition {
        name: "__ksql_cast_date",
        about: "",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Date }],
        nulls: Nulls::GiveNull,
        compute: |cells| read(cells, "DATE", |text| format::days_of_partial_date(text).map(i64::from)),
    },
    Definition {
        name: "__ksql_cast_time",
        about: "",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Time }],
        nulls: Nulls::GiveNull,
        compute: |cells| read(cells, "TIME", format::micros_of_clock),
    },
];

fn read(cells: &[Cell<'_>], name: &str, parse: fn(&str) -> Option<i64>) -> Result<Answer, Error> {
    let text = cells[0].text();
    parse(text)
        .map(Answer::Int)
        .ok_or_else(|| Error::new(SqlState::INVALID_DATETIME_FORMAT, format!("cannot cast \"{text}\" to {name}")))
}
