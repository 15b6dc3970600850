//! `CONVERT_TZ(timestamp, from, to)`: what the clocks of one zone show when those of another show a time.

use crate::error::Error;
use crate::error::SqlState;
use crate::format::NamedZone;
use crate::format::Twice;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// `convert_tz(TIMESTAMP, from text, to text) -> TIMESTAMP`; null gives null.
///
/// 22023 for a zone that nobody knows, 22008 beyond the type.
pub static DEFINITIONS: [Definition; 1] = [Definition {
    name: "convert_tz",
    about: "What the clocks of the second zone show when those of the first show this time.",
    overloads: &[Overload { arguments: &[Type::Timestamp, Type::Text, Type::Text], result: Type::Timestamp }],
    nulls: Nulls::GiveNull,
    compute: |cells| {
        let (from, to) = (zone(cells[1].text())?, zone(cells[2].text())?);
        let shown = from.converted(cells[0].int(), to, Twice::First);
        shown.map(Answer::Int).ok_or_else(|| Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range"))
    },
}];

fn zone(name: &str) -> Result<NamedZone, Error> {
    NamedZone::named(name)
        .ok_or_else(|| Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("unknown time zone \"{name}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::rowwise::Cell;

    #[test]
    fn clocks_of_zones_differ_by_the_time_of_the_year() {
        const HOUR: i64 = 3_600_000_000;
        // 2026-01-01 and 2026-07-01, at midnight.
        for (micros, later) in [(1_767_225_600_000_000, HOUR), (1_782_864_000_000_000, 2 * HOUR)] {
            let call = |from, to| {
                (DEFINITIONS[0].compute)(&[Cell::Int(micros), Cell::Text(from), Cell::Text(to)]).expect("known zones")
            };
            assert_eq!(call("UTC", "Europe/Berlin"), Answer::Int(micros + later));
            assert_eq!(call("Europe/Berlin", "UTC"), Answer::Int(micros - later));
        }
        let wrong = [Cell::Int(0), Cell::Text("UTC"), Cell::Text("Moon")];
        assert!((DEFINITIONS[0].compute)(&wrong).is_err());
    }
}
