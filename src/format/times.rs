//! Dates and times as text, in PostgreSQL's ISO style, and back.
//!
//! Microseconds and days since 1970-01-01; years before 1 are written with `BC`.

use arrow::array::timezone::Tz;
use chrono::DateTime;
use chrono::Datelike;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use chrono::NaiveTime;
use chrono::Offset;
use chrono::TimeDelta;
use chrono::TimeZone;
use chrono::Timelike;

use super::named_zone::NamedZone;

/// By how much a time is put back at once that a clock skips, until there is one that it shows; and how often.
const GAP_STEP: TimeDelta = TimeDelta::minutes(15);
const GAP_STEPS_MAX: i32 = 97;

/// Microseconds of a day.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// Appends a date: `2024-02-29`.
pub(super) fn write_date(days: i32, out: &mut Vec<u8>) {
    match NaiveDate::from_epoch_days(days) {
        Some(date) => push_date(date, out),
        None => out.extend_from_slice(if days < 0 { b"-infinity" } else { b"infinity" }),
    }
    if NaiveDate::from_epoch_days(days).is_some_and(|date| date.year() < 1) {
        out.extend_from_slice(b" BC");
    }
}

fn push_date(date: NaiveDate, out: &mut Vec<u8>) {
    let year = if date.year() < 1 { 1 - date.year() } else { date.year() };
    match year {
        0..10_000 => push_digits::<4>(year.unsigned_abs(), out),
        _ => out.extend_from_slice(year.to_string().as_bytes()),
    }
    out.push(b'-');
    push_digits::<2>(date.month(), out);
    out.push(b'-');
    push_digits::<2>(date.day(), out);
}

/// Appends the last `N` digits of a number, zeros before it.
fn push_digits<const N: usize>(mut number: u32, out: &mut Vec<u8>) {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Appends a time of day: `13:05:00.25`.
pub(super) fn write_time(micros: i64, out: &mut Vec<u8>) {
    let seconds = micros.div_euclid(1_000_000);
    let fraction = micros.rem_euclid(1_000_000);
    match u32::try_from(seconds / 3600) {
        Ok(hours @ 0..100) => push_digits::<2>(hours, out),
        _ => out.extend_from_slice(format!("{:02}", seconds / 3600).as_bytes()),
    }
    for part in [seconds / 60 % 60, seconds % 60] {
        out.push(b':');
        // A remainder of 60, which may be negative.
        match u32::try_from(part) {
            Ok(part) => push_digits::<2>(part, out),
            Err(_) => out.extend_from_slice(format!("{part:02}").as_bytes()),
        }
    }
    if fraction != 0 {
        out.push(b'.');
        push_digits::<6>(fraction as u32, out);
        let zeros = out.iter().rev().take_while(|digit| **digit == b'0').count();
        out.truncate(out.len() - zeros);
    }
}

/// Appends a timestamp: `2024-02-29 13:05:00.25`, with `separator` between date and time.
pub(super) fn write_timestamp(micros: i64, separator: u8, out: &mut Vec<u8>) {
    match DateTime::from_timestamp_micros(micros) {
        Some(instant) => push_timestamp(instant.naive_utc(), separator, out),
        None => out.extend_from_slice(if micros < 0 { b"-infinity" } else { b"infinity" }),
    }
}

fn push_timestamp(timestamp: NaiveDateTime, separator: u8, out: &mut Vec<u8>) {
    push_date(timestamp.date(), out);
    out.push(separator);
    write_time(micros_of_day(timestamp.time()), out);
    if timestamp.year() < 1 {
        out.extend_from_slice(b" BC");
    }
}

/// Appends an instant as it reads on a clock of `zone`, with the zone's offset: `2024-02-29 14:05:00+01`.
pub(super) fn write_timestamp_tz(micros: i64, zone: Tz, out: &mut Vec<u8>) {
    let Some(instant) = DateTime::from_timestamp_micros(micros) else {
        return write_timestamp(micros, b' ', out);
    };
    let offset = zone.offset_from_utc_datetime(&instant.naive_utc()).fix();
    let Some(local) = instant.naive_utc().checked_add_offset(offset) else {
        return write_timestamp(micros, b' ', out);
    };
    push_date(local.date(), out);
    out.push(b' ');
    write_time(micros_of_day(local.time()), out);
    let seconds = offset.local_minus_utc();
    let size = seconds.unsigned_abs();
    out.extend_from_slice(format!("{}{:02}", if seconds < 0 { '-' } else { '+' }, size / 3600).as_bytes());
    if size % 3600 != 0 {
        out.extend_from_slice(format!(":{:02}", size / 60 % 60).as_bytes());
    }
    if size % 60 != 0 {
        out.extend_from_slice(format!(":{:02}", size % 60).as_bytes());
    }
    if local.year() < 1 {
        out.extend_from_slice(b" BC");
    }
}

/// A date, days since 1970-01-01; a time behind it is left off, as PostgreSQL does.
pub(super) fn parse_date(text: &str) -> Option<i32> {
    let (text, negative_era) = strip_era(text.trim());
    let (date, rest) = split_date(text, negative_era)?;
    // A zone may stand without a time.
    if !rest.is_empty() && parse_offset(rest.trim_start()).is_none() {
        parse_clock(rest.trim_start_matches(['T', 't', ' ']))?;
    }
    Some(date.to_epoch_days())
}

/// A time of day, microseconds; an offset behind it is left off.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    parse_clock(text.trim()).map(|(micros, _)| micros)
}

