//! Values in the form in which nearly all documents have them, read in one go.
//!
//! Each function takes a value whole or answers `None`, and then nothing is said of it: it may be written in a rarer form,
//! be of another type, or be wrong. What is taken here is what `coerce` would make of it, to the last bit.

use super::scan::Scanner;

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Below this every whole number is a double.
const EXACT_MAX: u64 = 1 << 53;

/// Digits that fit 64 bits whatever they are.
const DIGITS_MAX: usize = 18;

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);

/// A number without an exponent: its sign, its digits as a whole number, and how many of them stand after the point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digits {
    negative: bool,
    digits: u64,
    after_point: usize,
}

impl Digits {
    /// The number, if it is whole.
    #[inline]
    pub(super) fn whole(self) -> Option<i64> {
        // At most 18 digits.
        let digits = self.digits as i64;
        (self.after_point == 0).then_some(if self.negative { -digits } else { digits })
    }

    /// The nearest double: both operands are exact, so the one division rounds once.
    #[inline]
    pub(super) fn double(self) -> Option<f64> {
        if EXACT_MAX <= self.digits {
            return None;
        }
        let value = self.digits as f64 / EXACT_POWERS[self.after_point];
        Some(if self.negative { -value } else { value })
    }

    /// The number times ten to the `scale`, if it has no more places and no more than `precision` digits.
    #[inline]
    pub(super) fn unscaled(self, precision: u8, scale: i8) -> Option<i128> {
        let places = usize::try_from(scale).ok()?.checked_sub(self.after_point)?;
        let value = i128::from(self.digits).checked_mul(10_i128.checked_pow(u32::try_from(places).ok()?)?)?;
        let limit = 10_i128.checked_pow(u32::from(precision))?;
        (value < limit).then_some(if self.negative { -value } else { value })
    }
}

/// Where the characters of a string that stand for themselves end: at a quote, a backslash, a control character, or the
/// end of the bytes. Eight at a time.
#[inline]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    // The high bit of each byte of the result that is 0 in `word`; above the first such byte it may be wrong.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH_BITS;
    while let Some(chunk) = bytes.get(at..at + 8).and_then(|chunk| <[u8; 8]>::try_from(chunk).ok()) {
        let word = u64::from_le_bytes(chunk);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH_BITS;
        let found = control | zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
        at += 1;
    }
    at
}

/// Whether two texts of one length are the same. For names: most are shorter than a call is worth, so up to 16 bytes are
/// compared as two words, which overlap.
#[inline]
fn same(left: &[u8], right: &[u8]) -> bool {
    fn words<const N: usize>(text: &[u8]) -> Option<([u8; N], [u8; N])> {
        Some((*text.first_chunk::<N>()?, *text.last_chunk::<N>()?))
    }
    let (eight, four) = (words::<8>, words::<4>);
    match left.len() {
        0..4 => left.iter().zip(right).all(|(left, right)| left == right),
        4..8 => four(left).zip(four(right)).is_some_and(|((a, b), (c, d))| {
            (u32::from_ne_bytes(a) ^ u32::from_ne_bytes(c)) | (u32::from_ne_bytes(b) ^ u32::from_ne_bytes(d)) == 0
        }),
        8..=16 => eight(left).zip(eight(right)).is_some_and(|((a, b), (c, d))| {
            (u64::from_ne_bytes(a) ^ u64::from_ne_bytes(c)) | (u64::from_ne_bytes(b) ^ u64::from_ne_bytes(d)) == 0
        }),
        _ => left == right,
    }
}

impl<'a> Scanner<'a> {
    /// The next byte, if there is one.
    #[inline]
    pub(super) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Consumes these bytes if they are next.
    #[inline]
    pub(super) fn quick_take(&mut self, expected: &[u8]) -> bool {
        let there = self.text.as_bytes().get(self.at..self.at + expected.len()).is_some_and(|it| same(it, expected));
        self.at += if there { expected.len() } else { 0 };
        there
    }

