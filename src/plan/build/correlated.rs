//! Nodes whose subqueries of a row outside are joined with the rows here, where DataFusion would not: see `outer_rows`.

use datafusion::common::JoinType;
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Join;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::Subquery;
use datafusion::logical_expr::binary_expr;
use datafusion::logical_expr::col;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::conjunction;

use super::among;
use super::among::Place;
use super::outer_rows;
use super::outer_rows::Answers;
use super::outer_rows::Keys;
use super::outer_rows::is_simple;
use super::outer_rows::outer_columns;
use super::subqueries::counted;

/// The name of an answer among the columns of the rows outside.
const ANSWER: &str = "__told";

/// One node with its subqueries joined, as far as they can be.
pub(super) fn joined(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match node {
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) => with_answers(node),
        LogicalPlan::Join(join) => lateral(join),
        other => Ok(Transformed::no(other)),
    }
}

fn with_answers(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let rows = node.inputs()[0].clone();
    let is_condition = matches!(node, LogicalPlan::Filter(_));
    let names = NamePreserver::new(&node);
    let original = node.clone();
    let mut known = Answers::new();
    let mut joined = LogicalPlanBuilder::from(rows.clone());
    let changed = node.map_expressions(|expr| {
        let name = names.save(&expr);
        let told = expr.transform_up(|part| as_value(part, &rows))?;
        let told = told.transform_data(|expr| {
            expr.transform_up(|part| match part {
                Expr::ScalarSubquery(subquery) => answered(subquery, &rows, &mut joined, &mut known),
                other => Ok(Transformed::no(other)),
            })
        })?;
        Ok(told.update_data(|expr| name.restore(expr)))
    })?;
    if known.is_empty() {
        return Ok(Transformed::no(original));
    }
    let exprs = changed.data.expressions();
    let input = joined.build()?;
    if !is_condition {
        return LogicalPlanBuilder::from(input).project(exprs)?.build().map(Transformed::yes);
    }
    let given: Vec<Expr> = rows.schema().columns().into_iter().map(Expr::Column).collect();
    let condition = conjunction(exprs).unwrap_or_else(|| Expr::Literal(true.into(), None));
    LogicalPlanBuilder::from(input).filter(condition)?.project(given)?.build().map(Transformed::yes)
}

/// EXISTS and IN that DataFusion would not join, as scalar subqueries.
fn as_value(part: Expr, rows: &LogicalPlan) -> Result<Transformed<Expr>> {
    let is_ours = |subquery: &Subquery| -> Result<bool> {
        Ok(!outer_columns(&subquery.subquery)?.is_empty() && !is_simple(&subquery.subquery, false)?)
    };
    Ok(match part {
        Expr::Exists(exists) if is_ours(&exists.subquery)? => {
            let found = counted(&exists.subquery, Ok, Vec::new())?;
            Transformed::yes(if exists.negated { Expr::Not(Box::new(found)) } else { found })
        }
        Expr::InSubquery(among) if is_ours(&among.subquery)? => {
            among::exact(Expr::InSubquery(among), rows.schema(), Place::List)?
        }
        other => Transformed::no(other),
    })
}

fn answered(
    subquery: Subquery,
    rows: &LogicalPlan,
    joined: &mut LogicalPlanBuilder,
    known: &mut Answers,
) -> Result<Transformed<Expr>> {
    let plan = subquery.subquery.as_ref();
    if outer_columns(plan)?.is_empty() || is_simple(plan, false)? {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    }
    if let Some(answer) = known.get(&subquery) {
        return Ok(Transformed::yes(answer.clone()));
    }
    let Some(mut keys) = Keys::of(plan, rows)? else { return Ok(Transformed::no(Expr::ScalarSubquery(subquery))) };
    let name = format!("{ANSWER}{}", known.len());
    let Some(answers) = outer_rows::answers(&keys, plan, &name)? else {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    };
    // Several subqueries stand beside the same rows.
    let answers = keys.renamed(answers, known.len())?;
    *joined = keys.beside(joined.clone(), answers, JoinType::Left, None)?;
    let answer = col(name);
    known.insert(subquery, answer.clone());
    Ok(Transformed::yes(answer))
}

/// `FROM t, LATERAL (SELECT .. WHERE x < t.y ..)`.
fn lateral(join: Join) -> Result<Transformed<LogicalPlan>> {
    let found = outer_rows::lateral_of(&join.right);
    let Some((plan, alias)) = found.filter(|_| matches!(join.join_type, JoinType::Inner | JoinType::Left)) else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    if is_simple(plan, false)? {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let Some(keys) = Keys::of(plan, &join.left)? else { return Ok(Transformed::no(LogicalPlan::Join(join))) };
    let Some(rows) = outer_rows::lateral_rows(&keys, plan, alias)? else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let on = join.on.iter().map(|(one, other)| binary_expr(one.clone(), Operator::Eq, other.clone()));
    let condition = conjunction(on.chain(join.filter.clone()));
    let left = LogicalPlanBuilder::from(join.left.as_ref().clone());
    let joined = keys.beside(left, rows, join.join_type, condition)?;
    let columns: Vec<Expr> = join.schema.columns().into_iter().map(Expr::Column).collect();
    joined.project(columns)?.build().map(Transformed::yes)
}
