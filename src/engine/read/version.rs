//! `version()`, as clients read it.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::Volatility;
use datafusion::logical_expr::create_udf;
use datafusion::scalar::ScalarValue;

use crate::engine::settings::SERVER_VERSION;

/// Clients take the number after `PostgreSQL`, SQLAlchemy by a pattern.
pub(super) fn version() -> ScalarUDF {
    let text = format!("PostgreSQL {SERVER_VERSION}");
    let answer = move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(text.clone()))));
    create_udf("version", Vec::new(), DataType::Utf8, Volatility::Stable, std::sync::Arc::new(answer))
}
