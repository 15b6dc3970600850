//! Java's date and time patterns, the letters that ksqlDB's users write: `yyyy-MM-dd'T'HH:mm:ss[.SSS]X`.

use super::pattern_field::Field;
use super::pattern_field::Style;

/// Sections within each other, at most: they are read and written by recursion.
const SECTIONS_MAX: usize = 100;

/// A pattern, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Number {
        field: Field,
        length: usize,
    },
    Name {
        field: Field,
        style: Style,
    },
    Fraction {
        digits: usize,
    },
    Offset {
        letter: char,
        length: usize,
    },
    /// `GMT+1`, in full `GMT+01:00`.
    GmtOffset {
        in_full: bool,
    },
    /// The name of the zone's time.
    Zone {
        in_full: bool,
    },
    /// The name of the zone.
    ZoneId,
    /// `[..]`: may be missing in a text.
    Optional(Vec<Part>),
}

impl Pattern {
    /// Checks a pattern; the error says which letter is not known.
    pub fn new(pattern: &str) -> Result<Self, String> {
        // The parts of what is open: the pattern, and of each section that has begun.
        let mut open: Vec<Vec<Part>> = Vec::new();
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some(letter) = rest.chars().next() {
            let run = match letter {
                '[' | ']' | '\'' => 1,
                _ => rest.find(|character| character != letter).unwrap_or(rest.len()),
            };
            match letter {
                '\'' => {
                    let (literal, after) = quoted(&rest[1..]).ok_or("a quote without its end")?;
                    parts.push(Part::Literal(literal));
                    rest = after;
                    continue;
                }
                '[' if open.len() == SECTIONS_MAX => {
                    return Err(format!("more than {SECTIONS_MAX} sections within each other"));
                }
                '[' => open.push(std::mem::take(&mut parts)),
                ']' => {
                    let before = open.pop().ok_or("a ] without its [")?;
                    let section = std::mem::replace(&mut parts, before);
                    parts.push(Part::Optional(section));
                }
                // Java keeps them for what may come.
                '{' | '}' | '#' => return Err(format!("{letter} is reserved")),
                letter if letter.is_ascii_alphabetic() => parts.push(part(letter, run)?),
                _ => parts.push(Part::Literal(rest[..run].to_owned())),
            }
            rest = &rest[run..];
        }
        // As in Java the end closes what is open.
        while let Some(before) = open.pop() {
            let section = std::mem::replace(&mut parts, before);
            parts.push(Part::Optional(section));
        }
        Ok(Self { parts })
    }
}

/// What a run of a letter stands for.
fn part(letter: char, length: usize) -> Result<Part, String> {
    let number = |field| Part::Number { field, length };
    let name = |field| {
        let style = match length {
            ..=3 => Style::Short,
            4 => Style::Full,
            _ => Style::Narrow,
        };
        Part::Name { field, style }
    };
    let longest = match letter {
        'E' | 'G' | 'Q' | 'q' | 'e' | 'c' | 'O' => 5,
        'D' => 3,
        'w' => 2,
        'W' | 'F' => 1,
        _ => usize::MAX,
    };
    if longest < length {
        return Err(format!("too many letters {letter}"));
    }
    Ok(match letter {
        'G' => name(Field::Era),
        'y' => number(Field::YearOfEra),
        'u' => number(Field::Year),
        'Y' => number(Field::WeekYear),
        'Q' | 'q' if 3 <= length => name(Field::Quarter),
        'Q' | 'q' => number(Field::Quarter),
        'M' | 'L' if 3 <= length => name(Field::Month),
        'M' | 'L' => number(Field::Month),
        'w' => number(Field::WeekOfYear),
        'W' => number(Field::WeekOfMonth),
        'd' => number(Field::Day),
        'D' => number(Field::DayOfYear),
        'F' => number(Field::DayOfSeven),
        'E' => name(Field::DayOfWeek),
        'e' | 'c' if 3 <= length => name(Field::DayOfWeek),
        'c' if length == 2 => return Err("two letters c".to_owned()),
        'e' | 'c' => number(Field::DayOfWeek),
        'a' => name(Field::HalfOfDay),
        'H' => number(Field::Hour),
        'k' => number(Field::ClockHour),
        'K' => number(Field::HourOfHalf),
        'h' => number(Field::ClockHourOfHalf),
        'm' => number(Field::Minute),
        's' => number(Field::Second),
        'S' => Part::Fraction { digits: length },
        'A' => number(Field::MilliOfDay),
        'n' => number(Field::Nano),
        'N' => number(Field::NanoOfDay),
        'O' => Part::GmtOffset { in_full: 4 <= length },
        'Z' if length == 4 => Part::GmtOffset { in_full: true },
        'X' | 'x' | 'Z' => Part::Offset { letter, length },
        'z' => Part::Zone { in_full: 4 <= length },
        'V' => Part::ZoneId,
        letter => return Err(format!("the letter {letter} is not known")),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_checked() {
        for pattern in ["yyyy-MM", "[yyyy[-MM]]", "yyyy[-MM", "QQQ", "EEEEE", "DDD", "''"] {
            assert!(Pattern::new(pattern).is_ok(), "{pattern}");
        }
        for pattern in ["yyyy-RR", "yyyy'T", "yyyy]", "EEEEEE", "DDDD", "cc", "WW"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
        let nested = |depth: usize| Pattern::new(&"[".repeat(depth));
        assert!(nested(SECTIONS_MAX).is_ok());
        assert!(nested(1_000_000).is_err());
    }
}
