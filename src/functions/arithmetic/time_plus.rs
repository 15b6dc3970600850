//! `timestamp + interval` whose interval is computed, as a function: of the operator DataFusion takes more to be known of its order
//! than is, and refuses what is sorted by it.

use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::functions::columnwise::columnwise;

/// `__time_plus(timestamp, interval) -> timestamp`. Immutable; null gives null.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TimePlus {
    signature: Signature,
}

impl TimePlus {
    /// Its name.
    pub const NAME: &str = "__time_plus";
}

impl Default for TimePlus {
    fn default() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TimePlus {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        columnwise(&args, |rows| {
            let (times, spans) = (args.args[0].to_array(rows)?, args.args[1].to_array(rows)?);
            Ok(numeric::add_wrapping(&times, &spans)?)
        })
    }
}
