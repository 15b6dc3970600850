//! Errors about calls, with the types of arguments that are written out, and HAVING told from WHERE: DataFusion's planner takes whole
//! numbers for BIGINT, texts that are written out for TEXT, and both clauses for one.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::postgres_words::arguments;
use crate::error::Error;
use crate::error::SqlState;
use crate::sql::walk;

/// The error, in the words of the query that it is about.
pub(super) fn with_literals(error: Error, query: &ast::Query) -> Error {
    let told = match error.state() {
        SqlState::UNDEFINED_FUNCTION => of_call(error.message(), query).or_else(|| of_operator(error.message(), query)),
        SqlState::DATATYPE_MISMATCH => of_clause(error.message(), query).or_else(|| of_not(error.message(), query)),
        _ => None,
    };
    match told {
        Some(message) => error.reworded(message),
        None => error,
    }
}

/// `function f(bigint, text) does not exist` of `f(1, 'a')`.
fn of_call(message: &str, query: &ast::Query) -> Option<String> {
    let (name, rest) = message.strip_prefix("function ")?.split_once('(')?;
    let types: Vec<&str> = rest.strip_suffix(") does not exist")?.split(", ").collect();
    let mut found = None;
    let flow = walk::expressions(query, |expr| {
        if let ast::Expr::Function(function) = expr
            && function.name.to_string().eq_ignore_ascii_case(name)
            && let Some(given) = arguments(function)
            && given.len() == types.len()
        {
            let shown: Vec<&str> = given.iter().zip(&types).map(|(given, told)| written(given, told)).collect();
            found.get_or_insert(format!("function {name}({}) does not exist", shown.join(", ")));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    found
}

/// `operator does not exist: text + bigint` of `s + 1`.
fn of_operator(message: &str, query: &ast::Query) -> Option<String> {
    let mut words = message.strip_prefix("operator does not exist: ")?.split(' ');
    let sign = words.clone().find(|word| !word.chars().any(char::is_alphanumeric))?;
    let told = words.by_ref().take_while(|word| *word != sign).collect::<Vec<_>>().join(" ");
    let beside = words.collect::<Vec<_>>().join(" ");
    let mut found = None;
    let flow = walk::expressions(query, |expr| {
        if let ast::Expr::BinaryOp { left, op, right } = expr
            && op.to_string() == sign
        {
            let shown = (written(left, &told), written(right, &beside));
            found.get_or_insert(format!("operator does not exist: {} {sign} {}", shown.0, shown.1));
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    found
}

/// The type of an argument, which may be written out.
fn written<'a>(given: &ast::Expr, told: &'a str) -> &'a str {
    match given {
        ast::Expr::Nested(inner) | ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: inner } => {
            written(inner, told)
        }
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(digits, _) if told == "bigint" && digits.parse::<i32>().is_ok() => "integer",
            ast::Value::SingleQuotedString(_) | ast::Value::Null if told == "text" => "unknown",
            _ => told,
        },
        _ => told,
    }
}

/// `NOT 5`.
fn of_not(message: &str, query: &ast::Query) -> Option<String> {
    let before = message.strip_suffix("bigint").filter(|before| before.starts_with("argument of NOT must "))?;
    let flow = walk::expressions(query, |expr| match expr {
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Not, expr } if written(expr, "bigint") == "integer" => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    flow.is_break().then(|| format!("{before}integer"))
}

fn of_clause(message: &str, query: &ast::Query) -> Option<String> {
    let rest = message.strip_prefix("argument of WHERE must")?;
    let ast::SetExpr::Select(select) = query.body.as_ref() else { return None };
    (select.selection.is_none() && select.having.is_some()).then(|| format!("argument of HAVING must{rest}"))
}
