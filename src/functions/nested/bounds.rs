//! PostgreSQL's functions of arrays that are of their places: `array_upper`, `array_fill`, `trim_array`, `width_bucket` over bounds;
//! the order of arrays, and whether two have an element in common.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::error::Result;

use super::definition::Definition;
use super::definition::Picks;
use super::definition::Types;
use super::definition::failed;
use super::definition::item;
use super::definition::keys_of;
use super::definition::list;
use super::definition::list_of;
use super::definition::met;
use super::definition::span;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::scalar::ITEMS_MAX;
use crate::functions::scalar::too_many;

/// * `array_lower(array, dimension)`, `array_upper(array, dimension)`: null of an empty one, and of a dimension that it has not.
/// * `array_ndims(array)`: null of an empty one.
/// * `array_fill(value, ARRAY[length])`: 22004 for a length that is null.
/// * `trim_array(array, n)`: without its last elements; 2202E for more than there are.
/// * `__width_bucket(value, array)`: how many of the bounds are not above it.
/// * `__joined(texts, delimiters)`: null of no texts.
/// * `__array_less(a, b)`: element by element, a null above all others, a shorter array before a longer one.
/// * `__array_overlap(a, b)`: a null is equal to nothing.
pub(super) static DEFINITIONS: [Definition; 9] = [
    Definition {
        name: "array_lower",
        usage: "array_lower(array, int) -> int",
        about: "The first place of an array in one of its dimensions.",
        types: of_dimension,
        compute: |arrays, rows, _| of_rows(rows, |row| length(&arrays[0], row, dimension(arrays, row)?).map(|_| 1)),
    },
    Definition {
        name: "array_upper",
        usage: "array_upper(array, int) -> int",
        about: "The last place of an array in one of its dimensions.",
        types: of_dimension,
        compute: |arrays, rows, _| of_rows(rows, |row| length(&arrays[0], row, dimension(arrays, row)?)),
    },
    Definition {
        name: "array_ndims",
        usage: "array_ndims(array) -> bigint",
        about: "How many dimensions an array has.",
        types: |arguments| match arguments {
            [of] => Some((vec![list_of(item(of)?)], DataType::Int64)),
            _ => None,
        },
        compute: |arrays, rows, _| {
            let count = |row: usize| (1..).take_while(|at| length(&arrays[0], row, *at).is_some()).last();
            let counts = (0..rows).map(count).map(|count| count.map(i64::from));
            Ok(Arc::new(counts.collect::<Int64Array>()))
        },
    },
    Definition {
        name: "array_fill",
        usage: "array_fill(any, int[]) -> array",
        about: "An array of so many elements of one value.",
        types: |arguments| match arguments {
            [of, lengths] if !of.is_nested() => Some((vec![of.clone(), list_of(whole(lengths)?)], list_of(of.clone()))),
            _ => None,
        },
        compute: fill,
    },
    Definition {
        name: "trim_array",
        usage: "trim_array(array, int) -> array",
        about: "An array without so many of its last elements.",
        types: |arguments| match arguments {
            [of, count] if count.is_integer() || count.is_null() => {
                let array = list_of(item(of)?);
                Some((vec![array.clone(), DataType::Int32], array))
            }
            _ => None,
        },
        compute: trim,
    },
    Definition {
        name: "__width_bucket",
        usage: "",
        about: "",
        types: |arguments| match arguments {
            [of, bounds] => {
                let met = met(of, &item(bounds)?)?;
                Some((vec![met.clone(), list_of(met)], DataType::Int32))
            }
            _ => None,
        },
        compute: bucket,
    },
    Definition {
        name: "__joined",
        usage: "",
        about: "",
        types: |arguments| match arguments {
            [texts, delimiters]
                if item(texts)?.is_string() && (item(delimiters)?.is_string() || item(delimiters)?.is_null()) =>
            {
                Some((vec![list_of(DataType::Utf8), list_of(DataType::Utf8)], DataType::Utf8))
            }
            _ => None,
        },
        compute: |arrays, rows, _| Ok(Arc::new((0..rows).map(|row| joined(arrays, row)).collect::<StringArray>())),
    },
    Definition { name: "__array_less", usage: "", about: "", types: alike, compute: less },
    Definition { name: "__array_overlap", usage: "", about: "", types: alike, compute: overlap },
];

fn of_dimension(arguments: &[DataType]) -> Option<Types> {
    match arguments {
        [of, at] if at.is_integer() || at.is_null() => {
            Some((vec![list_of(item(of)?), DataType::Int32], DataType::Int32))
        }
        _ => None,
    }
}

fn whole(lengths: &DataType) -> Option<DataType> {
    item(lengths).filter(|item| item.is_integer() || item.is_null()).map(|_| DataType::Int32)
}

fn alike(arguments: &[DataType]) -> Option<Types> {
    let [left, right] = arguments else { return None };
    let both = met(&list_of(item(left)?), &list_of(item(right)?))?;
    Some((vec![both.clone(), both], DataType::Boolean))
}

fn of_rows(rows: usize, answer: impl Fn(usize) -> Option<i32>) -> Result<ArrayRef> {
    Ok(Arc::new((0..rows).map(answer).collect::<Int32Array>()))
}

