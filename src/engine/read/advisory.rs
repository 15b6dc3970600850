//! `pg_advisory_unlock_all()`, which pools of connections ask for before they give one to the next.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::Volatility;
use datafusion::logical_expr::create_udf;
use datafusion::scalar::ScalarValue;

/// There are no advisory locks, so that none is held when it returns. PostgreSQL's is void; this text is empty.
pub(super) fn advisory_unlock_all() -> ScalarUDF {
    let answer = |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(String::new()))));
    create_udf("pg_advisory_unlock_all", Vec::new(), DataType::Utf8, Volatility::Volatile, std::sync::Arc::new(answer))
}
