//! Arrays and the order of their elements: `ARRAY_MAX`, `ARRAY_MIN`, `ARRAY_SORT`, `SLICE`.

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::Result;

use super::definition::Definition;
use super::definition::Picks;
use super::definition::Types;
use super::definition::item;
use super::definition::keys_of;
use super::definition::list;
use super::definition::list_of;
use super::definition::span;

/// * `array_max(array)`, `array_min(array)`: nulls are left out; null of an array without others.
/// * `array_sort(array [, 'ASC' | 'DESC'])`: nulls last; null for another word.
/// * `slice(array, from, to)`: from 1, both inclusive, a null is the end of its side; null for places outside of the array.
pub(super) static DEFINITIONS: [Definition; 4] = [
    Definition {
        name: "__ksql_array_max",
        usage: "array_max(array) -> element",
        about: "The greatest element; NULLs do not count.",
        types: extreme_types,
        compute: |arrays, rows, _| extreme(arrays, rows, true),
    },
    Definition {
        name: "__ksql_array_min",
        usage: "array_min(array) -> element",
        about: "The least element; NULLs do not count.",
        types: extreme_types,
        compute: |arrays, rows, _| extreme(arrays, rows, false),
    },
    Definition {
        name: "__ksql_array_sort",
        usage: "array_sort(array [, 'ASC' or 'DESC']) -> array",
        about: "Sorted, NULLs last.",
        types: sort_types,
        compute: sort,
    },
    Definition {
        name: "slice",
        usage: "slice(array, int, int) -> array",
        about: "The elements from one place to another, both counted from 1 and taken in.",
        types: slice_types,
        compute: slice,
    },
];

fn extreme_types(arguments: &[DataType]) -> Option<Types> {
    let [of] = arguments else { return None };
    let item = item(of).filter(|item| !item.is_null() && !item.is_nested())?;
    Some((vec![list_of(item.clone())], item))
}

fn extreme(arrays: &[ArrayRef], rows: usize, greatest: bool) -> Result<ArrayRef> {
    let list = list(arrays, 0);
    let keys = keys_of(list.values())?;
    let best = |row: usize| {
        let places = span(list, row)?.filter(|place| list.values().is_valid(*place));
        let found = match greatest {
            true => places.max_by_key(|place| &keys[*place]),
            false => places.min_by_key(|place| &keys[*place]),
        };
        u32::try_from(found?).ok()
    };
    Ok(take(list.values(), &UInt32Array::from_iter((0..rows).map(best)), None)?)
}

fn sort_types(arguments: &[DataType]) -> Option<Types> {
    let (of, direction) = match arguments {
        [of] => (of, None),
        [of, DataType::Utf8 | DataType::Utf8View | DataType::Null] => (of, Some(DataType::Utf8)),
        _ => return None,
    };
    let list = list_of(item(of)?);
    Some((std::iter::once(list.clone()).chain(direction).collect(), list))
}

fn sort(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let list = list(arrays, 0);
    let keys = keys_of(list.values())?;
    let directions = arrays.get(1).map(|directions| directions.as_string::<i32>());
    let descends = |row: usize| match directions {
        None => Some(false),
        Some(directions) if directions.is_null(row) => None,
        Some(directions) => match directions.value(row).trim().to_ascii_uppercase().as_str() {
            "ASC" | "ASCENDING" => Some(false),
            "DESC" | "DESCENDING" => Some(true),
            _ => None,
        },
    };
    let mut picks = Picks::default();
    for row in 0..rows {
        let (Some(span), Some(descends)) = (span(list, row), descends(row)) else {
            picks.end(false)?;
            continue;
        };
        let (mut values, nulls): (Vec<usize>, Vec<usize>) = span.partition(|place| list.values().is_valid(*place));
        values.sort_by(|left, right| match descends {
            true => keys[*right].cmp(&keys[*left]),
            false => keys[*left].cmp(&keys[*right]),
        });
        values.into_iter().chain(nulls).for_each(|place| picks.push(0, place));
        picks.end(true)?;
    }
    picks.lists(&[list.values()], of)
}

fn slice_types(arguments: &[DataType]) -> Option<Types> {
    let [of, from, to] = arguments else { return None };
    let whole = |data_type: &DataType| data_type.is_integer() || data_type.is_null();
    let list = list_of(item(of)?);
    (whole(from) && whole(to)).then(|| (vec![list.clone(), DataType::Int64, DataType::Int64], list))
}

fn slice(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let list = list(arrays, 0);
    let (from, to) = (arrays[1].as_primitive::<Int64Type>(), arrays[2].as_primitive::<Int64Type>());
    let mut picks = Picks::default();
    for row in 0..rows {
        let asked = span(list, row).and_then(|span| {
            let length = i64::try_from(span.len()).ok()?;
            let first = if from.is_valid(row) { from.value(row) } else { 1 };
            let last = if to.is_valid(row) { to.value(row) } else { length };
            (1 <= first && last <= length && first <= last + 1).then_some((span, first, last))
        });
        let Some((span, first, last)) = asked else {
            picks.end(false)?;
            continue;
        };
        for at in first..=last {
            picks.push(0, span.start + usize::try_from(at - 1).unwrap_or_default());
        }
        picks.end(true)?;
    }
    picks.lists(&[list.values()], of)
}
