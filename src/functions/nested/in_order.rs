//! Values in the order of others: `__in_order(list of STRUCT(k0, .., v), directions)` is the list of `v` by `k0` and those behind it,
//! for ORDER BY in the aggregates of standing queries.

use std::cmp::Ordering;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::RowConverter;
use datafusion::arrow::row::Rows;
use datafusion::arrow::row::SortField;
use datafusion::error::Result;

use super::definition::Definition;
use super::definition::Picks;
use super::definition::Types;
use super::definition::item;
use super::definition::list;
use super::definition::list_of;
use super::definition::span;

pub(super) static DEFINITIONS: [Definition; 1] = [Definition {
    name: "__in_order",
    usage: "",
    about: "The last fields of rows, in the order of the fields before them.",
    types,
    compute: in_order,
}];

fn types(arguments: &[DataType]) -> Option<Types> {
    let [of, DataType::Utf8 | DataType::Utf8View] = arguments else { return None };
    let list = list_of(item(of)?);
    let DataType::Struct(fields) = item(&list)? else { return None };
    let value = fields.last()?.data_type().clone();
    Some((vec![list, DataType::Utf8], list_of(value)))
}

/// How a key sorts: `a` up, `d` down, in capitals with nulls first.
fn options(direction: char) -> SortOptions {
    SortOptions { descending: direction.eq_ignore_ascii_case(&'d'), nulls_first: direction.is_uppercase() }
}

fn in_order(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let list = list(arrays, 0);
    let directions = arrays[1].as_string::<i32>();
    let fields = list.values().as_struct();
    let Some((value, keys)) = fields.columns().split_last() else {
        return datafusion::common::internal_err!("rows without a value");
    };
    let directions = if directions.is_empty() { "" } else { directions.value(0) };
    let keys = keys.iter().zip(directions.chars()).map(|(key, direction)| sortable(key, options(direction)));
    let keys = keys.collect::<Result<Vec<Rows>>>()?;
    let order = |one: &usize, other: &usize| {
        let by = keys.iter().map(|key| key.row(*one).cmp(&key.row(*other)));
        by.fold(Ordering::Equal, Ordering::then)
    };
    let mut picks = Picks::default();
    for row in 0..rows {
        let mut places: Vec<usize> = span(list, row).unwrap_or_default().collect();
        // Equal ones stay as they came.
        places.sort_by(order);
        places.into_iter().for_each(|place| picks.push(0, place));
        picks.end(list.is_valid(row))?;
    }
    picks.lists(&[value], of)
}

fn sortable(key: &ArrayRef, options: SortOptions) -> Result<Rows> {
    let converter = RowConverter::new(vec![SortField::new_with_options(key.data_type().clone(), options)])?;
    Ok(converter.convert_columns(std::slice::from_ref(key))?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::Int32Array;
    use datafusion::arrow::array::ListArray;
    use datafusion::arrow::array::StringArray;
    use datafusion::arrow::array::StructArray;
    use datafusion::arrow::buffer::OffsetBuffer;
    use datafusion::arrow::datatypes::Field;

    use super::*;

    fn ordered(directions: &str) -> Vec<Option<i32>> {
        let key: ArrayRef = Arc::new(Int32Array::from(vec![Some(2), None, Some(1), Some(2)]));
        let value: ArrayRef = Arc::new(Int32Array::from(vec![Some(10), Some(11), None, Some(13)]));
        let field = |name: &str| Arc::new(Field::new(name, DataType::Int32, true));
        let rows = StructArray::from(vec![(field("k0"), key), (field("v"), value)]);
        let item = Arc::new(Field::new_list_field(rows.data_type().clone(), true));
        let rows: ArrayRef = Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([4]), Arc::new(rows), None));
        let directions: ArrayRef = Arc::new(StringArray::from(vec![directions]));
        let list = in_order(&[rows, directions], 1, &list_of(DataType::Int32)).expect("a list");
        list.as_list::<i32>().values().as_primitive::<datafusion::arrow::datatypes::Int32Type>().iter().collect()
    }

    #[test]
    fn values_come_in_the_order_of_the_fields_before_them() {
        assert_eq!(ordered("a"), [None, Some(10), Some(13), Some(11)]);
        assert_eq!(ordered("A"), [Some(11), None, Some(10), Some(13)]);
        assert_eq!(ordered("D"), [Some(11), Some(10), Some(13), None]);
        assert_eq!(ordered("d"), [Some(10), Some(13), None, Some(11)]);
    }
}
