//! Texts that become arrays and maps: `SPLIT`, `REGEXP_SPLIT_TO_ARRAY`, `REGEXP_EXTRACT_ALL`, `JSON_ITEMS`, `JSON_KEYS`,
//! `JSON_RECORDS`, and `GENERATE_SERIES`.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BinaryArray;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::Result;
use regex::Regex;
use serde_json::Value;

use super::definition::Definition;
use super::definition::Picks;
use super::definition::Types;
use super::definition::failed;
use super::definition::list_of;
use super::definition::map_of;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::java_regex;
use crate::functions::posix_regex::Pattern;

/// The most elements that `generate_series` gives for a row.
const SERIES_MAX: i64 = 1_000_000;

/// * `split(text, delimiter) -> ARRAY<text>`, also of bytes: empty parts are kept; an empty delimiter splits all.
/// * `regexp_split_to_array(text, pattern [, flags]) -> ARRAY<text>`; under ksqlDB's rules empty matches are Java's.
/// * `regexp_match(text, pattern [, flags]) -> ARRAY<text>`: null for a group that finds nothing.
/// * `regexp_extract_all(pattern, text [, group]) -> ARRAY<text>`: null for a group that the pattern has not.
/// * `json_items(text) -> ARRAY<text>`, `json_keys(text) -> ARRAY<text>`, `json_records(text) -> MAP<text, text>`: null for
///   what is no JSON of that kind.
/// * `generate_series(first, last [, step]) -> ARRAY`: 22023 for a step of 0 or away from `last`; 54000 for more than
///   1,000,000 elements.
///
/// All give null for a null argument.
pub(super) static DEFINITIONS: [Definition; 9] = [
    Definition {
        name: "split",
        usage: "split(text, text) -> text[]\nsplit(bytea, bytea) -> bytea[]",
        about: "The parts between delimiters; an empty delimiter splits everywhere.",
        types: split_types,
        compute: split,
    },
    Definition {
        name: "regexp_split_to_array",
        usage: "regexp_split_to_array(text, text [, flags text]) -> text[]",
        about: "The parts between matches of a pattern.",
        types: with_flags,
        compute: |arrays, rows, of| {
            lists(rows, of, |row| {
                let [text, pattern] = texts(arrays, row)?;
                let pattern = Pattern::of(pattern, flags(arrays, row)?).map_err(failed);
                Some(pattern.map(|pattern| pattern.parts(text)))
            })
        },
    },
    Definition {
        name: "regexp_match",
        usage: "regexp_match(text, pattern text [, flags text]) -> text[]",
        about: "What the groups of a pattern find where it is found first, or all that it finds there; NULL if it finds nothing.",
        types: with_flags,
        compute: |arrays, rows, of| {
            open_lists(rows, of, |row| {
                let [text, pattern] = texts(arrays, row)?;
                let pattern = match Pattern::of(pattern, flags(arrays, row)?) {
                    Ok(pattern) => pattern,
                    Err(error) => return Some(Err(failed(error))),
                };
                let found = pattern.regex.captures(text)?;
                let first = if 1 < found.len() { 1 } else { 0 };
                let group = |at: usize| found.get(at).map(|group| group.as_str().to_owned());
                Some(Ok((first..found.len()).map(group).collect()))
            })
        },
    },
    Definition {
        name: "__ksql_regexp_split_to_array",
        usage: "regexp_split_to_array(text, text) -> text[]",
        about: "The parts between matches of a pattern, as Java splits.",
        types: |arguments| text_types(arguments, 2),
        compute: |arrays, rows, of| {
            lists(rows, of, |row| {
                let [text, pattern] = texts(arrays, row)?;
                Some(pattern_of(pattern).map(|pattern| java_regex::split(&pattern, text)))
            })
        },
    },
    Definition {
        name: "regexp_extract_all",
        usage: "regexp_extract_all(pattern text, text [, group int]) -> text[]",
        about: "All matches of a pattern, or of one of its groups.",
        types: extract_types,
        compute: extract,
    },
    Definition {
        name: "json_items",
        usage: "json_items(text) -> text[]",
        about: "The elements of an array of JSON, each as JSON.",
        types: |arguments| text_types(arguments, 1),
        compute: |arrays, rows, of| {
            lists(rows, of, |row| match serde_json::from_str(texts::<1>(arrays, row)?[0]).ok()? {
                Value::Array(items) => Some(Ok(items.iter().map(Value::to_string).collect())),
                _ => None,
            })
        },
    },
    Definition {
        name: "json_keys",
        usage: "json_keys(text) -> text[]",
        about: "The names of the fields of an object of JSON.",
        types: |arguments| text_types(arguments, 1),
        compute: |arrays, rows, of| {
            lists(rows, of, |row| match serde_json::from_str(texts::<1>(arrays, row)?[0]).ok()? {
                Value::Object(fields) => Some(Ok(fields.keys().cloned().collect())),
                _ => None,
            })
        },
    },
    Definition {
        name: "json_records",
        usage: "json_records(text) -> map<text, text>",
        about: "The fields of an object of JSON.",
        types: records_types,
        compute: records,
    },
    Definition {
        name: "__ksql_generate_series",
        usage: "generate_series(int, int [, int]) -> int[]\ngenerate_series(bigint, bigint [, int]) -> bigint[]",
        about: "The numbers from the first to the last.",
        types: series_types,
        compute: series,
    },
];

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::Null)
}

