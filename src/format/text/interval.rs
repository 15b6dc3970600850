//! Intervals as PostgreSQL writes them: `1 year 2 mons -3 days +04:05:06.5`.

use std::io::Write;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// An interval's text.
pub fn interval_text(months: i32, days: i32, micros: i64) -> String {
    let mut text = Vec::new();
    write_interval(months, days, micros, &mut text);
    String::from_utf8(text).expect("it is written in ASCII")
}

/// Appends an interval's text. Months, days and time are told apart, each with its sign.
pub(super) fn write_interval(months: i32, days: i32, micros: i64, out: &mut Vec<u8>) {
    let start = out.len();
    let mut negative_before = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let space = if out.len() == start { "" } else { " " };
        // Behind a negative part a positive one says so.
        let plus = if negative_before && 0 < value { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        write!(out, "{space}{plus}{value} {unit}{plural}").expect("a Vec takes every write");
        negative_before = value < 0;
    }
    if micros == 0 && start < out.len() {
        return;
    }
    let space = if out.len() == start { "" } else { " " };
    let sign = match micros {
        micros if micros < 0 => "-",
        _ if negative_before => "+",
        _ => "",
    };
    let all = micros.unsigned_abs();
    let second = MICROS_PER_SECOND.unsigned_abs();
    let (seconds, fraction) = (all / second, all % second);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    write!(out, "{space}{sign}{hours:02}:{minutes:02}:{seconds:02}").expect("a Vec takes every write");
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        write!(out, ".{}", digits.trim_end_matches('0')).expect("a Vec takes every write");
    }
}

/// Appends the text of a time span, as the difference of two timestamps is: days of 24 hours, and time.
pub(super) fn write_span(micros: i64, out: &mut Vec<u8>) {
    let days = i32::try_from(micros / MICROS_PER_DAY).unwrap_or(if micros < 0 { i32::MIN } else { i32::MAX });
    write_interval(0, days, micros % MICROS_PER_DAY, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_as_postgresql_tells_them() {
        let hour = 3600 * MICROS_PER_SECOND;
        for (months, days, micros, text) in [
            (0, 0, 0, "00:00:00"),
            (0, 0, 2 * hour, "02:00:00"),
            (14, 3, hour + 1_500_000, "1 year 2 mons 3 days 01:00:01.5"),
            (1, -2, 3 * hour, "1 mon -2 days +03:00:00"),
            (-1, 2, -hour, "-1 mons +2 days -01:00:00"),
            (0, 1, 0, "1 day"),
            (0, -1, 0, "-1 days"),
            (0, 0, -1, "-00:00:00.000001"),
            (0, 0, 100 * hour, "100:00:00"),
            (i32::MIN, i32::MIN, i64::MIN, "-178956970 years -8 mons -2147483648 days -2562047788:00:54.775808"),
        ] {
            let mut out = Vec::new();
            write_interval(months, days, micros, &mut out);
            assert_eq!(String::from_utf8(out).expect("ASCII"), text);
        }
        let mut out = Vec::new();
        write_span(-(25 * hour), &mut out);
        assert_eq!(out, b"-1 days -01:00:00");
    }
}
