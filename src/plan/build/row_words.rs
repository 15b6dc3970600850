//! Comparisons of rows, column by column, in words that DataFusion's planner reads.

use sqlparser::ast;
use sqlparser::ast::BinaryOperator;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// `(a, b) < (c, d)` and its kin, and `(a, b) IN (SELECT ..)`, in other words.
pub(super) fn reworded(expr: &ast::Expr) -> Option<ast::Expr> {
    match expr {
        ast::Expr::BinaryOp { left, op, right } => compared(left, op, right),
        ast::Expr::InSubquery { expr, subquery, negated } => {
            let same = same(expr)?;
            let negation = if *negated { "NOT " } else { "" };
            let has = |condition: &str| exists(subquery, &same, condition);
            let (found, open) = (has(&same.condition), has(&format!("({}) IS NULL", same.condition)));
            parsed(&format!("{negation}(CASE WHEN {found} THEN true WHEN {open} THEN NULL ELSE false END)"))
        }
        _ => None,
    }
}

/// `(a, b) IN (SELECT ..)` where only those rows count for which it is true.
pub fn required(condition: &mut ast::Expr) {
    match condition {
        ast::Expr::Nested(inner) => required(inner),
        ast::Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            required(left);
            required(right);
        }
        ast::Expr::InSubquery { expr, subquery, negated } => {
            let Some(same) = same(expr) else { return };
            let text = match negated {
                false => exists(subquery, &same, &same.condition),
                true => format!("NOT {}", exists(subquery, &same, &format!("({}) IS NOT FALSE", same.condition))),
            };
            if let Some(new) = parsed(&text) {
                *condition = new;
            }
        }
        _ => {}
    }
}

/// That a row of a subquery is the same as one outside.
struct Same {
    columns: String,
    condition: String,
}

fn same(row: &ast::Expr) -> Option<Same> {
    let ast::Expr::Tuple(values) = row else { return None };
    let columns: Vec<String> = (0..values.len()).map(|at| format!("__c{at}")).collect();
    let equal = |(column, value): (&String, &ast::Expr)| format!("__row.{column} = ({value})");
    let condition: Vec<String> = columns.iter().zip(values).map(equal).collect();
    Some(Same { columns: columns.join(", "), condition: condition.join(" AND ") })
}

fn exists(subquery: &ast::Query, same: &Same, condition: &str) -> String {
    format!("EXISTS (SELECT 1 FROM ({subquery}) AS __row({}) WHERE {condition})", same.columns)
}

fn parsed(text: &str) -> Option<ast::Expr> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(text).ok()?.parse_expr().ok()
}

fn compared(left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Option<ast::Expr> {
    let (ast::Expr::Tuple(left), ast::Expr::Tuple(right)) = (left, right) else { return None };
    if left.len() != right.len() || left.is_empty() {
        return None;
    }
    let pairs = || left.iter().zip(right);
    let strict = match op {
        BinaryOperator::Eq => return Some(joined(pairs(), &BinaryOperator::Eq, &BinaryOperator::And)),
        BinaryOperator::NotEq => return Some(joined(pairs(), &BinaryOperator::NotEq, &BinaryOperator::Or)),
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        BinaryOperator::Gt | BinaryOperator::GtEq => BinaryOperator::Gt,
        _ => return None,
    };
    // The first columns that differ decide.
    let mut pairs = pairs().rev();
    let (last, of_last) = pairs.next()?;
    let mut answer = binary(last.clone(), op, of_last.clone());
    for (left, right) in pairs {
        let equal = binary(left.clone(), &BinaryOperator::Eq, right.clone());
        let differs = binary(left.clone(), &strict, right.clone());
        answer = binary(differs, &BinaryOperator::Or, binary(equal, &BinaryOperator::And, answer));
    }
    Some(answer)
}

fn joined<'a>(
    pairs: impl Iterator<Item = (&'a ast::Expr, &'a ast::Expr)>,
    op: &BinaryOperator,
    between: &BinaryOperator,
) -> ast::Expr {
    let compared = pairs.map(|(left, right)| binary(left.clone(), op, right.clone()));
    compared
        .reduce(|before, next| binary(before, between, next))
        .unwrap_or_else(|| ast::Expr::value(ast::Value::Boolean(*op == BinaryOperator::Eq)))
}

fn binary(left: ast::Expr, op: &BinaryOperator, right: ast::Expr) -> ast::Expr {
    let nested = |expr| Box::new(ast::Expr::Nested(Box::new(expr)));
    ast::Expr::Nested(Box::new(ast::Expr::BinaryOp { left: nested(left), op: op.clone(), right: nested(right) }))
}
