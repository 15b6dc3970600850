//! Functions of PostgreSQL that DataFusion has not, each a row at a time.

use chrono::DateTime;
use chrono::Datelike;
use chrono::NaiveDate;

use super::posix_regex::Pattern;
use super::posix_regex::translated;
use super::rowwise::Answer;
use super::rowwise::Cell;
use super::rowwise::Definition;
use super::rowwise::Nulls;
use super::rowwise::Overload;
use super::rowwise::Type;
use super::text_hash::text_hash;
use crate::error::Error;
use crate::error::SqlState;
use crate::format::canonical_uuid;

/// All of them.
pub static DEFINITIONS: [Definition; 23] = [
    Definition {
        name: "get_byte",
        about: "The byte at a place, from 0.",
        overloads: &[Overload { arguments: &[Type::Bytes, Type::Int], result: Type::Int }],
        nulls: Nulls::GiveNull,
        compute: |cells| byte_at(cells[0].bytes(), cells[1].int(), 1).map(|byte| Answer::Int(i64::from(byte))),
    },
    Definition {
        name: "get_bit",
        about: "The bit at a place, from 0 for the lowest of the first byte.",
        overloads: &[Overload { arguments: &[Type::Bytes, Type::BigInt], result: Type::Int }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let byte = byte_at(cells[0].bytes(), cells[1].int(), 8)?;
            Ok(Answer::Int(i64::from(byte >> cells[1].int().rem_euclid(8) & 1)))
        },
    },
    Definition {
        name: "bit_count",
        about: "How many bits are set.",
        overloads: &[Overload { arguments: &[Type::Bytes], result: Type::BigInt }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let count: u64 = cells[0].bytes().iter().map(|byte| u64::from(byte.count_ones())).sum();
            Ok(Answer::int(i64::try_from(count).ok()))
        },
    },
    Definition {
        name: "hashtext",
        about: "A number of 32 bits made of a text, the one that PostgreSQL makes.",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Int }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Int(i64::from(text_hash(cells[0].text().as_bytes())))),
    },
    Definition {
        name: "make_time",
        about: "The time of day of an hour, minute and second.",
        overloads: &[Overload { arguments: &[Type::Int, Type::Int, Type::Double], result: Type::Time }],
        nulls: Nulls::GiveNull,
        compute: make_time,
    },
    Definition {
        name: "isfinite",
        about: "Whether a date or a timestamp is one, not infinity.",
        overloads: &[
            Overload { arguments: &[Type::Date], result: Type::Boolean },
            Overload { arguments: &[Type::Timestamp], result: Type::Boolean },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Boolean(!matches!(cells[0].int(), i64::MIN | i64::MAX))),
    },
    Definition {
        name: "quote_literal",
        about: "A text between quotes, as SQL reads it.",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Text(quoted(cells[0].text()))),
    },
    Definition {
        name: "unistr",
        about: "A text with its Unicode escapes, such as \\0041 and \\u0041, as the letters that they are.",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| unescaped(cells[0].text()).map(Answer::Text),
    },
    Definition {
        name: "to_number",
        about: "The number that a text tells in a pattern such as 9G999D99.",
        overloads: &[Overload { arguments: &[Type::Text, Type::Text], result: Type::Double }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let told = number_in_pattern(cells[0].text(), cells[1].text())?;
            Ok(told.parse().map_or(Answer::Null, Answer::Double))
        },
    },
    Definition {
        name: "__to_number",
        about: "",
        overloads: &[Overload { arguments: &[Type::Text, Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| number_in_pattern(cells[0].text(), cells[1].text()).map(Answer::Text),
    },
    Definition {
        name: "__uuid",
        about: "A text as a UUID, in its one form.",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| match canonical_uuid(cells[0].text()) {
            Some(uuid) => Ok(Answer::Text(uuid.into_owned())),
            None => {
                let message = format!("invalid input syntax for type uuid: \"{}\"", cells[0].text());
                Err(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message))
            }
        },
    },
    Definition {
        name: "regexp_replace",
        about: "A text with what a regular expression finds first replaced, with the flag g all that it finds; \\1 to \\9 are what its groups found, \\& is all of it.",
        overloads: &[
            Overload { arguments: &[Type::Text, Type::Text, Type::Text], result: Type::Text },
            Overload { arguments: &[Type::Text, Type::Text, Type::Text, Type::Text], result: Type::Text },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let pattern = Pattern::of(cells[1].text(), cells.get(3).map_or("", |flags| flags.text()))?;
            Ok(Answer::Text(pattern.replaced(cells[0].text(), cells[2].text())))
        },
    },
    Definition {
        name: "__posix_pattern",
        about: "A regular expression as PostgreSQL reads it.",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Text(format!("(?s){}", translated(cells[0].text())))),
    },
    Definition {
        name: "__byte_length",
        about: "How many bytes there are.",
        overloads: &[Overload { arguments: &[Type::Bytes], result: Type::Int }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Int(i64::try_from(cells[0].bytes().len()).unwrap_or(i64::MAX))),
    },
    Definition {
        name: "quote_ident",
        about: "A name as SQL reads it: between quotes unless it needs none.",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Text(quoted_name(cells[0].text()))),
    },
    Definition {
        name: "width_bucket",
        about: "In which of so many buckets of one width a number lies, from 1; 0 below the first, one more behind the last.",
        overloads: &[Overload { arguments: &[Type::Double, Type::Double, Type::Double, Type::Int], result: Type::Int }],
        nulls: Nulls::GiveNull,
        compute: |cells| width_bucket(cells[0].double(), cells[1].double(), cells[2].double(), cells[3].int()),
    },
    Definition {
        name: "make_timestamp",
        about: "The timestamp of a year, month, day, hour, minute and second.",
        overloads: &[Overload {
            arguments: &[Type::Int, Type::Int, Type::Int, Type::Int, Type::Int, Type::Double],
            result: Type::Timestamp,
        }],
        nulls: Nulls::GiveNull,
        compute: make_timestamp,
    },
    Definition {
        name: "__calendar_part",
        about: "",
        overloads: &[Overload { arguments: &[Type::Text, Type::Timestamp], result: Type::Double }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(calendar_part(cells[0].text(), cells[1].int()).map_or(Answer::Null, Answer::Double)),
    },
    Definition {
        name: "regexp_substr",
        about: "The part of a text that a regular expression finds first, NULL if it finds none.",
        overloads: &[Overload { arguments: &[Type::Text, Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            Ok(Answer::text(Pattern::of(cells[1].text(), "")?.regex.find(cells[0].text()).map(|found| found.as_str())))
        },
    },
    Definition {
        name: "__substring_pattern",
        about: "The part of a text that a regular expression finds first, or that its first group does, NULL if it finds none.",
        overloads: &[Overload { arguments: &[Type::Text, Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let pattern = Pattern::of(cells[1].text(), "")?;
            let found = pattern.regex.captures(cells[0].text());
            let part = found.and_then(|found| if 1 < found.len() { found.get(1) } else { found.get(0) });
            Ok(Answer::text(part.map(|part| part.as_str())))
        },
    },
    Definition {
        name: "__overlaps",
        about: "Whether two spans of time have a moment in common.",
        overloads: &[Overload { arguments: &[Type::Timestamp; 4], result: Type::Boolean }],
        nulls: Nulls::AreArguments,
        compute: overlaps,
    },
    Definition {
        name: "__without_exponent",
        about: "A number that is a text, without an exponent.",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Text(without_exponent(cells[0].text()))),
    },
    Definition {
        name: "quote_nullable",
        about: "A text between quotes, as SQL reads it; the word NULL for NULL.",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Text }],
        nulls: Nulls::AreArguments,
        compute: |cells| {
            Ok(Answer::Text(match cells[0] {
                Cell::Null => "NULL".to_string(),
                cell => quoted(cell.text()),
            }))
        },
    },
];

/// The byte in which a place lies, of which each byte has `places`; 2202E for a place that is not there.
fn byte_at(bytes: &[u8], place: i64, places: i64) -> Result<u8, Error> {
    let at = usize::try_from(place.div_euclid(places)).ok();
    at.and_then(|at| bytes.get(at)).copied().ok_or_else(|| {
        let last = i64::try_from(bytes.len()).unwrap_or(i64::MAX).saturating_mul(places) - 1;
        Error::new(SqlState("2202E"), format!("index {place} out of valid range, 0..{last}"))
    })
}

/// The digits of a text, its point and its sign, in the places where a pattern has them.
fn number_in_pattern(text: &str, pattern: &str) -> Result<String, Error> {
    let is_negative = text.contains(['-', '<']);
    let (whole, fraction) = match pattern.find(['.', 'D', 'd']) {
        Some(_) => text.split_once('.').unwrap_or((text, "")),
        None => (text.split('.').next().unwrap_or(text), ""),
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (whole, fraction) = (digits(whole), digits(fraction));
    if whole.is_empty() && fraction.is_empty() {
        let message = format!("invalid input syntax for type numeric: \"{text}\"");
        return Err(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message));
    }
    let whole = if whole.is_empty() { "0" } else { &whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(format!("{}{whole}{point}{fraction}", if is_negative { "-" } else { "" }))
}

/// `\\XXXX`, `\\+XXXXXX`, `\\uXXXX` and `\\UXXXXXXXX` as letters; two backslashes are one.
fn unescaped(text: &str) -> Result<String, Error> {
    let refused = || {
        Error::new(SqlState::SYNTAX_ERROR, "invalid Unicode escape")
            .hint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.")
    };
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        told.push_str(before);
        let (skipped, digits) = match behind.chars().next() {
            Some('\\') => {
                told.push('\\');
                rest = &behind[1..];
                continue;
            }
            Some('+') => (1, 6),
            Some('u') => (1, 4),
            Some('U') => (1, 8),
            _ => (0, 4),
        };
        let code = behind.get(skipped..skipped + digits).ok_or_else(refused)?;
        let letter = u32::from_str_radix(code, 16).ok().and_then(char::from_u32).ok_or_else(refused)?;
        told.push(letter);
        rest = &behind[skipped + digits..];
    }
    told.push_str(rest);
    Ok(told)
}

/// Whether two spans of time have a moment in common. Of a span one end may be NULL; which of them comes first says nothing.
fn overlaps(cells: &[Cell<'_>]) -> Result<Answer, Error> {
    let span = |one: &Cell<'_>, other: &Cell<'_>| match (one, other) {
        (Cell::Null, Cell::Null) => None,
        (Cell::Null, only) | (only, Cell::Null) => Some((only.int(), None)),
        (one, other) => Some((one.int().min(other.int()), Some(one.int().max(other.int())))),
    };
    let (Some(first), Some(second)) = (span(&cells[0], &cells[1]), span(&cells[2], &cells[3])) else {
        return Ok(Answer::Null);
    };
    if first.0 == second.0 {
        // Spans without an end that is known may be moments.
        return Ok(if first.1.is_some() && second.1.is_some() { Answer::Boolean(true) } else { Answer::Null });
    }
    let (earlier, later) = if first.0 < second.0 { (first, second) } else { (second, first) };
    Ok(match earlier.1 {
        None => Answer::Null,
        Some(end) if later.0 < end => Answer::Boolean(true),
        Some(_) => later.1.map_or(Answer::Null, |_| Answer::Boolean(false)),
    })
}

/// A number with an exponent, written without one; any other text as it is.
fn without_exponent(text: &str) -> String {
    let trimmed = text.trim();
    let (sign, number) = match trimmed.strip_prefix(['-', '+']) {
        Some(number) => (&trimmed[..1], number),
        None => ("", trimmed),
    };
    let plain = || {
        let (mantissa, exponent) = number.split_once(['e', 'E'])?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() < 100)?;
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let point = i32::try_from(whole.len()).ok()? + exponent;
        let length = i32::try_from(digits.len()).ok()?;
        let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
        Some(match usize::try_from(point) {
            Ok(_) if length <= point => format!("{sign}{digits}{}", zeros(point - length)),
            Ok(place) => format!("{sign}0{}.{}", &digits[..place], &digits[place..]),
            Err(_) => format!("{sign}0.{}{digits}", zeros(-point)),
        })
    };
    plain().unwrap_or_else(|| text.to_string())
}

/// PostgreSQL's words that are no names, or not everywhere.
const KEYWORDS: &str = "\
all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case \
cast char character check coalesce collate collation column concurrently constraint create cross \
current_catalog current_date current_role current_schema current_time current_timestamp current_user dec \
decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign \
freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect \
interval into is isnull join lateral leading least left like limit localtime localtimestamp national natural \
nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay \
placing position precision primary real references returning right row select session_user setof similar \
smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true union \
unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement \
xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable";

fn quoted_name(name: &str) -> String {
    let is_plain = |at: usize, letter: char| matches!(letter, 'a'..='z' | '_') || 0 < at && letter.is_ascii_digit();
    let needs_none = !name.is_empty() && name.chars().enumerate().all(|(at, letter)| is_plain(at, letter));
    match needs_none && !KEYWORDS.split(' ').any(|word| word == name) {
        true => name.to_string(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    match escaped.contains('\\') {
        true => format!("E'{}'", escaped.replace('\\', "\\\\")),
        false => format!("'{escaped}'"),
    }
}

fn width_bucket(value: f64, low: f64, high: f64, count: i64) -> Result<Answer, Error> {
    let refused = |message: &str| Err(Error::new(SqlState("2201G"), message));
    if count <= 0 {
        return refused("count must be greater than zero");
    }
    if !low.is_finite() || !high.is_finite() || value.is_nan() {
        return refused("operand, lower bound, and upper bound cannot be NaN");
    }
    if low == high {
        return refused("lower bound cannot equal upper bound");
    }
    // Bounds that go down count the other way.
    let place = (value - low) / (high - low);
    Ok(Answer::Int(match place {
        place if place < 0.0 => 0,
        place if 1.0 <= place => count + 1,
        place => ((place * count as f64).floor() as i64 + 1).min(count),
    }))
}

/// Centuries and millennia begin with a year 1; days are counted from noon of 4713 BC, as astronomers do, but begin at midnight.
fn calendar_part(unit: &str, micros: i64) -> Option<f64> {
    const DAY_MICROS: i64 = 86_400_000_000;
    const EPOCH_JULIAN: f64 = 2_440_588.0;
    let year = DateTime::from_timestamp_micros(micros)?.year();
    // The year before 1 is -1 there.
    let of_years = |years: i32| match year {
        1.. => (year + years - 1) / years,
        _ => -((years - year) / years),
    };
    Some(match unit {
        "century" => f64::from(of_years(100)),
        "millennium" => f64::from(of_years(1000)),
        "decade" => f64::from(year.div_euclid(10)),
        _ => EPOCH_JULIAN + micros as f64 / DAY_MICROS as f64,
    })
}

fn make_time(cells: &[Cell<'_>]) -> Result<Answer, Error> {
    const DAY_MICROS: i64 = 86_400_000_000;
    let (hour, minute, seconds) = (cells[0].int(), cells[1].int(), cells[2].double());
    let micros = (hour * 60 + minute) * 60_000_000 + (seconds * 1e6).round() as i64;
    let is_one = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60.0).contains(&seconds);
    match is_one && micros <= DAY_MICROS {
        true => Ok(Answer::Int(micros)),
        false => {
            let message = format!("time field value out of range: {hour}:{minute:02}:{seconds:02}");
            Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, message))
        }
    }
}

fn make_timestamp(cells: &[Cell<'_>]) -> Result<Answer, Error> {
    let whole = |at: usize| u32::try_from(cells[at].int()).ok();
    let seconds = cells[5].double();
    let made = || {
        let date = NaiveDate::from_ymd_opt(i32::try_from(cells[0].int()).ok()?, whole(1)?, whole(2)?)?;
        let minute = date.and_hms_opt(whole(3)?, whole(4)?, 0)?;
        let micros = (seconds * 1e6).round();
        (0.0..=60e6).contains(&micros).then(|| minute.and_utc().timestamp_micros() + micros as i64)
    };
    made().map(Answer::Int).ok_or_else(|| {
        let field = |at: usize| cells[at].int();
        let message = format!(
            "date/time field value out of range: {}-{:02}-{:02} {:02}:{:02}:{seconds}",
            field(0),
            field(1),
            field(2),
            field(3),
            field(4)
        );
        Error::new(SqlState::DATETIME_FIELD_OVERFLOW, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_quotes_have_them() {
        for (name, quoted) in [
            ("abc", "abc"),
            ("_a1", "_a1"),
            ("Abc", "\"Abc\""),
            ("1a", "\"1a\""),
            ("a\"b", "\"a\"\"b\""),
            ("select", "\"select\""),
            ("name", "name"),
            ("", "\"\""),
        ] {
            assert_eq!(quoted_name(name), quoted);
        }
    }

    #[test]
    fn numbers_are_read_in_their_pattern() {
        for (text, pattern, number) in [
            ("1,234.5", "9,999.9", "1234.5"),
            ("12.3-", "99.9S", "-12.3"),
            ("-12.3", "S99.9", "-12.3"),
            ("$ 7", "L9", "7"),
            (".5", "9.9", "0.5"),
            ("12.7", "99", "12"),
        ] {
            assert_eq!(number_in_pattern(text, pattern).expect("it is a number"), number, "{text}");
        }
        assert!(number_in_pattern("x", "9").is_err());
    }

    #[test]
    fn unicode_escapes_are_letters() {
        for (text, letters) in [(r"d\0061t\+000061", "data"), (r"\u0041\U00000042\\\\", r"AB\\"), ("plain", "plain")] {
            assert_eq!(unescaped(text).expect("they are letters"), letters);
        }
        assert!(unescaped(r"\00").is_err());
    }

    #[test]
    fn buckets_are_counted_from_one() {
        for (value, low, high, count, bucket) in [
            (5.35, 0.024, 10.06, 5, 3),
            (-1.0, 0.0, 10.0, 5, 0),
            (10.0, 0.0, 10.0, 5, 6),
            (0.0, 0.0, 10.0, 5, 1),
            (9.0, 10.0, 0.0, 5, 1),
            (11.0, 10.0, 0.0, 5, 0),
        ] {
            assert_eq!(width_bucket(value, low, high, count).expect("it is told"), Answer::Int(bucket), "{value}");
        }
        assert!(width_bucket(1.0, 0.0, 0.0, 5).is_err());
        assert!(width_bucket(1.0, 0.0, 1.0, 0).is_err());
    }
}
