//! `clock_timestamp()`: what the environment's clock shows while the row is computed, not when the statement began.

use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;
use datafusion::logical_expr::create_udf;
use datafusion::scalar::ScalarValue;

use crate::env::Clock;
use crate::model::SqlType;

/// `clock_timestamp() -> TIMESTAMP WITH TIME ZONE`. Volatile.
pub(super) fn clock_timestamp(clock: Arc<dyn Clock>) -> ScalarUDF {
    ScalarUDF::new_from_impl(ClockTimestamp { clock, signature: Signature::nullary(Volatility::Volatile) })
}

/// `pg_postmaster_start_time() -> TIMESTAMP WITH TIME ZONE`: when the environment's clock began to run. Stable.
pub(super) fn start_time(clock: &dyn Clock) -> ScalarUDF {
    let running = i64::try_from(clock.monotonic().as_micros()).unwrap_or(i64::MAX);
    let started = Some(clock.wall_micros().saturating_sub(running));
    let answer = move |_: &[ColumnarValue]| {
        Ok(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(started, Some("UTC".into()))))
    };
    let data_type = SqlType::TimestampTz.arrow();
    create_udf("pg_postmaster_start_time", Vec::new(), data_type, Volatility::Stable, Arc::new(answer))
}

struct ClockTimestamp {
    clock: Arc<dyn Clock>,
    signature: Signature,
}

impl std::fmt::Debug for ClockTimestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("clock_timestamp")
    }
}

// One function of this kind stands in a session's registry.
impl PartialEq for ClockTimestamp {
    fn eq(&self, other: &Self) -> bool {
        self.signature == other.signature
    }
}

impl Eq for ClockTimestamp {}

impl Hash for ClockTimestamp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.signature.hash(state);
    }
}

impl ScalarUDFImpl for ClockTimestamp {
    fn name(&self) -> &str {
        "clock_timestamp"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(SqlType::TimestampTz.arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let micros = Some(self.clock.wall_micros());
        let now = ScalarValue::TimestampMicrosecond(micros, Some("UTC".into()));
        now.cast_to(args.return_field.data_type()).map(ColumnarValue::Scalar)
    }
}
