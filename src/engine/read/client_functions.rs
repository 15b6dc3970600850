//! Functions of PostgreSQL's catalogs that psql and drivers call and that ask of nothing here: one line each.
//!
//! What they would tell about (comments, privileges, definitions of functions) does not exist, so their answers are fixed.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::TypeSignature;
use datafusion::logical_expr::Volatility;
use datafusion::scalar::ScalarValue;

/// `array_to_string` as queries of catalogs call it: lists of privileges and options are texts here, and null.
pub(super) const JOINED: &str = "__array_to_string";

/// What a function answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Answer {
    /// Everything is in the search path, and everybody may.
    True,
    /// What there is not.
    False,
    /// A number.
    Number(i32),
    /// No number.
    NoNumber,
    /// There is none.
    NoText,
    /// A text.
    Text(&'static str),
    /// No bytes are told of.
    NoBytes,
    /// The number of the encoding UTF8.
    Encoding,
    /// The first argument, a text.
    Itself,
    /// A number of bytes, in words.
    Pretty,
    /// A text as a literal.
    Quoted,
    /// The elements of a list, joined.
    Joined,
}

const FUNCTIONS: &[(&str, Answer)] = &[
    ("col_description", Answer::NoText),
    ("getdatabaseencoding", Answer::Text("UTF8")),
    ("has_column_privilege", Answer::True),
    ("has_foreign_data_wrapper_privilege", Answer::True),
    ("has_function_privilege", Answer::True),
    ("has_language_privilege", Answer::True),
    ("has_sequence_privilege", Answer::True),
    ("has_server_privilege", Answer::True),
    ("has_tablespace_privilege", Answer::True),
    ("has_type_privilege", Answer::True),
    ("inet_client_addr", Answer::NoText),
    ("inet_client_port", Answer::NoNumber),
    ("inet_server_addr", Answer::NoText),
    ("inet_server_port", Answer::NoNumber),
    ("obj_description", Answer::NoText),
    ("pg_char_to_encoding", Answer::Encoding),
    ("pg_collation_is_visible", Answer::True),
    ("pg_conversion_is_visible", Answer::True),
    ("pg_current_xact_id_if_assigned", Answer::NoText),
    ("pg_database_size", Answer::NoBytes),
    ("pg_describe_object", Answer::NoText),
    ("pg_encoding_to_char", Answer::Text("UTF8")),
    ("pg_function_is_visible", Answer::True),
    ("pg_get_expr", Answer::Itself),
    ("pg_get_function_sqlbody", Answer::NoText),
    ("pg_get_partition_constraintdef", Answer::NoText),
    ("pg_get_ruledef", Answer::NoText),
    ("pg_get_serial_sequence", Answer::NoText),
    ("pg_get_statisticsobjdef", Answer::NoText),
    ("pg_get_triggerdef", Answer::NoText),
    ("pg_has_role", Answer::True),
    ("pg_indexes_size", Answer::NoBytes),
    ("pg_is_in_recovery", Answer::False),
    ("pg_is_other_temp_schema", Answer::False),
    ("pg_my_temp_schema", Answer::Number(0)),
    ("pg_opclass_is_visible", Answer::True),
    ("pg_operator_is_visible", Answer::True),
    ("pg_opfamily_is_visible", Answer::True),
    ("pg_relation_filepath", Answer::NoText),
    ("pg_relation_is_publishable", Answer::True),
    ("pg_relation_is_updatable", Answer::Number(28)),
    ("pg_relation_size", Answer::NoBytes),
    ("pg_size_pretty", Answer::Pretty),
    ("pg_statistics_obj_is_visible", Answer::True),
    ("pg_table_size", Answer::NoBytes),
    ("pg_tablespace_location", Answer::Text("")),
    ("pg_tablespace_size", Answer::NoBytes),
    ("pg_total_relation_size", Answer::NoBytes),
    ("pg_ts_config_is_visible", Answer::True),
    ("pg_ts_dict_is_visible", Answer::True),
    ("pg_ts_parser_is_visible", Answer::True),
    ("pg_ts_template_is_visible", Answer::True),
    ("pg_type_is_visible", Answer::True),
    ("quote_literal", Answer::Quoted),
    ("row_security_active", Answer::False),
    ("shobj_description", Answer::NoText),
    ("txid_current", Answer::Number(1)),
    (JOINED, Answer::Joined),
];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = ScalarUDF> {
    FUNCTIONS.iter().map(|(name, answer)| ScalarUDF::new_from_impl(ClientFunction::new(name, *answer)))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ClientFunction {
    name: &'static str,
    answer: Answer,
    signature: Signature,
}

impl ClientFunction {
    fn new(name: &'static str, answer: Answer) -> Self {
        let signature = match answer {
            Answer::Pretty => TypeSignature::Any(1),
            Answer::Quoted => TypeSignature::Exact(vec![DataType::Utf8]),
            _ => TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny]),
        };
        Self { name, answer, signature: Signature::new(signature, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for ClientFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.answer {
            Answer::True | Answer::False => DataType::Boolean,
            Answer::NoBytes => DataType::Int64,
            Answer::Encoding | Answer::Number(_) | Answer::NoNumber => DataType::Int32,
            Answer::NoText | Answer::Text(_) | Answer::Itself | Answer::Pretty | Answer::Quoted | Answer::Joined => {
                DataType::Utf8
            }
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let first = |data_type: Option<&DataType>| -> Result<ArrayRef> {
            let values = args.args[0].to_array(args.number_rows)?;
            Ok(match data_type {
                Some(data_type) => cast(&values, data_type)?,
                None => values,
            })
        };
        let scalar = match self.answer {
            Answer::True => ScalarValue::Boolean(Some(true)),
            Answer::False => ScalarValue::Boolean(Some(false)),
            Answer::Number(number) => ScalarValue::Int32(Some(number)),
            Answer::NoNumber => ScalarValue::Int32(None),
            Answer::NoBytes => ScalarValue::Int64(Some(0)),
            Answer::Encoding => ScalarValue::Int32(Some(6)),
            Answer::NoText => ScalarValue::Utf8(None),
            Answer::Text(text) => ScalarValue::Utf8(Some(text.to_string())),
            Answer::Itself if args.args.is_empty() => ScalarValue::Utf8(None),
            Answer::Itself => return Ok(ColumnarValue::Array(first(Some(&DataType::Utf8))?)),
            Answer::Pretty => {
                let sizes = first(Some(&DataType::Int64))?;
                let texts: StringArray =
                    sizes.as_primitive::<Int64Type>().iter().map(|size| size.map(pretty)).collect();
                return Ok(ColumnarValue::Array(Arc::new(texts)));
            }
            Answer::Quoted => {
                let texts = first(Some(&DataType::Utf8))?;
                let texts: StringArray = texts.as_string::<i32>().iter().map(|text| text.map(quoted)).collect();
                return Ok(ColumnarValue::Array(Arc::new(texts)));
            }
            Answer::Joined => return Ok(ColumnarValue::Array(Arc::new(joined(&args, &first(None)?)?))),
        };
        Ok(ColumnarValue::Scalar(scalar))
    }
}

/// PostgreSQL goes on to the next unit at 10240 of one.
fn pretty(bytes: i64) -> String {
    const LIMIT: i64 = 10 * 1024;
    let (mut size, mut unit) = (bytes, "bytes");
    for next in ["kB", "MB", "GB", "TB", "PB"] {
        if size.saturating_abs() < LIMIT {
            break;
        }
        (size, unit) = ((size + size.signum() * 512) / 1024, next);
    }
    format!("{size} {unit}")
}

/// A text between quotes, as SQL reads it.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    match escaped.contains('\\') {
        true => format!("E'{}'", escaped.replace('\\', "\\\\")),
        false => format!("'{escaped}'"),
    }
}

