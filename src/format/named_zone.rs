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

/// The abbreviations that PostgreSQL knows, which tell an offset in minutes all year round: there `CET` in summer is not Paris in summer.
const ABBREVIATIONS: [(&str, i32); 50] = [
    ("ACDT", 630),
    ("ACST", 570),
    ("ADT", -180),
    ("AEDT", 660),
    ("AEST", 600),
    ("AKDT", -480),
    ("AKST", -540),
    ("ART", -180),
    ("AST", -240),
    ("AWST", 480),
    ("BRST", -120),
    ("BRT", -180),
    ("BST", 60),
    ("CDT", -300),
    ("CEST", 120),
    ("CET", 60),
    ("CST", -360),
    ("EDT", -240),
    ("EEST", 180),
    ("EET", 120),
    ("EST", -300),
    ("GMT", 0),
    ("HKT", 480),
    ("HST", -600),
    ("ICT", 420),
    ("IDT", 180),
    ("IST", 120),
    ("JST", 540),
    ("KST", 540),
    ("MDT", -360),
    ("MEST", 120),
    ("MET", 60),
    ("MSD", 240),
    ("MSK", 180),
    ("MST", -420),
    ("NDT", -150),
    ("NPT", 345),
    ("NST", -210),
    ("NZDT", 780),
    ("NZST", 720),
    ("PDT", -420),
    ("PHT", 480),
    ("PKT", 300),
    ("PST", -480),
    ("SAST", 120),
    ("SGT", 480),
    ("UT", 0),
    ("WET", 0),
    ("Z", 0),
    ("ZULU", 0),
];

/// A region of the database, its name in any case.
fn region(name: &str) -> Option<Tz> {
    let known = || chrono_tz::TZ_VARIANTS.iter().find(|region| region.name().eq_ignore_ascii_case(name));
    name.parse().ok().or_else(|| known().copied())
}

/// Hours, and minutes where there are some.
fn clock(offset: FixedOffset) -> String {
    let minutes = offset.local_minus_utc().abs() / 60;
    match minutes % 60 {
        0 => format!("{:02}", minutes / 60),
        rest => format!("{:02}:{rest:02}", minutes / 60),
    }
}

/// Arrow knows offsets of whole minutes.
fn arrow_name(offset: FixedOffset) -> Option<String> {
    let seconds = offset.local_minus_utc();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    (seconds % 60 == 0).then(|| format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60))
}

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
    /// The case of letters says nothing.
    pub fn posix(name: &str) -> Option<Self> {
        if let Some((_, minutes)) = ABBREVIATIONS.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)) {
            return FixedOffset::east_opt(minutes * 60).map(NamedZone::Fixed);
        }
        let found = Self::named(name).or_else(|| Self::in_any_case(name));
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

    fn in_any_case(name: &str) -> Option<Self> {
        let short = SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)).map(|(_, region)| *region);
        short.or_else(|| region(name)).map(NamedZone::Region)
    }

    /// The zone of a session as PostgreSQL's TimeZone tells it: how it is shown, and its name for Arrow. A number alone counts hours
    /// east of UTC.
    pub fn of_session(told: &str) -> Option<(String, String)> {
        let told = told.trim();
        if let Ok(hours) = told.parse::<f64>() {
            let east = FixedOffset::east_opt((hours * 3600.0).round() as i32).filter(|_| hours.abs() < 24.0)?;
            let (sign, west) = if east.local_minus_utc() < 0 { ('-', '+') } else { ('+', '-') };
            let clock = clock(east);
            return Some((format!("<{sign}{clock}>{west}{clock}"), arrow_name(east)?));
        }
        if let Some(region) = region(told) {
            return Some((region.name().to_string(), region.name().to_string()));
        }
        // `<+02>-02`, as the zone of a number is shown: a name, and the offset behind it.
        let offset = told.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or(told, |(_, offset)| offset);
        match offset.contains(|letter: char| letter.is_ascii_digit()).then(|| Self::posix(offset))?? {
            NamedZone::Region(region) => Some((told.to_string(), region.name().to_string())),
            NamedZone::Fixed(east) => Some((told.to_string(), arrow_name(east)?)),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_of_sessions_are_read_as_postgresql_reads_them() {
        for (told, shown, name) in [
            ("Europe/Berlin", "Europe/Berlin", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin", "Europe/Berlin"),
            ("utc", "UTC", "UTC"),
            ("2", "<+02>-02", "+02:00"),
            ("-3.5", "<-03:30>+03:30", "-03:30"),
            ("<+02>-02", "<+02>-02", "+02:00"),
            ("<-03:30>+03:30", "<-03:30>+03:30", "-03:30"),
            ("+02:00", "+02:00", "-02:00"),
            ("-5:30", "-5:30", "+05:30"),
            ("UTC+3", "UTC+3", "-03:00"),
        ] {
            let read = NamedZone::of_session(told);
            assert_eq!(read, Some((shown.to_string(), name.to_string())), "{told}");
        }
        for unknown in ["Nowhere/City", "", "25", "UTC+"] {
            assert_eq!(NamedZone::of_session(unknown), None, "{unknown}");
        }
    }
}
