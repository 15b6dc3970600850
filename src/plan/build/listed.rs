//! `x IN (a, b)` whose values differ from row to row.
//!
//! DataFusion computes a list once where an empty batch tells its values, and takes what a CASE of columns tells of no row, NULL, for
//! one. So values of rows are compared one by one.

use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::lit;

/// The list, with a comparison for each value that is of a row.
pub(super) fn apart(among: InList, schema: &DFSchema) -> Result<Expr> {
    let is_of_row = |value: &Expr| value.contains_outer() || !value.column_refs().is_empty();
    // What is volatile is computed once, and nested values are compared by functions of their own.
    let stays = among.expr.is_volatile() || among.expr.get_type(schema)?.is_nested();
    if stays || !among.list.iter().any(is_of_row) {
        return Ok(Expr::InList(among));
    }
    let InList { expr, list, negated } = among;
    let (of_rows, constant): (Vec<_>, Vec<_>) = list.into_iter().partition(is_of_row);
    let known =
        (!constant.is_empty()).then(|| Expr::InList(InList { expr: expr.clone(), list: constant, negated: false }));
    let each = of_rows.into_iter().map(|value| expr.as_ref().clone().eq(value));
    let any = known.into_iter().chain(each).reduce(Expr::or).unwrap_or_else(|| lit(false));
    Ok(if negated { Expr::Not(Box::new(any)) } else { any })
}
