//! Expressions that DataFusion's planner reads otherwise than PostgreSQL, in words that both read alike.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::expression::exponent_double;
use super::postgres_words;
use super::quantified;
use super::row_words;
use crate::catalog::Compatibility;
use crate::plan::nested;
use crate::sql::walk;

/// The pattern of a LIKE with another ESCAPE than the backslash, with the backslash in its place.
pub fn escape_in_pattern(like: &mut ast::Expr) {
    if let ast::Expr::Like { pattern, escape_char, .. } | ast::Expr::ILike { pattern, escape_char, .. } = like
        && let Some(escape) = escape_char.take()
    {
        **pattern = call("__like_pattern", vec![pattern.as_ref().clone(), ast::Expr::Value(escape)]);
    }
}

/// Rewords all expressions below `root`.
pub fn reword(root: &mut impl ast::VisitMut, rules: Compatibility) {
    let flow = walk::expressions_mut(root, |expr| {
        match expr {
            ast::Expr::Value(value) => {
                if let Some(double) = exponent_double(&value.value, rules) {
                    *expr = double;
                }
            }
            ast::Expr::Like { any: false, .. } if rules == Compatibility::Ksqldb => ksqldb_like(expr),
            ast::Expr::Like { .. } | ast::Expr::ILike { .. } => escape_in_pattern(expr),
            ast::Expr::Function(function) => {
                of_now(function);
                of_uuid(function);
            }
            ast::Expr::Ceil { expr: number, field } if rules == Compatibility::Ksqldb && is_plain(field) => {
                *expr = call("__ksql_ceil", vec![number.as_ref().clone()]);
            }
            ast::Expr::Floor { expr: number, field } if rules == Compatibility::Ksqldb && is_plain(field) => {
                *expr = call("__ksql_floor", vec![number.as_ref().clone()]);
            }
            // The planner would take DataFusion's own function, whatever stands under its name.
            ast::Expr::Substring { expr: text, substring_from, substring_for, .. } => {
                let from = match (&substring_from, &substring_for) {
                    (None, Some(_)) => Some(Box::new(ast::Expr::value(ast::Value::Number("1".to_string(), false)))),
                    _ => substring_from.clone(),
                };
                let arguments = [Some(text.clone()), from, substring_for.clone()].into_iter().flatten();
                // A text tells a pattern where a number would tell a place.
                let by_pattern = rules == Compatibility::Postgres
                    && substring_for.is_none()
                    && matches!(substring_from.as_deref(), Some(ast::Expr::Value(from)) if matches!(from.value, ast::Value::SingleQuotedString(_)));
                *expr = call(
                    if by_pattern { "__substring_pattern" } else { "substr" },
                    arguments.map(|argument| *argument).collect(),
                );
            }
            _ => {}
        }
        if rules == Compatibility::Postgres
            && let Some(new) = quantified::reworded(expr)
                .or_else(|| postgres_words::reworded(expr))
                .or_else(|| row_words::reworded(expr))
        {
            *expr = new;
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    nested::as_texts(root);
}

/// ksqlDB's LIKE, which is of one line, has no escape unless told, and is true or false.
fn ksqldb_like(like: &mut ast::Expr) {
    let ast::Expr::Like { negated, expr: text, pattern, escape_char, .. } = &*like else { return };
    let escape = escape_char.clone().map(ast::Expr::Value);
    let arguments = [text.as_ref().clone(), pattern.as_ref().clone()].into_iter().chain(escape).collect();
    let fits = ast::Expr::IsTrue(Box::new(call("__ksql_like", arguments)));
    *like = match negated {
        true => ast::Expr::UnaryOp { op: ast::UnaryOperator::Not, expr: Box::new(fits) },
        false => fits,
    };
}

/// Whether CEIL or FLOOR is of a number, not of a time.
fn is_plain(field: &ast::CeilFloorKind) -> bool {
    matches!(field, ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime))
}

/// ksqlDB's `UNIX_TIMESTAMP()` and `UNIX_DATE()` are of now.
fn of_now(function: &mut ast::Function) {
    let ast::FunctionArguments::List(list) = &function.args else { return };
    if !list.args.is_empty() {
        return;
    }
    let now = || call("now", Vec::new());
    let replaced = match function.name.to_string().to_lowercase().as_str() {
        "unix_timestamp" => call("unix_timestamp", vec![now()]),
        "unix_date" => {
            let date = ast::Expr::Cast {
                kind: ast::CastKind::Cast,
                expr: Box::new(now()),
                data_type: ast::DataType::Date,
                array: false,
                format: None,
            };
            call("unix_date", vec![date])
        }
        _ => return,
    };
    if let ast::Expr::Function(replaced) = replaced {
        *function = replaced;
    }
}

/// `UUID(bytes)` is another function than `UUID()`, which is of chance.
fn of_uuid(function: &mut ast::Function) {
    let ast::FunctionArguments::List(list) = &function.args else { return };
    if list.args.len() == 1 && function.name.to_string().eq_ignore_ascii_case("uuid") {
        function.name = ast::ObjectName::from(vec![ast::Ident::new("uuid_from_bytes")]);
    }
}

/// A call of a function.
pub fn call(name: &str, arguments: Vec<ast::Expr>) -> ast::Expr {
    let argument = |expr| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr));
    ast::Expr::Function(ast::Function {
        name: ast::ObjectName::from(vec![ast::Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(argument).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