/// A timestamp without zone, microseconds; an offset behind it is left off, as PostgreSQL does.
pub(super) fn parse_timestamp(text: &str) -> Option<i64> {
    let parts = parse_parts(text).or_else(|| parse_parts(split_zone(text)?.0));
    parts.map(|(micros, _)| micros)
}

/// An instant, microseconds UTC; without an offset the text is read on a clock of `zone`.
pub(super) fn parse_timestamp_tz(text: &str, zone: Tz) -> Option<i64> {
    let Some((micros, offset)) = parse_parts(text) else {
        let (text, zone) = split_zone(text)?;
        let (micros, offset) = parse_parts(text)?;
        // One zone, not two.
        return offset.is_none().then(|| zone.instant_of_local(micros, Twice::Second))?;
    };
    match offset {
        Some(seconds) => micros.checked_sub(i64::from(seconds) * 1_000_000),
        None => instant_of_local(micros, &zone, Twice::Second),
    }
}

/// Which of the two instants is meant at which a clock that is set back shows the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twice {
    /// The first, as Java takes it: summer time.
    First,
    /// The second, as PostgreSQL takes it: standard time.
    Second,
}

/// The instant at which a clock of the zone shows a time; both in microseconds. A time that the clock skips is told by the clock
/// from before.
pub(super) fn instant_of_local<Z: TimeZone>(micros: i64, zone: &Z, twice: Twice) -> Option<i64> {
    let local = DateTime::from_timestamp_micros(micros)?.naive_utc();
    let shown = zone.from_local_datetime(&local);
    let instant = match twice {
        Twice::First => shown.earliest(),
        Twice::Second => shown.latest(),
    };
    // What is skipped is a day at most.
    let before = || {
        (1..=GAP_STEPS_MAX).find_map(|step| {
            let before = local.checked_sub_signed(GAP_STEP * step)?;
            zone.from_local_datetime(&before).latest()
        })
    };
    let offset = instant.or_else(before)?.offset().fix().local_minus_utc();
    micros.checked_sub(i64::from(offset) * 1_000_000)
}

fn parse_parts(text: &str) -> Option<(i64, Option<i32>)> {
    let text = text.trim();
    match text {
        "epoch" => return Some((0, Some(0))),
        "infinity" => return Some((i64::MAX, Some(0))),
        "-infinity" => return Some((i64::MIN, Some(0))),
        _ => (),
    }
    let (text, negative_era) = strip_era(text);
    let (date, rest) = split_date(text, negative_era)?;
    let days = i64::from(date.to_epoch_days()).checked_mul(DAY_MICROS)?;
    if rest.is_empty() {
        return Some((days, None));
    }
    // Midnight of a zone; without a separator nothing else may follow a date.
    if let Some(offset) = parse_offset(rest.trim_start()) {
        return Some((days, Some(offset)));
    }
    let clock = rest.strip_prefix(['T', 't']).unwrap_or_else(|| rest.trim_start());
    if clock.len() == rest.len() {
        return None;
    }
    let (micros, offset) = parse_clock(clock)?;
    Some((days.checked_add(micros)?, offset))
}

