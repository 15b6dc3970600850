//! `JSON_CONCAT(json, ..)`: documents put together as PostgreSQL's `||` does it.

use serde_json::Value;

use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

/// `json_concat(text, ..) -> text`; null for a null argument and for what is no JSON.
pub static DEFINITIONS: [Definition; 1] = [Definition {
    name: "json_concat",
    about: "Objects become one, in which the last value of a field counts; all else becomes one array. NULL if one is no JSON.",
    overloads: &[Overload { arguments: &[Type::Texts], result: Type::Text }],
    nulls: Nulls::GiveNull,
    compute: |cells| {
        let documents = cells.iter().map(|cell| serde_json::from_str::<Value>(cell.text()).ok());
        let whole = documents.collect::<Option<Vec<Value>>>();
        Ok(Answer::text(whole.and_then(|all| all.into_iter().reduce(joined)).map(|whole| whole.to_string())))
    },
}];

fn joined(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Object(mut left), Value::Object(right)) => {
            left.extend(right);
            Value::Object(left)
        }
        (left, right) => Value::Array(items(left).into_iter().chain(items(right)).collect()),
    }
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        other => vec![other],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::rowwise::Cell;

    #[test]
    fn documents_are_joined_as_postgresql_joins_them() {
        for (documents, whole) in [
            (&["{\"a\":1,\"b\":2}", "{\"b\":3}"][..], Some("{\"a\":1,\"b\":3}")),
            (&["[1,2]", "3", "[[4]]"], Some("[1,2,3,[4]]")),
            (&["{\"a\":1}", "[2]"], Some("[{\"a\":1},2]")),
            (&["1", "null"], Some("[1,null]")),
            (&["1.50"], Some("1.50")),
            (&["1", "{"], None),
        ] {
            let cells: Vec<Cell<'_>> = documents.iter().map(|text| Cell::Text(text)).collect();
            assert_eq!((DEFINITIONS[0].compute)(&cells).expect("an answer"), Answer::text(whole), "{documents:?}");
        }
    }
}
