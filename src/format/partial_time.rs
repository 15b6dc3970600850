//! Times of which the end may be left out, as ksqlDB reads them beside ROWTIME: `2018`, `2018-05-11T21`, `..+0200`.

use super::json::UTC;
use super::times;

/// The instant that a text tells, in milliseconds; without an offset on a clock of UTC.
pub fn millis_of_partial_time(text: &str) -> Option<i64> {
    Some(micros_of_partial_time(text)?.div_euclid(1000))
}

/// `millis_of_partial_time` in microseconds; a whole time may have a space for its `T`.
pub fn micros_of_partial_time(text: &str) -> Option<i64> {
    if text.contains(' ') {
        return times::parse_timestamp_tz(text, *UTC);
    }
    let (date, clock) = text.split_once('T').unwrap_or((text, ""));
    let date = completed(date)?;
    let (clock, offset) = clock.split_at(clock.find(['Z', '+', '-']).unwrap_or(clock.len()));
    let clock = match clock.split(':').count() {
        _ if clock.is_empty() => "00:00".to_owned(),
        1 => format!("{clock}:00"),
        _ => clock.to_owned(),
    };
    times::parse_timestamp_tz(&format!("{date}T{clock}{offset}"), *UTC)
}

/// The date that a text tells, days since 1970-01-01.
pub fn days_of_partial_date(text: &str) -> Option<i32> {
    let is_date = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    is_date.then(|| times::parse_date(&completed(text)?))?
}

/// The time of day that a text tells, microseconds: `01:30`, with seconds and their fraction if there are any.
pub fn micros_of_clock(text: &str) -> Option<i64> {
    let is_clock = text.bytes().all(|byte| byte.is_ascii_digit() || b":.".contains(&byte));
    let has_two_digits = text.as_bytes().get(2) == Some(&b':');
    let micros = (is_clock && has_two_digits).then(|| times::parse_time(text))??;
    (micros < times::DAY_MICROS).then_some(micros)
}

/// A date whose month or day may be missing; its year has four digits at least.
fn completed(date: &str) -> Option<String> {
    let year = date.split('-').next()?;
    (4 <= year.len()).then_some(())?;
    Some(match date.split('-').count() {
        1 => format!("{date}-01-01"),
        2 => format!("{date}-01"),
        _ => date.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_the_first() {
        for (text, millis) in [
            ("1970", Some(0)),
            ("1971", Some(31_536_000_000)),
            ("1970-02", Some(2_678_400_000)),
            ("1970-01-02", Some(86_400_000)),
            ("1970-01-01T01", Some(3_600_000)),
            ("1970-01-01T01:01", Some(3_660_000)),
            ("1970-01-01T00:00:01.5", Some(1_500)),
            ("1970-01-01T01:00+0100", Some(0)),
            ("1970-01-01T00:00:00.001-01:00", Some(3_600_001)),
            ("1970-01-01T00Z", Some(0)),
            ("1970-13", None),
            ("", None),
            ("T00", None),
            ("now", None),
            ("70", None),
        ] {
            assert_eq!(millis_of_partial_time(text), millis, "{text}");
        }
        for (text, days) in [("1970", Some(0)), ("1970-02", Some(31)), ("1970-01-02", Some(1)), ("1970-01-01T00", None)]
        {
            assert_eq!(days_of_partial_date(text), days, "{text}");
        }
        let clocks = [
            ("01:30", Some(5_400_000_000)),
            ("00:00:01.5", Some(1_500_000)),
            ("01", None),
            ("1:30", None),
            ("24:00", None),
        ];
        for (text, micros) in clocks {
            assert_eq!(micros_of_clock(text), micros, "{text}");
        }
    }
}
