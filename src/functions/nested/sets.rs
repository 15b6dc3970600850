//! Arrays as sets: `ARRAY_CONCAT`, `ARRAY_DISTINCT`, `ARRAY_EXCEPT`, `ARRAY_INTERSECT`, `ARRAY_UNION`, `ARRAY_REMOVE`.

use std::collections::HashSet;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;

use super::definition::Definition;
use super::definition::Picks;
use super::definition::Types;
use super::definition::item;
use super::definition::keys_of;
use super::definition::list;
use super::definition::list_of;
use super::definition::met;
use super::definition::span;

/// All keep the order in which elements come first, nulls are elements, and a null argument gives null; but
///
/// * `array_concat(array, array)`: a null argument is as if it were not there; null of two nulls.
/// * `array_remove(array, value)`: without those that are equal; a null value takes the nulls away.
pub(super) static DEFINITIONS: [Definition; 7] = [
    Definition {
        name: "__ksql_array_concat",
        usage: "array_concat(array, array) -> array",
        about: "The elements of both; a NULL array has none.",
        types: two,
        compute: concat,
    },
    Definition {
        name: "__ksql_array_distinct",
        usage: "array_distinct(array) -> array",
        about: "Each element once, in the order in which they come first.",
        types: one,
        compute: |arrays, rows, of| set(arrays, rows, of, Keeps::All),
    },
    Definition {
        name: "__ksql_array_union",
        usage: "array_union(array, array) -> array",
        about: "The elements of both, each once.",
        types: two,
        compute: |arrays, rows, of| set(arrays, rows, of, Keeps::All),
    },
    Definition {
        name: "__ksql_array_except",
        usage: "array_except(array, array) -> array",
        about: "The elements of the first that the second has not, each once.",
        types: two,
        compute: |arrays, rows, of| set(arrays, rows, of, Keeps::Others),
    },
    Definition {
        name: "__ksql_array_intersect",
        usage: "array_intersect(array, array) -> array",
        about: "The elements that both have, each once.",
        types: two,
        compute: |arrays, rows, of| set(arrays, rows, of, Keeps::Common),
    },
    Definition {
        name: "array_remove",
        usage: "array_remove(array, element) -> array",
        about: "Without the elements that equal this one; NULL takes the NULLs away.",
        types: with_item,
        compute: remove,
    },
    Definition {
        name: "__ksql_array_remove",
        usage: "array_remove(array, element) -> array",
        about: "Without the elements that equal this one.",
        types: with_item,
        compute: remove,
    },
];

/// Which elements of the first array stay.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// All, and those of the second.
    All,
    /// Those that the second has not.
    Others,
    /// Those that the second has.
    Common,
}

fn one(arguments: &[DataType]) -> Option<Types> {
    let [of] = arguments else { return None };
    let list = list_of(item(of)?);
    Some((vec![list.clone()], list))
}

fn two(arguments: &[DataType]) -> Option<Types> {
    let [left, right] = arguments else { return None };
    let list = list_of(met(&item(left)?, &item(right)?)?);
    Some((vec![list.clone(), list.clone()], list))
}

fn with_item(arguments: &[DataType]) -> Option<Types> {
    let [of, value] = arguments else { return None };
    let item = met(&item(of)?, value)?;
    let list = list_of(item);
    let DataType::List(field) = &list else { return None };
    Some((vec![list.clone(), field.data_type().clone()], list))
}

fn concat(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let lists = [list(arrays, 0), list(arrays, 1)];
    let mut picks = Picks::default();
    for row in 0..rows {
        for (source, list) in lists.iter().enumerate() {
            span(list, row).into_iter().flatten().for_each(|place| picks.push(source, place));
        }
        picks.end(lists.iter().any(|list| list.is_valid(row)))?;
    }
    picks.lists(&[lists[0].values(), lists[1].values()], of)
}

fn set(arrays: &[ArrayRef], rows: usize, of: &DataType, keeps: Keeps) -> Result<ArrayRef> {
    let lists: Vec<_> = (0..arrays.len()).map(|at| list(arrays, at)).collect();
    let keys: Vec<Vec<Vec<u8>>> = lists.iter().map(|list| keys_of(list.values())).collect::<Result<_>>()?;
    let mut picks = Picks::default();
    for row in 0..rows {
        let spans: Option<Vec<_>> = lists.iter().map(|list| span(list, row)).collect();
        let Some(spans) = spans else {
            picks.end(false)?;
            continue;
        };
        let second: HashSet<&[u8]> = match keeps {
            Keeps::All => HashSet::new(),
            _ => spans[1].clone().map(|place| keys[1][place].as_slice()).collect(),
        };
        let mut seen: HashSet<&[u8]> = HashSet::new();
        let sources = if keeps == Keeps::All { spans.len() } else { 1 };
        for (source, span) in spans.into_iter().enumerate().take(sources) {
            for place in span {
                let key = keys[source][place].as_slice();
                let wanted = keeps == Keeps::All || second.contains(key) == (keeps == Keeps::Common);
                if wanted && seen.insert(key) {
                    picks.push(source, place);
                }
            }
        }
        picks.end(true)?;
    }
    picks.lists(&lists.iter().map(|list| list.values()).collect::<Vec<_>>(), of)
}

fn remove(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let list = list(arrays, 0);
    let (keys, unwanted) = (keys_of(list.values())?, keys_of(&arrays[1])?);
    let mut picks = Picks::default();
    for (row, unwanted) in unwanted.iter().enumerate().take(rows) {
        let span = span(list, row);
        let valid = span.is_some();
        span.into_iter().flatten().filter(|place| keys[*place] != *unwanted).for_each(|place| picks.push(0, place));
        picks.end(valid)?;
    }
    picks.lists(&[list.values()], of)
}
