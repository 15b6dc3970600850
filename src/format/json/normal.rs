//! Documents as PostgreSQL takes them: `json` keeps its text, `jsonb` has one text for each value.
//!
//! The one form has the fields of an object by the length of their names and then by their bytes, of names that come twice the
//! last, a blank behind each comma and colon, and numbers without an exponent.

use serde_json::Number;
use serde_json::Value;

use super::encode::write_string;
use crate::format::FormatError;

/// PostgreSQL's bound of the digits of a number before its point, and of those behind it.
const DIGITS_MAX: (i64, i64) = (131_072, 16_383);

/// Whether a text is a document.
pub fn check(text: &str) -> Result<(), FormatError> {
    value(text).map(|_| ())
}

/// The one form of a document.
pub fn normal(text: &str) -> Result<String, FormatError> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8);
    write(&value(text)?, &mut out)?;
    Ok(String::from_utf8(out).expect("it is made of texts"))
}

/// The one form of a value that is a document's.
pub fn text_of(value: &Value) -> Result<String, FormatError> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(String::from_utf8(out).expect("it is made of texts"))
}

fn value(text: &str) -> Result<Value, FormatError> {
    serde_json::from_str(text).map_err(|error| FormatError::InvalidDocument { reason: error.to_string() })
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), FormatError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Number(number) => out.extend_from_slice(plain(number)?.as_bytes()),
        Value::String(text) => write_text(text, out)?,
        Value::Array(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                out.extend_from_slice(if place == 0 { b"" } else { b", " });
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by(|(one, _), (other, _)| (one.len(), one).cmp(&(other.len(), other)));
            out.push(b'{');
            for (place, (name, value)) in fields.into_iter().enumerate() {
                out.extend_from_slice(if place == 0 { b"" } else { b", " });
                write_text(name, out)?;
                out.extend_from_slice(b": ");
                write(value, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// PostgreSQL's texts have no character of the number 0.
fn write_text(text: &str, out: &mut Vec<u8>) -> Result<(), FormatError> {
    if text.contains('\0') {
        return Err(FormatError::UnsupportedEscape);
    }
    write_string(text, out);
    Ok(())
}

/// A number as `numeric` prints it: without an exponent, and of zeros none with a sign.
fn plain(number: &Number) -> Result<String, FormatError> {
    let written = number.as_str();
    let (mantissa, exponent) = written.split_once(['e', 'E']).unwrap_or((written, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let overflow = || FormatError::NumberOverflow;
    let exponent: i64 = exponent.parse().map_err(|_| overflow())?;
    let digits = format!("{whole}{fraction}");
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let point = length(whole).checked_add(exponent).ok_or_else(overflow)?;
    let scale = length(fraction).saturating_sub(exponent).max(0);
    if DIGITS_MAX.0 < point || DIGITS_MAX.1 < scale {
        return Err(overflow());
    }
    let padded = match usize::try_from(point) {
        Ok(point) => format!("{digits}{}", "0".repeat(point.saturating_sub(digits.len()))),
        Err(_) => format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
    };
    let (whole, fraction) = padded.split_at(usize::try_from(point).unwrap_or(0));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let is_zero = padded.bytes().all(|digit| digit == b'0');
    let sign = if is_zero { "" } else { sign };
    Ok(match fraction {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_one_form() {
        for (text, wanted) in [
            (r#" { "bb":1, "a":2,"c" : [1,2 , {}] } "#, r#"{"a": 2, "c": [1, 2, {}], "bb": 1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a": 2}"#),
            (r#""\u00e9\/\n\u0001""#, "\"é/\\n\\u0001\""),
            ("[]", "[]"),
            ("1e2", "100"),
            ("1.50", "1.50"),
            ("1.5e1", "15"),
            ("12.5e-3", "0.0125"),
            ("-0", "0"),
            ("-0.0", "0.0"),
            ("0e5", "0"),
            ("-1.25E+1", "-12.5"),
            ("12345678901234567890123456789.5", "12345678901234567890123456789.5"),
        ] {
            assert_eq!(normal(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["", "{", "{a:1}", "[1,]", "01", "'a'", "1 2", "\"\\ud83d\""] {
            assert!(matches!(normal(text), Err(FormatError::InvalidDocument { .. })), "{text}");
            assert!(check(text).is_err(), "{text}");
        }
        assert_eq!(normal("\"\\u0000\""), Err(FormatError::UnsupportedEscape));
        assert_eq!(normal("1e200000"), Err(FormatError::NumberOverflow));
        assert_eq!(normal("1e99999999999999999999"), Err(FormatError::NumberOverflow));
        assert!(check("\"\\u0000\"").is_ok());
    }
}
