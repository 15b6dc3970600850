//! Times from texts and back by Java's patterns: `FORMAT_DATE`, `PARSE_TIMESTAMP` and their kin, with the old names
//! of ksqlDB, which count days and milliseconds.

use super::epoch::micros;
use crate::error::Error;
use crate::error::SqlState;
use crate::format::NamedZone;
use crate::format::Pattern;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

const DAY_MICROS: i64 = 86_400_000_000;

macro_rules! overloads {
    ($from:ident to $to:ident) => {
        &[Overload { arguments: &[Type::$from, Type::Text], result: Type::$to }]
    };
    ($from:ident to $to:ident in a zone) => {
        &[
            Overload { arguments: &[Type::$from, Type::Text], result: Type::$to },
            Overload { arguments: &[Type::$from, Type::Text, Type::Text], result: Type::$to },
        ]
    };
}

/// `format_date(DATE, pattern) -> text`, `format_time(TIME, ..)`, `format_timestamp(TIMESTAMP, pattern [, zone])`, and
/// `parse_date(text, pattern) -> DATE`, `parse_time`, `parse_timestamp(text, pattern [, zone])`. The old ones are
/// `datetostring(INT days, ..)`, `stringtodate`, `timestamptostring(BIGINT milliseconds, ..)` and `stringtotimestamp`.
///
/// Null gives null; the zone is UTC unless told. 22023 for another pattern or zone, and where a date is written with a time
/// or the other way round; 22007 for a text that does not fit, a date with a time behind it, and a time with a date.
pub static DEFINITIONS: [Definition; 10] = [
    Definition {
        name: "format_date",
        about: "A date by a pattern of Java's DateTimeFormatter.",
        overloads: overloads!(Date to Text),
        nulls: Nulls::GiveNull,
        compute: |cells| shown(cells, pattern(cells)?.write_date(cells[0].int().saturating_mul(DAY_MICROS))),
    },
    Definition {
        name: "datetostring",
        about: "The date so many days after 1970-01-01, by a pattern of Java's.",
        overloads: overloads!(Int to Text),
        nulls: Nulls::GiveNull,
        compute: |cells| shown(cells, pattern(cells)?.write_date(cells[0].int().saturating_mul(DAY_MICROS))),
    },
    Definition {
        name: "format_time",
        about: "A time of day by a pattern of Java's.",
        overloads: overloads!(Time to Text),
        nulls: Nulls::GiveNull,
        compute: |cells| shown(cells, pattern(cells)?.write_time(cells[0].int())),
    },
    Definition {
        name: "format_timestamp",
        about: "A timestamp by a pattern of Java's, in a zone, UTC unless told.",
        overloads: overloads!(Timestamp to Text in a zone),
        nulls: Nulls::GiveNull,
        compute: |cells| written(cells[0].int(), cells),
    },
    Definition {
        name: "timestamptostring",
        about: "The timestamp so many milliseconds after 1970, by a pattern of Java's, in a zone.",
        overloads: overloads!(BigInt to Text in a zone),
        nulls: Nulls::GiveNull,
        compute: |cells| written(micros(cells[0].int())?, cells),
    },
    Definition {
        name: "parse_date",
        about: "The date that a text tells by a pattern of Java's.",
        overloads: overloads!(Text to Date),
        nulls: Nulls::GiveNull,
        compute: |cells| match read(cells)? {
            midnight if midnight % DAY_MICROS == 0 => Ok(Answer::Int(midnight / DAY_MICROS)),
            _ => Err(does_not_fit(cells)),
        },
    },
    Definition {
        name: "stringtodate",
        about: "Days from 1970-01-01 to the date that a text tells by a pattern of Java's.",
        overloads: overloads!(Text to Int),
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Int(read(cells)?.div_euclid(DAY_MICROS))),
    },
    Definition {
        name: "parse_time",
        about: "The time of day that a text tells by a pattern of Java's.",
        overloads: overloads!(Text to Time),
        nulls: Nulls::GiveNull,
        compute: |cells| {
            pattern(cells)?.parse_time(cells[0].text()).map(Answer::Int).ok_or_else(|| does_not_fit(cells))
        },
    },
    Definition {
        name: "parse_timestamp",
        about: "The timestamp that a text tells by a pattern of Java's, in a zone, UTC unless told.",
        overloads: overloads!(Text to Timestamp in a zone),
        nulls: Nulls::GiveNull,
        compute: |cells| read(cells).map(Answer::Int),
    },
    Definition {
        name: "stringtotimestamp",
        about: "Milliseconds from 1970 to the timestamp that a text tells by a pattern of Java's, in a zone.",
        overloads: overloads!(Text to BigInt in a zone),
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Int(read(cells)?.div_euclid(1000))),
    },
];

