//! `DATEADD`, `TIMEADD`, `TIMESTAMPADD` and their `SUB`s: so many units of time on or back.
//!
//! ksqlDB writes the unit as a bare word, which the binder makes a text.

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

const DAY_MICROS: i64 = 86_400_000_000;

const DATE: &[Overload] = &[Overload { arguments: &[Type::Text, Type::Int, Type::Date], result: Type::Date }];
const TIME: &[Overload] = &[Overload { arguments: &[Type::Text, Type::Int, Type::Time], result: Type::Time }];
const TIMESTAMP: &[Overload] =
    &[Overload { arguments: &[Type::Text, Type::Int, Type::Timestamp], result: Type::Timestamp }];

/// `dateadd(unit, INT, DATE) -> DATE` in whole days, `timeadd(unit, INT, TIME) -> TIME` around midnight,
/// `timestampadd(unit, INT, TIMESTAMP) -> TIMESTAMP`, and `..sub`; null gives null.
///
/// 22023 for another unit than days, hours, minutes, seconds and milliseconds; 22008 beyond the type.
pub static DEFINITIONS: [Definition; 6] = [
    Definition {
        name: "dateadd",
        about: "A date so many units later; the unit is DAYS or shorter, and whole days count.",
        overloads: DATE,
        nulls: Nulls::GiveNull,
        compute: |cells| date(cells, 1),
    },
    Definition {
        name: "datesub",
        about: "A date so many units earlier; the unit is DAYS or shorter, and whole days count.",
        overloads: DATE,
        nulls: Nulls::GiveNull,
        compute: |cells| date(cells, -1),
    },
    Definition {
        name: "timeadd",
        about: "A time of day so many units later, around midnight.",
        overloads: TIME,
        nulls: Nulls::GiveNull,
        compute: |cells| time(cells, 1),
    },
    Definition {
        name: "timesub",
        about: "A time of day so many units earlier, around midnight.",
        overloads: TIME,
        nulls: Nulls::GiveNull,
        compute: |cells| time(cells, -1),
    },
    Definition {
        name: "timestampadd",
        about: "A timestamp so many units later: DAYS, HOURS, MINUTES, SECONDS, MILLISECONDS.",
        overloads: TIMESTAMP,
        nulls: Nulls::GiveNull,
        compute: |cells| timestamp(cells, 1),
    },
    Definition {
        name: "timestampsub",
        about: "A timestamp so many units earlier: DAYS, HOURS, MINUTES, SECONDS, MILLISECONDS.",
        overloads: TIMESTAMP,
        nulls: Nulls::GiveNull,
        compute: |cells| timestamp(cells, -1),
    },
];

fn date(cells: &[Cell<'_>], sign: i64) -> Result<Answer, Error> {
    let micros = sum(cells[2].int().saturating_mul(DAY_MICROS), cells, sign)?;
    // Java's division: towards 1970.
    let days = i32::try_from(micros / DAY_MICROS).map_err(|_| out_of_range())?;
    Ok(Answer::Int(i64::from(days)))
}

fn time(cells: &[Cell<'_>], sign: i64) -> Result<Answer, Error> {
    Ok(Answer::Int(sum(cells[2].int(), cells, sign)?.rem_euclid(DAY_MICROS)))
}

fn timestamp(cells: &[Cell<'_>], sign: i64) -> Result<Answer, Error> {
    Ok(Answer::Int(sum(cells[2].int(), cells, sign)?))
}

fn sum(micros: i64, cells: &[Cell<'_>], sign: i64) -> Result<i64, Error> {
    let unit = match cells[0].text().to_ascii_uppercase().trim_end_matches('S') {
        "DAY" => DAY_MICROS,
        "HOUR" => 3_600_000_000,
        "MINUTE" => 60_000_000,
        "SECOND" => 1_000_000,
        "MILLISECOND" => 1_000,
        _ => {
            let message = format!("unknown unit of time \"{}\"", cells[0].text());
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("The units are DAYS, HOURS, MINUTES, SECONDS and MILLISECONDS."));
        }
    };
    let added = cells[1].int().checked_mul(unit).and_then(|added| added.checked_mul(sign));
    added.and_then(|added| micros.checked_add(added)).ok_or_else(out_of_range)
}

fn out_of_range() -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "time out of range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_added_and_taken_away() {
        let call = |name: &str, unit, count, value| {
            let definition = DEFINITIONS.iter().find(|definition| definition.name == name).expect("it is there");
            (definition.compute)(&[Cell::Text(unit), Cell::Int(count), Cell::Int(value)]).ok()
        };
        for (name, unit, count, value, answer) in [
            ("dateadd", "DAYS", 10, 10, Some(20)),
            ("datesub", "hour", 49, 10, Some(7)),
            ("dateadd", "HOURS", -1, 0, Some(0)),
            ("timesub", "MILLISECONDS", 10, 5_000, Some(DAY_MICROS - 5_000)),
            ("timeadd", "HOURS", 25, 0, Some(3_600_000_000)),
            ("timestampadd", "SECONDS", 1, 1, Some(1_000_001)),
            ("timestampsub", "MINUTE", 1, 0, Some(-60_000_000)),
            ("timestampadd", "WEEKS", 1, 0, None),
            ("timestampadd", "DAYS", i64::from(i32::MAX), i64::MAX, None),
            ("dateadd", "DAYS", i64::from(i32::MAX), 10, None),
        ] {
            assert_eq!(call(name, unit, count, value), answer.map(Answer::Int), "{name} {unit} {count}");
        }
    }
}
