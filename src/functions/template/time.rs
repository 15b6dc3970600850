//! `to_char` of times and intervals.

use std::fmt::Write;

use chrono::Datelike;
use chrono::NaiveDate;

use super::token::Field;
use super::token::LetterCase;
use super::token::Ordinal;
use super::token::Token;
use crate::error::Error;
use crate::error::SqlState;
use crate::format::DAYS;
use crate::format::MONTHS;

const ROMAN_MONTHS: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
/// From the day that Julian days count from to the first of chrono's.
pub(super) const JULIAN_DAY_BEFORE_COMMON_ERA: i64 = 1_721_425;
/// The longest name of a month or a day.
const NAME_WIDTH: usize = 9;

/// The parts of a time or an interval.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Parts {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub micros: i64,
    /// An interval has no date.
    pub date: Option<NaiveDate>,
    /// A zone's short name and seconds east of UTC.
    pub zone: Option<(String, i32)>,
}

/// The text of a time under a template.
pub(super) fn write(tokens: &[Token], parts: &Parts) -> Result<String, Error> {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Text(plain) => text.push_str(plain),
            Token::Field { field, case, filled, ordinal } => {
                let start = text.len();
                write_field(*field, *case, *filled, parts, &mut text)?;
                if *ordinal != Ordinal::None {
                    let suffix = ordinal_suffix(&text[start..]);
                    text.push_str(&if *ordinal == Ordinal::Upper { suffix.to_uppercase() } else { suffix.to_string() });
                }
            }
        }
    }
    Ok(text)
}

/// `st`, `nd`, `rd` or `th`.
pub(super) fn ordinal_suffix(number: &str) -> &'static str {
    let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
    let teens = digits.len() > 1 && digits[digits.len() - 2] == b'1';
    match digits.last() {
        Some(b'1') if !teens => "st",
        Some(b'2') if !teens => "nd",
        Some(b'3') if !teens => "rd",
        _ => "th",
    }
}

fn write_field(field: Field, case: LetterCase, filled: bool, parts: &Parts, text: &mut String) -> Result<(), Error> {
    let mut name = |name: &str, width: usize| {
        let cased = match case {
            LetterCase::Upper => name.to_uppercase(),
            LetterCase::Title => name.to_string(),
            LetterCase::Lower => name.to_lowercase(),
        };
        let width = if filled { width } else { 0 };
        write!(text, "{cased:<width$}").expect("a String takes every write");
    };
    let month = || usize::try_from(parts.month - 1).unwrap_or(0).min(11);
    match field {
        Field::Meridiem { dotted } => {
            let half = if parts.hour.rem_euclid(24) < 12 { ["am", "a.m."] } else { ["pm", "p.m."] };
            name(half[usize::from(dotted)], 0);
        }
        Field::Era { dotted } => {
            let era = if 0 < parts.year { ["ad", "a.d."] } else { ["bc", "b.c."] };
            name(era[usize::from(dotted)], 0);
        }
        Field::MonthName => {
            of_date(parts)?;
            name(MONTHS[month()], NAME_WIDTH);
        }
        Field::MonthShort => {
            of_date(parts)?;
            name(&MONTHS[month()][..3], 0);
        }
        Field::RomanMonth => name(if parts.month == 0 { "" } else { ROMAN_MONTHS[month()] }, 4),
        Field::DayName => name(DAYS[of_date(parts)?.weekday().num_days_from_sunday() as usize], NAME_WIDTH),
        Field::DayShort => name(&DAYS[of_date(parts)?.weekday().num_days_from_sunday() as usize][..3], 0),
        Field::Zone => {
            let zone = parts.zone.as_ref().map_or("", |(zone, _)| zone.as_str());
            text.push_str(&if case == LetterCase::Lower { zone.to_lowercase() } else { zone.to_string() });
        }
        Field::ZoneOffset | Field::ZoneHour | Field::ZoneMinute => write_offset(field, parts, text),
        number => write_number(number, filled, parts, text)?,
    }
    Ok(())
}

