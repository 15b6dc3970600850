//! Texts that are built as dates and times are, with fields that no date or time has: PostgreSQL tells them from texts that are none.

use crate::format::FormatError;
use crate::format::error::shorten;
use crate::model::SqlType;

/// Why a text is no value of a type of dates or times.
pub fn datetime_error(sql_type: &SqlType, text: &str) -> FormatError {
    let found = shorten(text);
    match fields(text.trim_ascii()) {
        Some(is_of_month) => FormatError::DatetimeOutOfRange { found, is_of_month },
        None => FormatError::InvalidDatetime { expected: sql_type.input_name(), found },
    }
}

/// Whether a month or a day has a number that none has, in a text that is built as a date, a time or both; `None` for other texts.
fn fields(text: &str) -> Option<bool> {
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (Some(date), Some(time.trim_start())),
        None if text.contains(':') => (None, Some(text)),
        None => (Some(text), None),
    };
    let is_of_month = match date {
        None => false,
        Some(date) => {
            let parts = numbers(date, '-')?;
            let [_, month, day] = parts.as_slice() else { return None };
            !(1..=12).contains(month) || !(1..=31).contains(day)
        }
    };
    if let Some(time) = time {
        let end = time.find(['+', '-', 'Z', 'z', ' ']).unwrap_or(time.len());
        let clock = time[..end].split_once('.').map_or(&time[..end], |(clock, _)| clock);
        if !(2..=3).contains(&numbers(clock, ':')?.len()) {
            return None;
        }
    }
    Some(is_of_month)
}

fn numbers(text: &str, between: char) -> Option<Vec<u32>> {
    let number = |part: &str| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse().ok() } else { None }
    };
    text.split(between).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_no_date_has_are_told_from_texts_that_are_none() {
        for (text, wanted) in [
            ("2024-13-45", Some(true)),
            ("2024-02-30", Some(false)),
            ("2024-02-30 10:00", Some(false)),
            ("2024-01-01T25:00:00.5Z", Some(false)),
            ("25:00", Some(false)),
            ("10:61:00", Some(false)),
            ("abc", None),
            ("2024-02", None),
            ("2024-02-30 noon", None),
            ("1:2:3:4", None),
            ("", None),
        ] {
            assert_eq!(fields(text), wanted, "{text}");
        }
    }
}
