//! `x < ANY (SELECT ..)` and `x < ALL (SELECT ..)` in the words that DataFusion's planner reads rightly: by the least and the greatest
//! value of the subquery.

use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    Any,
    All,
}

/// The expression in other words, if it compares with a subquery's values.
pub(super) fn reworded(expr: &ast::Expr) -> Option<ast::Expr> {
    let (left, op, right, quantifier) = match expr {
        ast::Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, Quantifier::Any),
        ast::Expr::AllOp { left, compare_op, right } => (left, compare_op, right, Quantifier::All),
        _ => return None,
    };
    let ast::Expr::Subquery(subquery) = right.as_ref() else { return None };
    let among = |negated| Some(ast::Expr::InSubquery { expr: left.clone(), subquery: subquery.clone(), negated });
    use ast::BinaryOperator::Eq;
    use ast::BinaryOperator::Gt;
    use ast::BinaryOperator::GtEq;
    use ast::BinaryOperator::Lt;
    use ast::BinaryOperator::LtEq;
    use ast::BinaryOperator::NotEq;
    let of = |aggregate: &str| format!("(SELECT {aggregate}(__v) FROM ({subquery}) AS __s(__v))");
    let compared = |aggregate: &str| format!("({left}) {op} {}", of(aggregate));
    let told = match (op, quantifier) {
        (Eq, Quantifier::Any) => return among(false),
        (NotEq, Quantifier::All) => return among(true),
        (NotEq, Quantifier::Any) => format!("({} OR {})", compared("min"), compared("max")),
        (Eq, Quantifier::All) => format!("({} AND {})", compared("min"), compared("max")),
        (Gt | GtEq, Quantifier::Any) | (Lt | LtEq, Quantifier::All) => compared("min"),
        (Gt | GtEq, Quantifier::All) | (Lt | LtEq, Quantifier::Any) => compared("max"),
        _ => return None,
    };
    // What a value decides is told first; of no values it is the opposite, and a NULL among them leaves it open.
    let (decided, of_none) = match quantifier {
        Quantifier::Any => (format!("{told} THEN true"), "false"),
        Quantifier::All => (format!("NOT ({told}) THEN false"), "true"),
    };
    let rows = format!("(SELECT count(*) FROM ({subquery}) AS __s(__v))");
    let text = format!(
        "CASE WHEN {decided} WHEN {rows} = 0 THEN {of_none} WHEN ({left}) IS NULL OR {} < {rows} THEN NULL ELSE {of_none} END",
        of("count")
    );
    Parser::new(&PostgreSqlDialect {}).try_with_sql(&text).ok()?.parse_expr().ok()
}
