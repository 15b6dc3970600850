//! ksqlDB's `SUBSTRING(text, position [, length])`: negative positions count from the end, nothing is an error.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::TypeSignature;
use datafusion::logical_expr::Volatility;

use crate::functions::described::described;

/// `__ksql_substring(text, INT [, INT]) -> text`; a null argument gives null. Immutable.
///
/// Positions begin at 1; 0 is read as 1; both ends are brought back into the text.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct KsqlSubstring {
    signature: Signature,
}

impl KsqlSubstring {
    pub fn new() -> Self {
        let two = TypeSignature::Exact(vec![DataType::Utf8, DataType::Int32]);
        let three = TypeSignature::Exact(vec![DataType::Utf8, DataType::Int32, DataType::Int32]);
        Self { signature: Signature::one_of(vec![two, three], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for KsqlSubstring {
    fn name(&self) -> &str {
        "__ksql_substring"
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<Documentation> = LazyLock::new(|| {
            described(
                "substring(text, int [, int]) -> text",
                "The part from a position on, from 1, from the end if it is below 0, of at most so many characters.",
            )
        });
        Some(&TOLD)
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
        let positions = arrays[1].as_primitive::<Int32Type>();
        let lengths = arrays.get(2).map(|lengths| lengths.as_primitive::<Int32Type>());
        let cut = |row: usize| {
            let text = texts.is_valid(row).then(|| texts.value(row))?;
            let position = positions.is_valid(row).then(|| positions.value(row))?;
            match lengths {
                None => Some(substring(text, position, i32::MAX)),
                Some(lengths) => lengths.is_valid(row).then(|| substring(text, position, lengths.value(row))),
            }
        };
        let cut: StringArray = (0..texts.len()).map(cut).collect();
        Ok(ColumnarValue::Array(Arc::new(cut)))
    }
}

fn substring(text: &str, position: i32, length: i32) -> String {
    let count = text.chars().count() as i64;
    let start = match i64::from(position) {
        position @ ..=-1 => (count + position).max(0),
        0 => 0,
        position => (position - 1).min(count),
    };
    let length = i64::from(length).clamp(0, count - start);
    text.chars().skip(start as usize).take(length as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one_or_from_the_end() {
        for (position, length, part) in
            [(1, 2, "he"), (0, 2, "he"), (2, i32::MAX, "éllo"), (-2, 9, "lo"), (-9, 2, "hé"), (9, 2, ""), (2, -1, "")]
        {
            let part = part.replace("he", "hé");
            assert_eq!(substring("héllo", position, length), part, "{position} {length}");
        }
    }
}
