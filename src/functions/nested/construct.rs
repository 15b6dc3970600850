//! `ARRAY[..]`, `MAP(k := v, ..)` and `STRUCT(name := v, ..)`.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::StructArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::Fields;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ReturnFieldArgs;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::definition::Definition;
use super::definition::Picks;
use super::definition::Types;
use super::definition::failed;
use super::definition::keys_of;
use super::definition::list_of;
use super::definition::map_of;
use super::definition::met;
use super::definition::plain;
use crate::error::Error;
use crate::error::SqlState;

/// ksqlDB's ARRAY, of which an element may fail alone.
pub const KSQL_ARRAY: &str = "__ksql_array";

/// * `__array(value, ..) -> ARRAY`: of the type that all values become.
/// * `__ksql_array`: the same; who evaluates it row by row takes an element that fails for null.
/// * `__map(key, value, ..) -> MAP`: of a key that comes twice the last value counts; 22004 for a key that is null.
pub(super) static DEFINITIONS: [Definition; 3] = [
    Definition { name: "__array", usage: "", about: "", types: array_types, compute: array },
    Definition { name: KSQL_ARRAY, usage: "", about: "", types: array_types, compute: array },
    Definition { name: "__map", usage: "", about: "", types: map_types, compute: map },
];

fn all_met<'a>(types: impl Iterator<Item = &'a DataType>) -> Option<DataType> {
    let mut found = DataType::Null;
    for data_type in types {
        found = met(&found, data_type)?;
    }
    // A column of nulls is one of texts.
    Some(if found.is_null() { DataType::Utf8 } else { found })
}

fn array_types(arguments: &[DataType]) -> Option<Types> {
    let item = all_met(arguments.iter())?;
    Some((vec![item.clone(); arguments.len()], list_of(item)))
}

fn array(arrays: &[ArrayRef], rows: usize, of_type: &DataType) -> Result<ArrayRef> {
    let mut picks = Picks::default();
    for row in 0..rows {
        (0..arrays.len()).for_each(|source| picks.push(source, row));
        picks.end(true)?;
    }
    if arrays.is_empty() {
        let none: ArrayRef = datafusion::arrow::array::new_empty_array(&DataType::Utf8);
        return picks.lists(&[&none], of_type);
    }
    picks.lists(&arrays.iter().collect::<Vec<_>>(), of_type)
}

fn map_types(arguments: &[DataType]) -> Option<Types> {
    if arguments.is_empty() || !arguments.len().is_multiple_of(2) {
        return None;
    }
    let key = all_met(arguments.iter().step_by(2))?;
    let value = all_met(arguments.iter().skip(1).step_by(2))?;
    if key.is_nested() {
        return None;
    }
    let coerced = (0..arguments.len()).map(|at| if at % 2 == 0 { key.clone() } else { value.clone() });
    Some((coerced.collect(), map_of(&key, &value)?))
}

fn map(arrays: &[ArrayRef], rows: usize, of_type: &DataType) -> Result<ArrayRef> {
    let keys: Vec<&ArrayRef> = arrays.iter().step_by(2).collect();
    let values: Vec<&ArrayRef> = arrays.iter().skip(1).step_by(2).collect();
    let bytes: Vec<Vec<Vec<u8>>> = keys.iter().map(|keys| keys_of(keys)).collect::<Result<_>>()?;
    let mut picks = Picks::default();
    for row in 0..rows {
        for source in 0..keys.len() {
            if keys[source].is_null(row) {
                return Err(failed(Error::new(SqlState("22004"), "a key of a map cannot be null")));
            }
            if !bytes[source + 1..].iter().any(|later| later[row] == bytes[source][row]) {
                picks.push(source, row);
            }
        }
        picks.end(true)?;
    }
    picks.maps(&keys, &values, of_type)
}

/// `__struct('name', value, ..) -> STRUCT`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct MakeStruct {
    signature: Signature,
}

impl MakeStruct {
    pub fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for MakeStruct {
    fn name(&self) -> &str {
        "__struct"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let coerced = arguments.iter().map(|argument| plain(argument).unwrap_or_else(|| argument.clone()));
        Ok(coerced.map(|argument| if argument.is_null() { DataType::Utf8 } else { argument }).collect())
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        datafusion::common::internal_err!("the names of fields tell the type")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let mut fields: Vec<Field> = Vec::with_capacity(args.arg_fields.len() / 2);
        for (name, value) in args.scalar_arguments.iter().step_by(2).zip(args.arg_fields.iter().skip(1).step_by(2)) {
            let Some(ScalarValue::Utf8(Some(name))) = name else {
                return Err(failed(Error::new(SqlState::SYNTAX_ERROR, "the name of a field is a constant")));
            };
            if fields.iter().any(|field| field.name() == name) {
                let message = format!("Duplicate struct field name: \"{name}\"");
                return Err(failed(Error::new(SqlState::DUPLICATE_COLUMN, message)));
            }
            fields.push(Field::new(name, value.data_type().clone(), true));
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Struct(Fields::from(fields)), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Struct(fields) = args.return_field.data_type() else {
            return datafusion::common::internal_err!("a struct is made of fields");
        };
        let values = args.args.iter().skip(1).step_by(2);
        let values: Vec<ArrayRef> = values.map(|value| value.to_array(args.number_rows)).collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(StructArray::try_new(fields.clone(), values, None)?)))
    }
}
