//! Texts beside BYTEA and JSONB, which are read as those: `'\xff'` is one byte, not four.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::logical_expr::Between;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::expr::InList;

use super::explicit::is_any_comparison;
use super::expression::is_text;
use crate::plan::functions::Functions;

/// The types, and who reads texts as them.
const READ: [(DataType, &str); 2] = [(DataType::Binary, "__bytea_in"), (DataType::LargeBinary, "__jsonb_in")];

/// A comparison with BYTEA or JSONB, its texts read as such; anything else as it is.
pub(super) fn compared(functions: &Functions, expr: Expr, schema: &DFSchema) -> Result<Expr> {
    READ.iter().try_fold(expr, |expr, (wanted, function)| compared_as(wanted, functions, function, expr, schema))
}

fn compared_as(
    wanted: &DataType,
    functions: &Functions,
    function: &str,
    expr: Expr,
    schema: &DFSchema,
) -> Result<Expr> {
    let is_bytes = |side: &Expr| Ok::<_, datafusion::error::DataFusionError>(side.get_type(schema)? == *wanted);
    let read = |side: Expr| {
        Ok(match functions.scalar(function) {
            Some(read) if is_text(&side.get_type(schema)?) => read.call(vec![side]),
            _ => side,
        })
    };
    let boxed = |side: Box<Expr>| read(*side).map(Box::new);
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if is_any_comparison(op) && (is_bytes(&left)? || is_bytes(&right)?) =>
        {
            Expr::BinaryExpr(BinaryExpr { left: boxed(left)?, op, right: boxed(right)? })
        }
        Expr::Between(Between { expr, negated, low, high })
            if is_bytes(&expr)? || is_bytes(&low)? || is_bytes(&high)? =>
        {
            Expr::Between(Between { expr: boxed(expr)?, negated, low: boxed(low)?, high: boxed(high)? })
        }
        Expr::InList(InList { expr, list, negated }) => {
            let mut any = is_bytes(&expr)?;
            for item in &list {
                any = any || is_bytes(item)?;
            }
            match any {
                true => {
                    let list = list.into_iter().map(read).collect::<Result<_>>()?;
                    Expr::InList(InList { expr: boxed(expr)?, list, negated })
                }
                false => Expr::InList(InList { expr, list, negated }),
            }
        }
        other => other,
    })
}
