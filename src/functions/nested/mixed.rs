//! Functions of an array and a value that may be numbers of different types: both are of the type in which these meet.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::error::Result;
use datafusion::functions_nested::array_has::array_has_udf;
use datafusion::functions_nested::concat::array_append_udf;
use datafusion::functions_nested::concat::array_prepend_udf;
use datafusion::functions_nested::position::array_position_udf;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ReturnFieldArgs;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;

use crate::functions::coerced::coerced_types;

/// DataFusion's function over such arguments.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Mixed {
    stock: Arc<ScalarUDF>,
    signature: Signature,
}

impl Mixed {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        [array_has_udf(), array_position_udf(), array_append_udf(), array_prepend_udf()].into_iter().map(|stock| {
            let signature = Signature::user_defined(stock.signature().volatility);
            Self { stock, signature }
        })
    }
}

/// The type in which a number of an array meets another, `None` where nothing is to be done.
pub fn met_number(item: &DataType, value: &DataType) -> Option<DataType> {
    match item.is_numeric() && value.is_numeric() && item != value {
        true if item.is_floating() || value.is_floating() => Some(DataType::Float64),
        true => type_union_coercion(item, value),
        false => None,
    }
}

/// The types with numbers of one type, wherever the array stands.
fn met(types: &[DataType]) -> Vec<DataType> {
    let mut met = types.to_vec();
    if let [first, second, ..] = types {
        let number = match (first, second) {
            (DataType::List(item), value) | (value, DataType::List(item)) => met_number(item.data_type(), value),
            _ => None,
        };
        if let Some(number) = number {
            for of in &mut met[..2] {
                *of = if of.is_list() { DataType::new_list(number.clone(), true) } else { number.clone() };
            }
        }
    }
    met
}

impl ScalarUDFImpl for Mixed {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        coerced_types(&self.stock, &met(arguments))
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.stock.inner().return_type(arguments)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.stock.inner().return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.stock.inner().invoke_with_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.stock.inner().simplify(args, context)
    }
}
