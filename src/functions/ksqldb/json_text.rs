//! `TO_JSON_STRING(value)`: any value as JSON.

use std::sync::Arc;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;
use serde_json::Value;

use crate::format;
use crate::functions::described::described;

/// `to_json_string(any) -> text`; null gives the text `null`. Immutable.
///
/// Numbers and truths are themselves, all else is a text: bytes in base64, times as ISO 8601 has them.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ToJsonString {
    signature: Signature,
}

impl ToJsonString {
    pub fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ToJsonString {
    fn name(&self) -> &str {
        "to_json_string"
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<Documentation> =
            LazyLock::new(|| described("to_json_string(any) -> text", "Any value as JSON; NULL is the text 'null'."));
        Some(&TOLD)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args[0].to_array(args.number_rows)?;
        let json = texts(&values)?.into_iter().map(|text| Some(text.unwrap_or_else(|| "null".to_owned())));
        Ok(ColumnarValue::Array(Arc::new(StringArray::from_iter(json))))
    }
}

fn texts(values: &Arc<dyn Array>) -> Result<Vec<Option<String>>> {
    let quoted = |text: &str| Value::from(text).to_string();
    Ok(match values.data_type() {
        DataType::Null => vec![None; values.len()],
        DataType::Boolean | DataType::Int32 | DataType::Int64 | DataType::Decimal128(..) => {
            cast(values, &DataType::Utf8)?.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
        }
        DataType::Float64 => {
            let number = |value: f64| match value.is_finite() {
                true => format::java_double(value),
                false => quoted(&format::java_double(value)),
            };
            values.as_primitive::<Float64Type>().iter().map(|value| value.map(number)).collect()
        }
        DataType::Binary => {
            let encoded = |bytes: &[u8]| quoted(&STANDARD.encode(bytes));
            values.as_binary::<i32>().iter().map(|bytes| bytes.map(encoded)).collect()
        }
        DataType::Timestamp(..) => {
            let instants = cast(values, &DataType::Int64)?;
            let shown = |micros: i64| {
                let instant = DateTime::from_timestamp_micros(micros)?;
                Some(quoted(&instant.format("%Y-%m-%dT%H:%M:%S%.3f").to_string()))
            };
            instants.as_primitive::<Int64Type>().iter().map(|micros| micros.and_then(shown)).collect()
        }
        nested if nested.is_nested() => {
            let shown = |row| values.is_valid(row).then(|| format::json_of(values.as_ref(), row));
            (0..values.len()).map(shown).collect()
        }
        // Texts, dates and times of day.
        _ => cast(values, &DataType::Utf8)?.as_string::<i32>().iter().map(|text| text.map(quoted)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::ArrayRef;
    use datafusion::common::ScalarValue;

    use super::*;

    #[test]
    fn every_type_has_its_json() {
        for (value, json) in [
            (ScalarValue::from(1_i32), Some("1")),
            (ScalarValue::from("a\"b"), Some(r#""a\"b""#)),
            (ScalarValue::from(true), Some("true")),
            (ScalarValue::from(1.5_f64), Some("1.5")),
            (ScalarValue::from(f64::NAN), Some("\"NaN\"")),
            (ScalarValue::Decimal128(Some(150), 6, 2), Some("1.50")),
            (ScalarValue::Binary(Some(vec![0x21])), Some("\"IQ==\"")),
            (ScalarValue::Date32(Some(1000)), Some("\"1972-09-27\"")),
            (ScalarValue::Time64Microsecond(Some(60_220_000_000)), Some("\"16:43:40\"")),
            (ScalarValue::TimestampMicrosecond(Some(1_500), None), Some("\"1970-01-01T00:00:00.001\"")),
            (ScalarValue::Int64(None), None),
        ] {
            let array: ArrayRef = value.to_array().expect("one value");
            assert_eq!(texts(&array).expect("it has a text")[0].as_deref(), json, "{value:?}");
        }
    }
}
