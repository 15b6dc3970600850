//! Calls of functions that take texts which are written out as the type of what stands beside them: `ARRAY[1, '2']`.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::cast;
use datafusion::logical_expr::expr::ScalarFunction;

use super::expression::Expressions;
use super::expression::is_text;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::Lenient;
use crate::model::SqlType;
use crate::plan::intervals::read_text;
use crate::plan::intervals::written_text;

impl Expressions<'_> {
    /// The call with its texts read, of the function itself.
    pub(super) fn with_read_texts(&self, function: ScalarFunction, schema: &DFSchema) -> Result<ScalarFunction> {
        let Some(lenient) = function.func.inner().downcast_ref::<Lenient>() else { return Ok(function) };
        let types = function.args.iter().map(|argument| argument.get_type(schema)).collect::<Result<Vec<_>>>()?;
        let func = Arc::clone(lenient.stock());
        // A unit is a text; the time is an interval.
        let wanted = match lenient.strict_types(&types) {
            Err(_) if func.name() != "date_trunc" => lenient.lenient_types(&types),
            _ => None,
        };
        let Some(wanted) = wanted else { return Ok(ScalarFunction { func, args: function.args }) };
        let mut args = Vec::with_capacity(function.args.len());
        for ((argument, of), wanted) in function.args.into_iter().zip(&types).zip(&wanted) {
            if !is_text(of) || is_text(wanted) {
                args.push(argument);
                continue;
            }
            if written_text(&argument).is_none() {
                return Err(not_matched(func.name(), of, wanted));
            }
            args.push(match wanted {
                DataType::Interval(_) => read_text(argument)?,
                other => self.explicit(cast(argument, other.clone()), schema)?.data,
            });
        }
        Ok(ScalarFunction { func, args })
    }
}

/// Whether a function takes more than it computes.
pub(super) fn is_lenient(function: &ScalarFunction) -> bool {
    function.func.inner().downcast_ref::<Lenient>().is_some()
}

/// The call of the function itself.
pub(super) fn of_stock(function: ScalarFunction) -> ScalarFunction {
    match function.func.inner().downcast_ref::<Lenient>() {
        Some(lenient) => ScalarFunction { func: Arc::clone(lenient.stock()), args: function.args },
        None => function,
    }
}

fn not_matched(name: &str, one: &DataType, other: &DataType) -> DataFusionError {
    let name = name.trim_start_matches('_').to_uppercase();
    let [one, other] = [one, other].map(SqlType::postgres_name_of);
    let message = format!("{name} types {other} and {one} cannot be matched");
    DataFusionError::External(Box::new(Error::new(SqlState::DATATYPE_MISMATCH, message)))
}
