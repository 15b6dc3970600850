//! `pg_sleep(seconds)`: waits on the environment's clock; a cancel or a timeout of the statement ends it.

use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;
use datafusion::logical_expr::async_udf::AsyncScalarUDF;
use datafusion::logical_expr::async_udf::AsyncScalarUDFImpl;
use datafusion::scalar::ScalarValue;

use crate::env::Clock;
use crate::error::Error;
use crate::error::SqlState;

/// `pg_sleep(double precision) -> text`, which is empty: PostgreSQL's is void. One wait a statement, not one a row.
pub(super) fn pg_sleep(clock: Arc<dyn Clock>) -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Float64], Volatility::Volatile);
    AsyncScalarUDF::new(Arc::new(Sleep { clock, signature })).into_scalar_udf()
}

struct Sleep {
    clock: Arc<dyn Clock>,
    signature: Signature,
}

impl std::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("pg_sleep")
    }
}

// One function of this kind stands in a session's registry.
impl PartialEq for Sleep {
    fn eq(&self, other: &Self) -> bool {
        self.signature == other.signature
    }
}

impl Eq for Sleep {}

impl Hash for Sleep {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.signature.hash(state);
    }
}

impl ScalarUDFImpl for Sleep {
    fn name(&self) -> &str {
        "pg_sleep"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal("pg_sleep waits".to_string()))
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Sleep {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let seconds = match args.args.first() {
            Some(ColumnarValue::Scalar(value)) => value.clone(),
            Some(ColumnarValue::Array(values)) if !values.is_empty() => ScalarValue::try_from_array(values, 0)?,
            _ => ScalarValue::Float64(None),
        };
        let ScalarValue::Float64(Some(seconds)) = seconds else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None)));
        };
        let wait = Duration::try_from_secs_f64(seconds.max(0.0)).map_err(|_| {
            let message = format!("pg_sleep cannot wait {seconds} seconds");
            DataFusionError::External(Box::new(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)))
        })?;
        self.clock.sleep(wait).await;
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(String::new()))))
    }
}
