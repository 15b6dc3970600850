//! Scalar functions that are computed a column at once. A call of constants alone is computed for one row, and is a constant.

use datafusion::arrow::array::ArrayRef;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;

/// The answer to a call; `compute` makes as many rows of it as it is told.
pub(super) fn columnwise(
    args: &ScalarFunctionArgs,
    compute: impl FnOnce(usize) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    let is_constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
    let answer = compute(if is_constant { 1 } else { args.number_rows })?;
    Ok(match is_constant {
        true => ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?),
        false => ColumnarValue::Array(answer),
    })
}
