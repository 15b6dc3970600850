//! Times written by Java's patterns.

use chrono::DateTime;
use chrono::NaiveDateTime;
use chrono::Timelike;

use super::NamedZone;
use super::pattern::Part;
use super::pattern::Pattern;
use super::pattern_field::Field;
use super::pattern_field::name_of;

/// What is written: the fields that it has, and the zone if it has one.
struct Shown {
    at: NaiveDateTime,
    has_date: bool,
    has_time: bool,
    /// Seconds east of UTC, the name of the zone's time, and the zone.
    zone: Option<(i32, String, NamedZone)>,
}

impl Pattern {
    /// An instant, microseconds, as the zone's clocks show it; `None` for one that no calendar has.
    pub fn write(&self, micros: i64, zone: NamedZone) -> Option<String> {
        let (at, offset, name) = zone.local(micros)?;
        written(&self.parts, &Shown { at, has_date: true, has_time: true, zone: Some((offset, name, zone)) })
    }

    /// A date, microseconds of its midnight; `None` also for a pattern that asks for the time of day or a zone.
    pub fn write_date(&self, micros: i64) -> Option<String> {
        let at = DateTime::from_timestamp_micros(micros)?.naive_utc();
        written(&self.parts, &Shown { at, has_date: true, has_time: false, zone: None })
    }

    /// A time of day in microseconds; `None` for a pattern that asks for a date or a zone.
    pub fn write_time(&self, micros: i64) -> Option<String> {
        let at = DateTime::from_timestamp_micros(micros)?.naive_utc();
        written(&self.parts, &Shown { at, has_date: false, has_time: true, zone: None })
    }
}

/// The text of the parts; `None` if one asks for what is not there, outside of a section that may be missing.
fn written(parts: &[Part], shown: &Shown) -> Option<String> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Number { field, length } => push_number(*field, *length, shown.value(*field)?, &mut text),
            Part::Name { field, style } => text.push_str(&name_of(*field, shown.value(*field)?, *style)),
            Part::Fraction { digits } => {
                shown.value(Field::Nano)?;
                let nanos = format!("{:09}", shown.at.nanosecond() % 1_000_000_000);
                text.push_str(nanos.get(..*digits).unwrap_or(&nanos));
            }
            Part::Offset { letter, length } => push_offset(shown.zone.as_ref()?.0, *letter, *length, &mut text),
            Part::GmtOffset { in_full } => push_gmt_offset(shown.zone.as_ref()?.0, *in_full, &mut text),
            Part::Zone { in_full } => {
                let (_, name, _) = shown.zone.as_ref()?;
                // Names in full of other zones would need a table of them.
                text.push_str(match name.as_str() {
                    "UTC" if *in_full => "Coordinated Universal Time",
                    "GMT" if *in_full => "Greenwich Mean Time",
                    name => name,
                });
            }
            Part::ZoneId => match shown.zone.as_ref()? {
                (_, _, NamedZone::Region(region)) => text.push_str(region.name()),
                (_, name, NamedZone::Fixed(_)) => text.push_str(name),
            },
            Part::Optional(section) => text.push_str(&written(section, shown).unwrap_or_default()),
        }
    }
    Some(text)
}

impl Shown {
    fn value(&self, field: Field) -> Option<i64> {
        let is_there = if field.is_of_date() { self.has_date } else { self.has_time };
        is_there.then(|| field.of(&self.at))
    }
}

fn push_number(field: Field, length: usize, value: i64, text: &mut String) {
    if field.is_year() && length == 2 {
        return text.push_str(&format!("{:02}", value.rem_euclid(100)));
    }
    let digits = format!("{:0length$}", value.unsigned_abs());
    // Java tells a year longer than its letters by a sign.
    let is_long = field.is_year() && 4 <= length && length < digits.len();
    text.push_str(if value < 0 {
        "-"
    } else if is_long {
        "+"
    } else {
        ""
    });
    text.push_str(&digits);
}

/// `X` and `ZZZZZ` write Z for UTC; one letter leaves minutes of 0 out, three and five put a colon between, four and five
/// have seconds where there are any, which only offsets of old have.
fn push_offset(offset: i32, letter: char, length: usize, text: &mut String) {
    if offset == 0 && (letter == 'X' || letter == 'Z' && length == 5) {
        return text.push('Z');
    }
    let colon = if length == 5 || length == 3 && letter != 'Z' { ":" } else { "" };
    let Clock { sign, hours, minutes, seconds } = Clock::of(offset);
    text.push_str(&format!("{sign}{hours:02}"));
    if minutes != 0 || letter == 'Z' || length != 1 {
        text.push_str(&format!("{colon}{minutes:02}"));
    }
    if seconds != 0 && 4 <= length {
        text.push_str(&format!("{colon}{seconds:02}"));
    }
}

