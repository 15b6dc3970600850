//! Whether a record is the one that a case wants.
//!
//! Objects have the same number of fields, found by exact name or upper-cased; whole numbers are equal exactly, others
//! within a millionth; a text may stand for a number; null is nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::case::RecordNode;
use super::record::RawOutput;
use super::record::Shown;

const DOUBLE_TOLERANCE: f64 = 1e-6;

/// Says what differs.
pub(super) fn record(expected: &RecordNode, shown: &Shown, output: &RawOutput, any_zero: bool) -> Result<(), String> {
    if let Some(window) = &expected.window {
        match shown.window {
            Some((start, end)) if start == window.start && end == window.end => (),
            found => {
                return Err(format!("window: wanted {}..{}, got {found:?}", window.start, window.end));
            }
        }
    }
    value(&expected.key, &shown.key).map_err(|reason| format!("key: {reason}"))?;
    value(&expected.value, &shown.value).map_err(|reason| format!("value: {reason}"))?;
    match expected.timestamp {
        Some(timestamp) if timestamp != output.timestamp && !(timestamp == 0 && any_zero) => {
            return Err(format!("timestamp: wanted {timestamp}, got {}", output.timestamp));
        }
        _ => (),
    }
    headers(expected, output)
}

fn headers(expected: &RecordNode, output: &RawOutput) -> Result<(), String> {
    let found: Vec<(String, Option<String>)> = output
        .headers
        .iter()
        .map(|(key, value)| (key.clone(), value.as_ref().map(|value| STANDARD.encode(value))))
        .collect();
    let wanted: Vec<(String, Option<String>)> =
        expected.headers.iter().map(|header| (header.key.clone(), header.value.clone())).collect();
    if wanted == found { Ok(()) } else { Err(format!("headers: wanted {wanted:?}, got {found:?}")) }
}

/// Says what differs between two values.
pub(super) fn value(expected: &Value, found: &Value) -> Result<(), String> {
    let differs = || Err(format!("wanted {expected}, got {found}"));
    let same = match (expected, found) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(expected), Value::Bool(found)) => expected == found,
        (Value::Number(expected), Value::Number(found)) => same_number(&expected.to_string(), &found.to_string()),
        (Value::String(expected), Value::String(found)) => expected == found,
        (Value::String(text), Value::Number(number)) | (Value::Number(number), Value::String(text)) => {
            same_number(text, &number.to_string())
        }
        (Value::String(text), Value::Bool(truth)) | (Value::Bool(truth), Value::String(text)) => {
            text.eq_ignore_ascii_case(&truth.to_string())
        }
        (Value::Array(expected), Value::Array(found)) => {
            if expected.len() != found.len() {
                return differs();
            }
            for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                value(expected, found).map_err(|reason| format!("[{at}]: {reason}"))?;
            }
            true
        }
        (Value::Object(expected), Value::Object(found)) => {
            if expected.len() != found.len() {
                return differs();
            }
            for (name, expected) in expected {
                let found = found.get(name).or_else(|| found.get(&name.to_uppercase())).unwrap_or(&Value::Null);
                value(expected, found).map_err(|reason| format!("{name}: {reason}"))?;
            }
            true
        }
        _ => false,
    };
    if same { Ok(()) } else { differs() }
}

fn same_number(expected: &str, found: &str) -> bool {
    if expected == found {
        return true;
    }
    // A double ends in no zero but that of `.0`; what does is a decimal, whose digits are counted.
    let is_decimal = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte))
            && text.split_once('.').is_some_and(|(_, digits)| 1 < digits.len() && digits.ends_with('0'))
    };
    if is_decimal(found) {
        return false;
    }
    match (expected.parse::<i128>(), found.parse::<i128>()) {
        (Ok(expected), Ok(found)) => expected == found,
        _ => match (expected.parse::<f64>(), found.parse::<f64>()) {
            (Ok(expected), Ok(found)) => (expected - found).abs() < DOUBLE_TOLERANCE,
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn values_are_compared_by_structure() {
        for (expected, found) in [
            (json!({"a": 1, "B": [1, 2.5]}), json!({"A": 1, "B": [1, 2.500_000_1]})),
            (parsed("\"1.50\""), parsed("1.50")),
            (json!({"a": null}), json!({"a": null})),
            (parsed("12.30"), parsed("12.3")),
            (parsed("3"), parsed("3.0")),
        ] {
            assert_eq!(value(&expected, &found), Ok(()));
        }
        for (expected, found) in [
            (json!(1), json!(2)),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64)),
            (json!({"a": 1}), json!({"a": 1, "b": null})),
            (json!(null), json!("")),
            (json!([1]), json!([1, 1])),
            (json!("a"), json!("A")),
            (parsed("12.3"), parsed("12.30")),
            (parsed("3"), parsed("3.00")),
        ] {
            assert!(value(&expected, &found).is_err(), "{expected} {found}");
        }
    }
}
