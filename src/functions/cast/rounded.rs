//! PostgreSQL's CAST to whole numbers inside of arrays, maps and structs: it rounds, where Arrow's cuts off.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::ListArray;
use datafusion::arrow::array::MapArray;
use datafusion::arrow::array::StructArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::CastTarget;
use super::plain;

/// `__rounded_in(nested) -> nested`: what becomes a whole number of `target` is one, all else is as it was; one function for each
/// type. 22003 for a number that does not fit. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct RoundedIn {
    target: DataType,
    signature: Signature,
}

impl RoundedIn {
    /// The function for a cast to a nested type, if it has something to round.
    pub fn of(from: &DataType, target: &DataType) -> Option<Self> {
        let signature = Signature::any(1, Volatility::Immutable);
        (rounded_type(from, target) != *from).then(|| Self { target: target.clone(), signature })
    }
}

impl ScalarUDFImpl for RoundedIn {
    fn name(&self) -> &str {
        "__rounded_in"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(rounded_type(&arguments[0], &self.target))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        rounded(&args.args[0].to_array(args.number_rows)?, &self.target).map(ColumnarValue::Array)
    }
}

/// The whole number that a fraction becomes in a cast from one type to another.
fn whole(from: &DataType, target: &DataType) -> Option<CastTarget> {
    match (from, target) {
        (DataType::Float64 | DataType::Decimal128(..), DataType::Int32) => Some(CastTarget::Int),
        (DataType::Float64 | DataType::Decimal128(..), DataType::Int64) => Some(CastTarget::BigInt),
        _ => None,
    }
}

fn rounded_type(from: &DataType, target: &DataType) -> DataType {
    match (from, target) {
        (DataType::List(from), DataType::List(target)) => DataType::List(rounded_field(from, target)),
        (DataType::Map(from, sorted), DataType::Map(target, _)) => DataType::Map(rounded_field(from, target), *sorted),
        (DataType::Struct(from), DataType::Struct(target)) => {
            let fields = from.iter().enumerate().map(|(place, field)| match counterpart(field, place, target) {
                Some(target) => rounded_field(field, target),
                None => Arc::clone(field),
            });
            DataType::Struct(fields.collect())
        }
        (from, target) => whole(from, target).map_or_else(|| from.clone(), |_| target.clone()),
    }
}

fn rounded_field(from: &FieldRef, target: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(from).with_data_type(rounded_type(from.data_type(), target.data_type())))
}

/// The field of that name; of a map's entries, which Arrow casts by their places, the one of that place.
fn counterpart<'a>(field: &FieldRef, place: usize, target: &'a [FieldRef]) -> Option<&'a FieldRef> {
    target.iter().find(|other| other.name() == field.name()).or_else(|| target.get(place))
}

fn rounded(values: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    let of = rounded_type(values.data_type(), target);
    if of == *values.data_type() {
        return Ok(Arc::clone(values));
    }
    Ok(match (&of, target) {
        (DataType::List(field), DataType::List(target)) => {
            let list = values.as_list::<i32>();
            let inner = rounded(list.values(), target.data_type())?;
            Arc::new(ListArray::try_new(Arc::clone(field), list.offsets().clone(), inner, list.nulls().cloned())?)
        }
        (DataType::Map(field, sorted), DataType::Map(target, _)) => {
            let map = values.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = rounded(&entries, target.data_type())?.as_struct().clone();
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(Arc::clone(field), offsets, entries, nulls, *sorted)?)
        }
        (DataType::Struct(fields), DataType::Struct(target)) => {
            let row = values.as_struct();
            let columns = row.fields().iter().zip(row.columns()).enumerate();
            let columns = columns.map(|(place, (field, column))| match counterpart(field, place, target) {
                Some(target) => rounded(column, target.data_type()),
                None => Ok(Arc::clone(column)),
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::try_new(fields.clone(), columns, row.nulls().cloned())?)
        }
        _ => match whole(values.data_type(), target) {
            Some(to) => to.whole(&plain(Arc::clone(values))?)?,
            None => Arc::clone(values),
        },
    })
}
