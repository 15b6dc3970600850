//! JSONB made of other JSONB: joined, without parts, with parts set.

use serde_json::Value;

use super::compare::contains;
use super::read::path;
use crate::error::Error;
use crate::error::SqlState;
use crate::format::text_of_document;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Cell;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

type Computed = Result<Answer, Error>;

/// All of them.
pub(super) static DEFINITIONS: [Definition; 11] = [
    Definition {
        name: "__jsonb_contains",
        about: "",
        overloads: &[Overload { arguments: &[Type::Jsonb, Type::Jsonb], result: Type::Boolean }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Boolean(contains(&value(cells[0])?, &value(cells[1])?))),
    },
    Definition {
        name: "jsonb_exists",
        about: "Whether an object has a field of a name, or an array an element that is this text.",
        overloads: &[Overload { arguments: &[Type::Jsonb, Type::Text], result: Type::Boolean }],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Boolean(has(&value(cells[0])?, cells[1].text()))),
    },
    Definition {
        name: "jsonb_exists_any",
        about: "Whether an object has a field of one of the names, or an array an element that is one of the texts.",
        overloads: &[Overload { arguments: &[Type::Jsonb, Type::TextArray], result: Type::Boolean }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let (whole, names) = (value(cells[0])?, path(cells[1])?);
            Ok(Answer::Boolean(names.iter().flatten().any(|name| has(&whole, name))))
        },
    },
    Definition {
        name: "jsonb_exists_all",
        about: "Whether an object has fields of all names, or an array elements that are all the texts.",
        overloads: &[Overload { arguments: &[Type::Jsonb, Type::TextArray], result: Type::Boolean }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let (whole, names) = (value(cells[0])?, path(cells[1])?);
            Ok(Answer::Boolean(names.iter().flatten().all(|name| has(&whole, name))))
        },
    },
    Definition {
        name: "__jsonb_join",
        about: "",
        overloads: &[Overload { arguments: &[Type::Jsonb, Type::Jsonb], result: Type::Jsonb }],
        nulls: Nulls::GiveNull,
        compute: |cells| answer(&joined(value(cells[0])?, value(cells[1])?)),
    },
    Definition {
        name: "__jsonb_without",
        about: "",
        overloads: &[
            Overload { arguments: &[Type::Jsonb, Type::Text], result: Type::Jsonb },
            Overload { arguments: &[Type::Jsonb, Type::BigInt], result: Type::Jsonb },
            Overload { arguments: &[Type::Jsonb, Type::TextArray], result: Type::Jsonb },
        ],
        nulls: Nulls::GiveNull,
        compute: without,
    },
    Definition {
        name: "__jsonb_without_path",
        about: "",
        overloads: &[Overload { arguments: &[Type::Jsonb, Type::TextArray], result: Type::Jsonb }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let mut whole = value(cells[0])?;
            refuse_scalar(&whole, "delete path in")?;
            remove(&mut whole, &steps(cells[1])?)?;
            answer(&whole)
        },
    },
    Definition {
        name: "jsonb_set",
        about: "A document with the part at a path set; with false at the end only if there is one.",
        overloads: &[
            Overload { arguments: &[Type::Jsonb, Type::TextArray, Type::Jsonb], result: Type::Jsonb },
            Overload { arguments: &[Type::Jsonb, Type::TextArray, Type::Jsonb, Type::Boolean], result: Type::Jsonb },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let mut whole = value(cells[0])?;
            refuse_scalar(&whole, "set path in")?;
            let how = match cells.get(3) {
                Some(Cell::Boolean(false)) => Put::Replace,
                _ => Put::ReplaceOrAdd,
            };
            put(&mut whole, &steps(cells[1])?, value(cells[2])?, how)?;
            answer(&whole)
        },
    },
    Definition {
        name: "jsonb_insert",
        about: "A document with one more element or field at a path; with true at the end behind the element that is there.",
        overloads: &[
            Overload { arguments: &[Type::Jsonb, Type::TextArray, Type::Jsonb], result: Type::Jsonb },
            Overload { arguments: &[Type::Jsonb, Type::TextArray, Type::Jsonb, Type::Boolean], result: Type::Jsonb },
        ],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let mut whole = value(cells[0])?;
            refuse_scalar(&whole, "set path in")?;
            let how = match cells.get(3) {
                Some(Cell::Boolean(true)) => Put::Behind,
                _ => Put::Before,
            };
            put(&mut whole, &steps(cells[1])?, value(cells[2])?, how)?;
            answer(&whole)
        },
    },
    Definition {
        name: "jsonb_strip_nulls",
        about: "A document without the fields that are null.",
        overloads: &[Overload { arguments: &[Type::Jsonb], result: Type::Jsonb }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let mut whole = value(cells[0])?;
            strip_nulls(&mut whole);
            answer(&whole)
        },
    },
    Definition {
        name: "jsonb_pretty",
        about: "A document as an indented text.",
        overloads: &[Overload { arguments: &[Type::Jsonb], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let mut out = String::new();
            pretty(&value(cells[0])?, 0, &mut out)?;
            Ok(Answer::Text(out))
        },
    },
];

/// How a part is put to its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    Replace,
    ReplaceOrAdd,
    Before,
    Behind,
}

pub(super) fn value(cell: Cell<'_>) -> Result<Value, Error> {
    serde_json::from_str(cell.text()).map_err(|error| Error::internal("a kept document that is none").caused_by(error))
}

fn answer(value: &Value) -> Computed {
    Ok(Answer::Text(text_of_document(value)?))
}

