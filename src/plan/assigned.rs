//! What is written out and assigned to a column: the column's type tells what is NULL or empty in collections, and which bytes a
//! text stands for.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::build::failure;
use super::fold;
use super::nested::arguments;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::sql::walk;

/// An expression that is assigned to a column of a type: a collection that leaves types open is cast to it, and so is a text that
/// is written out for bytes.
pub fn assign(expr: &mut ast::Expr, sql_type: &SqlType) -> Result<()> {
    let is_open = sql_type.is_nested() && is_made(expr) && leaves_open(expr);
    if !(is_open || *sql_type == SqlType::Bytes && is_text(expr)) {
        return Ok(());
    }
    let data_type = match sql_type {
        SqlType::Bytes => ast::DataType::Bytea,
        nested => crate::sql::parse_type(&nested.to_string())?,
    };
    let null = ast::Expr::value(ast::Value::Null);
    let made = std::mem::replace(expr, null);
    *expr = ast::Expr::Cast { kind: ast::CastKind::Cast, expr: Box::new(made), data_type, array: false, format: None };
    Ok(())
}

fn is_text(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Nested(inner) => is_text(inner),
        ast::Expr::Value(value) => matches!(
            value.value,
            ast::Value::SingleQuotedString(_) | ast::Value::EscapedStringLiteral(_) | ast::Value::DollarQuotedString(_)
        ),
        _ => false,
    }
}

/// Whether an expression is written as ARRAY, MAP or STRUCT, reworded or not.
fn is_made(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Struct { fields, .. } => fields.is_empty(),
        ast::Expr::Array(_) => true,
        ast::Expr::Function(function) => {
            let name = function.name.to_string();
            ["map", "__array", "__map", "__struct"].iter().any(|made| name.eq_ignore_ascii_case(made))
        }
        _ => false,
    }
}

/// Whether there is a NULL or an empty array anywhere in it.
fn leaves_open(expr: &ast::Expr) -> bool {
    let found = walk::expressions(expr, |part| {
        let is_open = match part {
            ast::Expr::Value(value) => value.value == ast::Value::Null,
            ast::Expr::Array(array) => array.elem.is_empty(),
            ast::Expr::Function(function) => function.name.to_string() == "__array" && arguments(function).is_empty(),
            _ => false,
        };
        if is_open { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found.is_break()
}

/// Refuses a field of a STRUCT that is written out if the type it is assigned to does not have it: a cast would leave it out.
pub fn check_fields(expr: &ast::Expr, sql_type: &SqlType, rules: Compatibility) -> Result<()> {
    match (expr, sql_type) {
        (ast::Expr::Nested(inner), _) => check_fields(inner, sql_type, rules),
        (ast::Expr::Struct { values, .. }, SqlType::Struct(fields)) => {
            values.iter().filter_map(assigned_pair).try_for_each(|(name, value)| {
                let ast::Expr::Identifier(name) = name else { return Ok(()) };
                let folded = fold(name, rules);
                match fields.iter().find(|field| field.name == folded) {
                    Some(field) => check_fields(value, &field.sql_type, rules),
                    None => {
                        let message = format!("field \"{folded}\" does not exist in {sql_type}");
                        Err(failure::at(Error::new(SqlState::UNDEFINED_COLUMN, message), expr))
                    }
                }
            })
        }
        (ast::Expr::Array(array), SqlType::Array(element)) => {
            array.elem.iter().try_for_each(|value| check_fields(value, element, rules))
        }
        (ast::Expr::Function(map), SqlType::Map(_, value_type)) => {
            let values = arguments(map).into_iter().filter_map(assigned_pair);
            values.map(|(_, value)| value).try_for_each(|value| check_fields(value, value_type, rules))
        }
        _ => Ok(()),
    }
}

/// The two sides of `name := value`.
fn assigned_pair(expr: &ast::Expr) -> Option<(&ast::Expr, &ast::Expr)> {
    match expr {
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Assignment, right } => Some((left, right)),
        _ => None,
    }
}
