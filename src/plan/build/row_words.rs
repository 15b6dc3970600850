//! Comparisons of rows, column by column, in words that DataFusion's planner reads.

use sqlparser::ast;
use sqlparser::ast::BinaryOperator;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// `(a, b) < (c, d)` and its kin, among them IN and BETWEEN, `(a, b) IS NULL`, and `(a, b) IN (SELECT ..)`, in other words.
pub(super) fn reworded(expr: &ast::Expr) -> Option<ast::Expr> {
    match expr {
        ast::Expr::BinaryOp { left, op, right } => compared(left, op, right).or_else(|| beside_row(left, op, right)),
        ast::Expr::InList { expr, list, negated } => {
            let same = |other| compared(expr, &BinaryOperator::Eq, other);
            Some(told(any(list.iter().map(same).collect::<Option<_>>()?)?, *negated))
        }
        ast::Expr::Between { expr, low, high, negated } => {
            let from = compared(expr, &BinaryOperator::GtEq, low)?;
            let to = compared(expr, &BinaryOperator::LtEq, high)?;
            Some(told(binary(from, &BinaryOperator::And, to), *negated))
        }
        // DataFusion joins with a list of expressions, which VALUES alone has not.
        ast::Expr::InSubquery { expr, subquery, negated } if matches!(*subquery.body, ast::SetExpr::Values(_)) => {
            let negation = if *negated { "NOT " } else { "" };
            parsed(&format!("({expr}) {negation}IN (SELECT * FROM ({subquery}) AS __values)"))
        }
        // Of each column: neither is the other's opposite.
        ast::Expr::IsNull(row) => each(row, |value| ast::Expr::IsNull(Box::new(value))),
        ast::Expr::IsNotNull(row) => each(row, |value| ast::Expr::IsNotNull(Box::new(value))),
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

/// Whether one of the conditions holds: a tree as deep as the logarithm of their number, since each level costs stack and time.
fn any(mut conditions: Vec<ast::Expr>) -> Option<ast::Expr> {
    while 1 < conditions.len() {
        let mut halved = Vec::with_capacity(conditions.len().div_ceil(2));
        let mut rest = conditions.into_iter();
        while let Some(one) = rest.next() {
            halved.push(match rest.next() {
                Some(other) => binary(one, &BinaryOperator::Or, other),
                None => one,
            });
        }
        conditions = halved;
    }
    conditions.pop()
}

/// `(a, b) = (SELECT ..)`: of the one row that there is; of none it is NULL.
fn beside_row(left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::Subquery(subquery) = right else { return None };
    let columns = columns(values(left)?.len());
    let row = columns
        .iter()
        .map(|column| ast::Expr::CompoundIdentifier(vec![ast::Ident::new("__row"), ast::Ident::new(column)]));
    let condition = compared(left, op, &ast::Expr::Tuple(row.collect()))?;
    parsed(&format!("(SELECT {condition} FROM ({subquery}) AS __row({}))", columns.join(", ")))
}

/// `(a, b) IN (SELECT ..)` where only those rows count for which it is true.
pub fn required(condition: &mut ast::Expr) {
    match condition {
        ast::Expr::Nested(inner) => required(inner),
        ast::Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            required(left);
            required(right);
        }
        ast::Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. }
            if let Some(among) = among(left, right, false) =>
        {
            *condition = among;
            required(condition);
        }
        ast::Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right }
            if let Some(among) = among(left, right, true) =>
        {
            *condition = among;
            required(condition);
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

/// `(a, b) = ANY (SELECT ..)` as IN.
fn among(row: &ast::Expr, right: &ast::Expr, negated: bool) -> Option<ast::Expr> {
    let ast::Expr::Subquery(subquery) = right else { return None };
    values(row)?;
    Some(ast::Expr::InSubquery { expr: Box::new(row.clone()), subquery: subquery.clone(), negated })
}

fn columns(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("__c{at}")).collect()
}

/// That a row of a subquery is the same as one outside.
struct Same {
    columns: String,
    condition: String,
}

fn same(row: &ast::Expr) -> Option<Same> {
    let values = values(row)?;
    let columns = columns(values.len());
    let equal = |(column, value): (&String, &ast::Expr)| format!("__row.{column} = ({value})");
    let condition: Vec<String> = columns.iter().zip(&values).map(equal).collect();
    Some(Same { columns: columns.join(", "), condition: condition.join(" AND ") })
}

fn exists(subquery: &ast::Query, same: &Same, condition: &str) -> String {
    format!("EXISTS (SELECT 1 FROM ({subquery}) AS __row({}) WHERE {condition})", same.columns)
}

fn parsed(text: &str) -> Option<ast::Expr> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(text).ok()?.parse_expr().ok()
}

/// The values of a row: `(a, b)` or `ROW(a, b)`.
fn values(row: &ast::Expr) -> Option<Vec<ast::Expr>> {
    match row {
        ast::Expr::Tuple(values) => Some(values.clone()),
        ast::Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("row") => {
            let ast::FunctionArguments::List(list) = &function.args else { return None };
            let value = |argument: &ast::FunctionArg| match argument {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            };
            list.args.iter().map(value).collect()
        }
        _ => None,
    }
}

fn each(row: &ast::Expr, asked: impl Fn(ast::Expr) -> ast::Expr) -> Option<ast::Expr> {
    let asked = values(row)?.into_iter().map(|value| asked(ast::Expr::Nested(Box::new(value))));
    asked.reduce(|before, next| binary(before, &BinaryOperator::And, next))
}

fn told(condition: ast::Expr, negated: bool) -> ast::Expr {
    match negated {
        true => ast::Expr::UnaryOp { op: ast::UnaryOperator::Not, expr: Box::new(condition) },
        false => condition,
    }
}

fn compared(left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Option<ast::Expr> {
    let (left, right) = (values(left)?, values(right)?);
    if left.len() != right.len() || left.is_empty() {
        return None;
    }
    let pairs = || left.iter().zip(&right);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(expr: &ast::Expr) -> usize {
        match expr {
            ast::Expr::BinaryOp { left, right, .. } => 1 + depth(left).max(depth(right)),
            ast::Expr::Nested(inner) => depth(inner),
            _ => 0,
        }
    }

    #[test]
    fn a_long_list_of_rows_is_no_deep_condition() {
        let rows: Vec<String> = (0..5_000).map(|number| format!("({number}, 'x')")).collect();
        let list = parsed(&format!("(a, b) IN ({})", rows.join(", "))).expect("a condition");
        let condition = reworded(&list).expect("rows are compared");
        assert!(depth(&condition) < 20, "{}", depth(&condition));
        assert_eq!(condition.to_string().matches(" OR ").count(), rows.len() - 1);
    }
}
