//! Numbers as text, exactly: decimals never pass through a double.

use crate::model::decimal_precision;

/// Why a text is not the number wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberError {
    /// It is not a number.
    Syntax,
    /// It is one that the type cannot hold.
    Range,
}

/// What to do with digits after the last place that the type keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// Digits other than zero are an error.
    Refuse,
    /// Round to nearest, halves away from zero, as PostgreSQL's `numeric` does.
    Round,
    /// Leave them off, as Java's `intValue` does.
    Truncate,
}

/// The most digits that a decimal has.
const DIGITS_MAX: u8 = 38;

/// More digits than any type of ours can need; bounds the work that a text can ask for.
const EXPONENT_MAX: i64 = 400;

struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

fn split(text: &str) -> Option<Parts<'_>> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        None => (rest, 0),
        Some(at) => {
            let digits = rest[at + 1..].strip_prefix(['+', '-']).unwrap_or(&rest[at + 1..]);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            // An exponent that does not fit is out of every range, or the number is zero: both end at the cap.
            let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(i64::from(u32::MAX));
            (&rest[..at], if rest[at + 1..].starts_with('-') { -size } else { size })
        }
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    ((!whole.is_empty() || !fraction.is_empty()) && digits(whole) && digits(fraction)).then_some(Parts {
        negative,
        whole,
        fraction,
        exponent,
    })
}

/// The number times ten to the `scale`, at most 38 digits of it.
pub(super) fn unscaled(text: &str, scale: i8, excess: Excess) -> Result<i128, NumberError> {
    let parts = split(text).ok_or(NumberError::Syntax)?;
    let digits = parts.whole.bytes().chain(parts.fraction.bytes());
    // How many of the digits stand before the place that the result's last digit has.
    let kept = parts.whole.len() as i64 + parts.exponent + i64::from(scale);
    let mut value = 0_i128;
    let mut rounds_up = false;
    let total = (parts.whole.len() + parts.fraction.len()) as i64;
    for (place, digit) in (0_i64..).zip(digits) {
        let digit = i128::from(digit - b'0');
        if place < kept {
            value = shifted(value)?.checked_add(digit).ok_or(NumberError::Range)?;
        } else if digit != 0 && excess == Excess::Refuse {
            return Err(NumberError::Range);
        } else if place == kept {
            rounds_up = 5 <= digit && excess == Excess::Round;
        }
    }
    if value != 0 && EXPONENT_MAX < kept - total {
        return Err(NumberError::Range);
    }
    for _ in total..if value == 0 { total } else { kept } {
        value = shifted(value)?;
    }
    let value = value + i128::from(rounds_up);
    Ok(if parts.negative { -value } else { value })
}

fn shifted(value: i128) -> Result<i128, NumberError> {
    value.checked_mul(10).filter(|value| *value < 10_i128.pow(38)).ok_or(NumberError::Range)
}

/// A decimal of this precision and scale, unscaled.
pub(super) fn decimal(text: &str, precision: u8, scale: i8, excess: Excess) -> Result<i128, NumberError> {
    let value = unscaled(text, scale, excess)?;
    if 10_u128.pow(u32::from(precision)) <= value.unsigned_abs() {
        return Err(NumberError::Range);
    }
    Ok(value)
}

/// Why a text is not a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalFault {
    /// It is not a number.
    Syntax,
    /// It has more digits before the point than the type.
    Range,
}

/// The unscaled decimal of a text, rounded to its scale, halves away from zero.
pub fn decimal_of_text(text: &str, precision: u8, scale: i8) -> Result<i128, DecimalFault> {
    decimal(text, precision, scale, Excess::Round).map_err(|error| match error {
        NumberError::Syntax => DecimalFault::Syntax,
        NumberError::Range => DecimalFault::Range,
    })
}

/// A decimal with all the digits that its text has: unscaled, its precision, its scale.
pub(super) fn exact_decimal(text: &str) -> Result<(i128, u8, i8), NumberError> {
    let parts = split(text).ok_or(NumberError::Syntax)?;
    let places = i64::try_from(parts.fraction.len()).map_err(|_| NumberError::Range)? - parts.exponent;
    // Zeros at the end say nothing of the value; they are kept while there is room.
    let scale = places.clamp(0, i64::from(DIGITS_MAX));
    let scale = i8::try_from(scale).map_err(|_| NumberError::Range)?;
    let mut value = unscaled(text, scale, Excess::Refuse);
    let mut kept = scale;
    while value == Err(NumberError::Range) && 0 < kept {
        kept -= 1;
        value = unscaled(text, kept, Excess::Refuse);
    }
    let value = value?;
    Ok((value, decimal_precision(value, kept), kept))
}

/// A whole number.
pub(super) fn whole(text: &str, excess: Excess) -> Result<i64, NumberError> {
    if let Ok(value) = text.parse::<i64>() {
        return Ok(value);
    }
    i64::try_from(unscaled(text, 0, excess)?).map_err(|_| NumberError::Range)
}

/// A double; the words `NaN`, `Infinity` and `inf` in any case, with a sign.
pub(super) fn double(text: &str) -> Result<f64, NumberError> {
    let value: f64 = text.parse().map_err(|_| NumberError::Syntax)?;
    // A number too large for a double is an error in PostgreSQL; only the word gives infinity.
    if value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(NumberError::Range);
    }
    Ok(value)
}

/// The digits of an unscaled decimal, with its point, appended to `out`.
pub(super) fn write_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = value.unsigned_abs().to_string();
    if scale <= 0 {
        out.extend_from_slice(digits.as_bytes());
        if value != 0 {
            out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
        }
        return;
    }
    let scale = usize::from(scale.unsigned_abs());
    if digits.len() <= scale {
        digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
    }
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    out.extend_from_slice(whole.as_bytes());
    out.push(b'.');
    out.extend_from_slice(fraction.as_bytes());
}

