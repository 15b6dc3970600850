//! Documents made of values: `to_json`, `json_build_object` and their kin, and the arrays in which aggregates gathered rows.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::LargeBinaryArray;
use datafusion::arrow::array::LargeStringArray;
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::TypeSignature;
use datafusion::logical_expr::Volatility;

use crate::error::Error;
use crate::error::SqlState;
use crate::format;
use crate::format::normal_document;
use crate::functions::described::described;
use crate::functions::rowwise::not_accepted;

/// How values become a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    /// The one value.
    Value,
    /// `[..]` of all arguments.
    Array,
    /// `{..}` of names and values by turns.
    Object,
    /// `[..]` of the elements of an array that an aggregate gathered.
    Gathered,
    /// `{..}` of the pairs that an aggregate gathered.
    GatheredPairs,
}

/// `to_json(any) -> json` and so on: each function for `json` and for `jsonb`. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Made {
    name: &'static str,
    shape: Shape,
    of: DataType,
    signature: Signature,
    documentation: Documentation,
}

const JSON: DataType = DataType::LargeUtf8;
const JSONB: DataType = DataType::LargeBinary;

impl Made {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        [
            ("to_json", Shape::Value, JSON),
            ("to_jsonb", Shape::Value, JSONB),
            ("row_to_json", Shape::Value, JSON),
            ("array_to_json", Shape::Value, JSON),
            ("json_build_array", Shape::Array, JSON),
            ("jsonb_build_array", Shape::Array, JSONB),
            ("json_build_object", Shape::Object, JSON),
            ("jsonb_build_object", Shape::Object, JSONB),
            ("__json_agg", Shape::Gathered, JSON),
            ("__jsonb_agg", Shape::Gathered, JSONB),
            ("__json_object_agg", Shape::GatheredPairs, JSON),
            ("__jsonb_object_agg", Shape::GatheredPairs, JSONB),
        ]
        .into_iter()
        .map(|(name, shape, of)| Self::new(name, shape, of))
    }

    fn new(name: &'static str, shape: Shape, of: DataType) -> Self {
        let signature = match shape {
            Shape::Array | Shape::Object => {
                let any_number = vec![TypeSignature::VariadicAny, TypeSignature::Nullary];
                Signature::one_of(any_number, Volatility::Immutable)
            }
            _ => Signature::any(1, Volatility::Immutable),
        };
        let (arguments, about) = match shape {
            Shape::Array => ("any, ...", "An array of JSON of the values."),
            Shape::Object => ("name, any, ...", "An object of JSON of names and values by turns."),
            _ => ("any", "A value as JSON."),
        };
        let result = if of == JSON { "json" } else { "jsonb" };
        let documentation = described(&format!("{name}({arguments}) -> {result}"), about);
        Self { name, shape, of, signature, documentation }
    }

    fn document(&self, arrays: &[ArrayRef], row: usize) -> std::result::Result<Option<String>, Error> {
        let mut out = Vec::new();
        match self.shape {
            Shape::Value if arrays[0].is_null(row) || arrays[0].data_type().is_null() => return Ok(None),
            Shape::Value => write(arrays[0].as_ref(), row, &mut out)?,
            Shape::Array => write_array(arrays.iter().map(|array| (array.as_ref(), row)), b", ", &mut out)?,
            Shape::Object => {
                let pairs = arrays.chunks_exact(2).map(|pair| (pair[0].as_ref(), pair[1].as_ref(), row));
                write_object(pairs, (b"{", b"}"), &mut out)?;
            }
            Shape::Gathered | Shape::GatheredPairs => {
                let Some(lists) = arrays[0].as_list_opt::<i32>().filter(|lists| lists.is_valid(row)) else {
                    return Ok(None);
                };
                let gathered = lists.value(row);
                match gathered.as_struct_opt().filter(|_| self.shape == Shape::GatheredPairs) {
                    None => {
                        let between: &[u8] = if gathered.data_type().is_nested() { b", \n " } else { b", " };
                        write_array((0..gathered.len()).map(|at| (gathered.as_ref(), at)), between, &mut out)?;
                    }
                    Some(pairs) => {
                        let (names, values) = (pairs.column(0).as_ref(), pairs.column(1).as_ref());
                        let pairs = (0..pairs.len()).map(|at| (names, values, at));
                        write_object(pairs, (b"{ ", b" }"), &mut out)?;
                    }
                }
            }
        }
        let text = String::from_utf8(out).map_err(|error| Error::internal("JSON that is no text").caused_by(error))?;
        Ok(Some(if self.of == JSONB { normal_document(&text)? } else { text }))
    }
}

/// Values between brackets.
fn write_array<'a>(
    items: impl Iterator<Item = (&'a dyn Array, usize)>,
    between: &[u8],
    out: &mut Vec<u8>,
) -> std::result::Result<(), Error> {
    out.push(b'[');
    for (place, (array, row)) in items.enumerate() {
        out.extend_from_slice(if place == 0 { b"" } else { between });
        write(array, row, out)?;
    }
    out.push(b']');
    Ok(())
}