fn written(instant: i64, cells: &[Cell<'_>]) -> Result<Answer, Error> {
    let written = pattern(cells)?.write(instant, zone(cells)?);
    let out_of_range = || Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range");
    written.map(Answer::Text).ok_or_else(out_of_range)
}

fn read(cells: &[Cell<'_>]) -> Result<i64, Error> {
    pattern(cells)?.parse_in(cells[0].text(), zone(cells)?).ok_or_else(|| does_not_fit(cells))
}

fn does_not_fit(cells: &[Cell<'_>]) -> Error {
    let message = format!("\"{}\" does not fit the pattern \"{}\"", cells[0].text(), cells[1].text());
    Error::new(SqlState::INVALID_DATETIME_FORMAT, message)
}

/// A date or a time of day in the words of a pattern, if it has all that the pattern asks for.
fn shown(cells: &[Cell<'_>], text: Option<String>) -> Result<Answer, Error> {
    text.map(Answer::Text).ok_or_else(|| {
        let message = format!("the pattern \"{}\" asks for more than there is", cells[1].text());
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
    })
}

fn pattern(cells: &[Cell<'_>]) -> Result<Pattern, Error> {
    Pattern::new(cells[1].text()).map_err(|reason| {
        let message = format!("invalid pattern \"{}\": {reason}", cells[1].text());
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
    })
}

fn zone(cells: &[Cell<'_>]) -> Result<NamedZone, Error> {
    let Some(name) = cells.get(2).map(|cell| cell.text()) else { return Ok(NamedZone::UTC) };
    NamedZone::named(name)
        .ok_or_else(|| Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("unknown time zone \"{name}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, cells: &[Cell<'_>]) -> Option<Answer> {
        let definition = DEFINITIONS.iter().find(|definition| definition.name == name).expect("it is there");
        (definition.compute)(cells).ok()
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (to_text, from_text, pattern, value) in [
            ("format_date", "parse_date", "dd/MM/yyyy", -1),
            ("datetostring", "stringtodate", "yyyy-MM-dd", 17_662),
            ("format_time", "parse_time", "HH:mm:ss.SSS", 60_220_007_000),
            ("format_timestamp", "parse_timestamp", "yyyy-MM-dd HH:mm:ss.SSSSSSX", -1),
            ("timestamptostring", "stringtotimestamp", "yyyyMMdd HH:mm:ss.SSS zzz", 1_526_075_913_120),
        ] {
            let Some(Answer::Text(text)) = call(to_text, &[Cell::Int(value), Cell::Text(pattern)]) else {
                panic!("{to_text} writes {value}");
            };
            let read = call(from_text, &[Cell::Text(&text), Cell::Text(pattern)]);
            assert_eq!(read, Some(Answer::Int(value)), "{text}");
        }
    }

    #[test]
    fn patterns_zones_and_texts_are_checked() {
        let time = Cell::Text("2018-05-11");
        for cells in [
            [time, Cell::Text("RR"), Cell::Text("UTC")],
            [time, Cell::Text("yyyy"), Cell::Text("UTC")],
            [time, Cell::Text("yyyy-MM-dd"), Cell::Text("Moon")],
        ] {
            assert_eq!(call("parse_timestamp", &cells), None, "{cells:?}");
        }
        assert_eq!(call("timestamptostring", &[Cell::Int(i64::MAX), Cell::Text("yyyy")]), None);
    }

    #[test]
    fn dates_have_no_times_and_times_no_dates() {
        let midnight = [Cell::Text("2018-05-11 00:00"), Cell::Text("yyyy-MM-dd HH:mm")];
        assert_eq!(call("parse_date", &midnight), Some(Answer::Int(17_662)));
        let later = [Cell::Text("2018-05-11 00:01"), Cell::Text("yyyy-MM-dd HH:mm")];
        assert_eq!(call("parse_date", &later), None);
        assert_eq!(call("stringtodate", &later), Some(Answer::Int(17_662)));
        assert_eq!(call("parse_time", &midnight), None);
        assert_eq!(call("format_date", &[Cell::Int(1), Cell::Text("yyyy HH")]), None);
        assert_eq!(call("format_time", &[Cell::Int(1), Cell::Text("HH yyyy")]), None);
    }
}
