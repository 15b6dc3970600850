//! `to_date` and `to_timestamp`: a text read by a template.

use chrono::Days;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use chrono::Weekday;

use super::time::JULIAN_DAY_BEFORE_COMMON_ERA;
use super::token::Field;
use super::token::Token;
use crate::error::Error;
use crate::error::SqlState;
use crate::format::DAYS;
use crate::format::MONTHS;

/// What a text told.
#[derive(Debug, Clone, Default)]
struct Told {
    year: Option<i32>,
    before_christ: bool,
    month: Option<u32>,
    day: Option<u32>,
    week: Option<u32>,
    week_of_month: Option<u32>,
    day_of_year: Option<u32>,
    iso_week: Option<u32>,
    day_of_iso_year: Option<u32>,
    /// Days behind Monday.
    weekday: u32,
    julian_day: Option<i64>,
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
    afternoon: Option<bool>,
    offset_seconds: Option<i32>,
}

/// The time that a text tells, and its seconds east of UTC if it tells them.
pub(super) fn read(text: &str, tokens: &[Token]) -> Result<(NaiveDateTime, Option<i32>), Error> {
    let mut told = Told::default();
    let mut rest = text;
    for (at, token) in tokens.iter().enumerate() {
        rest = match token {
            Token::Text(plain) => separators(rest, plain),
            Token::Field { field, .. } => {
                // Digits of the next field are not this one's.
                let is_next_to_digits = matches!(tokens.get(at + 1), Some(Token::Field { .. }));
                told.take(rest.trim_start(), *field, is_next_to_digits)?
            }
        };
    }
    told.time(text)
}

/// Skips as many separators, or letters that are the template's own.
fn separators<'t>(text: &'t str, plain: &str) -> &'t str {
    let mut rest = text;
    for wanted in plain.chars() {
        let Some(found) = rest.chars().next() else { break };
        if wanted.is_whitespace() {
            rest = rest.trim_start();
        } else if found == wanted
            || (!found.is_alphanumeric() && !matches!(found, '+' | '-') && !wanted.is_alphanumeric())
        {
            rest = &rest[found.len_utf8()..];
        } else if !wanted.is_alphanumeric() && found == '-' {
            rest = &rest[1..];
        }
    }
    rest
}

fn invalid(text: &str, name: &str) -> Error {
    let shown: String = text.chars().take(4).collect();
    Error::new(SqlState::INVALID_DATETIME_FORMAT, format!("invalid value \"{shown}\" for \"{name}\""))
}

