//! `x < ANY (SELECT ..)` and `x < ALL (SELECT ..)` in the words that DataFusion's planner reads rightly: by the least and the greatest
//! value of the subquery. And of arrays that are written out, what DataFusion's planner does not compare with arrays: `LIKE ANY`, regular
//! expressions, values whose type the text of an array does not tell.

use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::reworded::escape_in_pattern;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    Any,
    All,
}

/// The expression in other words, if it compares with a subquery's values.
pub(super) fn reworded(expr: &ast::Expr) -> Option<ast::Expr> {
    if let ast::Expr::Like { any, pattern, .. } | ast::Expr::ILike { any, pattern, .. } = expr {
        return like_elements(expr, *any, pattern);
    }
    let (left, op, right, quantifier) = match expr {
        ast::Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, Quantifier::Any),
        ast::Expr::AllOp { left, compare_op, right } => (left, compare_op, right, Quantifier::All),
        _ => return None,
    };
    let ast::Expr::Subquery(subquery) = right.as_ref() else {
        return with_elements(left, op, right, quantifier);
    };
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

/// `x LIKE ANY (ARRAY[a, b])`: as one pattern or the other; `x LIKE ALL (..)`, which the parser takes for a call.
fn like_elements(like: &ast::Expr, any: bool, pattern: &ast::Expr) -> Option<ast::Expr> {
    let (patterns, quantifier) = match pattern {
        _ if any => (elements(pattern)?, Quantifier::Any),
        ast::Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("all") => {
            match super::postgres_words::arguments(function)?.as_slice() {
                [array] => (elements(array)?, Quantifier::All),
                _ => return None,
            }
        }
        _ => return None,
    };
    let each = patterns.into_iter().map(|element| {
        let mut one = like.clone();
        if let ast::Expr::Like { any, pattern, .. } | ast::Expr::ILike { any, pattern, .. } = &mut one {
            *any = false;
            **pattern = element;
        }
        escape_in_pattern(&mut one);
        one
    });
    all_or_any(each, quantifier)
}

/// What DataFusion does not compare with arrays, with each element of one that is written out.
fn with_elements(
    left: &ast::Expr,
    op: &ast::BinaryOperator,
    array: &ast::Expr,
    quantifier: Quantifier,
) -> Option<ast::Expr> {
    use ast::BinaryOperator as Operator;
    let is_pattern = matches!(
        op,
        Operator::PGRegexMatch | Operator::PGRegexIMatch | Operator::PGRegexNotMatch | Operator::PGRegexNotIMatch
    );
    if !is_pattern {
        return None;
    }
    let each = elements(array)?.into_iter().map(|element| ast::Expr::BinaryOp {
        left: Box::new(left.clone()),
        op: op.clone(),
        right: Box::new(element),
    });
    all_or_any(each, quantifier)
}

fn all_or_any(each: impl Iterator<Item = ast::Expr>, quantifier: Quantifier) -> Option<ast::Expr> {
    let op = match quantifier {
        Quantifier::Any => ast::BinaryOperator::Or,
        Quantifier::All => ast::BinaryOperator::And,
    };
    let joined =
        each.reduce(|left, right| ast::Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) });
    // Of no elements none is true, and all are.
    let joined = joined.unwrap_or_else(|| ast::Expr::value(ast::Value::Boolean(quantifier == Quantifier::All)));
    Some(ast::Expr::Nested(Box::new(joined)))
}

/// The elements of an array that is written out: `ARRAY[..]`, or a text of plain elements.
pub(super) fn elements(array: &ast::Expr) -> Option<Vec<ast::Expr>> {
    match array {
        ast::Expr::Nested(inner) | ast::Expr::Cast { expr: inner, .. } => elements(inner),
        ast::Expr::Function(function) if function.name.to_string() == "__array" => {
            Some(super::postgres_words::arguments(function)?.into_iter().cloned().collect())
        }
        ast::Expr::Value(value) => {
            let ast::Value::SingleQuotedString(told) = &value.value else { return None };
            let told = told.trim().strip_prefix('{')?.strip_suffix('}')?;
            if told.contains(['{', '}', '"', '\\']) {
                return None;
            }
            let element = |text: &str| match text.trim() {
                null if null.eq_ignore_ascii_case("null") => ast::Value::Null,
                text => ast::Value::SingleQuotedString(text.to_string()),
            };
            let texts = told.split(',').filter(|_| !told.trim().is_empty());
            Some(texts.map(|text| ast::Expr::value(element(text))).collect())
        }
        _ => None,
    }
}
