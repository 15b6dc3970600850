//! Functions that are not there, for as long as it takes to tell the types of their arguments in the error.

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;
use sqlparser::ast;

use crate::sql::walk;

/// The functions that a query calls by a name that `is_known` does not know.
pub fn missing_functions(query: &ast::Query, is_known: &dyn Fn(&str) -> bool) -> Vec<ScalarUDF> {
    let mut names: Vec<String> = Vec::new();
    let flow = walk::expressions(query, |expr| {
        if let ast::Expr::Function(ast::Function { name, over: None, within_group, .. }) = expr
            && let [ast::ObjectNamePart::Identifier(name)] = name.0.as_slice()
            && within_group.is_empty()
        {
            let name = if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() };
            if !is_known(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    names.into_iter().map(|name| ScalarUDF::new_from_impl(Missing::new(name))).collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Missing {
    name: String,
    signature: Signature,
}

impl Missing {
    fn new(name: String) -> Self {
        Self { name, signature: Signature::user_defined(Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for Missing {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, _: &[DataType]) -> Result<Vec<DataType>> {
        Err(DataFusionError::Plan("there is no such function".to_string()))
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Err(DataFusionError::Plan("there is no such function".to_string()))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal("a function that is not there".to_string()))
    }
}
