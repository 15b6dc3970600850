//! Points in time as people write them.

use chrono::DateTime;
use chrono::NaiveDate;
use chrono::NaiveDateTime;

use super::wrong;
use crate::error::Error;

/// Milliseconds since 1970-01-01 UTC: of an RFC 3339 time, or of a date with or without a time, which are UTC.
pub(in crate::cli) fn parse_time(text: &str) -> Result<i64, Error> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis());
    let plain = |format| NaiveDateTime::parse_from_str(text, format).map(|time| time.and_utc().timestamp_millis());
    let midnight = || {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
    };
    zoned
        .or_else(|_| plain("%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|_| plain("%Y-%m-%dT%H:%M:%S%.f"))
        .ok()
        .or_else(midnight)
        .ok_or_else(|| {
            wrong(format!("\"{text}\" is not a time"))
                .hint("2026-11-26, 2026-11-26 12:30:00 or 2026-11-26T12:30:00+01:00.")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        assert_eq!(parse_time("1970-01-02").ok(), Some(86_400_000));
        assert_eq!(parse_time("1970-01-01 00:00:01.5").ok(), Some(1500));
        assert_eq!(parse_time("1970-01-01T00:00:01").ok(), Some(1000));
        assert_eq!(parse_time("1970-01-01T01:00:01+01:00").ok(), Some(1000));
        assert_eq!(parse_time("1970-01-01T00:00:00.007Z").ok(), Some(7));
        for text in ["", "yesterday", "1970-13-01", "1970-01-01 25:00:00"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
