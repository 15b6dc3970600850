//! A time zone by its name: a region of the time zone database, a short name as Java knows them, or an offset.

use chrono::DateTime;
use chrono::FixedOffset;
use chrono::NaiveDateTime;
use chrono::Offset;
use chrono::TimeZone;
use chrono_tz::OffsetName;
use chrono_tz::Tz;

use super::times;
use super::times::Twice;

/// A zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedZone {
    /// Of the database.
    Region(Tz),
    /// Seconds east of UTC.
    Fixed(FixedOffset),
}

/// Short names, which stand for a region all year round: `PST` in summer is Los Angeles in summer.
const SHORT: [(&str, Tz); 16] = [
    ("AEST", Tz::Australia__Sydney),
    ("AEDT", Tz::Australia__Sydney),
    ("BST", Tz::Europe__London),
    ("CET", Tz::Europe__Paris),
    ("CEST", Tz::Europe__Paris),
    ("CST", Tz::America__Chicago),
    ("CDT", Tz::America__Chicago),
    ("EST", Tz::America__New_York),
    ("EDT", Tz::America__New_York),
    ("GMT", Tz::UTC),
    ("IST", Tz::Asia__Kolkata),
    ("JST", Tz::Asia__Tokyo),
    ("MST", Tz::America__Denver),
    ("MDT", Tz::America__Denver),
    ("PST", Tz::America__Los_Angeles),
    ("PDT", Tz::America__Los_Angeles),
];

impl NamedZone {
    /// UTC.
    pub const UTC: Self = NamedZone::Region(Tz::UTC);

    /// The zone of a name, `None` for one that nobody knows.
    pub fn named(name: &str) -> Option<Self> {
        if let Some((_, region)) = SHORT.iter().find(|(short, _)| *short == name) {
            return Some(NamedZone::Region(*region));
        }
        if let Ok(region) = name.parse() {
            return Some(NamedZone::Region(region));
        }
        FixedOffset::east_opt(times::parse_offset(name)?).map(NamedZone::Fixed)
    }

    /// The zone of a name as PostgreSQL reads it: offsets, after letters or without, count hours west of UTC, as POSIX has them.
    pub fn posix(name: &str) -> Option<Self> {
        let found = Self::named(name);
        let offset = name.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
        let is_offset = offset.starts_with(|sign: char| matches!(sign, '+' | '-' | '0'..='9'));
        if matches!(found, Some(NamedZone::Region(_))) || !is_offset || matches!(name.len() - offset.len(), 1 | 2) {
            return found;
        }
        let (sign, hours) = match offset.strip_prefix('-') {
            Some(hours) => ('+', hours),
            None => ('-', offset.strip_prefix('+').unwrap_or(offset)),
        };
        let has_one_digit = hours.split(':').next().is_some_and(|hour| hour.len() == 1);
        let east = format!("{sign}{}{hours}", if has_one_digit { "0" } else { "" });
        FixedOffset::east_opt(times::parse_offset(&east)?).map(NamedZone::Fixed)
    }

    /// What the clocks of another zone show when this one's show a time; both in microseconds. `None` out of range.
    pub fn converted(self, micros: i64, to: Self, twice: Twice) -> Option<i64> {
        let (shown, _, _) = to.local(self.instant_of_local(micros, twice)?)?;
        Some(shown.and_utc().timestamp_micros())
    }

    /// The instant at which the zone's clocks show a time; both in microseconds.
    pub fn instant_of_local(self, micros: i64, twice: Twice) -> Option<i64> {
        match self {
            NamedZone::Region(region) => times::instant_of_local(micros, &region, twice),
            NamedZone::Fixed(offset) => times::instant_of_local(micros, &offset, twice),
        }
    }

    /// What the zone's clocks show at an instant, how many seconds east of UTC they are, and the name of that time.
    pub fn local(self, micros: i64) -> Option<(NaiveDateTime, i32, String)> {
        let instant = DateTime::from_timestamp_micros(micros)?.naive_utc();
        let (offset, name) = match self {
            NamedZone::Region(region) => {
                let offset = region.offset_from_utc_datetime(&instant);
                let name = offset.abbreviation().map_or_else(|| offset.fix().to_string(), str::to_owned);
                (offset.fix(), name)
            }
            NamedZone::Fixed(offset) => (offset, offset.to_string()),
        };
        Some((instant.checked_add_offset(offset)?, offset.local_minus_utc(), name))
    }
}
