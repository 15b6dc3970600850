//! `a[i]`, `m['k']` and `s->name`.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::compute::is_null;
use datafusion::arrow::compute::nullif;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ReturnFieldArgs;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::definition::Definition;
use super::definition::Types;
use super::definition::entry;
use super::definition::failed;
use super::definition::item;
use super::definition::keys_of;
use super::definition::map_span;
use super::definition::met;
use super::definition::plain;
use super::definition::span;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::SqlType;

/// * `__element(array, i) -> element`: from 1; null outside of the array, as in PostgreSQL.
/// * `__ksql_element(array, i) -> element`: -1 is the last one.
/// * both of a map and a key: its value, null if it is not there.
/// * `__not_null(value) -> value`: 22004 for a null.
/// * `__nested_equal(a, b) -> BOOLEAN`: null of a null; nulls inside are equal, and so are maps with equal entries in one order.
pub(super) static DEFINITIONS: [Definition; 4] = [
    Definition {
        name: "__nested_equal",
        usage: "",
        about: "",
        types: alike,
        compute: |arrays, rows, _| equal(arrays, rows),
    },
    Definition { name: "__not_null", usage: "", about: "", types: same, compute: not_null },
    Definition {
        name: "__element",
        usage: "",
        about: "",
        types,
        compute: |arrays, rows, _| element(arrays, rows, FromEnd::No),
    },
    Definition {
        name: "__ksql_element",
        usage: "",
        about: "",
        types,
        compute: |arrays, rows, _| element(arrays, rows, FromEnd::Yes),
    },
];

/// Whether negative places count from the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FromEnd {
    No,
    Yes,
}

fn types(arguments: &[DataType]) -> Option<Types> {
    let [of, at] = arguments else { return None };
    if let Some((key, value)) = entry(of) {
        let at = met(&key, at).filter(|met| *met == key)?;
        return Some((vec![plain(of)?, at], value));
    }
    let item = item(of).filter(|item| !item.is_null())?;
    (at.is_integer() || at.is_null()).then(|| Some((vec![plain(of)?, DataType::Int64], item)))?
}

fn alike(arguments: &[DataType]) -> Option<Types> {
    let [left, right] = arguments else { return None };
    let met = met(left, right)?;
    Some((vec![met.clone(), met], DataType::Boolean))
}

fn equal(arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (left, right) = (keys_of(&arrays[0])?, keys_of(&arrays[1])?);
    let equal = |row: usize| {
        let known = arrays[0].is_valid(row) && arrays[1].is_valid(row);
        known.then(|| left[row] == right[row])
    };
    Ok(Arc::new(BooleanArray::from_iter((0..rows).map(equal))))
}

fn same(arguments: &[DataType]) -> Option<Types> {
    let [of] = arguments else { return None };
    Some((vec![of.clone()], of.clone()))
}

fn not_null(arrays: &[ArrayRef], _rows: usize, _of: &DataType) -> Result<ArrayRef> {
    match arrays[0].null_count() {
        0 => Ok(Arc::clone(&arrays[0])),
        _ => Err(failed(Error::new(SqlState("22004"), "a null in the arithmetic of a lambda"))),
    }
}

fn element(arrays: &[ArrayRef], rows: usize, from_end: FromEnd) -> Result<ArrayRef> {
    if let DataType::Map(..) = arrays[0].data_type() {
        return value_of(arrays, rows);
    }
    let list = arrays[0].as_list::<i32>();
    let places = arrays[1].as_primitive::<Int64Type>();
    let place = |row: usize| {
        let span = span(list, row).filter(|_| places.is_valid(row))?;
        let length = i64::try_from(span.len()).ok()?;
        let at = match places.value(row) {
            at if 1 <= at && at <= length => at - 1,
            at if from_end == FromEnd::Yes && at < 0 && -length <= at => length + at,
            _ => return None,
        };
        u32::try_from(span.start + usize::try_from(at).ok()?).ok()
    };
    Ok(take(list.values(), &UInt32Array::from_iter((0..rows).map(place)), None)?)
}

fn value_of(arrays: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let map = arrays[0].as_map();
    let (keys, wanted) = (keys_of(map.keys())?, keys_of(&arrays[1])?);
    let place = |row: usize| {
        let found = map_span(map, row)?.find(|place| keys[*place] == wanted[row])?;
        u32::try_from(found).ok()
    };
    Ok(take(map.values(), &UInt32Array::from_iter((0..rows).map(place)), None)?)
}

/// `__field(struct, 'name') -> field`; null of null.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct FieldOf {
    signature: Signature,
}

impl FieldOf {
    pub fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

fn position(of: &DataType, name: &str) -> Result<(usize, FieldRef)> {
    let DataType::Struct(fields) = of else {
        let shown = SqlType::postgres_name_of(of);
        let message = format!("-> is for STRUCT, and this is {shown}");
        return Err(failed(Error::new(SqlState::DATATYPE_MISMATCH, message)));
    };
    let found = fields.iter().enumerate().find(|(_, field)| field.name() == name);
    found.map(|(place, field)| (place, Arc::clone(field))).ok_or_else(|| {
        let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        let error = Error::new(SqlState::UNDEFINED_COLUMN, format!("the STRUCT has no field \"{name}\""));
        failed(error.hint(format!("It has {}.", names.join(", "))))
    })
}

impl ScalarUDFImpl for FieldOf {
    fn name(&self) -> &str {
        "__field"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        datafusion::common::internal_err!("the name of the field tells the type")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        match args.scalar_arguments {
            [_, Some(ScalarValue::Utf8(Some(name)))] => {
                let (_, field) = position(args.arg_fields[0].data_type(), name)?;
                Ok(Arc::new(Field::new(self.name(), field.data_type().clone(), true)))
            }
            _ => Err(failed(Error::new(SqlState::SYNTAX_ERROR, "the name of a field is a constant"))),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [of, ColumnarValue::Scalar(ScalarValue::Utf8(Some(name)))] = args.args.as_slice() else {
            return datafusion::common::internal_err!("the name of a field is a constant");
        };
        let of = of.to_array(args.number_rows)?;
        let (place, _) = position(of.data_type(), name)?;
        let field = of.as_struct().column(place);
        Ok(ColumnarValue::Array(match of.null_count() {
            0 => Arc::clone(field),
            _ => nullif(field, &is_null(&of)?)?,
        }))
    }
}
