//! Times written by Java's patterns.

use chrono::Datelike;
use chrono::NaiveDateTime;
use chrono::Timelike;

use super::NamedZone;
use super::pattern::Field;
use super::pattern::MONTHS;
use super::pattern::Part;
use super::pattern::Pattern;

impl Pattern {
    /// An instant, microseconds, as the zone's clocks show it; `None` for one that no calendar has.
    pub fn write(&self, micros: i64, zone: NamedZone) -> Option<String> {
        let (local, offset, name) = zone.local(micros)?;
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Number { field, length } => {
                    text.push_str(&format!("{:0length$}", number(*field, *length, &local), length = length));
                }
                Part::Fraction { digits } => {
                    let nanos = format!("{:09}", local.nanosecond() % 1_000_000_000);
                    text.push_str(nanos.get(..*digits).unwrap_or(&nanos));
                }
                Part::Offset { letter, length } => push_offset(offset, *letter, *length, &mut text),
                Part::HalfOfDay => text.push_str(if local.hour() < 12 { "AM" } else { "PM" }),
                Part::MonthName { length } => {
                    let month = MONTHS[local.month0() as usize];
                    let shown = if *length == 3 { &month[..3] } else { month };
                    text.push_str(&shown[..1].to_uppercase());
                    text.push_str(&shown[1..]);
                }
                Part::Zone => text.push_str(&name),
            }
        }
        Some(text)
    }
}

fn number(field: Field, length: usize, local: &NaiveDateTime) -> i64 {
    match field {
        Field::Year if length == 2 => i64::from(local.year().rem_euclid(100)),
        Field::Year => i64::from(local.year()),
        Field::Month => i64::from(local.month()),
        Field::Day => i64::from(local.day()),
        Field::Hour => i64::from(local.hour()),
        Field::HourOfHalf => i64::from(local.hour12().1),
        Field::Minute => i64::from(local.minute()),
        Field::Second => i64::from(local.second()),
    }
}

/// `X` writes Z for UTC; one letter leaves minutes of 0 out, three put a colon between.
fn push_offset(offset: i32, letter: char, length: usize, text: &mut String) {
    if letter == 'X' && offset == 0 {
        return text.push('Z');
    }
    let (hours, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
    let sign = if offset < 0 { '-' } else { '+' };
    text.push_str(&match length {
        1 if letter != 'Z' && minutes == 0 => format!("{sign}{hours:02}"),
        3 if letter != 'Z' => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}{minutes:02}"),
    });
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
        ] {
            let pattern = Pattern::new(pattern).expect("a pattern");
            let zone = NamedZone::named(zone).expect("a zone");
            let written = pattern.write(summer, zone).expect("a time");
            assert_eq!(written, text);
        }
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
