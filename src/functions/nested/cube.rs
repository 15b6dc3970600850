//! `CUBE_EXPLODE`: an array in which each element stands or is null, in every way.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::ListArray;
use datafusion::arrow::array::new_null_array;
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;

use super::definition::Definition;
use super::definition::Picks;
use super::definition::Types;
use super::definition::failed;
use super::definition::item;
use super::definition::list;
use super::definition::list_of;
use super::definition::span;
use crate::error::Error;
use crate::error::SqlState;

/// The name by which CUBE_EXPLODE makes the lists that it gives as rows.
pub const CUBE: &str = "__cube";

/// The most elements: of so many there are 4,096 ways.
const ELEMENTS_MAX: usize = 12;

/// `__cube(array) -> array of arrays`: from all elements null to none, as a binary number counts whose digits are the elements.
/// One that is null anyway has one way. Null of null; 54000 for more than `ELEMENTS_MAX` elements.
pub(super) static DEFINITIONS: [Definition; 1] =
    [Definition { name: CUBE, usage: "", about: "", types: cube_types, compute: cube }];

fn cube_types(arguments: &[DataType]) -> Option<Types> {
    let [of] = arguments else { return None };
    let list = list_of(item(of)?);
    Some((vec![list.clone()], DataType::new_list(list, true)))
}

fn cube(arrays: &[ArrayRef], rows: usize, of: &DataType) -> Result<ArrayRef> {
    let DataType::List(field) = of else {
        return datafusion::common::internal_err!("{of} is no list");
    };
    let lists = list(arrays, 0);
    let none = new_null_array(lists.values().data_type(), 1);
    let (mut picks, mut lengths, mut valid) = (Picks::default(), Vec::with_capacity(rows), Vec::with_capacity(rows));
    for row in 0..rows {
        let elements = span(lists, row);
        valid.push(elements.is_some());
        lengths.push(match elements {
            None => 0,
            Some(elements) => ways(lists.values().as_ref(), elements, &mut picks)?,
        });
    }
    let inner = picks.lists(&[lists.values(), &none], field.data_type())?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(field), offsets, inner, Some(valid.into()))?))
}

/// Picks every way of an array's elements; how many there are.
fn ways(values: &dyn Array, elements: std::ops::Range<usize>, picks: &mut Picks) -> Result<usize> {
    let count = elements.len();
    if ELEMENTS_MAX < count {
        let message = format!("CUBE_EXPLODE takes at most {ELEMENTS_MAX} elements, not {count}");
        return Err(failed(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)));
    }
    let digit = |place: usize| 1_usize << (count - 1 - place);
    let can_stand = (0..count).filter(|place| values.is_valid(elements.start + place)).map(digit).sum::<usize>();
    let mut ways = 0;
    for standing in (0..1_usize << count).filter(|standing| standing & !can_stand == 0) {
        for place in 0..count {
            match standing & digit(place) {
                0 => picks.push(1, 0),
                _ => picks.push(0, elements.start + place),
            }
        }
        picks.end(true)?;
        ways += 1;
    }
    Ok(ways)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::Int32Type;

    use super::*;

    type Elements = Vec<Option<i32>>;

    fn cubes(rows: Vec<Option<Elements>>) -> Result<Vec<Option<Vec<Elements>>>> {
        let count = rows.len();
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows));
        let (_, of) = cube_types(&[lists.data_type().clone()]).expect("a list");
        let found = cube(&[lists], count, &of)?;
        assert_eq!(found.data_type(), &of);
        let read = |way: Option<ArrayRef>| -> Elements {
            way.expect("no way is null").as_primitive::<Int32Type>().iter().collect()
        };
        Ok(found.as_list::<i32>().iter().map(|ways| Some(ways?.as_list::<i32>().iter().map(read).collect())).collect())
    }

    #[test]
    fn elements_stand_in_every_way_and_nulls_in_one() {
        let found = cubes(vec![
            Some(vec![Some(1), Some(2)]),
            None,
            Some(vec![]),
            Some(vec![Some(1), None, Some(3)]),
            Some(vec![None]),
        ]);
        let wanted = vec![
            Some(vec![vec![None, None], vec![None, Some(2)], vec![Some(1), None], vec![Some(1), Some(2)]]),
            None,
            Some(vec![vec![]]),
            Some(vec![
                vec![None, None, None],
                vec![None, None, Some(3)],
                vec![Some(1), None, None],
                vec![Some(1), None, Some(3)],
            ]),
            Some(vec![vec![None]]),
        ];
        assert_eq!(found.expect("few elements"), wanted);
    }

    #[test]
    fn too_many_ways_are_an_error() {
        assert_eq!(
            cubes(vec![Some(vec![Some(0); ELEMENTS_MAX])]).expect("just right")[0].as_ref().map(Vec::len),
            Some(4096)
        );
        assert!(cubes(vec![Some(vec![Some(0); ELEMENTS_MAX + 1])]).is_err());
    }
}
