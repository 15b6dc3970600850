//! Types of parameters that stand where PostgreSQL knows one and DataFusion would take a text: `abs($1)`, `round($1, 2)`,
//! `generate_series(1, $1)`, `interval '1 hour' * $1`, `SELECT $1 UNION ALL SELECT $2`.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::parameters::placeholder;
use crate::model::SqlType;
use crate::sql::walk;

/// Functions of a double, where nothing tells another number.
const OF_DOUBLES: [&str; 22] = [
    "abs", "acos", "asin", "atan", "cbrt", "ceil", "ceiling", "cos", "cot", "degrees", "exp", "floor", "ln", "log",
    "log10", "radians", "sign", "sin", "sqrt", "tan", "round", "trunc",
];

/// Functions whose second argument, and those behind it, are whole numbers.
const OF_PLACES: [&str; 6] = ["left", "repeat", "right", "split_part", "substr", "substring"];

const SERIES: &str = "generate_series";

/// Casts such parameters to what the client told, or else to what PostgreSQL takes.
pub fn type_arguments(query: &mut ast::Query, known: &[Option<SqlType>]) {
    let flow = walk::walk_mut(query, |node| {
        match node {
            walk::NodeMut::TableFactor(
                ast::TableFactor::Table { name, args: Some(ast::TableFunctionArgs { args, .. }), .. }
                | ast::TableFactor::Function { name, args, .. },
            ) if name.to_string().eq_ignore_ascii_case(SERIES) => series(args, known),
            walk::NodeMut::Expression(expr) => in_expression(expr, known),
            walk::NodeMut::Query(query) => in_union(&mut query.body, known),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn in_expression(expr: &mut ast::Expr, known: &[Option<SqlType>]) {
    let int = || ast::DataType::Int(None);
    match expr {
        ast::Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let ast::FunctionArguments::List(list) = &mut function.args else { return };
            if name == SERIES {
                return series(&mut list.args, known);
            }
            let mut arguments: Vec<&mut ast::Expr> = list.args.iter_mut().filter_map(plain).collect();
            match arguments.as_mut_slice() {
                [only] if OF_DOUBLES.contains(&name.as_str()) => cast(only, &ast::DataType::DoublePrecision, known),
                [number, places] if ["round", "trunc"].contains(&name.as_str()) => {
                    cast(number, &ast::DataType::Numeric(ast::ExactNumberInfo::None), known);
                    cast(places, &int(), known);
                }
                [_, .., field] if name == "split_part" => cast(field, &int(), known),
                [_, places @ ..] if name != "split_part" && OF_PLACES.contains(&name.as_str()) => {
                    places.iter_mut().for_each(|place| cast(place, &int(), known));
                }
                _ => {}
            }
        }
        ast::Expr::Substring { substring_from, substring_for, .. } => {
            for place in [substring_from, substring_for].into_iter().flatten() {
                cast(place, &int(), known);
            }
        }
        ast::Expr::Ceil { expr, .. } | ast::Expr::Floor { expr, .. } => {
            cast(expr, &ast::DataType::DoublePrecision, known);
        }
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Multiply | ast::BinaryOperator::Divide, right }
            if is_interval(left) =>
        {
            cast(right, &ast::DataType::DoublePrecision, known);
        }
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Multiply, right } if is_interval(right) => {
            cast(left, &ast::DataType::DoublePrecision, known);
        }
        _ => {}
    }
}

fn plain(argument: &mut ast::FunctionArg) -> Option<&mut ast::Expr> {
    match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn is_interval(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Interval(_) => true,
        ast::Expr::TypedString(typed) => matches!(typed.data_type, ast::DataType::Interval { .. }),
        ast::Expr::Cast { data_type, .. } => matches!(data_type, ast::DataType::Interval { .. }),
        ast::Expr::Nested(inner) => is_interval(inner),
        _ => false,
    }
}

/// A series beside a whole number is one of whole numbers.
fn series(arguments: &mut [ast::FunctionArg], known: &[Option<SqlType>]) {
    let is_whole = |expr: &ast::Expr| match expr {
        ast::Expr::Value(value) => matches!(&value.value, ast::Value::Number(digits, _) if !digits.contains('.')),
        _ => false,
    };
    let mut arguments: Vec<&mut ast::Expr> = arguments.iter_mut().filter_map(plain).collect();
    let told = arguments.iter().any(|argument| is_whole(argument));
    let is_number = |number: usize| matches!(told_of(number, known), Some(SqlType::Int | SqlType::BigInt));
    for argument in &mut arguments {
        if told || placeholder(argument).is_some_and(is_number) {
            cast(argument, &ast::DataType::Int(None), known);
        }
    }
}

fn told_of(number: usize, known: &[Option<SqlType>]) -> Option<&SqlType> {
    known.get(number.checked_sub(1)?)?.as_ref()
}

/// Casts a bare parameter; one that the client told to be no number stays.
fn cast(expr: &mut ast::Expr, wanted: &ast::DataType, known: &[Option<SqlType>]) {
    let Some(number) = placeholder(expr) else { return };
    let data_type = match told_of(number, known) {
        None => wanted.clone(),
        Some(SqlType::Int) => ast::DataType::Int(None),
        Some(SqlType::BigInt) => ast::DataType::BigInt(None),
        Some(SqlType::Double) => ast::DataType::DoublePrecision,
        Some(SqlType::Decimal { .. }) => ast::DataType::Numeric(ast::ExactNumberInfo::None),
        Some(_) => return,
    };
    as_type(expr, data_type);
}

fn as_type(expr: &mut ast::Expr, data_type: ast::DataType) {
    let inner = Box::new(std::mem::replace(expr, ast::Expr::value(ast::Value::Null)));
    *expr = ast::Expr::Cast { kind: ast::CastKind::Cast, expr: inner, data_type, array: false, format: None };
}

/// A column of a UNION whose queries tell no type for it is one of texts.
fn in_union(body: &mut ast::SetExpr, known: &[Option<SqlType>]) {
    if !matches!(body, ast::SetExpr::SetOperation { .. }) {
        return;
    }
    let mut selects = Vec::new();
    if !gather(body, &mut selects) {
        return;
    }
    let queries = selects.len();
    let columns = selects.iter().map(|select| select.projection.len()).min().unwrap_or(0);
    let is_text = |expr: &ast::Expr| {
        placeholder(expr).is_some_and(|number| matches!(told_of(number, known), None | Some(SqlType::Text)))
    };
    let is_open = |expr: &ast::Expr| match expr {
        ast::Expr::Value(value) if placeholder(expr).is_none() => {
            matches!(value.value, ast::Value::SingleQuotedString(_) | ast::Value::Null)
        }
        expr => is_text(expr),
    };
    for place in 0..columns {
        let mut items: Vec<&mut ast::Expr> =
            selects.iter_mut().filter_map(|select| expr_of(&mut select.projection[place])).collect();
        if items.len() < queries || !items.iter().all(|item| is_open(item)) {
            continue;
        }
        items.iter_mut().filter(|item| is_text(item)).for_each(|item| as_type(item, ast::DataType::Text));
        // The column is called as if it had no cast.
        let first = &mut selects[0].projection[place];
        if let ast::SelectItem::UnnamedExpr(expr @ ast::Expr::Cast { .. }) = first {
            let alias = ast::Ident::with_quote('"', "?column?");
            *first = ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
}

/// The SELECTs of a UNION; whether there is nothing else.
fn gather<'a>(body: &'a mut ast::SetExpr, found: &mut Vec<&'a mut ast::Select>) -> bool {
    match body {
        ast::SetExpr::SetOperation { left, right, .. } => gather(left, found) && gather(right, found),
        ast::SetExpr::Query(query) => gather(&mut query.body, found),
        ast::SetExpr::Select(select) => {
            found.push(select);
            true
        }
        _ => false,
    }
}

fn expr_of(item: &mut ast::SelectItem) -> Option<&mut ast::Expr> {
    match item {
        ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}
