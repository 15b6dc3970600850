//! Maps: `AS_MAP`, `MAP_KEYS`, `MAP_VALUES`, `MAP_UNION`, `ENTRIES`, `SPLIT_TO_MAP`.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::array::StructArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::Fields;
use datafusion::error::Result;

use super::definition::Definition;
use super::definition::Picks;
use super::definition::Types;
use super::definition::entry;
use super::definition::item;
use super::definition::keys_of;
use super::definition::list;
use super::definition::list_of;
use super::definition::map_of;
use super::definition::map_span;
use super::definition::plain;
use super::definition::span;

/// * `as_map(keys, values) -> MAP`: as many entries as the shorter array has; null of null; a null key is left out.
/// * `map_keys(map)`, `map_values(map) -> ARRAY`: in the map's order; null of null.
/// * `map_union(map, map) -> MAP`: the second's values win; a null argument is as if it were empty, null of two nulls.
/// * `entries(map, sorted) -> ARRAY<STRUCT<K, V>>`: sorted by key if it is true; null of null.
/// * `split_to_map(text, entry delimiter, delimiter of key and value) -> MAP`: a part without a value is left out.
pub(super) static DEFINITIONS: [Definition; 6] = [
    Definition {
        name: "as_map",
        usage: "as_map(keys array, values array) -> map",
        about: "A map of keys and values, place by place.",
        types: as_map_types,
        compute: as_map,
    },
    Definition {
        name: "__ksql_map_keys",
        usage: "map_keys(map) -> array",
        about: "The keys of a map.",
        types: |arguments| side_types(arguments, 0),
        compute: |a, r, of| side(a, r, of, 0),
    },
    Definition {
        name: "__ksql_map_values",
        usage: "map_values(map) -> array",
        about: "The values of a map.",
        types: |arguments| side_types(arguments, 1),
        compute: |a, r, of| side(a, r, of, 1),
    },
    Definition {
        name: "map_union",
        usage: "map_union(map, map) -> map",
        about: "The entries of both; where both have a key the second's counts.",
        types: union_types,
        compute: union,
    },
    Definition {
        name: "entries",
        usage: "entries(map, boolean) -> struct[]",
        about: "The entries of a map as structs of K and V, by key if told so.",
        types: entries_types,
        compute: entries,
    },
    Definition {
        name: "split_to_map",
        usage: "split_to_map(text, text, text) -> map<text, text>",
        about: "A text of entries with a delimiter between them, and another between key and value.",
        types: split_types,
        compute: split,
    },
];

fn as_map_types(arguments: &[DataType]) -> Option<Types> {
    let [keys, values] = arguments else { return None };
    let (keys, values) = (list_of(item(keys)?), list_of(item(values)?));
    let (DataType::List(key), DataType::List(value)) = (&keys, &values) else { return None };
    let of = map_of(key.data_type(), value.data_type()).filter(|_| !key.data_type().is_nested())?;
    Some((vec![keys.clone(), values.clone()], of))
}

fn as_map(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let (keys, values) = (list(arrays, 0), list(arrays, 1));
    let bytes = keys_of(keys.values())?;
    let (mut picked_keys, mut picked_values) = (Picks::default(), Picks::default());
    for row in 0..rows {
        let (Some(key_span), Some(value_span)) = (span(keys, row), span(values, row)) else {
            picked_keys.end(false)?;
            picked_values.end(false)?;
            continue;
        };
        let pairs: Vec<(usize, usize)> = key_span.zip(value_span).collect();
        for (at, (key, value)) in pairs.iter().enumerate() {
            let again = pairs[at + 1..].iter().any(|(later, _)| bytes[*later] == bytes[*key]);
            if keys.values().is_valid(*key) && !again {
                picked_keys.push(0, *key);
                picked_values.push(0, *value);
            }
        }
        picked_keys.end(true)?;
        picked_values.end(true)?;
    }
    picked_keys.maps_of(keys.values(), picked_values, values.values(), of)
}

fn side_types(arguments: &[DataType], side: usize) -> Option<Types> {
    let [of] = arguments else { return None };
    let (key, value) = entry(of)?;
    Some((vec![plain(of)?], list_of(if side == 0 { key } else { value })))
}

fn side(arrays: &[ArrayRef], rows: usize, of: &DataType, side: usize) -> Result<ArrayRef> {
    let map = arrays[0].as_map();
    let mut picks = Picks::default();
    for row in 0..rows {
        let span = map_span(map, row);
        let valid = span.is_some();
        span.into_iter().flatten().for_each(|place| picks.push(0, place));
        picks.end(valid)?;
    }
    picks.lists(&[map.entries().column(side)], of)
}