fn write_offset(field: Field, parts: &Parts, text: &mut String) {
    let seconds = parts.zone.as_ref().map_or(0, |(_, seconds)| *seconds);
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    let written = match field {
        Field::ZoneMinute => write!(text, "{minutes:02}"),
        Field::ZoneOffset if minutes != 0 => write!(text, "{sign}{hours:02}:{minutes:02}"),
        _ => write!(text, "{sign}{hours:02}"),
    };
    written.expect("a String takes every write");
}

fn of_date(parts: &Parts) -> Result<NaiveDate, Error> {
    parts.date.ok_or_else(|| {
        Error::new(SqlState::INVALID_DATETIME_FORMAT, "invalid format specification for an interval value")
            .hint("Intervals are not tied to specific calendar dates.")
    })
}

/// A field that is a number: its value, and the digits that it is filled to.
fn write_number(field: Field, filled: bool, parts: &Parts, text: &mut String) -> Result<(), Error> {
    let twelve = |hour: i64| if hour % 12 == 0 { 12 } else { hour % 12 };
    let last = |year: i64, digits: usize| year % 10_i64.pow(digits as u32);
    let (value, width) = match field {
        Field::Hour24 => (parts.hour, 2),
        Field::Hour12 => (twelve(parts.hour), 2),
        Field::Minute => (parts.minute, 2),
        Field::Second => (parts.second, 2),
        Field::Millisecond => (parts.micros / 1000, 3),
        Field::Microsecond => (parts.micros, 6),
        Field::Fraction(digits) => (parts.micros / 10_i64.pow(6 - digits as u32), digits),
        Field::SecondOfDay => (parts.hour * 3600 + parts.minute * 60 + parts.second, 0),
        Field::Year(5) => {
            let thousands = parts.year / 1000;
            write!(text, "{thousands},{:03}", parts.year % 1000).expect("a String takes every write");
            return Ok(());
        }
        Field::Year(4) => (parts.year, 4),
        Field::Year(digits) => (last(parts.year, digits), digits),
        Field::IsoYear(4) => (i64::from(of_date(parts)?.iso_week().year()), 4),
        Field::IsoYear(digits) => (last(i64::from(of_date(parts)?.iso_week().year()), digits), digits),
        Field::Month => (parts.month, 2),
        Field::Day => (parts.day, 2),
        Field::DayOfYear => (parts.date.map_or(parts.month * 30 + parts.day, |date| i64::from(date.ordinal())), 3),
        Field::IsoDayOfYear => {
            let date = of_date(parts)?;
            let week = i64::from(date.iso_week().week0());
            (week * 7 + i64::from(date.weekday().number_from_monday()), 3)
        }
        Field::DayOfWeek => (i64::from(of_date(parts)?.weekday().number_from_sunday()), 0),
        Field::IsoDayOfWeek => (i64::from(of_date(parts)?.weekday().number_from_monday()), 0),
        Field::WeekOfMonth => ((parts.day - 1) / 7 + 1, 0),
        Field::Week => ((i64::from(of_date(parts)?.ordinal()) - 1) / 7 + 1, 2),
        Field::IsoWeek => (i64::from(of_date(parts)?.iso_week().week()), 2),
        Field::Century => ((parts.year + 99).div_euclid(100), 2),
        Field::JulianDay => {
            let days =
                parts.date.map_or(0, |date| i64::from(date.num_days_from_ce()) + JULIAN_DAY_BEFORE_COMMON_ERA - 1);
            (days + 1, 0)
        }
        Field::Quarter => {
            if parts.month == 0 {
                return Ok(());
            }
            ((parts.month - 1) / 3 + 1, 0)
        }
        _ => return Ok(()),
    };
    // A sign takes no digit's place.
    let width = if filled { width + usize::from(value < 0) } else { 0 };
    write!(text, "{value:0width$}").expect("a String takes every write");
    Ok(())
}
