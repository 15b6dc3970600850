//! Java's date and time patterns, the letters that ksqlDB's users write: `yyyy-MM-dd'T'HH:mm:ss.SSSX`.

use chrono::NaiveDate;

use super::NamedZone;
use super::times;

/// A pattern, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Number { field: Field, length: usize },
    Fraction { digits: usize },
    Offset { letter: char, length: usize },
    HalfOfDay,
    MonthName { length: usize },
    Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Year,
    Month,
    Day,
    Hour,
    HourOfHalf,
    Minute,
    Second,
}

pub(super) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl Pattern {
    /// Checks a pattern; the error says which letter is not known.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some(letter) = rest.chars().next() {
            if letter == '\'' {
                let (literal, after) = quoted(&rest[1..]).ok_or("a quote without its end")?;
                parts.push(Part::Literal(literal));
                rest = after;
                continue;
            }
            let run = rest.find(|character| character != letter).unwrap_or(rest.len());
            let length = rest[..run].chars().count();
            parts.push(match letter {
                'y' | 'u' => Part::Number { field: Field::Year, length },
                'M' | 'L' if 3 <= length => Part::MonthName { length },
                'M' | 'L' => Part::Number { field: Field::Month, length },
                'd' => Part::Number { field: Field::Day, length },
                'H' => Part::Number { field: Field::Hour, length },
                'h' => Part::Number { field: Field::HourOfHalf, length },
                'm' => Part::Number { field: Field::Minute, length },
                's' => Part::Number { field: Field::Second, length },
                'S' => Part::Fraction { digits: length },
                'X' | 'x' | 'Z' => Part::Offset { letter, length },
                'z' | 'V' => Part::Zone,
                'a' => Part::HalfOfDay,
                letter if letter.is_ascii_alphabetic() => return Err(format!("the letter {letter} is not known")),
                _ => Part::Literal(rest[..run].to_owned()),
            });
            rest = &rest[run..];
        }
        Ok(Self { parts })
    }

    /// The instant that a text tells, microseconds; what the pattern leaves out is the epoch's, the zone UTC.
    pub fn parse(&self, text: &str) -> Option<i64> {
        self.parse_in(text, NamedZone::UTC)
    }

    /// `parse`, where a text without a zone is read on a clock of `zone`.
    pub fn parse_in(&self, text: &str, zone: NamedZone) -> Option<i64> {
        let mut rest = text;
        let (mut year, mut month, mut day, mut hour, mut minute, mut second) = (1970, 1, 1, 0, 0, 0);
        let (mut micros, mut offset, mut zone, mut afternoon) = (0, None, zone, None);
        for (place, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(literal) => rest = strip_prefix_ignoring_case(rest, literal)?,
                Part::Number { field, length } => {
                    let next_is_number =
                        matches!(self.parts.get(place + 1), Some(Part::Number { .. } | Part::Fraction { .. }));
                    let value = take_number(&mut rest, *length, next_is_number)?;
                    match field {
                        Field::Year => year = if *length == 2 { 2000 + value } else { value },
                        Field::Month => month = value,
                        Field::Day => day = value,
                        Field::Hour => hour = value,
                        Field::HourOfHalf => hour = value % 12,
                        Field::Minute => minute = value,
                        Field::Second => second = value,
                    }
                }
                Part::Fraction { digits } => {
                    let value = rest.get(..*digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
                    micros = format!("{value:0<6}").get(..6)?.parse().ok()?;
                    rest = &rest[*digits..];
                }
                Part::Zone => {
                    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_+-:".contains(byte);
                    let length = rest.bytes().take_while(|byte| is_part(byte)).count();
                    zone = NamedZone::named(&rest[..length])?;
                    rest = &rest[length..];
                }
                Part::Offset { .. } => {
                    let length =
                        1 + rest.get(1..)?.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b':').count();
                    offset = Some(times::parse_offset(&rest[..length])?);
                    rest = &rest[length..];
                }
                Part::HalfOfDay => {
                    afternoon = Some(rest.get(..2)?.eq_ignore_ascii_case("pm"));
                    rest = &rest[2..];
                }
                Part::MonthName { .. } => {
                    let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
                    let name = rest[..length].to_ascii_lowercase();
                    let named = |month: &&'static str| 3 <= name.len() && month.starts_with(&name);
                    month = i32::try_from(MONTHS.iter().position(named)?).ok()? + 1;
                    rest = &rest[length..];
                }
            }
        }
        if afternoon == Some(true) {
            hour += 12;
        }
        if !rest.is_empty() || 24 <= hour || 60 <= minute || 60 <= second {
            return None;
        }
        let date = NaiveDate::from_ymd_opt(year, month.try_into().ok()?, day.try_into().ok()?)?;
        let seconds = i64::from(date.to_epoch_days()) * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
        let local = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
        match offset {
            Some(offset) => local.checked_sub(i64::from(offset) * 1_000_000),
            None => zone.instant_of_local(local),
        }
    }
}

/// The text up to the closing quote; two quotes are one, also outside of quotes.
fn quoted(text: &str) -> Option<(String, &str)> {
    if let Some(after) = text.strip_prefix('\'') {
        return Some(("'".to_owned(), after));
    }
    let mut literal = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('\'')?;
        literal.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                literal.push('\'');
                rest = after;
            }
            None => return Some((literal, rest)),
        }
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

fn take_number(rest: &mut &str, length: usize, next_is_number: bool) -> Option<i32> {
    let length_max = if next_is_number || length == 2 { length } else { 9 };
    let count = rest.bytes().take(length_max).take_while(u8::is_ascii_digit).count();
    if count < length.clamp(1, 2) || count == 0 {
        return None;
    }
    let value = rest[..count].parse().ok()?;
    *rest = &rest[count..];
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_what_java_reads() {
        for (pattern, text, micros) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2017-11-13T23:59:58.123", Some(1_510_617_598_123_000)),
            ("yyyy-MM-dd'T'HH:mm:ssX", "2017-11-13T23:59:58Z", Some(1_510_617_598_000_000)),
            ("yyyy-MM-dd HH:mm:ssX", "2017-11-13 23:59:58+01:00", Some(1_510_613_998_000_000)),
            ("yyyyMMdd", "20171113", Some(1_510_531_200_000_000)),
            ("dd/MMM/yyyy:HH:mm", "13/Nov/2017:23:59", Some(1_510_617_540_000_000)),
            ("yyyy-MM-dd hh:mm a", "2017-11-13 11:59 PM", Some(1_510_617_540_000_000)),
            ("yyyy-MM-dd", "2017-13-01", None),
            ("yyyy-MM-dd", "2017-11-13 ", None),
            ("yyyy-MM-dd", "", None),
            ("yyyy''MM", "2017'11", Some(1_509_494_400_000_000)),
        ] {
            assert_eq!(Pattern::new(pattern).expect("a pattern").parse(text), micros, "{pattern} {text}");
        }
        assert!(Pattern::new("yyyy-QQ").is_err());
        assert!(Pattern::new("yyyy'T").is_err());
    }
}
