//! `gen_random_uuid()`: a random UUID (version 4) a row, as text, from the statement's seed.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::StringArray;
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

/// `gen_random_uuid() -> TEXT`, also `uuid()` as in ksqlDB; never null.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Uuid {
    signature: Signature,
    aliases: Vec<String>,
}

impl Uuid {
    pub fn new() -> Self {
        Self {
            signature: Signature::nullary(Volatility::Volatile),
            aliases: vec!["uuid".to_owned(), "uuidv4".to_owned()],
        }
    }
}

impl ScalarUDFImpl for Uuid {
    fn name(&self) -> &str {
        "gen_random_uuid"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<Documentation> =
            LazyLock::new(|| described("gen_random_uuid() -> text", "A random UUID."));
        Some(&TOLD)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let context = Context::of(&args.config_options)?;
        let uuids = (0..args.number_rows).map(|_| {
            let (high, low) = (context.draw(), context.draw());
            // Version 4 in the seventh byte, variant 10 in the ninth.
            let high = high & !0xF000 | 0x4000;
            let low = low & !(0b11 << 62) | 0b10 << 62;
            format!(
                "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                high >> 32,
                high >> 16 & 0xFFFF,
                high & 0xFFFF,
                low >> 48,
                low & 0xFFFF_FFFF_FFFF
            )
        });
        Ok(ColumnarValue::Array(Arc::new(StringArray::from_iter_values(uuids))))
    }
}
