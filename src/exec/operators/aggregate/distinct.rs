//! Which rows of columns are equal, without their keys: most rows of a batch meet the few groups that are hot.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::datatypes::ArrowPrimitiveType;
use arrow::datatypes::DataType;
use arrow::datatypes::Date32Type;
use arrow::datatypes::Decimal128Type;
use arrow::datatypes::Int32Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::TimeUnit;
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::hash_utils::RandomState;
use datafusion::common::hash_utils::create_hashes;
use hashbrown::DefaultHashBuilder;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::exec::ExecError;
use crate::format::RowKeys;

/// The distinct rows of columns.
pub(super) struct Distinct {
    /// The first row of each, in the order in which they come.
    pub first_rows: Vec<usize>,
    /// Per row, which of them it is.
    pub of_row: Vec<usize>,
}

/// Whether two rows of a column are equal.
type IsEqual<'a> = Box<dyn Fn(usize, usize) -> bool + 'a>;

impl Distinct {
    /// Rows are equal when their keys are; `columns` have `rows` rows.
    pub fn of(columns: &[ArrayRef], rows: usize) -> Result<Self, ExecError> {
        if let Some(distinct) = Self::of_one(columns, rows)? {
            return Ok(distinct);
        }
        let comparisons: Option<Vec<IsEqual<'_>>> = columns.iter().map(comparison).collect();
        match comparisons {
            Some(comparisons) if !columns.is_empty() => {
                let hashes = hashes(columns, rows)?;
                let is_equal = |one, other| comparisons.iter().all(|is_equal| is_equal(one, other));
                Ok(Self::by(&hashes, is_equal))
            }
            _ => Self::by_keys(columns, rows),
        }
    }

    /// The same of one column of the types by which most queries group: a comparison through a pointer costs more than itself.
    fn of_one(columns: &[ArrayRef], rows: usize) -> Result<Option<Self>, ExecError> {
        let [column] = columns else { return Ok(None) };
        if 0 < column.null_count() {
            return Ok(None);
        }
        Ok(match column.data_type() {
            DataType::Utf8 => {
                let values = column.as_string::<i32>();
                Some(Self::by(&hashes(columns, rows)?, |one, other| values.value(one) == values.value(other)))
            }
            DataType::Int32 => {
                let values = column.as_primitive::<Int32Type>().values();
                Some(Self::by(&hashes(columns, rows)?, |one, other| values[one] == values[other]))
            }
            DataType::Int64 => {
                let values = column.as_primitive::<Int64Type>().values();
                Some(Self::by(&hashes(columns, rows)?, |one, other| values[one] == values[other]))
            }
            _ => None,
        })
    }

    fn by_keys(columns: &[ArrayRef], rows: usize) -> Result<Self, ExecError> {
        let keys = RowKeys::encode_rows(columns, rows)?;
        let hasher = DefaultHashBuilder::default();
        let hashes: Vec<u64> = keys.iter().map(|key| hasher.hash_one(key)).collect();
        Ok(Self::by(&hashes, |one, other| keys[one] == keys[other]))
    }

    fn by(hashes: &[u64], is_equal: impl Fn(usize, usize) -> bool) -> Self {
        let mut numbers: HashTable<usize> = HashTable::new();
        let mut distinct = Self { first_rows: Vec::new(), of_row: Vec::with_capacity(hashes.len()) };
        for (row, hash) in hashes.iter().enumerate() {
            let firsts = &distinct.first_rows;
            let is_same = |number: &usize| hashes[firsts[*number]] == *hash && is_equal(firsts[*number], row);
            let number = match numbers.entry(*hash, is_same, |number| hashes[firsts[*number]]) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(place) => {
                    let number = *place.insert(firsts.len()).get();
                    distinct.first_rows.push(row);
                    number
                }
            };
            distinct.of_row.push(number);
        }
        distinct
    }
}

fn hashes(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>, ExecError> {
    let mut hashes = vec![0; rows];
    create_hashes(columns, &RandomState::default(), &mut hashes)?;
    Ok(hashes)
}

/// How rows of a column are compared; `None` for types whose values may differ and have one key, as doubles, or are nested.
fn comparison(column: &ArrayRef) -> Option<IsEqual<'_>> {
    let is_equal: IsEqual<'_> = match column.data_type() {
        DataType::Int32 => primitive::<Int32Type>(column),
        DataType::Int64 => primitive::<Int64Type>(column),
        DataType::Date32 => primitive::<Date32Type>(column),
        DataType::Timestamp(TimeUnit::Microsecond, _) => primitive::<TimestampMicrosecondType>(column),
        DataType::Decimal128(..) => primitive::<Decimal128Type>(column),
        DataType::Boolean => {
            let values = column.as_boolean();
            Box::new(|one, other| values.value(one) == values.value(other))
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            Box::new(|one, other| values.value(one) == values.value(other))
        }
        _ => return None,
    };
    if column.null_count() == 0 {
        return Some(is_equal);
    }
    let nulls = Arc::clone(column);
    Some(Box::new(move |one, other| match (nulls.is_null(one), nulls.is_null(other)) {
        (false, false) => is_equal(one, other),
        (one, other) => one == other,
    }))
}

fn primitive<T: ArrowPrimitiveType>(column: &ArrayRef) -> IsEqual<'_> {
    let values = column.as_primitive::<T>().values();
    Box::new(|one, other| values[one] == values[other])
}

#[cfg(test)]
mod tests {
    use arrow::array::BooleanArray;
    use arrow::array::Decimal128Array;
    use arrow::array::Float64Array;
    use arrow::array::Int64Array;
    use arrow::array::StringArray;

    use super::*;
    use crate::env::Random;
    use crate::env::SeededRandom;

    #[test]
    fn rows_are_equal_when_their_keys_are() {
        let random = SeededRandom::new(7);
        let rows = 500;
        let few = |below: u64| (0..rows).map(|_| random.next_u64() % below).collect::<Vec<_>>();
        let with_nulls = |values: Vec<u64>| values.into_iter().map(|value| (value != 0).then_some(value));
        let texts: ArrayRef = Arc::new(
            with_nulls(few(5))
                .map(|value| value.map(|value| "a\0".repeat(value as usize - 1)))
                .collect::<StringArray>(),
        );
        let numbers: ArrayRef =
            Arc::new(Int64Array::from_iter_values(few(4).into_iter().map(|value| value as i64 - 2)));
        let decimals: ArrayRef =
            Arc::new(with_nulls(few(3)).map(|value| value.map(i128::from)).collect::<Decimal128Array>());
        let booleans: ArrayRef =
            Arc::new(with_nulls(few(3)).map(|value| value.map(|value| value == 1)).collect::<BooleanArray>());
        let doubles: ArrayRef = Arc::new(Float64Array::from_iter_values(
            few(3).into_iter().map(|value| [0.0, -0.0, f64::NAN][value as usize]),
        ));
        for columns in [
            vec![],
            vec![Arc::clone(&texts)],
            vec![Arc::clone(&numbers)],
            vec![Arc::clone(&texts), Arc::clone(&numbers), Arc::clone(&decimals), Arc::clone(&booleans)],
            vec![Arc::clone(&doubles)],
            vec![numbers, doubles],
        ] {
            let found = Distinct::of(&columns, rows).expect("rows");
            let expected = Distinct::by_keys(&columns, rows).expect("keys of these types");
            assert_eq!((found.first_rows, found.of_row), (expected.first_rows, expected.of_row));
        }
    }
}
