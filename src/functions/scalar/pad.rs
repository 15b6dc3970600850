//! `lpad` and `rpad`: a text brought to a length in characters, by filling or cutting.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::TypeSignature;
use datafusion::logical_expr::Volatility;

use super::guard::CALL_BYTES_MAX;
use super::guarded::too_long;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::described::described;

/// Characters of the longest result: one value is not to take a server's memory.
const LENGTH_MAX: i64 = 10_000_000;

/// Where characters are added. Both cut at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// `lpad`
    Left,
    /// `rpad`
    Right,
}

/// `lpad(text, BIGINT [, fill]) -> text`, and `rpad`; null gives null. Immutable.
///
/// As PostgreSQL: no length below 0 is an error, an empty fill adds nothing. 54000 beyond 10 million characters.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Pad {
    side: Side,
    signature: Signature,
}

impl Pad {
    pub fn new(side: Side) -> Self {
        let two = TypeSignature::Exact(vec![DataType::Utf8, DataType::Int64]);
        let three = TypeSignature::Exact(vec![DataType::Utf8, DataType::Int64, DataType::Utf8]);
        Self { side, signature: Signature::one_of(vec![two, three], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Pad {
    fn name(&self) -> &str {
        match self.side {
            Side::Left => "lpad",
            Side::Right => "rpad",
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[Documentation; 2]> = LazyLock::new(|| {
            [
                described(
                    "lpad(text, bigint [, text]) -> text",
                    "Filled up at its left to a length, or cut to it. A NULL argument gives NULL.",
                ),
                described(
                    "rpad(text, bigint [, text]) -> text",
                    "Filled up at its right to a length, or cut to it. A NULL argument gives NULL.",
                ),
            ]
        });
        Some(&TOLD[usize::from(matches!(self.side, Side::Right))])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let texts = arrays[0].as_string::<i32>();
        let lengths = arrays[1].as_primitive::<Int64Type>();
        let fills = arrays.get(2).map(|fills| fills.as_string::<i32>());
        let mut bytes = 0.0;
        let padded = |row: usize| {
            let fill = fills.map_or(Some(" "), |fills| fills.is_valid(row).then(|| fills.value(row)));
            let (true, true, Some(fill)) = (texts.is_valid(row), lengths.is_valid(row), fill) else { return Ok(None) };
            let padded = pad(self.side, texts.value(row), lengths.value(row), fill)?;
            bytes += padded.len() as f64;
            if CALL_BYTES_MAX < bytes { Err(too_long(self.name())) } else { Ok(Some(padded)) }
        };
        let padded = (0..texts.len()).map(padded).collect::<std::result::Result<StringArray, Error>>();
        let padded = padded.map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(ColumnarValue::Array(Arc::new(padded)))
    }
}

fn pad(side: Side, text: &str, length: i64, fill: &str) -> std::result::Result<String, Error> {
    if LENGTH_MAX < length {
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "requested length too large"));
    }
    let length = usize::try_from(length).unwrap_or(0);
    let kept: String = text.chars().take(length).collect();
    let missing = length - kept.chars().count();
    let added: String = fill.chars().cycle().take(missing).collect();
    Ok(match side {
        Side::Left => added + &kept,
        Side::Right => kept + &added,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_filled_and_cut_as_in_postgresql() {
        for (text, length, fill, left, right) in [
            ("hé", 5, "xy", "xyxhé", "héxyx"),
            ("héllo", 2, "x", "hé", "hé"),
            ("hi", 4, "", "hi", "hi"),
            ("hi", 0, "x", "", ""),
            ("hi", -1, "x", "", ""),
            ("hi", i64::MIN, "x", "", ""),
        ] {
            assert_eq!(pad(Side::Left, text, length, fill).expect("it fits"), left);
            assert_eq!(pad(Side::Right, text, length, fill).expect("it fits"), right);
        }
        assert!(pad(Side::Left, "", LENGTH_MAX + 1, "x").is_err());
    }
}