/// Names and values between braces, with the blanks that PostgreSQL has there.
fn write_object<'a>(
    pairs: impl Iterator<Item = (&'a dyn Array, &'a dyn Array, usize)>,
    (open, close): (&[u8], &[u8]),
    out: &mut Vec<u8>,
) -> std::result::Result<(), Error> {
    out.extend_from_slice(open);
    for (place, (names, values, row)) in pairs.enumerate() {
        if names.is_null(row) || names.data_type().is_null() {
            let message = format!("argument {} cannot be null", 2 * place + 1);
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).hint("Object keys should be text."));
        }
        out.extend_from_slice(if place == 0 { b"" } else { b", " });
        format::write_json_string(&shown(names, row)?, out);
        out.extend_from_slice(b" : ");
        write(values, row, out)?;
    }
    out.extend_from_slice(close);
    Ok(())
}

/// A value's text.
fn shown(array: &dyn Array, row: usize) -> std::result::Result<String, Error> {
    let zone = match array.data_type() {
        DataType::Timestamp(_, Some(zone)) => zone.parse().ok(),
        _ => None,
    };
    let utc = || "+00:00".parse::<Tz>().map_err(|error| Error::internal("the offset of UTC").caused_by(error));
    let zone = match zone {
        Some(zone) => zone,
        None => utc()?,
    };
    let mut text = Vec::new();
    format::text::write(array, row, zone, &mut text)?;
    String::from_utf8(text).map_err(|error| Error::internal("a text of a value").caused_by(error))
}

/// A value as JSON, as `to_json` writes it.
fn write(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> std::result::Result<(), Error> {
    if array.is_null(row) || array.data_type().is_null() {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Boolean => out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" }),
        DataType::LargeUtf8 | DataType::LargeBinary => out.extend_from_slice(shown(array, row)?.as_bytes()),
        DataType::Float64 if !array.as_primitive::<Float64Type>().value(row).is_finite() => {
            format::write_json_string(&shown(array, row)?, out);
        }
        number if number.is_numeric() => out.extend_from_slice(shown(array, row)?.as_bytes()),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            write_array((0..items.len()).map(|at| (items.as_ref(), at)), b",", out)?;
        }
        DataType::Struct(fields) => {
            for (place, (field, column)) in fields.iter().zip(array.as_struct().columns()).enumerate() {
                out.push(if place == 0 { b'{' } else { b',' });
                format::write_json_string(field.name(), out);
                out.push(b':');
                write(column.as_ref(), row, out)?;
            }
            out.push(b'}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            out.push(b'{');
            for at in 0..entries.len() {
                out.extend_from_slice(if at == 0 { b"" } else { b"," });
                format::write_json_string(&shown(entries.column(0).as_ref(), at)?, out);
                out.push(b':');
                write(entries.column(1).as_ref(), at, out)?;
            }
            out.push(b'}');
        }
        DataType::Timestamp(_, zone) => {
            let mut text = shown(array, row)?.replacen(' ', "T", 1);
            // Of an offset minutes are told too.
            let is_of_hours = text.len().checked_sub(3).is_some_and(|at| matches!(text.as_bytes()[at], b'+' | b'-'));
            if zone.is_some() && is_of_hours {
                text.push_str(":00");
            }
            format::write_json_string(&text, out);
        }
        _ => format::write_json_string(&shown(array, row)?, out),
    }
    Ok(())
}

impl ScalarUDFImpl for Made {
    fn name(&self) -> &str {
        self.name
    }

    fn documentation(&self) -> Option<&Documentation> {
        (!self.name.starts_with("__")).then_some(&self.documentation)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let is_collection = |argument: &DataType| argument.is_nested() || argument.is_null();
        if matches!(self.name, "row_to_json" | "array_to_json") && !arguments.iter().all(is_collection) {
            return Err(not_accepted(self.name, arguments));
        }
        if self.shape == Shape::Object && !arguments.len().is_multiple_of(2) {
            let error =
                Error::new(SqlState::INVALID_PARAMETER_VALUE, "argument list must have even number of elements")
                    .hint(format!("The arguments of {}() must consist of alternating keys and values.", self.name));
            return Err(DataFusionError::External(Box::new(error)));
        }
        Ok(self.of.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays: Vec<ArrayRef> =
            args.args.iter().map(|argument| argument.to_array(args.number_rows)).collect::<Result<_>>()?;
        let documents = (0..args.number_rows)
            .map(|row| self.document(&arrays, row))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let column: ArrayRef = match self.of {
            DataType::LargeBinary => Arc::new(LargeBinaryArray::from_iter(
                documents.iter().map(|document| document.as_ref().map(String::as_bytes)),
            )),
            _ => Arc::new(LargeStringArray::from_iter(documents)),
        };
        Ok(ColumnarValue::Array(column))
    }
}
