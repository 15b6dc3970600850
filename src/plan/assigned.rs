//! What is written out and assigned to a column: the column's type tells what is NULL or empty in collections, and which bytes a
//! text stands for.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::build::call;
use super::build::failure;
use super::fold;
use super::nested::arguments;
use super::parameters::placeholder;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::sql::walk;

/// The function that stands around an assigned value until its type is known: a null of the column's type, the value, the column.
pub const ASSIGN: &str = "__assign";

/// A value that is assigned to a column of that type and name: what is written without a type is read as one of the column's, and the
/// type of anything else has to be one that PostgreSQL assigns.
pub fn assigned_value(value: &ast::Expr, sql_type: &SqlType, column: &str) -> Result<ast::Expr> {
    let mut value = value.clone();
    assign(&mut value, sql_type)?;
    if is_open(&value) || is_ours_alone(sql_type) {
        return cast_to(value, sql_type);
    }
    let null = cast_to(ast::Expr::value(ast::Value::Null), sql_type)?;
    let column = ast::Expr::value(ast::Value::SingleQuotedString(column.to_string()));
    Ok(call(ASSIGN, vec![null, value, column]))
}

/// An item of a query whose rows are inserted: what is written without a type has that of its column.
pub fn assign_item(item: &mut ast::Expr, sql_type: &SqlType) -> Result<()> {
    assign(item, sql_type)?;
    if is_open(item) && *sql_type != SqlType::Text {
        *item = cast_to(std::mem::replace(item, ast::Expr::value(ast::Value::Null)), sql_type)?;
    }
    Ok(())
}

/// An expression, cast to a type.
pub fn cast_to(expr: ast::Expr, sql_type: &SqlType) -> Result<ast::Expr> {
    let data_type = match sql_type {
        SqlType::Bytes => ast::DataType::Bytea,
        other => crate::sql::parse_type(&other.to_string())?,
    };
    Ok(ast::Expr::Cast { kind: ast::CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None })
}

/// Whether nothing tells the type of a value: a text, NULL, a parameter.
fn is_open(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Nested(inner) => is_open(inner),
        ast::Expr::Value(value) if value.value == ast::Value::Null => true,
        other => is_text(other) || placeholder(other).is_some(),
    }
}

/// Whether there is a type in it that PostgreSQL does not have.
fn is_ours_alone(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Array(element) => is_ours_alone(element),
        SqlType::Map(..) | SqlType::Struct(_) => true,
        _ => false,
    }
}

/// An expression that is assigned to a column of a type: a collection that leaves types open is cast to it, and so is a text that
/// is written out for bytes.
pub(super) fn assign(expr: &mut ast::Expr, sql_type: &SqlType) -> Result<()> {
    let is_open = sql_type.is_nested() && is_made(expr) && leaves_open(expr);
    if !(is_open || *sql_type == SqlType::Bytes && is_text(expr)) {
        return Ok(());
    }
    let null = ast::Expr::value(ast::Value::Null);
    *expr = cast_to(std::mem::replace(expr, null), sql_type)?;
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

/// Refuses a field of a STRUCT that is written out if the type it is assigned to does not have it: a cast would leave it out. `read`
/// gets the values of the others with their types, and the elements and values of collections that hold bytes.
pub fn check_fields(
    expr: &mut ast::Expr,
    sql_type: &SqlType,
    rules: Compatibility,
    read: &dyn Fn(&mut ast::Expr, &SqlType) -> Result<()>,
) -> Result<()> {
    let within = |value: &mut ast::Expr, sql_type: &SqlType| {
        if *sql_type == SqlType::Bytes {
            read(value, sql_type)?;
        }
        check_fields(value, sql_type, rules, read)
    };
    match (expr, sql_type) {
        (ast::Expr::Nested(inner), _) => check_fields(inner, sql_type, rules, read),
        (ast::Expr::Struct { values, .. }, SqlType::Struct(fields)) => {
            values.iter_mut().filter_map(assigned_pair).try_for_each(|(name, value)| {
                let ast::Expr::Identifier(name) = name else { return Ok(()) };
                let folded = fold(name, rules);
                let Some(field) = fields.iter().find(|field| field.name == folded) else {
                    let message = format!("field \"{folded}\" does not exist in {sql_type}");
                    return Err(failure::at(Error::new(SqlState::UNDEFINED_COLUMN, message), value));
                };
                read(value, &field.sql_type)?;
                check_fields(value, &field.sql_type, rules, read)
            })
        }
        (ast::Expr::Array(array), SqlType::Array(element)) => {
            array.elem.iter_mut().try_for_each(|value| within(value, element))
        }
        (
            ast::Expr::Function(ast::Function { args: ast::FunctionArguments::List(map), .. }),
            SqlType::Map(_, value_type),
        ) => {
            let pairs = map.args.iter_mut().filter_map(|argument| match argument {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(pair)) => assigned_pair(pair),
                _ => None,
            });
            pairs.map(|(_, value)| value).try_for_each(|value| within(value, value_type))
        }
        _ => Ok(()),
    }
}

/// The two sides of `name := value`.
fn assigned_pair(expr: &mut ast::Expr) -> Option<(&ast::Expr, &mut ast::Expr)> {
    match expr {
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Assignment, right } => Some((left, right)),
        _ => None,
    }
}
