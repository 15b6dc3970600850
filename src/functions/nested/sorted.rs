//! Sorted lists without nulls, as `array_agg` gathers them for `WITHIN GROUP`; and what rows of lists are numbered by.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::Int64Array;
use datafusion::arrow::array::ListArray;
use datafusion::arrow::array::StructArray;
use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::Fields;
use datafusion::arrow::datatypes::Float64Type;
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
use super::definition::span;
use crate::error::Error;
use crate::error::SqlState;

/// * `__percentile_cont(list of numbers, fraction)`: the number at that fraction of the way, between two if it lies there.
/// * `__percentile_disc(list, fraction)`: the first value that this fraction of all does not exceed.
/// * `__mode(list)`: the value that comes most often, the first of several.
/// * `__elements(list)`: the list, one without elements for null.
/// * `__ordinality(list, ..)`: the numbers from 1 to the length of the longest.
/// * `__numbers(list or text)`: numbers that are apart by blanks in a text.
/// * `__with_numbers(list)`: rows of an element and its number.
pub(super) static DEFINITIONS: [Definition; 7] = [
    Definition {
        name: "__percentile_cont",
        usage: "",
        about: "The number at a fraction of the way through a sorted list.",
        types: numbers_types,
        compute: percentile_cont,
    },
    Definition {
        name: "__percentile_disc",
        usage: "",
        about: "The value at a fraction of the way through a sorted list.",
        types: values_types,
        compute: |arrays, rows, _| {
            let fractions = arrays[1].as_primitive::<Float64Type>();
            let place = |row: usize, places: Range<usize>| -> Result<Option<usize>> {
                let Some(fraction) = told_fraction(fractions, row)? else { return Ok(None) };
                Ok(Some(places.start + ((fraction * places.len() as f64).ceil() as usize).saturating_sub(1)))
            };
            picked(arrays, rows, place)
        },
    },
    Definition {
        name: "__mode",
        usage: "",
        about: "The value that comes most often in a sorted list.",
        types: |arguments| {
            let [of] = arguments else { return None };
            let (list, value) = list_and_value(of)?;
            Some((vec![list], value))
        },
        compute: |arrays, rows, _| {
            let keys = keys_of(list(arrays, 0).values())?;
            picked(arrays, rows, |_, places| Ok(most_often(&keys, places)))
        },
    },
    Definition {
        name: "__elements",
        usage: "",
        about: "A list; one without elements for NULL.",
        types: |arguments| {
            let [of] = arguments else { return None };
            let list = list_of(item(of)?);
            Some((vec![list.clone()], list))
        },
        compute: elements,
    },
    Definition {
        name: "__ordinality",
        usage: "",
        about: "The numbers of the elements of the longest of several lists.",
        types: |arguments| {
            let lists = arguments.iter().map(|of| Some(list_of(item(of)?))).collect::<Option<Vec<_>>>()?;
            (!lists.is_empty()).then(|| (lists, list_of(DataType::Int64)))
        },
        compute: ordinality,
    },
    Definition {
        name: "__numbers",
        usage: "",
        about: "Numbers of columns as a list, also where the catalog has them as a text.",
        types: |arguments| match arguments {
            [DataType::Utf8 | DataType::Utf8View] => Some((vec![DataType::Utf8], list_of(DataType::Int32))),
            [of] => {
                let item = item(of)?;
                (item.is_integer() || item.is_null()).then(|| {
                    let list = list_of(DataType::Int32);
                    (vec![list.clone()], list)
                })
            }
            _ => None,
        },
        compute: numbers,
    },
    Definition {
        name: "__with_numbers",
        usage: "",
        about: "A list's elements, each with its number from 1.",
        types: |arguments| {
            let [of] = arguments else { return None };
            let (list, value) = list_and_value(of)?;
            Some((vec![list], list_of(DataType::Struct(pair(value)))))
        },
        compute: with_numbers,
    },
];

/// An element and its number, as `information_schema._pg_expandarray` names them.
fn pair(value: DataType) -> Fields {
    Fields::from(vec![Field::new("x", value, true), Field::new("n", DataType::Int32, true)])
}

/// A list's type and that of its elements.
fn list_and_value(of: &DataType) -> Option<(DataType, DataType)> {
    let list = list_of(item(of)?);
    let value = item(&list)?;
    Some((list, value))
}

fn values_types(arguments: &[DataType]) -> Option<Types> {
    let [of, fraction] = arguments else { return None };
    let (list, value) = list_and_value(of)?;
    (fraction.is_numeric() || fraction.is_null()).then(|| (vec![list, DataType::Float64], value))
}

