//! Texts that become arrays, maps and structs, and those that become texts: PostgreSQL's forms, JSON for maps and structs.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringBuilder;
use datafusion::arrow::array::new_empty_array;
use datafusion::arrow::array::new_null_array;
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use super::definition::Definition;
use super::definition::Types;
use super::definition::failed;
use super::definition::plain;
use crate::format;
use crate::model::SqlType;

/// * `__nested_out(value) -> text`: an array as `{1,NULL}`, a map and a struct as JSON; instants are told in UTC.
pub(super) static DEFINITIONS: [Definition; 1] = [Definition {
    name: "__nested_out",
    usage: "",
    about: "",
    types: out_types,
    compute: |arrays, rows, _| out(&arrays[0], rows),
}];

fn utc() -> Tz {
    "+00:00".parse().expect("a fixed offset")
}

fn out_types(arguments: &[DataType]) -> Option<Types> {
    let [of] = arguments else { return None };
    of.is_nested().then(|| Some((vec![plain(of)?], DataType::Utf8)))?
}

fn out(values: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    let mut texts = StringBuilder::new();
    for row in 0..rows {
        if values.is_null(row) {
            texts.append_null();
            continue;
        }
        let mut text = Vec::new();
        format::text::write(values.as_ref(), row, utc(), &mut text).map_err(failed)?;
        texts.append_value(String::from_utf8_lossy(&text));
    }
    Ok(Arc::new(texts.finish()))
}

/// `__nested_in(text) -> ARRAY, MAP or STRUCT`: 22P02 for a text that is none; one function for each type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct NestedIn {
    target: SqlType,
    signature: Signature,
}

impl NestedIn {
    /// The function for a nested type.
    pub fn new(target: SqlType) -> Self {
        Self { target, signature: Signature::exact(vec![DataType::Utf8], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for NestedIn {
    fn name(&self) -> &str {
        "__nested_in"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.target.arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = args.args[0].to_array(args.number_rows)?;
        let texts = texts.as_string::<i32>();
        let null = new_null_array(&self.target.arrow(), 1);
        let mut values: Vec<ArrayRef> = Vec::with_capacity(texts.len());
        for text in texts {
            values.push(match text {
                None => Arc::clone(&null),
                Some(text) => format::text::read(&self.target, text, utc()).map_err(failed)?,
            });
        }
        Ok(ColumnarValue::Array(match values.is_empty() {
            true => new_empty_array(&self.target.arrow()),
            false => concat(&values.iter().map(|value| value.as_ref()).collect::<Vec<_>>())?,
        }))
    }
}
