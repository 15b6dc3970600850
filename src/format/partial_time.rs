//! Times of which the end may be left out, as ksqlDB reads them beside ROWTIME: `2018`, `2018-05-11T21`, `..+0200`.

use super::json::UTC;
use super::times;

/// The instant that a text tells, in milliseconds; without an offset on a clock of UTC.
pub fn millis_of_partial_time(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once('T').unwrap_or((text, ""));
    let date = match date.split('-').count() {
        1 => format!("{date}-01-01"),
        2 => format!("{date}-01"),
        _ => date.to_owned(),
    };
    let (clock, offset) = clock.split_at(clock.find(['Z', '+', '-']).unwrap_or(clock.len()));
    let clock = match clock.split(':').count() {
        _ if clock.is_empty() => "00:00".to_owned(),
        1 => format!("{clock}:00"),
        _ => clock.to_owned(),
    };
    Some(times::parse_timestamp_tz(&format!("{date}T{clock}{offset}"), *UTC)?.div_euclid(1000))
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
        ] {
            assert_eq!(millis_of_partial_time(text), millis, "{text}");
        }
    }
}