fn dimension(arrays: &[ArrayRef], row: usize) -> Option<i32> {
    let dimensions = arrays[1].as_primitive::<Int32Type>();
    dimensions.is_valid(row).then(|| dimensions.value(row))
}

/// How many elements there are in a dimension, counted from 1: in one of them, as all have as many.
fn length(array: &ArrayRef, row: usize, dimension: i32) -> Option<i32> {
    let elements = array.as_list_opt::<i32>().filter(|_| array.is_valid(row))?.value(row);
    match dimension {
        1 => i32::try_from(elements.len()).ok().filter(|length| 0 < *length),
        2.. if !elements.is_empty() => length(&elements, 0, dimension - 1),
        _ => None,
    }
}

fn fill(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let lengths = list(arrays, 1);
    let values = lengths.values().as_primitive::<Int32Type>();
    let (mut picks, mut items) = (Picks::default(), 0.0);
    for row in 0..rows {
        let Some(mut places) = span(lengths, row) else {
            return Err(failed(Error::new(SqlState("22004"), "dimension array or low bound array cannot be null")));
        };
        let length = match (places.next(), places.next()) {
            (None, _) => 0,
            (Some(place), None) if values.is_null(place) => {
                return Err(failed(Error::new(SqlState("22004"), "dimension values cannot be null")));
            }
            (Some(place), None) => values.value(place),
            (Some(_), Some(_)) => return Err(failed(Error::unsupported("array_fill of several dimensions"))),
        };
        items += f64::from(length).max(0.0);
        if ITEMS_MAX < items {
            return Err(failed(too_many("array_fill")));
        }
        (0..length).for_each(|_| picks.push(0, row));
        picks.end(true)?;
    }
    picks.lists(&[&arrays[0]], of)
}

fn trim(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let (list, counts) = (list(arrays, 0), arrays[1].as_primitive::<Int32Type>());
    let mut picks = Picks::default();
    for row in 0..rows {
        let Some(span) = span(list, row).filter(|_| counts.is_valid(row)) else {
            picks.end(false)?;
            continue;
        };
        let left = usize::try_from(counts.value(row)).ok().and_then(|count| span.len().checked_sub(count));
        let Some(left) = left else {
            let message = format!("number of elements to trim must be between 0 and {}", span.len());
            return Err(failed(Error::new(SqlState("2202E"), message)));
        };
        span.take(left).for_each(|place| picks.push(0, place));
        picks.end(true)?;
    }
    picks.lists(&[list.values()], of)
}

/// Texts, each but the first behind its own delimiter.
fn joined(arrays: &[ArrayRef], row: usize) -> Option<String> {
    let (texts, delimiters) = (list(arrays, 0), list(arrays, 1));
    let (of_text, of_delimiter) = (texts.values().as_string::<i32>(), delimiters.values().as_string::<i32>());
    let mut joined = String::new();
    for (place, (text, delimiter)) in span(texts, row)?.zip(span(delimiters, row)?).enumerate() {
        if 0 < place && delimiters.values().is_valid(delimiter) {
            joined.push_str(of_delimiter.value(delimiter));
        }
        joined.push_str(of_text.value(text));
    }
    Some(joined)
}

fn bucket(arrays: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let bounds = list(arrays, 1);
    let (values, keys) = (keys_of(&arrays[0])?, keys_of(bounds.values())?);
    if (0..rows).filter_map(|row| span(bounds, row)).flatten().any(|place| bounds.values().is_null(place)) {
        return Err(failed(Error::new(SqlState("22004"), "thresholds array must not contain NULLs")));
    }
    of_rows(rows, |row| {
        let places = span(bounds, row).filter(|_| arrays[0].is_valid(row))?;
        i32::try_from(places.filter(|place| keys[*place] <= values[row]).count()).ok()
    })
}

/// Element by element.
fn less(arrays: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (left, right) = (list(arrays, 0), list(arrays, 1));
    let (left_keys, right_keys) = (keys_of(left.values())?, keys_of(right.values())?);
    let less = |row: usize| {
        let (one, other) = (span(left, row)?, span(right, row)?);
        let differs = one.clone().zip(other.clone()).map(|(one, other)| {
            match (left.values().is_valid(one), right.values().is_valid(other)) {
                (true, true) => left_keys[one].cmp(&right_keys[other]),
                (one, other) => other.cmp(&one),
            }
        });
        let first = differs.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal);
        Some(first.then(one.len().cmp(&other.len())).is_lt())
    };
    Ok(Arc::new(BooleanArray::from_iter((0..rows).map(less))))
}

fn overlap(arrays: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (left, right) = (list(arrays, 0), list(arrays, 1));
    let (left_keys, right_keys) = (keys_of(left.values())?, keys_of(right.values())?);
    let overlap = |row: usize| {
        let (one, other) = (span(left, row)?, span(right, row)?);
        let known: HashSet<&Vec<u8>> =
            one.filter(|place| left.values().is_valid(*place)).map(|place| &left_keys[place]).collect();
        let mut others = other.filter(|place| right.values().is_valid(*place));
        Some(others.any(|place| known.contains(&right_keys[place])))
    };
    Ok(Arc::new(BooleanArray::from_iter((0..rows).map(overlap))))
}
