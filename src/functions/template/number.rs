//! `to_char` of numbers.

use crate::error::Error;
use crate::error::SqlState;

use super::time::ordinal_suffix;

/// A number in decimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digits {
    pub negative: bool,
    /// Without leading zeros; empty for 0.
    pub whole: String,
    /// All that are there.
    pub fraction: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A digit; a zero is written where there is none.
    Digit {
        zero: bool,
    },
    Group,
    Point,
    Sign,
    Minus,
    Plus,
    SignHere,
    Ordinal {
        upper: bool,
    },
    Letter(char),
}

/// A template of a number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Template {
    parts: Vec<Part>,
    filled: bool,
    roman: Option<bool>,
    brackets: bool,
    shift: usize,
    exponent: bool,
}

impl Template {
    fn parse(text: &str) -> Self {
        let mut template = Self { filled: true, ..Self::default() };
        let mut rest = text;
        let mut shifts = false;
        while let Some(letter) = rest.chars().next() {
            if letter == '"' {
                let inside = &rest[1..];
                let end = inside.find('"').unwrap_or(inside.len());
                template.parts.extend(inside[..end].chars().map(Part::Letter));
                rest = inside.get(end + 1..).unwrap_or("");
                continue;
            }
            let upper = rest.get(..4).or(rest.get(..2)).unwrap_or(rest).to_ascii_uppercase();
            let two = upper.get(..2).unwrap_or("");
            let (part, length) = match (upper.as_str(), two, letter) {
                ("EEEE", _, _) => {
                    template.exponent = true;
                    (None, 4)
                }
                (_, "FM", _) => {
                    template.filled = false;
                    (None, 2)
                }
                (_, "PR", _) => {
                    template.brackets = true;
                    (None, 2)
                }
                (_, "RN", _) => {
                    template.roman = Some(letter == 'R');
                    (None, 2)
                }
                (_, "MI", _) => (Some(Part::Minus), 2),
                (_, "PL", _) => (Some(Part::Plus), 2),
                (_, "SG", _) => (Some(Part::SignHere), 2),
                (_, "TH", _) => (Some(Part::Ordinal { upper: letter == 'T' }), 2),
                (_, _, '9' | '0') => {
                    template.shift += usize::from(shifts);
                    (Some(Part::Digit { zero: letter == '0' }), 1)
                }
                (_, _, '.' | 'D' | 'd') => (Some(Part::Point), 1),
                (_, _, ',' | 'G' | 'g') => (Some(Part::Group), 1),
                (_, _, 'S' | 's') => (Some(Part::Sign), 1),
                (_, _, 'V' | 'v') => {
                    shifts = true;
                    (None, 1)
                }
                (_, _, 'L' | 'l') => (Some(Part::Letter(' ')), 1),
                (_, _, 'B' | 'b') => (None, 1),
                (_, _, other) => (Some(Part::Letter(other)), other.len_utf8()),
            };
            template.parts.extend(part);
            rest = &rest[length..];
        }
        template
    }

    fn places(&self) -> (usize, usize) {
        let point = self.parts.iter().position(|part| *part == Part::Point).unwrap_or(self.parts.len());
        let digits = |parts: &[Part]| parts.iter().filter(|part| matches!(part, Part::Digit { .. })).count();
        (digits(&self.parts[..point]), digits(&self.parts[point..]))
    }
}

/// How many digits behind its point a template has.
pub(super) fn places(template: &str) -> usize {
    let template = Template::parse(template);
    template.places().1 + template.shift
}

/// The text of a number under a template.
pub(super) fn write(template: &str, number: &Digits) -> Result<String, Error> {
    let template = Template::parse(template);
    if template.exponent {
        return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, "EEEE in a template of a number is not there yet"));
    }
    if let Some(upper) = template.roman {
        let roman = roman(&number.clone().rounded(0));
        let roman = if upper { roman } else { roman.to_lowercase() };
        return Ok(if template.filled { format!("{roman:>15}") } else { roman });
    }
    let (whole, fraction) = template.places();
    let number = number.clone().shifted(template.shift).rounded(fraction);
    Ok(Writer { template: &template, number: &number, whole, fraction }.write())
}

impl Digits {
    /// The digits of a number as it is written without exponent.
    pub(super) fn parse(text: &str) -> Self {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        Self { negative, whole: whole.trim_start_matches('0').to_string(), fraction: fraction.to_string() }
    }

    fn shifted(mut self, by: usize) -> Self {
        for _ in 0..by {
            let next = if self.fraction.is_empty() { '0' } else { self.fraction.remove(0) };
            self.whole.push(next);
        }
        self.whole = self.whole.trim_start_matches('0').to_string();
        self
    }

    /// To so many places, halves away from zero.
    fn rounded(self, places: usize) -> Self {
        let up = self.fraction.as_bytes().get(places).is_some_and(|digit| b'5' <= *digit);
        let kept: String = self.fraction.chars().chain(std::iter::repeat('0')).take(places).collect();
        let mut digits: Vec<u8> = std::iter::once(b'0').chain(self.whole.bytes()).chain(kept.bytes()).collect();
        if up {
            for digit in digits.iter_mut().rev() {
                if *digit != b'9' {
                    *digit += 1;
                    break;
                }
                *digit = b'0';
            }
        }
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let text = |digits: &[u8]| String::from_utf8_lossy(digits).into_owned();
        let whole = text(whole).trim_start_matches('0').to_string();
        let is_zero = whole.is_empty() && fraction.iter().all(|digit| *digit == b'0');
        Self { negative: self.negative && !is_zero, whole, fraction: text(fraction) }
    }
}