/// A double as Java's `Double.toString` gives it: `1.0`, `1.0E10`, `1.0E-5`, shortest digits.
pub fn java_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-Infinity" } else { "Infinity" }.to_owned();
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => text,
    }
}

/// A double as PostgreSQL 12 and later prints it: shortest digits that read back, `1e+15` from 15 digits on.
pub(super) fn write_double(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value < 0.0 { b"-Infinity" } else { b"Infinity" });
    }
    if value == 0.0 {
        return out.extend_from_slice(if value.is_sign_negative() { b"-0" } else { b"0" });
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("Rust writes an exponent with {:e}");
    let exponent: i32 = exponent.parse().expect("Rust writes a whole exponent");
    if (-4..15).contains(&exponent) {
        out.extend_from_slice(format!("{value}").as_bytes());
        return;
    }
    out.extend_from_slice(mantissa.as_bytes());
    out.extend_from_slice(format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_refused() {
        assert_eq!(decimal("12.50", 12, 2, Excess::Refuse), Ok(1250));
        assert_eq!(decimal("12.5", 12, 2, Excess::Refuse), Ok(1250));
        assert_eq!(decimal("12.500", 12, 2, Excess::Refuse), Ok(1250));
        assert_eq!(decimal("1.25e1", 12, 2, Excess::Refuse), Ok(1250));
        assert_eq!(decimal("-125e-1", 12, 2, Excess::Refuse), Ok(-1250));
        assert_eq!(decimal("12.501", 12, 2, Excess::Refuse), Err(NumberError::Range));
        assert_eq!(decimal("12.505", 12, 2, Excess::Round), Ok(1251));
        assert_eq!(decimal("-12.505", 12, 2, Excess::Round), Ok(-1251));
        assert_eq!(decimal("0.005", 12, 2, Excess::Round), Ok(1));
        assert_eq!(decimal("0.0005", 12, 2, Excess::Round), Ok(0));
        assert_eq!(decimal("100.00", 4, 2, Excess::Refuse), Err(NumberError::Range));
        assert_eq!(decimal("99.995", 4, 2, Excess::Round), Err(NumberError::Range));
        assert_eq!(decimal("1e400000000000000", 4, 2, Excess::Round), Err(NumberError::Range));
        assert_eq!(decimal("0e99", 4, 2, Excess::Refuse), Ok(0));
        for bad in ["", ".", "-", "1e", "1.2.3", "0x1", "NaN", "1 ", "١"] {
            assert_eq!(decimal(bad, 4, 2, Excess::Round), Err(NumberError::Syntax), "{bad}");
        }
    }

    #[test]
    fn a_decimal_keeps_all_its_digits_or_is_refused() {
        let digits = "0.12345678901234567890123456789012345678";
        for (text, exact) in [
            ("0", (0, 1, 0)),
            ("-1.50", (-150, 3, 2)),
            ("1e3", (1000, 4, 0)),
            ("1.5E-3", (15, 4, 4)),
            ("0.001", (1, 3, 3)),
            (digits, (12_345_678_901_234_567_890_123_456_789_012_345_678, 38, 38)),
            ("99999999999999999999999999999999999999", (10_i128.pow(38) - 1, 38, 0)),
            (
                "12345678901234567890.1234567890123456780000",
                (12_345_678_901_234_567_890_123_456_789_012_345_678, 38, 18),
            ),
        ] {
            assert_eq!(exact_decimal(text), Ok(exact), "{text}");
        }
        for text in ["1e38", "1.12345678901234567890123456789012345678", "1e-39", "1e400000000000"] {
            assert_eq!(exact_decimal(text), Err(NumberError::Range), "{text}");
        }
        assert_eq!(exact_decimal("NaN"), Err(NumberError::Syntax));
    }

    #[test]
    fn whole_numbers_take_integral_texts() {
        assert_eq!(whole("-9223372036854775808", Excess::Refuse), Ok(i64::MIN));
        assert_eq!(whole("9223372036854775808", Excess::Refuse), Err(NumberError::Range));
        assert_eq!(whole("1e3", Excess::Refuse), Ok(1000));
        assert_eq!(whole("1.9", Excess::Refuse), Err(NumberError::Range));
        assert_eq!(whole("-1.9", Excess::Truncate), Ok(-1));
    }

    #[test]
    fn doubles_are_printed_as_postgresql_and_java_do() {
        let postgres = |value| {
            let mut out = Vec::new();
            write_double(value, &mut out);
            String::from_utf8(out).expect("ascii")
        };
        for (value, text, java) in [
            (1.0, "1", "1.0"),
            (-0.0, "-0", "-0.0"),
            (0.1, "0.1", "0.1"),
            (1e14, "100000000000000", "1.0E14"),
            (1e15, "1e+15", "1.0E15"),
            (123456789012345680.0, "1.2345678901234568e+17", "1.2345678901234568E17"),
            (1e-4, "0.0001", "1.0E-4"),
            (1e-5, "1e-05", "1.0E-5"),
            (1e7, "10000000", "1.0E7"),
            (f64::NAN, "NaN", "NaN"),
            (f64::NEG_INFINITY, "-Infinity", "-Infinity"),
            (1e300, "1e+300", "1.0E300"),
        ] {
            assert_eq!(postgres(value), text);
            assert_eq!(java_double(value), java);
        }
    }

    #[test]
    fn decimals_are_printed_with_their_scale() {
        for (value, scale, text) in [(5, 2, "0.05"), (-1250, 2, "-12.50"), (7, 0, "7"), (0, 3, "0.000")] {
            let mut out = Vec::new();
            write_decimal(value, scale, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }
}
