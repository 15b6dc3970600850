//! What is so of an array or a map: `ARRAY_LENGTH`, `CARDINALITY`, `ARRAY_CONTAINS`, `ARRAY_JOIN`.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::Int32Array;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::error::Result;

use super::definition::Definition;
use super::definition::Types;
use super::definition::entry;
use super::definition::item;
use super::definition::keys_of;
use super::definition::list;
use super::definition::list_of;
use super::definition::map_span;
use super::definition::met;
use super::definition::plain;
use super::definition::span;
use crate::format;

/// * `array_length(array) -> INT`, `cardinality(array | map) -> INT`: null of null.
/// * `array_contains(array, value) -> BOOLEAN`: false of null; nulls are found.
/// * `array_join(array [, delimiter]) -> text`: null of null; elements that are null print `null`; the delimiter is `,`.
/// * `array_dims(array) -> text`: null of an empty one.
pub(super) static DEFINITIONS: [Definition; 5] = [
    Definition {
        name: "array_dims",
        usage: "array_dims(array) -> text",
        about: "The bounds of an array in each of its dimensions: [1:3].",
        types: |arguments| match arguments {
            [array @ (DataType::List(_) | DataType::Null)] => Some((vec![array.clone()], DataType::Utf8)),
            _ => None,
        },
        compute: |arrays, rows, _| {
            let texts = (0..rows).map(|row| dimensions(&arrays[0], row));
            Ok(Arc::new(texts.collect::<StringArray>()))
        },
    },
    Definition {
        name: "__ksql_array_length",
        usage: "array_length(array) -> int",
        about: "How many elements an array has.",
        types: length_types,
        compute: |arrays, rows, _| length(arrays, rows),
    },
    Definition {
        name: "__ksql_cardinality",
        usage: "cardinality(array or map) -> int",
        about: "How many elements or entries there are.",
        types: length_types,
        compute: |arrays, rows, _| length(arrays, rows),
    },
    Definition {
        name: "__ksql_array_contains",
        usage: "array_contains(array, element) -> boolean",
        about: "Whether an array has an element; of a NULL array it is false.",
        types: contains_types,
        compute: |arrays, rows, _| contains(arrays, rows),
    },
    Definition {
        name: "__ksql_array_join",
        usage: "array_join(array [, text]) -> text",
        about: "The elements as one text, with a comma or this text between them; NULL elements are written null.",
        types: join_types,
        compute: |arrays, rows, _| join(arrays, rows),
    },
];

/// The bounds of an array and of the first arrays inside of it; `None` for null and of none.
fn dimensions(array: &ArrayRef, row: usize) -> Option<String> {
    let list = array.as_list_opt::<i32>().filter(|_| array.is_valid(row))?.value(row);
    let inner = if list.is_empty() { None } else { dimensions(&list, 0) };
    (!list.is_empty()).then(|| format!("[1:{}]{}", list.len(), inner.unwrap_or_default()))
}

fn length_types(arguments: &[DataType]) -> Option<Types> {
    let [of] = arguments else { return None };
    match entry(of) {
        Some(_) => Some((vec![plain(of)?], DataType::Int32)),
        None => Some((vec![list_of(item(of)?)], DataType::Int32)),
    }
}

fn length(arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let count = |row: usize| match arrays[0].data_type() {
        DataType::Map(..) => map_span(arrays[0].as_map(), row),
        _ => span(list(arrays, 0), row),
    };
    let counts = (0..rows).map(|row| count(row).and_then(|span| i32::try_from(span.len()).ok()));
    Ok(Arc::new(Int32Array::from_iter(counts)))
}

fn contains_types(arguments: &[DataType]) -> Option<Types> {
    let [of, value] = arguments else { return None };
    let DataType::List(field) = list_of(met(&item(of)?, value)?) else { return None };
    let item = field.data_type().clone();
    Some((vec![list_of(item.clone()), item], DataType::Boolean))
}

fn contains(arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let list = list(arrays, 0);
    let (keys, wanted) = (keys_of(list.values())?, keys_of(&arrays[1])?);
    let found = |row: usize| span(list, row).is_some_and(|mut span| span.any(|place| keys[place] == wanted[row]));
    Ok(Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(found(row))))))
}

fn join_types(arguments: &[DataType]) -> Option<Types> {
    let (of, delimiter) = match arguments {
        [of] => (of, None),
        [of, DataType::Utf8 | DataType::Utf8View | DataType::Null] => (of, Some(DataType::Utf8)),
        _ => return None,
    };
    let item = item(of).filter(|item| !item.is_nested())?;
    Some((std::iter::once(list_of(item)).chain(delimiter).collect(), DataType::Utf8))
}

fn join(arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let list = list(arrays, 0);
    let texts = match list.values().data_type() {
        DataType::Float64 => {
            let doubles = list.values().as_primitive::<Float64Type>().iter();
            Arc::new(StringArray::from_iter(doubles.map(|value| value.map(format::java_double)))) as ArrayRef
        }
        _ => cast(list.values(), &DataType::Utf8)?,
    };
    let texts = texts.as_string::<i32>();
    let delimiters = arrays.get(1).map(|delimiters| delimiters.as_string::<i32>());
    let joined = |row: usize| {
        let delimiter = match delimiters {
            None => ",",
            Some(delimiters) if delimiters.is_null(row) => "",
            Some(delimiters) => delimiters.value(row),
        };
        let shown = |place: usize| if texts.is_valid(place) { texts.value(place) } else { "null" };
        Some(span(list, row)?.map(shown).collect::<Vec<_>>().join(delimiter))
    };
    Ok(Arc::new(StringArray::from_iter((0..rows).map(joined))))
}
