//! Days and milliseconds since 1970 to times and back: `FROM_DAYS`, `FROM_UNIXTIME`, `UNIX_DATE`, `UNIX_TIMESTAMP`; and `SIGN`.

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// `from_days(INT) -> DATE`, `from_unixtime(BIGINT) -> TIMESTAMP`, and back; null gives null.
pub static DEFINITIONS: [Definition; 5] = [
    Definition {
        name: "from_days",
        about: "The date so many days after 1970-01-01.",
        overloads: &[Overload { arguments: &[Type::Int], result: Type::Date }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Int(cells[0].int())),
    },
    Definition {
        name: "unix_date",
        about: "Days from 1970-01-01 to a date.",
        overloads: &[Overload { arguments: &[Type::Date], result: Type::Int }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Int(cells[0].int())),
    },
    Definition {
        name: "__ksql_from_unixtime",
        about: "The timestamp so many milliseconds after 1970.",
        overloads: &[Overload { arguments: &[Type::BigInt], result: Type::Timestamp }],
        nulls: Nulls::GiveNull,
        compute: |cells| micros(cells[0].int()).map(Answer::Int),
    },
    Definition {
        name: "unix_timestamp",
        about: "Milliseconds from 1970 to a timestamp.",
        overloads: &[Overload { arguments: &[Type::Timestamp], result: Type::BigInt }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Int(cells[0].int().div_euclid(1000))),
    },
    Definition {
        name: "sign",
        about: "-1, 0 or 1, as the number is below, at or above zero.",
        overloads: &[Overload { arguments: &[Type::Double], result: Type::Int }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let value = cells[0].double();
            Ok(Answer::Int(i64::from(0.0 < value) - i64::from(value < 0.0)))
        },
    },
];

/// Milliseconds as microseconds, 22008 if there is no such time.
pub fn micros(millis: i64) -> Result<i64, Error> {
    millis.checked_mul(1000).ok_or_else(|| Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range"))
}