fn numbers_types(arguments: &[DataType]) -> Option<Types> {
    values_types(arguments)?;
    let value = item(&arguments[0])?;
    let fits = value.is_numeric() || value.is_null();
    fits.then(|| (vec![list_of(DataType::Float64), DataType::Float64], DataType::Float64))
}

/// The fraction of a row; 22003 for what is none.
fn told_fraction(fractions: &Float64Array, row: usize) -> Result<Option<f64>> {
    if fractions.is_null(row) {
        return Ok(None);
    }
    let fraction = fractions.value(row);
    if (0.0..=1.0).contains(&fraction) {
        return Ok(Some(fraction));
    }
    let message = format!("percentile value {fraction} is not between 0 and 1");
    Err(failed(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)))
}

fn percentile_cont(arrays: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (list, fractions) = (list(arrays, 0), arrays[1].as_primitive::<Float64Type>());
    let numbers = list.values().as_primitive::<Float64Type>();
    let between = |row: usize| -> Result<Option<f64>> {
        let fraction = told_fraction(fractions, row)?;
        let Some((fraction, places)) = fraction.zip(span(list, row).filter(|places| !places.is_empty())) else {
            return Ok(None);
        };
        let way = fraction * (places.len() - 1) as f64;
        let number = |at: f64| numbers.value(places.start + at as usize);
        let (before, after) = (number(way.floor()), number(way.ceil()));
        Ok(Some(if before == after { before } else { before + (way - way.floor()) * (after - before) }))
    };
    let found: Result<Float64Array> = (0..rows).map(between).collect();
    Ok(Arc::new(found?))
}

/// One element of each list that has any, at the place that `place` tells.
fn picked(
    arrays: &[ArrayRef],
    rows: usize,
    place: impl Fn(usize, Range<usize>) -> Result<Option<usize>>,
) -> Result<ArrayRef> {
    let list = list(arrays, 0);
    let of_row = |row: usize| match span(list, row).filter(|places| !places.is_empty()) {
        Some(places) => Ok(place(row, places)?.and_then(|place| u32::try_from(place).ok())),
        None => Ok(None),
    };
    let places: Result<UInt32Array> = (0..rows).map(of_row).collect();
    Ok(take(list.values(), &places?, None)?)
}

/// The first place of the longest run of equal keys.
fn most_often(keys: &[Vec<u8>], places: Range<usize>) -> Option<usize> {
    let (mut best, mut best_length, mut first) = (None, 0, places.start);
    for place in places {
        if keys[place] != keys[first] {
            first = place;
        }
        let length = place + 1 - first;
        if best_length < length {
            (best, best_length) = (Some(first), length);
        }
    }
    best
}

fn elements(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let list = list(arrays, 0);
    let mut picks = Picks::default();
    for row in 0..rows {
        span(list, row).unwrap_or_default().for_each(|place| picks.push(0, place));
        picks.end(true)?;
    }
    picks.lists(&[list.values()], of)
}

fn ordinality(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let lists: Vec<_> = (0..arrays.len()).map(|at| list(arrays, at)).collect();
    let longest = |row: usize| lists.iter().filter_map(|list| span(list, row)).map(|places| places.len()).max();
    let lengths: Vec<usize> = (0..rows).map(|row| longest(row).unwrap_or(0)).collect();
    let most = lengths.iter().copied().max().unwrap_or(0);
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((1..).take(most)));
    let mut picks = Picks::default();
    for length in lengths {
        (0..length).for_each(|place| picks.push(0, place));
        picks.end(true)?;
    }
    picks.lists(&[&numbers], of)
}

fn numbers(arrays: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let Some(texts) = arrays[0].as_string_opt::<i32>() else { return Ok(Arc::clone(&arrays[0])) };
    let of_row = |row: usize| {
        let words = texts.is_valid(row).then(|| texts.value(row).trim_matches(['{', '}', '[', ']']))?;
        Some(words.split([' ', ',']).filter_map(|word| word.parse().ok()).map(Some).collect::<Vec<Option<i32>>>())
    };
    Ok(Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>((0..rows).map(of_row))))
}

fn with_numbers(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let list = list(arrays, 0);
    let (mut places, mut numbers) = (Vec::new(), Vec::new());
    let mut picks = Picks::default();
    for row in 0..rows {
        for (number, place) in (1..).zip(span(list, row).unwrap_or_default()) {
            picks.push(0, places.len());
            places.push(u32::try_from(place).unwrap_or_default());
            numbers.push(number);
        }
        picks.end(list.is_valid(row))?;
    }
    let values = take(list.values(), &UInt32Array::from(places), None)?;
    let fields = pair(values.data_type().clone());
    let numbers: ArrayRef = Arc::new(Int32Array::from(numbers));
    let pairs: ArrayRef = Arc::new(StructArray::try_new(fields, vec![values, numbers], None)?);
    picks.lists(&[&pairs], of)
}
