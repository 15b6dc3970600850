//! Which documents hold which others.

use serde_json::Number;
use serde_json::Value;

/// Whether `whole @> part`: an object has all fields, an array all elements, in any order and as often as it likes; an array also
/// holds what is no collection.
pub(super) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Array(items), part) if !is_collection(part) => items.iter().any(|item| same(item, part)),
        _ => holds(whole, part),
    }
}

fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(fields), Value::Object(parts)) => {
            parts.iter().all(|(name, part)| fields.get(name).is_some_and(|value| holds(value, part)))
        }
        (Value::Array(items), Value::Array(parts)) => {
            parts.iter().all(|part| items.iter().any(|item| holds(item, part)))
        }
        (whole, part) => same(whole, part),
    }
}

fn is_collection(value: &Value) -> bool {
    matches!(value, Value::Object(_) | Value::Array(_))
}

/// Whether two that are no collections are one: of numbers the zeros behind the point do not count.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => digits(one) == digits(other),
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => false,
        (one, other) => one == other,
    }
}

fn digits(number: &Number) -> &str {
    let written = number.as_str();
    if written.contains('.') { written.trim_end_matches('0').trim_end_matches('.') } else { written }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_as_postgresql_does() {
        let value = |text: &str| serde_json::from_str::<Value>(text).expect("a document");
        for (whole, part, wanted) in [
            (r#"{"a":1,"b":2}"#, r#"{"b":2}"#, true),
            (r#"{"a":1,"b":2}"#, r#"{}"#, true),
            (r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"b":1}}"#, true),
            (r#"{"a":[1,2]}"#, r#"{"a":1}"#, false),
            ("[1,2,3]", "[3,1,1]", true),
            ("[1,[2,3]]", "[[3]]", true),
            ("[1,2]", "1", true),
            ("1", "[1]", false),
            ("[1.0]", "[1]", true),
            (r#"["a"]"#, r#""a""#, true),
            ("[]", "{}", false),
            ("null", "null", true),
        ] {
            assert_eq!(contains(&value(whole), &value(part)), wanted, "{whole} @> {part}");
        }
    }
}