    /// A string without escapes.
    #[inline]
    pub(super) fn quick_string(&mut self) -> Option<&'a str> {
        if self.byte() != Some(b'"') {
            return None;
        }
        let start = self.at + 1;
        let end = plain_end(self.text.as_bytes(), start);
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        Some(&self.text[start..end])
    }

    /// A number without an exponent, of at most 18 digits.
    #[inline(always)]
    pub(super) fn quick_number(&mut self) -> Option<Digits> {
        let bytes = self.text.as_bytes();
        let negative = bytes.get(self.at) == Some(&b'-');
        let start = self.at + usize::from(negative);
        let mut at = start;
        let mut digits = 0_u64;
        let mut point = None;
        loop {
            match bytes.get(at) {
                // Nineteen digits may wrap; they are refused below.
                Some(digit @ b'0'..=b'9') => digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')),
                Some(b'.') if point.is_none() => point = Some(at),
                Some(b'.' | b'e' | b'E') => return None,
                _ => break,
            }
            at += 1;
        }
        let whole_end = point.unwrap_or(at);
        let leading_zero = bytes[start..whole_end].starts_with(b"0") && 1 < whole_end - start;
        let after_point = point.map_or(0, |point| at - point - 1);
        let complete = start < whole_end && !leading_zero && (point.is_none() || 0 < after_point);
        if !complete || DIGITS_MAX < whole_end - start + after_point {
            return None;
        }
        self.at = at;
        Some(Digits { negative, digits, after_point })
    }

    /// `"2026-01-31"`, in days since 1970.
    #[inline]
    pub(super) fn quick_date(&mut self) -> Option<i32> {
        let text = self.text.as_bytes().get(self.at..self.at + 12)?;
        let [b'"', date @ .., b'"'] = text else { return None };
        let days = days(date)?;
        self.at += 12;
        i32::try_from(days).ok()
    }

    /// `"2026-01-31 13:05:00.25"`, also with `T` between and `Z` behind, in microseconds since 1970.
    #[inline]
    pub(super) fn quick_timestamp(&mut self) -> Option<i64> {
        let bytes = self.text.as_bytes();
        let text = bytes.get(self.at..self.at + 20)?;
        let (date, clock) = (&text[1..11], &text[12..20]);
        if text[0] != b'"' || !matches!(text[11], b' ' | b'T') || clock[2] != b':' || clock[5] != b':' {
            return None;
        }
        let (hour, minute, second) = (two_digits(clock, 0)?, two_digits(clock, 3)?, two_digits(clock, 6)?);
        if 24 <= hour || 60 <= minute || 60 <= second {
            return None;
        }
        let mut at = self.at + 20;
        let mut fraction = 0;
        if bytes.get(at) == Some(&b'.') {
            let start = at + 1;
            at = start;
            while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
                fraction = fraction * 10 + i64::from(digit - b'0');
                at += 1;
                if 6 < at - start {
                    return None;
                }
            }
            fraction *= [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1][at - start];
        }
        at += usize::from(bytes.get(at) == Some(&b'Z'));
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let days = days(date)?;
        self.at = at + 1;
        Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + fraction)
    }
}

#[inline]
fn two_digits(text: &[u8], at: usize) -> Option<i64> {
    let digit = |at: usize| text.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| i64::from(byte - b'0'));
    Some(digit(at)? * 10 + digit(at + 1)?)
}

/// Days since 1970 of `2026-01-31` in the Gregorian calendar, from the year 1 on.
#[inline]
fn days(date: &[u8]) -> Option<i64> {
    let year = two_digits(date, 0)? * 100 + two_digits(date, 2)?;
    let (month, day) = (two_digits(date, 5)?, two_digits(date, 8)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if date[4] != b'-' || date[7] != b'-' || year < 1 || day < 1 || length < day {
        return None;
    }
    // Years that begin in March end with the day that some of them have more.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468)
}