fn joined(args: &ScalarFunctionArgs, lists: &ArrayRef) -> Result<StringArray> {
    let separators = args.args.get(1).map(|separator| separator.to_array(args.number_rows)).transpose()?;
    let separators = separators.map(|separators| cast(&separators, &DataType::Utf8)).transpose()?;
    let join = |row: usize| -> Result<Option<String>> {
        let Some(items) = lists.as_list_opt::<i32>().filter(|lists| lists.is_valid(row)) else { return Ok(None) };
        let items = cast(&items.value(row), &DataType::Utf8)?;
        let items: Vec<&str> = items.as_string::<i32>().iter().flatten().collect();
        Ok(match &separators {
            Some(separators) if separators.is_valid(row) => Some(items.join(separators.as_string::<i32>().value(row))),
            _ => None,
        })
    };
    (0..lists.len()).map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_as_postgresql_tells_them() {
        for (bytes, text) in
            [(0, "0 bytes"), (10_239, "10239 bytes"), (10_240, "10 kB"), (20_000_000, "19 MB"), (-20_000, "-20 kB")]
        {
            assert_eq!(pretty(bytes), text);
        }
    }

    #[test]
    fn a_quoted_text_reads_back() {
        assert_eq!(quoted("it's"), "'it''s'");
        assert_eq!(quoted("a\\b"), "E'a\\\\b'");
    }
}