/// `GMT-7`, in full `GMT-07:00`; of UTC `GMT`.
fn push_gmt_offset(offset: i32, in_full: bool, text: &mut String) {
    text.push_str("GMT");
    if offset == 0 {
        return;
    }
    let Clock { sign, hours, minutes, seconds } = Clock::of(offset);
    text.push_str(&if in_full { format!("{sign}{hours:02}") } else { format!("{sign}{hours}") });
    if in_full || minutes != 0 || seconds != 0 {
        text.push_str(&format!(":{minutes:02}"));
    }
    if seconds != 0 {
        text.push_str(&format!(":{seconds:02}"));
    }
}

/// An offset in its parts.
struct Clock {
    sign: char,
    hours: i32,
    minutes: i32,
    seconds: i32,
}

impl Clock {
    fn of(offset: i32) -> Self {
        let size = offset.abs();
        let sign = if offset < 0 { '-' } else { '+' };
        Self { sign, hours: size / 3600, minutes: size / 60 % 60, seconds: size % 60 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_write_what_java_writes() {
        let summer = 1_526_075_913_120_000;
        for (pattern, zone, text) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "UTC", "2018-05-11T21:58:33.120Z"),
            ("yyyy-MM-dd HH:mm:ss zzz", "America/Los_Angeles", "2018-05-11 14:58:33 PDT"),
            ("dd-MMM-yy h:mm a XXX", "Europe/London", "11-May-18 10:58 PM +01:00"),
            ("d MMMM uuuu'' x Z", "+05:30", "12 May 2018' +0530 +0530"),
            ("EEE, d MMM yyyy HH:mm:ss Z", "UTC", "Fri, 11 May 2018 21:58:33 +0000"),
            ("EEE MMM dd HH:mm:ss zzz yyyy", "UTC", "Fri May 11 21:58:33 UTC 2018"),
            ("E EEEE EEEEE e ee eee c ccc cccc", "UTC", "Fri Friday F 6 06 Fri 6 Fri Friday"),
            ("D DDD Q QQ QQQ QQQQ QQQQQ q qqq", "UTC", "131 131 2 02 Q2 2nd quarter 2 2 Q2"),
            ("G GGGG GGGGG YYYY YY w ww W F", "UTC", "AD Anno Domini A 2018 18 19 19 2 4"),
            ("k kk K KK A n N SSSSSSSSS", "UTC", "21 21 9 09 79113120 120000000 79113120000000 120000000"),
            ("O OOOO MMMMM ZZZZ ZZZZZ XXXXX", "America/Los_Angeles", "GMT-7 GMT-07:00 M GMT-07:00 -07:00 -07:00"),
            ("O OOOO ZZZZ ZZZZZ XX x", "UTC", "GMT GMT GMT Z Z +00"),
            ("X XXXX XXXXX O", "+05:21:10", "+0521 +052110 +05:21:10 GMT+5:21:10"),
            ("zzzz VV", "UTC", "Coordinated Universal Time UTC"),
            ("zzzz VV", "America/Los_Angeles", "PDT America/Los_Angeles"),
            ("[yyyy]-MM yyyyyy", "UTC", "2018-05 002018"),
        ] {
            let pattern = Pattern::new(pattern).expect("a pattern");
            let zone = NamedZone::named(zone).expect("a zone");
            let written = pattern.write(summer, zone).expect("a time");
            assert_eq!(written, text);
        }
    }

    #[test]
    fn weeks_begin_on_sunday_and_the_first_has_january_in_it() {
        let pattern = Pattern::new("YYYY-ww-e W").expect("a pattern");
        for (days, text) in [(17_529, "2017-52-6 5"), (17_530, "2017-52-7 5"), (17_531, "2018-01-1 6")] {
            assert_eq!(pattern.write_date(days * 86_400_000_000).as_deref(), Some(text), "{days}");
        }
    }

    #[test]
    fn a_date_has_no_time_and_a_time_no_date() {
        let pattern = |pattern| Pattern::new(pattern).expect("a pattern");
        assert_eq!(pattern("yyyy-MM-dd[ HH:mm]").write_date(0).as_deref(), Some("1970-01-01"));
        assert_eq!(pattern("yyyy-MM-dd HH").write_date(0), None);
        assert_eq!(pattern("yyyy-MM-dd X").write_date(0), None);
        assert_eq!(pattern("[yyyy ]HH:mm a").write_time(0).as_deref(), Some("00:00 AM"));
        assert_eq!(pattern("HH dd").write_time(0), None);
    }

    #[test]
    fn a_text_without_a_zone_is_read_in_the_one_that_is_told() {
        let pattern = Pattern::new("yyyy-MM-dd HH:mm").expect("a pattern");
        let los_angeles = NamedZone::named("PST").expect("a zone");
        assert_eq!(pattern.parse_in("2018-05-11 14:58", los_angeles), Some(1_526_075_880_000_000));
        let zoned = Pattern::new("yyyy-MM-dd HH:mm zzz").expect("a pattern");
        assert_eq!(zoned.parse("2018-05-11 14:58 PST"), Some(1_526_075_880_000_000));
        assert_eq!(zoned.parse("2018-01-11 13:58 America/Los_Angeles"), Some(1_515_707_880_000_000));
        assert_eq!(zoned.parse("2018-05-11 14:58 XYZ"), None);
        assert_eq!(NamedZone::named("Nowhere/City"), None);
    }
}