fn union_types(arguments: &[DataType]) -> Option<Types> {
    let [left, right] = arguments else { return None };
    let known = arguments.iter().find_map(|argument| entry(argument).map(|_| argument))?;
    let of = plain(known)?;
    let fits = |argument: &DataType| argument.is_null() || plain(argument).as_ref() == Some(&of);
    (fits(left) && fits(right)).then(|| (vec![of.clone(), of.clone()], of))
}

fn union(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let maps = [arrays[0].as_map(), arrays[1].as_map()];
    let keys = [keys_of(maps[0].keys())?, keys_of(maps[1].keys())?];
    let mut picks = Picks::default();
    for row in 0..rows {
        let spans = maps.map(|map| map_span(map, row));
        let valid = spans.iter().any(Option::is_some);
        let [left, right] = spans.map(Option::unwrap_or_default);
        let found = |key: &[u8]| right.clone().find(|place| keys[1][*place] == key);
        let mut taken: HashSet<usize> = HashSet::new();
        for place in left {
            match found(&keys[0][place]) {
                Some(place) => {
                    taken.insert(place);
                    picks.push(1, place);
                }
                None => picks.push(0, place),
            }
        }
        right.clone().filter(|place| !taken.contains(place)).for_each(|place| picks.push(1, place));
        picks.end(valid)?;
    }
    picks.maps(&[maps[0].keys(), maps[1].keys()], &[maps[0].values(), maps[1].values()], of)
}

fn entries_types(arguments: &[DataType]) -> Option<Types> {
    let [of, DataType::Boolean] = arguments else { return None };
    let (key, value) = entry(of)?;
    let fields = Fields::from(vec![Field::new("K", key, true), Field::new("V", value, true)]);
    Some((vec![plain(of)?, DataType::Boolean], list_of(DataType::Struct(fields))))
}

fn entries(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let (map, sorted) = (arrays[0].as_map(), arrays[1].as_boolean());
    let keys = keys_of(map.keys())?;
    let DataType::List(item) = of else { return datafusion::common::internal_err!("entries are a list") };
    let DataType::Struct(fields) = item.data_type() else { return datafusion::common::internal_err!("of structs") };
    let columns = map.entries().columns().to_vec();
    let pairs: ArrayRef = Arc::new(StructArray::try_new(fields.clone(), columns, None)?);
    let mut picks = Picks::default();
    for row in 0..rows {
        let span = map_span(map, row);
        let valid = span.is_some();
        let mut places: Vec<usize> = span.into_iter().flatten().collect();
        if sorted.is_valid(row) && sorted.value(row) {
            places.sort_by_key(|place| &keys[*place]);
        }
        places.into_iter().for_each(|place| picks.push(0, place));
        picks.end(valid)?;
    }
    picks.lists(&[&pairs], of)
}

fn split_types(arguments: &[DataType]) -> Option<Types> {
    let text = |argument: &DataType| matches!(argument, DataType::Utf8 | DataType::Utf8View | DataType::Null);
    let fits = arguments.len() == 3 && arguments.iter().all(text);
    fits.then(|| Some((vec![DataType::Utf8; 3], map_of(&DataType::Utf8, &DataType::Utf8)?)))?
}

/// The key of an entry and what is behind it up to the next delimiter.
fn key_and_value<'a>(entry: &'a str, delimiter: &str) -> Option<(&'a str, &'a str)> {
    let mut pieces = entry.split(delimiter);
    Some((pieces.next()?, pieces.next()?))
}

fn split(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let [texts, between, inside] = [0, 1, 2].map(|at| arrays[at].as_string::<i32>());
    let (mut keys, mut values): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut picks = Picks::default();
    for row in 0..rows {
        let known = texts.is_valid(row) && between.is_valid(row) && inside.is_valid(row);
        if !known || between.value(row).is_empty() || inside.value(row).is_empty() {
            picks.end(false)?;
            continue;
        }
        let parts = texts.value(row).split(between.value(row)).filter(|part| !part.is_empty());
        let start = keys.len();
        for (key, value) in parts.filter_map(|part| key_and_value(part, inside.value(row))) {
            match keys[start..].iter().position(|known| *known == key) {
                Some(at) => values[start + at] = value,
                None => {
                    keys.push(key);
                    values.push(value);
                    picks.push(0, keys.len() - 1);
                }
            }
        }
        picks.end(true)?;
    }
    let (keys, values): (ArrayRef, ArrayRef) = (Arc::new(StringArray::from(keys)), Arc::new(StringArray::from(values)));
    picks.maps(&[&keys], &[&values], of)
}