impl Told {
    fn take<'t>(&mut self, text: &'t str, field: Field, limited: bool) -> Result<&'t str, Error> {
        let number = |width: usize| -> Result<(u32, &'t str), Error> {
            let all = text.bytes().take_while(u8::is_ascii_digit).count();
            let taken = if limited { all.min(width) } else { all };
            let value = text[..taken].parse().map_err(|_| invalid(text, name_of(field)))?;
            Ok((value, &text[taken..]))
        };
        let fraction = |width: usize| -> Result<(u32, &'t str), Error> {
            let (_, rest) = number(width)?;
            let digits: String = text[..text.len() - rest.len()].chars().chain("000000".chars()).take(6).collect();
            Ok((digits.parse().unwrap_or(0), rest))
        };
        let (value, rest) = match field {
            Field::MonthName | Field::MonthShort => {
                let (month, rest) = named(text, &MONTHS).ok_or_else(|| invalid(text, name_of(field)))?;
                self.month = Some(month + 1);
                return Ok(rest);
            }
            Field::DayName | Field::DayShort => {
                let (day, rest) = named(text, &DAYS).ok_or_else(|| invalid(text, name_of(field)))?;
                self.weekday = (day + 6) % 7;
                return Ok(rest);
            }
            Field::Meridiem { .. } => return self.half_of_day(text),
            Field::Zone | Field::ZoneOffset | Field::ZoneHour => return self.offset(text),
            Field::Fraction(_) | Field::Microsecond => fraction(6)?,
            Field::Millisecond => fraction(3)?,
            Field::Year(5) => return self.grouped_year(text),
            Field::Year(digits) | Field::IsoYear(digits) => number(digits)?,
            Field::DayOfYear | Field::IsoDayOfYear => number(3)?,
            Field::JulianDay | Field::SecondOfDay => number(7)?,
            Field::DayOfWeek | Field::IsoDayOfWeek | Field::Quarter | Field::WeekOfMonth => number(1)?,
            Field::Era { .. } => return self.era(text),
            _ => number(2)?,
        };
        self.keep(field, value, text.len() - rest.len());
        Ok(rest)
    }

    fn keep(&mut self, field: Field, value: u32, digits: usize) {
        match field {
            Field::Year(4) | Field::IsoYear(4) => self.year = i32::try_from(value).ok(),
            Field::Year(_) | Field::IsoYear(_) => {
                self.year = i32::try_from(value).ok().map(|year| full_year(year, digits))
            }
            Field::Week => self.week = Some(value),
            Field::WeekOfMonth => self.week_of_month = Some(value),
            Field::IsoWeek => self.iso_week = Some(value),
            Field::IsoDayOfYear => self.day_of_iso_year = Some(value),
            // What is no day is Sunday there.
            Field::IsoDayOfWeek => self.weekday = if (1..=7).contains(&value) { value - 1 } else { 6 },
            Field::Month => self.month = Some(value),
            Field::Day => self.day = Some(value),
            Field::DayOfYear => self.day_of_year = Some(value),
            Field::JulianDay => self.julian_day = Some(i64::from(value)),
            Field::Hour24 | Field::Hour12 => self.hour = value,
            Field::Minute => self.minute = value,
            Field::Second => self.second = value,
            Field::Millisecond | Field::Microsecond | Field::Fraction(_) => self.micros = value,
            Field::SecondOfDay => {
                (self.hour, self.minute, self.second) = (value / 3600, value / 60 % 60, value % 60);
            }
            _ => {}
        }
    }

    fn half_of_day<'t>(&mut self, text: &'t str) -> Result<&'t str, Error> {
        for (word, afternoon) in [("a.m.", false), ("p.m.", true), ("am", false), ("pm", true)] {
            if text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)) {
                self.afternoon = Some(afternoon);
                return Ok(&text[word.len()..]);
            }
        }
        Err(invalid(text, "AM"))
    }

    fn era<'t>(&mut self, text: &'t str) -> Result<&'t str, Error> {
        for (word, before_christ) in [("b.c.", true), ("a.d.", false), ("bc", true), ("ad", false)] {
            if text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)) {
                self.before_christ = before_christ;
                return Ok(&text[word.len()..]);
            }
        }
        Err(invalid(text, "BC"))
    }

    fn offset<'t>(&mut self, text: &'t str) -> Result<&'t str, Error> {
        let end = text.find(|letter: char| letter.is_whitespace()).unwrap_or(text.len());
        let zone = crate::format::NamedZone::named(&text[..end]);
        let offset = zone
            .and_then(|zone| crate::format::NamedZone::UTC.converted(0, zone, crate::format::Twice::Second))
            .map(|micros| micros / 1_000_000);
        self.offset_seconds =
            Some(offset.and_then(|seconds| i32::try_from(seconds).ok()).ok_or_else(|| invalid(text, "OF"))?);
        Ok(&text[end..])
    }

    fn grouped_year<'t>(&mut self, text: &'t str) -> Result<&'t str, Error> {
        let taken = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b',').count();
        self.year = Some(text[..taken].replace(',', "").parse().map_err(|_| invalid(text, "Y,YYY"))?);
        Ok(&text[taken..])
    }

    /// A text that tells no year is of the year before the first, as in PostgreSQL.
    fn date(&self) -> Option<NaiveDate> {
        if let Some(days) = self.julian_day {
            return NaiveDate::from_num_days_from_ce_opt(i32::try_from(days - JULIAN_DAY_BEFORE_COMMON_ERA).ok()?);
        }
        let year = self.year.unwrap_or(0);
        let year = if self.before_christ { 1 - year } else { year };
        let first_of_week = |week: u32| week.checked_sub(1)?.checked_mul(7);
        let in_iso_year = match (self.iso_week, self.day_of_iso_year) {
            (Some(week), _) => Some(first_of_week(week)?.checked_add(self.weekday)?),
            (None, Some(day)) => Some(day.checked_sub(1)?),
            (None, None) => None,
        };
        if let Some(days) = in_iso_year {
            return NaiveDate::from_isoywd_opt(year, 1, Weekday::Mon)?.checked_add_days(Days::new(u64::from(days)));
        }
        if let Some(day) = self.week.map_or(self.day_of_year, |week| Some(first_of_week(week)? + 1)) {
            return NaiveDate::from_yo_opt(year, day);
        }
        let day = self.week_of_month.map_or(self.day, |week| Some(first_of_week(week)? + 1));
        NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), day.unwrap_or(1))
    }

    fn time(self, text: &str) -> Result<(NaiveDateTime, Option<i32>), Error> {
        let wrong = || {
            let message = format!("date/time field value out of range: \"{text}\"");
            Error::new(SqlState::DATETIME_FIELD_OVERFLOW, message)
        };
        let hour = match self.afternoon {
            Some(_) if !(1..=12).contains(&self.hour) => return Err(wrong()),
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let date = self.date().ok_or_else(wrong)?;
        let time = date.and_hms_micro_opt(hour, self.minute, self.second, self.micros).ok_or_else(wrong)?;
        Ok((time, self.offset_seconds))
    }
}

/// Two digits and three are of the years around 2020.
fn full_year(year: i32, digits: usize) -> i32 {
    match (digits, year) {
        (1, _) => 2000 + year,
        (2, 70..) => 1900 + year,
        (2, _) => 2000 + year,
        (3, 520..) => 1000 + year,
        (3, _) => 2000 + year,
        _ => year,
    }
}

/// Which name a text begins with, whole or short.
fn named<'t>(text: &'t str, names: &[&str]) -> Option<(u32, &'t str)> {
    let begins = |name: &str| text.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
    let whole = names.iter().position(|name| begins(name)).map(|at| (at, names[at].len()));
    let found = whole.or_else(|| names.iter().position(|name| begins(&name[..3])).map(|at| (at, 3)));
    found.map(|(at, length)| (at as u32, &text[length..]))
}

fn name_of(field: Field) -> &'static str {
    match field {
        Field::Year(_) => "YYYY",
        Field::Month => "MM",
        Field::MonthName => "MONTH",
        Field::MonthShort => "MON",
        Field::Day => "DD",
        Field::DayName => "DAY",
        Field::DayShort => "DY",
        Field::Hour24 => "HH24",
        Field::Hour12 => "HH12",
        Field::Minute => "MI",
        Field::Second => "SS",
        _ => "its field",
    }
}