fn text_types(arguments: &[DataType], count: usize) -> Option<Types> {
    let fits = arguments.len() == count && arguments.iter().all(is_text);
    fits.then(|| (vec![DataType::Utf8; count], list_of(DataType::Utf8)))
}

/// The texts of a row, `None` if one is null.
fn texts<const N: usize>(arrays: &[ArrayRef], row: usize) -> Option<[&str; N]> {
    let mut found = [""; N];
    for (found, array) in found.iter_mut().zip(arrays) {
        let array = array.as_string::<i32>();
        *found = array.is_valid(row).then(|| array.value(row))?;
    }
    Some(found)
}

/// The column of lists of texts; `None` for null.
fn lists(rows: usize, of: &DataType, parts: impl Fn(usize) -> Option<Result<Vec<String>>>) -> Result<ArrayRef> {
    let some = |parts: Vec<String>| parts.into_iter().map(Some).collect();
    open_lists(rows, of, |row| parts(row).map(|found| found.map(some)))
}

/// The same of texts some of which may be null.
fn open_lists(
    rows: usize,
    of: &DataType,
    parts: impl Fn(usize) -> Option<Result<Vec<Option<String>>>>,
) -> Result<ArrayRef> {
    let mut all: Vec<Option<String>> = Vec::new();
    let mut picks = Picks::default();
    for row in 0..rows {
        let found = parts(row).transpose()?;
        let valid = found.is_some();
        for part in found.into_iter().flatten() {
            picks.push(0, all.len());
            all.push(part);
        }
        picks.end(valid)?;
    }
    let all: ArrayRef = Arc::new(StringArray::from(all));
    picks.lists(&[&all], of)
}

/// A text, a pattern and the pattern's flags.
fn with_flags(arguments: &[DataType]) -> Option<Types> {
    text_types(arguments, 2).or_else(|| text_types(arguments, 3))
}

/// The flags of a row, none where there is no column of them; `None` for null.
fn flags(arrays: &[ArrayRef], row: usize) -> Option<&str> {
    match arrays.get(2) {
        None => Some(""),
        Some(flags) => flags.is_valid(row).then(|| flags.as_string::<i32>().value(row)),
    }
}

fn split_types(arguments: &[DataType]) -> Option<Types> {
    match arguments {
        [DataType::Binary, DataType::Binary | DataType::Null] | [DataType::Null, DataType::Binary] => {
            Some((vec![DataType::Binary; 2], list_of(DataType::Binary)))
        }
        _ => text_types(arguments, 2),
    }
}

fn split(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    if *arrays[0].data_type() == DataType::Binary {
        return split_bytes(arrays, rows, of);
    }
    lists(rows, of, |row| {
        let [text, delimiter] = texts(arrays, row)?;
        Some(Ok(match delimiter.is_empty() && !text.is_empty() {
            true => text.chars().map(String::from).collect(),
            false if text.is_empty() => vec![String::new()],
            false => text.split(delimiter).map(str::to_owned).collect(),
        }))
    })
}

fn split_bytes(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let [values, delimiters] = [0, 1].map(|at| arrays[at].as_binary::<i32>());
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut picks = Picks::default();
    for row in 0..rows {
        let known = values.is_valid(row) && delimiters.is_valid(row);
        let before = parts.len();
        if known {
            parts.extend(parts_of(values.value(row), delimiters.value(row)));
        }
        (before..parts.len()).for_each(|place| picks.push(0, place));
        picks.end(known)?;
    }
    let parts: ArrayRef = Arc::new(BinaryArray::from(parts));
    picks.lists(&[&parts], of)
}

fn parts_of<'a>(mut value: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    if delimiter.is_empty() && !value.is_empty() {
        return value.chunks(1).collect();
    }
    let mut parts = Vec::new();
    while let Some(at) = memchr::memmem::find(value, delimiter).filter(|_| !delimiter.is_empty()) {
        parts.push(&value[..at]);
        value = &value[at + delimiter.len()..];
    }
    parts.push(value);
    parts
}

fn pattern_of(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|error| {
        let message = format!("invalid regular expression: \"{pattern}\"");
        failed(Error::new(SqlState("2201B"), message).detail(error.to_string()))
    })
}

