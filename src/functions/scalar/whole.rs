//! ksqlDB's `CEIL` and `FLOOR`: whole numbers keep their type, where DataFusion's would make doubles of them.

use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::functions::math;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;

use crate::functions::described::described;
use crate::functions::rowwise::not_accepted;

/// `__ksql_ceil(number) -> number` and `__ksql_floor`, of the same type; null gives null. Immutable.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Whole {
    name: String,
    stock: Arc<ScalarUDF>,
    signature: Signature,
}

impl Whole {
    /// Both.
    pub fn all() -> impl Iterator<Item = Self> {
        [math::ceil(), math::floor()].into_iter().map(|stock| Self {
            name: format!("__ksql_{}", stock.name()),
            stock,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    }
}

impl ScalarUDFImpl for Whole {
    fn name(&self) -> &str {
        &self.name
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[Documentation; 2]> = LazyLock::new(|| {
            [
                described("ceil(number) -> number", "The least whole number that is not less, of the same type."),
                described(
                    "floor(number) -> number",
                    "The greatest whole number that is not greater, of the same type.",
                ),
            ]
        });
        Some(&TOLD[usize::from(self.stock.name() == "floor")])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments {
            [kept @ (DataType::Int32 | DataType::Int64 | DataType::Float64 | DataType::Decimal128(..))] => {
                Ok(vec![kept.clone()])
            }
            [DataType::Null | DataType::Float32] => Ok(vec![DataType::Float64]),
            _ => Err(not_accepted(&self.name, arguments)),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [whole @ (DataType::Int32 | DataType::Int64)] => Ok(whole.clone()),
            other => self.stock.return_type(other),
        }
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args[0].data_type() {
            DataType::Int32 | DataType::Int64 => Ok(args.args[0].clone()),
            _ => self.stock.invoke_with_args(args),
        }
    }
}
