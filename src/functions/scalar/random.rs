//! `random()`: a double from 0 to 1 a row, from the statement's seed.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::Float64Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::functions::Context;
use crate::functions::described::described;

/// `random() -> DOUBLE PRECISION`, also `rand()`, at least 0 and below 1, never null.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Random {
    signature: Signature,
    aliases: Vec<String>,
}

impl Random {
    pub fn new() -> Self {
        Self { signature: Signature::nullary(Volatility::Volatile), aliases: vec!["rand".to_owned()] }
    }
}

impl ScalarUDFImpl for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<Documentation> =
            LazyLock::new(|| described("random() -> double precision", "A number at least 0 and below 1, by chance."));
        Some(&TOLD)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let context = Context::of(&args.config_options)?;
        // A double has 53 bits: each of them is drawn, none is rounded up to 1.
        let draws = (0..args.number_rows).map(|_| (context.draw() >> 11) as f64 / (1_u64 << 53) as f64);
        Ok(ColumnarValue::Array(Arc::new(Float64Array::from_iter_values(draws))))
    }
}