struct Writer<'a> {
    template: &'a Template,
    number: &'a Digits,
    whole: usize,
    fraction: usize,
}

impl Writer<'_> {
    fn write(&self) -> String {
        let parts = &self.template.parts;
        let overflows = self.whole < self.number.whole.len();
        let digits: Vec<char> = self.number.whole.chars().collect();
        let missing = self.whole.saturating_sub(digits.len());
        let first_zero = self.first_zero();
        // A zero before the point is written only where no digit follows.
        let kept = self.kept_fraction();
        let shows_nothing = self.fraction == 0 || (!self.template.filled && kept == 0);
        let starts_at = match digits.is_empty() && shows_nothing {
            true => missing.saturating_sub(1),
            false => missing,
        };
        let starts_at = if overflows { 0 } else { starts_at.min(first_zero) };
        let has_sign = parts.iter().any(|part| matches!(part, Part::Sign | Part::Minus | Part::SignHere));
        let mut text = String::new();
        let (mut place, mut after_point, mut anchored) = (0, false, has_sign && !self.sign_leads());
        let mut point_at = 0;
        for part in parts {
            let is_digit_part = matches!(part, Part::Digit { .. } | Part::Point);
            if !anchored && is_digit_part && (starts_at <= place || *part == Part::Point) {
                text.push_str(&self.leading_sign());
                anchored = true;
            }
            match *part {
                Part::Digit { .. } if after_point => {
                    let digit = self.number.fraction.chars().nth(point_at).unwrap_or('0');
                    if self.template.filled || overflows || point_at < kept {
                        text.push(if overflows { '#' } else { digit });
                    }
                    point_at += 1;
                }
                Part::Digit { .. } => {
                    if overflows {
                        text.push('#');
                    } else if starts_at <= place {
                        text.push(if place < missing { '0' } else { digits[place - missing] });
                    } else if self.template.filled {
                        text.push(' ');
                    }
                    place += 1;
                }
                Part::Group if starts_at < place || overflows => text.push(','),
                Part::Group if self.template.filled => text.push(' '),
                Part::Group => {}
                Part::Point => {
                    after_point = true;
                    text.push('.');
                }
                Part::Sign if self.sign_leads() => {}
                Part::Sign | Part::SignHere => text.push(if self.number.negative { '-' } else { '+' }),
                Part::Minus if self.number.negative => text.push('-'),
                Part::Plus if !self.number.negative => text.push('+'),
                Part::Minus | Part::Plus if self.template.filled => text.push(' '),
                Part::Minus | Part::Plus => {}
                Part::Ordinal { upper } => {
                    let suffix = ordinal_suffix(if self.number.whole.is_empty() { "0" } else { &self.number.whole });
                    if !self.number.negative && self.fraction == 0 && !overflows {
                        text.push_str(&if upper { suffix.to_uppercase() } else { suffix.to_string() });
                    }
                }
                Part::Letter(letter) => text.push(letter),
            }
        }
        self.closed(text)
    }

    /// Where the first 0 of the template stands among the digits before the point.
    fn first_zero(&self) -> usize {
        let point = self.template.parts.iter().position(|part| *part == Part::Point);
        let before = &self.template.parts[..point.unwrap_or(self.template.parts.len())];
        let mut digits = before.iter().filter(|part| matches!(part, Part::Digit { .. }));
        digits.position(|part| *part == Part::Digit { zero: true }).unwrap_or(usize::MAX)
    }

    /// An S before the digits stands right before the number.
    fn sign_leads(&self) -> bool {
        let sign = self.template.parts.iter().position(|part| *part == Part::Sign);
        let digit = self.template.parts.iter().position(|part| matches!(part, Part::Digit { .. } | Part::Point));
        sign.is_some_and(|sign| digit.is_none_or(|digit| sign < digit))
    }

    fn leading_sign(&self) -> String {
        let sign = match (self.number.negative, self.sign_leads(), self.template.brackets) {
            (true, _, true) => "<",
            (true, _, false) => "-",
            (false, true, _) => "+",
            (false, false, _) if self.template.filled => " ",
            (false, false, _) => "",
        };
        sign.to_string()
    }

    /// Digits behind the point that stay where nothing is filled up.
    fn kept_fraction(&self) -> usize {
        let zeros = {
            let point = self.template.parts.iter().position(|part| *part == Part::Point);
            let behind = point.map_or(&[][..], |point| &self.template.parts[point..]);
            let digits = behind.iter().filter(|part| matches!(part, Part::Digit { .. }));
            digits.enumerate().filter(|(_, part)| **part == Part::Digit { zero: true }).map(|(at, _)| at + 1).last()
        };
        self.number.fraction.trim_end_matches('0').len().max(zeros.unwrap_or(0))
    }

    fn closed(&self, mut text: String) -> String {
        if self.template.brackets {
            if self.number.negative {
                text.push('>');
            } else if self.template.filled {
                text.push(' ');
            }
        }
        text
    }
}

fn roman(number: &Digits) -> String {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let value = number.whole.parse::<u32>().ok().filter(|value| (1..4000).contains(value) && !number.negative);
    let Some(mut left) = value else { return "#".repeat(15) };
    let mut text = String::new();
    for (value, sign) in SIGNS {
        while value <= left {
            text.push_str(sign);
            left -= value;
        }
    }
    text
}
