//! ksqlDB's `+`, which joins texts; DataFusion's planner would refuse it.

use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::planner::PlannerResult;
use datafusion::logical_expr::planner::RawBinaryExpr;
use sqlparser::ast;

/// Plans `+` of two texts as `||`.
#[derive(Debug)]
pub(super) struct TextSum;

impl ExprPlanner for TextSum {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let is_text = |side: &Expr| side.get_type(schema).is_ok_and(|of| of.is_string());
        if expr.op != ast::BinaryOperator::Plus || !is_text(&expr.left) || !is_text(&expr.right) {
            return Ok(PlannerResult::Original(expr));
        }
        let joined = BinaryExpr::new(Box::new(expr.left), Operator::StringConcat, Box::new(expr.right));
        Ok(PlannerResult::Planned(Expr::BinaryExpr(joined)))
    }
}