/// A text before the name of a zone: `2024-02-29 13:05 Europe/Paris`.
fn split_zone(text: &str) -> Option<(&str, NamedZone)> {
    let (text, name) = text.trim().rsplit_once(' ')?;
    let named = name.starts_with(|letter: char| letter.is_ascii_alphabetic());
    Some((text, NamedZone::posix(name).filter(|_| named)?))
}

fn strip_era(text: &str) -> (&str, bool) {
    match text.strip_suffix(" BC") {
        Some(text) => (text.trim_end(), true),
        None => (text, false),
    }
}

fn split_date(text: &str, before_christ: bool) -> Option<(NaiveDate, &str)> {
    // ISO 8601's short form: `20240229`.
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    if digits == 8 {
        let [year, month, day] = [&text[..4], &text[4..6], &text[6..8]].map(|part| part.parse::<u32>());
        let year = i32::try_from(year.ok()?).ok()?;
        let year = if before_christ { 1 - year } else { year };
        return Some((NaiveDate::from_ymd_opt(year, month.ok()?, day.ok()?)?, &text[8..]));
    }
    let mut parts = text.splitn(3, '-');
    let year: i32 = number(parts.next()?, 4, 6)?;
    let month: u32 = number(parts.next()?, 1, 2)?.try_into().ok()?;
    let rest = parts.next()?;
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    let day: u32 = number(&rest[..end], 1, 2)?.try_into().ok()?;
    let year = if before_christ { 1 - year } else { year };
    Some((NaiveDate::from_ymd_opt(year, month, day)?, &rest[end..]))
}

fn number(digits: &str, length_min: usize, length_max: usize) -> Option<i32> {
    let fits = (length_min..=length_max).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits { digits.parse().ok() } else { None }
}

/// `hh:mm[:ss[.ffffff]]` or `hhmm[ss[.ffffff]]`, and an offset if there is one.
fn parse_clock(text: &str) -> Option<(i64, Option<i32>)> {
    let end = text.find(['Z', 'z', '+', '-', ' ']).unwrap_or(text.len());
    let (clock, offset) = text.split_at(end);
    let apart;
    let clock = match clock.split('.').next() {
        Some(digits) if matches!(digits.len(), 4 | 6) && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let seconds = if digits.len() == 6 { ":" } else { "" };
            apart = format!("{}:{}{seconds}{}", &digits[..2], &digits[2..4], &clock[4..]);
            apart.as_str()
        }
        _ => clock,
    };
    let mut parts = clock.splitn(3, ':');
    let hour = i64::from(number(parts.next()?, 1, 2)?);
    let minute = i64::from(number(parts.next()?, 2, 2)?);
    let (second, micros) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            (i64::from(number(second, 2, 2)?), fraction_micros(fraction)?)
        }
    };
    let of_day = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros;
    if 60 <= minute || 60 < second || DAY_MICROS < of_day {
        return None;
    }
    let offset = match offset.trim_start() {
        "" => None,
        offset => Some(parse_offset(offset)?),
    };
    Some((of_day, offset))
}

fn fraction_micros(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + digits.as_bytes().get(place).map_or(0, |digit| i64::from(digit - b'0'));
    }
    // The seventh digit rounds, as PostgreSQL does it.
    Some(micros + i64::from(digits.as_bytes().get(6).is_some_and(|digit| b'5' <= *digit)))
}

/// `Z`, `UTC`, `+01`, `+0130`, `+01:30`, `+01:30:15`, in seconds east of UTC.
pub(super) fn parse_offset(text: &str) -> Option<i32> {
    if matches!(text, "Z" | "z" | "UTC" | "utc" | "GMT") {
        return Some(0);
    }
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let digits: String = digits.chars().filter(|character| *character != ':').collect();
    if !digits.is_ascii() {
        return None;
    }
    let part = |at: usize| if digits.len() <= at { Some(0) } else { number(digits.get(at..at + 2)?, 2, 2) };
    if digits.is_empty() || 6 < digits.len() {
        return None;
    }
    let seconds = part(0)? * 3600 + part(2)? * 60 + part(4)?;
    (seconds <= 18 * 3600).then_some(sign * seconds)
}

fn micros_of_day(time: NaiveTime) -> i64 {
    i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1000)
}
