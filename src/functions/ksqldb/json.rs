//! JSON in texts: `EXTRACTJSONFIELD`, `IS_JSON_STRING`, `JSON_ARRAY_CONTAINS`, `JSON_ARRAY_LENGTH`.

use serde_json::Value;

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// * `extractjsonfield(text, path) -> text`: what stands at `$.a.b[0]`, a text as it is, all else as JSON; null for null and
///   where the path leads nowhere. 22032 for what is not JSON, 2203A for what is no path.
/// * `is_json_string(text) -> BOOLEAN`: null is none.
/// * `json_array_contains(text, value) -> BOOLEAN`: a null text gives null, what is no array contains nothing; a null value
///   is looked for too.
/// * `json_array_length(text) -> INT`: null for null and for what is no array.
pub static DEFINITIONS: [Definition; 4] = [
    Definition {
        name: "extractjsonfield",
        about: "What stands at a path such as '$.a.b[0]' of a text of JSON; NULL if there is nothing.",
        overloads: &[Overload { arguments: &[Type::Text, Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| extract(cells[0].text(), cells[1].text()).map(Answer::text),
    },
    Definition {
        name: "is_json_string",
        about: "Whether a text is JSON.",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Boolean }],
        nulls: Nulls::AreArguments,
        compute: |cells| Ok(Answer::Boolean(serde_json::from_str::<Value>(cells[0].text()).is_ok())),
    },
    Definition {
        name: "json_array_contains",
        about: "Whether a text of JSON is an array that has this value.",
        overloads: &[
            Overload { arguments: &[Type::Text, Type::Text], result: Type::Boolean },
            Overload { arguments: &[Type::Text, Type::Boolean], result: Type::Boolean },
            Overload { arguments: &[Type::Text, Type::BigInt], result: Type::Boolean },
            Overload { arguments: &[Type::Text, Type::Double], result: Type::Boolean },
        ],
        nulls: Nulls::AreArguments,
        compute: |cells| {
            Ok(match cells[0] {
                Cell::Text(text) => Answer::Boolean(elements(text).iter().flatten().any(|found| is(found, cells[1]))),
                _ => Answer::Null,
            })
        },
    },
    Definition {
        name: "json_array_length",
        about: "How many elements an array of JSON has; NULL if it is none.",
        overloads: &[
            Overload { arguments: &[Type::Text], result: Type::Int },
            Overload { arguments: &[Type::Json], result: Type::Int },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let count = elements(cells[0].text()).map(|elements| elements.len());
            Ok(Answer::int(count.and_then(|count| i64::try_from(count).ok())))
        },
    },
];

fn elements(text: &str) -> Option<Vec<Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Array(elements)) => Some(elements),
        _ => None,
    }
}

/// Whether an element is a value of the same kind: 1 is not 1.0.
fn is(element: &Value, wanted: Cell<'_>) -> bool {
    match (element, wanted) {
        (Value::Null, Cell::Null) => true,
        (Value::Bool(found), Cell::Boolean(wanted)) => *found == wanted,
        (Value::String(found), Cell::Text(wanted)) => found == wanted,
        (Value::Number(found), Cell::Int(wanted)) => found.as_i64() == Some(wanted),
        (Value::Number(found), Cell::Double(wanted)) => {
            !found.is_i64() && !found.is_u64() && found.as_f64() == Some(wanted)
        }
        _ => false,
    }
}

fn extract(text: &str, path: &str) -> Result<Option<String>, Error> {
    // What stands behind the first document is not looked at.
    let document = serde_json::Deserializer::from_str(text).into_iter::<Value>().next();
    let Some(Ok(document)) = document else {
        return Err(Error::new(SqlState("22032"), "invalid JSON text"));
    };
    let steps = steps(path).ok_or_else(|| {
        Error::new(SqlState("2203A"), format!("invalid JSON path: \"{path}\"")).hint("Write a path such as $.a.b[0].")
    })?;
    let mut found = &document;
    for step in &steps {
        let next = match found {
            Value::Array(elements) => step.parse::<usize>().ok().and_then(|place| elements.get(place)),
            other => other.get(step.as_str()),
        };
        match next {
            Some(next) => found = next,
            None => return Ok(None),
        }
    }
    Ok(Some(match found {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }))
}

/// The names and places of `$.name['name'][0]`.
fn steps(path: &str) -> Option<Vec<String>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(named) = rest.strip_prefix('.') {
            let (name, after) = named.split_at(named.find(['.', '[']).unwrap_or(named.len()));
            steps.push(name.to_owned());
            rest = after;
        } else {
            let (inner, after) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(inner.trim_matches(['\'', '"']).to_owned());
            rest = after;
        }
    }
    (!steps.iter().any(String::is_empty)).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_a_text() {
        let json = r#"{"a": {"b": [1.50, "x", null]}, "@t": true, "c d": {"e": []}} and more"#;
        for (path, found) in [
            ("$.a.b[0]", Some("1.50")),
            ("$.a.b[1]", Some("x")),
            ("$.a.b[2]", Some("null")),
            ("$.a.b[3]", None),
            ("$.a.b[-1]", None),
            ("$.a.b.c", None),
            ("$.@t", Some("true")),
            ("$['c d']", Some(r#"{"e":[]}"#)),
            ("$.z.y", None),
        ] {
            assert_eq!(extract(json, path).expect("JSON and a path").as_deref(), found, "{path}");
        }
        for (json, path) in [("{", "$.a"), ("", "$.a"), ("{}", "a"), ("{}", "$.a["), ("{}", "$..a")] {
            assert!(extract(json, path).is_err(), "{json} {path}");
        }
    }

    #[test]
    fn elements_are_of_a_kind() {
        let json = r#"["1", 2, 3.0, true, null]"#;
        let contains = |wanted| elements(json).iter().flatten().any(|element| is(element, wanted));
        for wanted in [Cell::Text("1"), Cell::Int(2), Cell::Double(3.0), Cell::Boolean(true), Cell::Null] {
            assert!(contains(wanted), "{wanted:?}");
        }
        for wanted in [Cell::Text("2"), Cell::Int(1), Cell::Int(3), Cell::Double(2.0), Cell::Boolean(false)] {
            assert!(!contains(wanted), "{wanted:?}");
        }
        assert_eq!(elements("{}"), None);
    }
}