fn refused(message: String) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn refuse_scalar(value: &Value, what: &str) -> Result<(), Error> {
    match value {
        Value::Object(_) | Value::Array(_) => Ok(()),
        _ => Err(refused(format!("cannot {what} scalar"))),
    }
}

fn has(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key(name),
        Value::Array(items) => items.iter().any(|item| item.as_str() == Some(name)),
        Value::String(text) => text == name,
        _ => false,
    }
}

/// Two objects as one, whose fields are the second's where both have them; anything else as one array.
fn joined(one: Value, other: Value) -> Value {
    let items = |value| match value {
        Value::Array(items) => items,
        other => vec![other],
    };
    match (one, other) {
        (Value::Object(mut fields), Value::Object(others)) => {
            fields.extend(others);
            Value::Object(fields)
        }
        (one, other) => Value::Array(items(one).into_iter().chain(items(other)).collect()),
    }
}

fn without(cells: &[Cell<'_>]) -> Computed {
    let mut whole = value(cells[0])?;
    refuse_scalar(&whole, "delete from")?;
    let names = match cells[1] {
        Cell::Int(place) => {
            let Value::Array(items) = &mut whole else {
                return Err(refused("cannot delete from object using integer index".to_owned()));
            };
            if let Some(place) = place_of(place, items.len()) {
                items.remove(place);
            }
            return answer(&whole);
        }
        Cell::Text(name) => vec![Some(name.to_owned())],
        names => path(names)?,
    };
    for name in names.iter().flatten() {
        match &mut whole {
            Value::Object(fields) => {
                fields.shift_remove(name);
            }
            Value::Array(items) => items.retain(|item| item.as_str() != Some(name)),
            _ => {}
        }
    }
    answer(&whole)
}

/// The steps of a path, none of which may be NULL.
fn steps(cell: Cell<'_>) -> Result<Vec<String>, Error> {
    let all = path(cell)?;
    let null = all.iter().position(Option::is_none);
    match null {
        Some(at) => {
            let message = format!("path element at position {} is null", at + 1);
            Err(Error::new(SqlState("22004"), message))
        }
        None => Ok(all.into_iter().flatten().collect()),
    }
}

/// The place of an array's element, told from its end below 0.
fn place_of(place: i64, length: usize) -> Option<usize> {
    let length_known = i64::try_from(length).ok()?;
    let place = if place < 0 { place + length_known } else { place };
    usize::try_from(place).ok().filter(|place| *place < length)
}

fn integer(step: &str, position: usize) -> Result<i64, Error> {
    step.trim().parse().map_err(|_| {
        let message = format!("path element at position {position} is not an integer: \"{step}\"");
        Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
    })
}

fn remove(value: &mut Value, steps: &[String]) -> Result<(), Error> {
    let mut value = value;
    for (at, step) in steps.iter().enumerate() {
        let is_last = at + 1 == steps.len();
        let next = match value {
            Value::Object(fields) if is_last => {
                fields.shift_remove(step);
                None
            }
            Value::Object(fields) => fields.get_mut(step),
            Value::Array(items) => {
                let place = place_of(integer(step, at + 1)?, items.len());
                match (place, is_last) {
                    (Some(place), true) => {
                        items.remove(place);
                        None
                    }
                    (Some(place), false) => items.get_mut(place),
                    (None, _) => None,
                }
            }
            _ => None,
        };
        let Some(next) = next else { return Ok(()) };
        value = next;
    }
    Ok(())
}

fn put(value: &mut Value, steps: &[String], new: Value, how: Put) -> Result<(), Error> {
    let Some((last, before)) = steps.split_last() else { return Ok(()) };
    let mut value = value;
    for (at, step) in before.iter().enumerate() {
        let next = match value {
            Value::Object(fields) => fields.get_mut(step),
            Value::Array(items) => place_of(integer(step, at + 1)?, items.len()).and_then(|place| items.get_mut(place)),
            _ => None,
        };
        let Some(next) = next else { return Ok(()) };
        value = next;
    }
    match value {
        Value::Object(fields) => match (fields.contains_key(last), how) {
            (true, Put::Before | Put::Behind) => {
                return Err(refused("cannot replace existing key".to_owned())
                    .hint("Try using the function jsonb_set to replace key value."));
            }
            (false, Put::Replace) => {}
            _ => {
                fields.insert(last.clone(), new);
            }
        },
        Value::Array(items) => put_item(items, integer(last, steps.len())?, new, how),
        _ => {}
    }
    Ok(())
}

/// One before the first or behind the last is added at that end.
fn put_item(items: &mut Vec<Value>, place: i64, new: Value, how: Put) {
    match (place_of(place, items.len()), how) {
        (Some(place), Put::Replace | Put::ReplaceOrAdd) => items[place] = new,
        (Some(place), Put::Before) => items.insert(place, new),
        (Some(place), Put::Behind) => items.insert(place + 1, new),
        (None, Put::Replace) => {}
        (None, _) if place < 0 => items.insert(0, new),
        (None, _) => items.push(new),
    }
}

/// Takes away the fields that are null, at any depth.
pub(super) fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

/// A line for each part, four blanks deeper than what it is in.
fn pretty(value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("    ", depth));
    };
    match value {
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { "," });
                line(out, depth + 1);
                pretty(item, depth + 1, out)?;
            }
            line(out, depth);
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (place, (name, value)) in fields.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { "," });
                line(out, depth + 1);
                out.push_str(&text_of_document(&Value::from(name.as_str()))?);
                out.push_str(": ");
                pretty(value, depth + 1, out)?;
            }
            line(out, depth);
            out.push('}');
        }
        scalar => out.push_str(&text_of_document(scalar)?),
    }
    Ok(())
}