fn extract_types(arguments: &[DataType]) -> Option<Types> {
    match arguments {
        [pattern, text, group] if is_text(pattern) && is_text(text) && (group.is_integer() || group.is_null()) => {
            Some((vec![DataType::Utf8, DataType::Utf8, DataType::Int64], list_of(DataType::Utf8)))
        }
        _ => text_types(arguments, 2),
    }
}

fn extract(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let groups = arrays.get(2).map(|groups| groups.as_primitive::<Int64Type>());
    lists(rows, of, |row| {
        let [pattern, text] = texts(arrays, row)?;
        let group = match groups {
            None => 0,
            Some(groups) => usize::try_from(groups.is_valid(row).then(|| groups.value(row))?).ok()?,
        };
        let pattern = match pattern_of(pattern) {
            Ok(pattern) => pattern,
            Err(error) => return Some(Err(error)),
        };
        let found = pattern.captures_iter(text).map(|captures| captures.get(group).map_or("", |found| found.as_str()));
        (group < pattern.captures_len()).then(|| Ok(found.map(str::to_owned).collect()))
    })
}

fn records_types(arguments: &[DataType]) -> Option<Types> {
    let (taken, _) = text_types(arguments, 1)?;
    Some((taken, map_of(&DataType::Utf8, &DataType::Utf8)?))
}

fn records(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let (mut keys, mut values): (Vec<String>, Vec<Option<String>>) = (Vec::new(), Vec::new());
    let mut picks = Picks::default();
    for row in 0..rows {
        let document = texts::<1>(arrays, row).and_then(|[text]| serde_json::from_str(text).ok());
        let Some(Value::Object(fields)) = document else {
            picks.end(false)?;
            continue;
        };
        for (key, value) in fields {
            picks.push(0, keys.len());
            keys.push(key);
            values.push(Some(match value {
                Value::String(text) => text,
                other => other.to_string(),
            }));
        }
        picks.end(true)?;
    }
    let (keys, values): (ArrayRef, ArrayRef) = (Arc::new(StringArray::from(keys)), Arc::new(StringArray::from(values)));
    picks.maps(&[&keys], &[&values], of)
}

fn series_types(arguments: &[DataType]) -> Option<Types> {
    let whole = |data_type: &DataType| matches!(data_type, DataType::Int32 | DataType::Int64);
    let (bounds, step) = arguments.split_at_checked(2)?;
    if !bounds.iter().all(whole) || 1 < step.len() || !step.iter().all(whole) {
        return None;
    }
    let of = if bounds.contains(&DataType::Int64) { DataType::Int64 } else { DataType::Int32 };
    Some((arguments.iter().map(|_| of.clone()).collect(), list_of(of)))
}

fn series(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let wide: Vec<ArrayRef> = arrays.iter().map(|array| Ok(cast(array, &DataType::Int64)?)).collect::<Result<_>>()?;
    let value = |at: usize, row: usize| {
        let array = wide[at].as_primitive::<Int64Type>();
        array.is_valid(row).then(|| array.value(row))
    };
    let mut all: Vec<i64> = Vec::new();
    let mut picks = Picks::default();
    for row in 0..rows {
        let bounds = value(0, row).zip(value(1, row));
        let step = match (wide.len(), bounds) {
            (3, _) => value(2, row),
            (_, Some((first, last))) if last < first => Some(-1),
            _ => Some(1),
        };
        let Some(((first, last), step)) = bounds.zip(step) else {
            picks.end(false)?;
            continue;
        };
        for number in numbers(first, last, step).map_err(failed)? {
            picks.push(0, all.len());
            all.push(number);
        }
        picks.end(true)?;
    }
    let all: ArrayRef = match of {
        DataType::List(item) if *item.data_type() == DataType::Int32 => {
            Arc::new(Int32Array::from_iter(all.into_iter().map(|number| i32::try_from(number).ok())))
        }
        _ => Arc::new(Int64Array::from(all)),
    };
    picks.lists(&[&all], of)
}

fn numbers(first: i64, last: i64, step: i64) -> std::result::Result<Vec<i64>, Error> {
    let wrong = |message: &str| Error::new(SqlState::INVALID_PARAMETER_VALUE, message);
    let (first, last, step) = (i128::from(first), i128::from(last), i128::from(step));
    if step == 0 {
        return Err(wrong("step size cannot equal zero"));
    }
    if (last - first) * step < 0 {
        return Err(wrong("the step of a series leads away from its end"));
    }
    let count = (last - first) / step + 1;
    if i128::from(SERIES_MAX) < count {
        let message = format!("a series has at most {SERIES_MAX} elements");
        return Err(Error::new(SqlState("54000"), message));
    }
    Ok((0..count).filter_map(|at| i64::try_from(first + at * step).ok()).collect())
}
