//! Expressions of ARRAY, MAP and STRUCT in words that every later step reads alike: calls of our own functions.
//!
//! | typed | becomes |
//! |---|---|
//! | `ARRAY[a, b]` | `__array(a, b)` |
//! | `MAP(k := v, ..)` | `__map(k, v, ..)` |
//! | `STRUCT(name := v, ..)` | `__struct('name', v, ..)` |
//! | `s->name` | `__field(s, 'name')` |
//! | `a[i]`, `m['k']` | `__element(a, i)`, under ksqldb `__ksql_element(a, i)` |
//! | `f(a, x => e)` | `f(a, __lambda('x', e))`, in `e` `__parameter('x')` for `x` |
//!
//! Names of fields and types are folded here, so that what is bound never depends on the rules again.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::build::call;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::walk;

/// The functions that give an element of an array or a map, for each of the rules.
const ELEMENT: [&str; 2] = ["__element", "__ksql_element"];

/// Whether a function is what an index in brackets became.
pub fn is_element(name: &str) -> bool {
    ELEMENT.contains(&name)
}

/// Rewords all expressions below `root`, before their names are looked up.
pub fn reword(root: &mut impl ast::VisitMut, rules: Compatibility) -> Result<()> {
    let flow = walk::expressions_mut(root, |expr| match reworded(expr, rules) {
        Ok(None) => ControlFlow::Continue(()),
        Ok(Some(new)) => {
            *expr = new;
            ControlFlow::Continue(())
        }
        Err(error) => ControlFlow::Break(match super::position(ast::Spanned::span(&*expr)) {
            Some(position) => error.at(position),
            None => error,
        }),
    });
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The name that a column of such an expression has, if its call tells one: a field's, or that of the array.
pub fn name_of(function: &ast::Function) -> Option<&str> {
    let name = function.name.0.last()?.as_ident()?.value.as_str();
    let arguments = arguments(function);
    match (name, arguments.as_slice()) {
        ("__field", [_, ast::Expr::Value(field)]) => match &field.value {
            ast::Value::SingleQuotedString(name) => Some(name),
            _ => None,
        },
        ("__array", _) => Some("array"),
        ("__map", _) => Some("map"),
        ("__struct", _) => Some("struct"),
        (element, [ast::Expr::Function(inner), _]) if ELEMENT.contains(&element) => name_of(inner),
        (element, [ast::Expr::CompoundIdentifier(idents), _]) if ELEMENT.contains(&element) => {
            idents.last().map(|ident| ident.value.as_str())
        }
        (element, [ast::Expr::Identifier(ident), _]) if ELEMENT.contains(&element) => Some(&ident.value),
        _ => None,
    }
}

/// The unnamed arguments of a call.
pub fn arguments(function: &ast::Function) -> Vec<&ast::Expr> {
    let ast::FunctionArguments::List(list) = &function.args else { return Vec::new() };
    list.args
        .iter()
        .filter_map(|argument| match argument {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}

fn reworded(expr: &mut ast::Expr, rules: Compatibility) -> Result<Option<ast::Expr>> {
    Ok(match expr {
        ast::Expr::Cast { data_type, .. } => {
            quote_fields(data_type, rules);
            None
        }
        ast::Expr::Array(array) => {
            if rules == Compatibility::Ksqldb {
                check_elements(&array.elem)?;
            }
            Some(call("__array", std::mem::take(&mut array.elem)))
        }
        ast::Expr::Struct { values, fields } if fields.is_empty() => Some(structure(std::mem::take(values), rules)?),
        // What is written otherwise is a name or a place in JSON.
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Arrow, right }
            if rules == Compatibility::Ksqldb || names_field(right) =>
        {
            Some(field_of(left.as_ref().clone(), right.as_ref(), rules)?)
        }
        ast::Expr::CompoundFieldAccess { root, access_chain } => {
            access_chain.iter_mut().for_each(close_slice);
            element(root, access_chain, rules)?
        }
        ast::Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("map") => map(function, rules)?,
        ast::Expr::Function(function) => {
            star(function, rules)?;
            lambdas(function, rules)?;
            None
        }
        ast::Expr::Like { escape_char: Some(escape), .. } if rules == Compatibility::Ksqldb => {
            check_escape(&escape.value)?;
            None
        }
        _ => None,
    })
}

/// `*` as all that a function is told: of COUNT all rows; to ksqlDB's other aggregates the time of the row, which is what they
/// take where they are told nothing.
fn star(function: &mut ast::Function, rules: Compatibility) -> Result<()> {
    let qualified = function.name.to_string();
    let name = qualified.rsplit('.').next().unwrap_or_default().trim_matches(['"', '`']);
    let ast::FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    let [ast::FunctionArg::Unnamed(argument)] = list.args.as_mut_slice() else { return Ok(()) };
    if *argument != ast::FunctionArgExpr::Wildcard || name.eq_ignore_ascii_case("count") {
        return Ok(());
    }
    // Whether there is such a function is told elsewhere.
    let is_known = AGGREGATES.iter().any(|known| name.eq_ignore_ascii_case(known));
    match rules {
        Compatibility::Postgres if is_known => {
            let message = format!("function {}() does not exist", name.to_lowercase());
            Err(Error::new(SqlState::UNDEFINED_FUNCTION, message).hint("Only COUNT takes *."))
        }
        Compatibility::Ksqldb if is_known => {
            *argument = ast::FunctionArgExpr::Expr(ast::Expr::Identifier(ast::Ident::new("ROWTIME")));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// ksqlDB's aggregates of one argument.
const AGGREGATES: [&str; 11] = [
    "attr",
    "avg",
    "collect_list",
    "collect_set",
    "count_distinct",
    "earliest_by_offset",
    "latest_by_offset",
    "max",
    "min",
    "stddev_samp",
    "sum",
];

/// What ESCAPE names is one character.
fn check_escape(escape: &ast::Value) -> Result<()> {
    match escape {
        ast::Value::SingleQuotedString(text) if text.chars().count() != 1 => {
            Err(Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
                .hint("An escape is one character."))
        }
        _ => Ok(()),
    }
}

/// A field of a STRUCT, by its folded name.
pub fn field(structure: ast::Expr, name: &str) -> ast::Expr {
    call("__field", vec![structure, text(name)])
}

fn text(value: impl Into<String>) -> ast::Expr {
    ast::Expr::value(ast::Value::SingleQuotedString(value.into()))
}

/// The types of STRUCT inside of a type, with their names as they are folded; ksqlDB's BYTES by PostgreSQL's name.
pub fn quote_fields(data_type: &mut ast::DataType, rules: Compatibility) {
    match data_type {
        ast::DataType::Bytes(_) if rules == Compatibility::Ksqldb => *data_type = ast::DataType::Bytea,
        ast::DataType::Array(
            ast::ArrayElemTypeDef::AngleBracket(item) | ast::ArrayElemTypeDef::SquareBracket(item, _),
        ) => quote_fields(item, rules),
        ast::DataType::Map(key, value) => {
            quote_fields(key, rules);
            quote_fields(value, rules);
        }
        ast::DataType::Struct(fields, _) => {
            for field in fields {
                if let Some(name) = &mut field.field_name {
                    *name = ast::Ident::with_quote('"', super::fold(name, rules));
                }
                quote_fields(&mut field.field_type, rules);
            }
        }
        _ => {}
    }
}

/// ksqlDB cannot tell the type of an array of nothing but nulls.
fn check_elements(elements: &[ast::Expr]) -> Result<()> {
    match elements {
        [] => Err(untold(format!("Array constructor cannot be empty. Please supply at least one element {SEE}."))),
        all if all.iter().all(is_null) => Err(untold(all_null("an array", "element", "value"))),
        _ => Ok(()),
    }
}

/// Nor that of a map whose keys or values are all null; `arguments` are both by turns.
fn check_entries(arguments: &[ast::Expr]) -> Result<()> {
    let all_null_from = |first: usize| arguments.iter().skip(first).step_by(2).all(is_null);
    if arguments.is_empty() {
        return Err(untold(format!(
            "Map constructor cannot be empty. Please supply at least one key value pair {SEE}."
        )));
    }
    match (all_null_from(0), all_null_from(1)) {
        (true, _) => Err(untold(all_null("a map", "key", "key"))),
        (false, true) => Err(untold(all_null("a map", "value", "value"))),
        (false, false) => Ok(()),
    }
}

/// Where ksqlDB tells of it.
const SEE: &str = "(see https://github.com/confluentinc/ksql/issues/4239)";

fn all_null(what: &str, part: &str, cast: &str) -> String {
    format!(
        "Cannot construct {what} with all NULL {part}s {SEE}. As a workaround, you may cast a NULL {cast} to the desired type."
    )
}

fn untold(message: String) -> Error {
    Error::new(SqlState::DATATYPE_MISMATCH, message).hint("CAST a null to the type that is meant.")
}

fn is_null(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Value(value) if value.value == ast::Value::Null)
}

fn structure(values: Vec<ast::Expr>, rules: Compatibility) -> Result<ast::Expr> {
    let mut arguments = Vec::with_capacity(values.len() * 2);
    for value in values {
        let (name, value) = match value {
            ast::Expr::Named { expr, name } => (name, *expr),
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Assignment, right } => match *left {
                ast::Expr::Identifier(name) => (name, *right),
                other => return Err(syntax(&format!("a field of STRUCT cannot be named {other}"))),
            },
            other => return Err(syntax(&format!("STRUCT wants a name for {other}"))),
        };
        arguments.extend([text(super::fold(&name, rules)), value]);
    }
    Ok(call("__struct", arguments))
}

fn syntax(message: &str) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, message)
        .hint("Write STRUCT(name := value, ..), MAP(key := value, ..), ARRAY[value, ..].")
}

/// `left->right`, where what stands behind the name belongs to the field.
fn field_of(left: ast::Expr, right: &ast::Expr, rules: Compatibility) -> Result<ast::Expr> {
    match right {
        ast::Expr::Identifier(name) => Ok(call("__field", vec![left, text(super::fold(name, rules))])),
        ast::Expr::Function(function) => {
            let name = function.name.to_string();
            match arguments(function).as_slice() {
                [inner, index] if ELEMENT.contains(&name.as_str()) => {
                    Ok(call(&name, vec![field_of(left, inner, rules)?, (*index).clone()]))
                }
                _ => Err(no_field(right)),
            }
        }
        _ => Err(no_field(right)),
    }
}

/// Whether what stands behind `->` begins with a name without quotes.
fn names_field(right: &ast::Expr) -> bool {
    match right {
        ast::Expr::Identifier(_) => true,
        ast::Expr::Function(function) => ELEMENT.contains(&function.name.to_string().as_str()),
        _ => false,
    }
}

fn no_field(right: &ast::Expr) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, format!("-> wants the name of a field, not {right}"))
        .hint("JSON in a text is read with EXTRACTJSONFIELD.")
}

/// `list[:2]` and `list[2:]`: from the first element, to one behind the last.
fn close_slice(access: &mut ast::AccessExpr) {
    let number = |number: i64| ast::Expr::value(ast::Value::Number(number.to_string(), false));
    if let ast::AccessExpr::Subscript(ast::Subscript::Slice { lower_bound, upper_bound, .. }) = access {
        lower_bound.get_or_insert_with(|| number(1));
        upper_bound.get_or_insert_with(|| number(i64::from(i32::MAX)));
    }
}

fn element(root: &ast::Expr, chain: &[ast::AccessExpr], rules: Compatibility) -> Result<Option<ast::Expr>> {
    let name = if rules == Compatibility::Ksqldb { ELEMENT[1] } else { ELEMENT[0] };
    let mut found = root.clone();
    let mut steps = chain.iter().peekable();
    // `alias.column[1]`: a field of a struct is `struct->field`, or `(struct).field`.
    if let ast::Expr::Identifier(first) = root {
        let mut idents = vec![first.clone()];
        while let Some(ast::AccessExpr::Dot(ast::Expr::Identifier(ident))) = steps.peek() {
            idents.push(ident.clone());
            steps.next();
        }
        if 1 < idents.len() {
            found = ast::Expr::CompoundIdentifier(idents);
        }
    }
    for access in steps {
        found = match access {
            ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => call(name, vec![found, index.clone()]),
            ast::AccessExpr::Dot(ast::Expr::Identifier(field)) => {
                call("__field", vec![found, text(super::fold(field, rules))])
            }
            // Slices are DataFusion's.
            _ => return Ok(None),
        };
    }
    Ok(Some(found))
}

fn map(function: &ast::Function, rules: Compatibility) -> Result<Option<ast::Expr>> {
    let ast::FunctionArguments::List(list) = &function.args else { return Ok(None) };
    let mut arguments = Vec::with_capacity(list.args.len() * 2);
    for argument in &list.args {
        let (key, value) = match argument {
            ast::FunctionArg::ExprNamed {
                name,
                arg: ast::FunctionArgExpr::Expr(value),
                operator: ast::FunctionArgOperator::Assignment,
            } => (name.clone(), value.clone()),
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::BinaryOp {
                left,
                op: ast::BinaryOperator::Assignment,
                right,
            })) => (left.as_ref().clone(), right.as_ref().clone()),
            // DataFusion's own: map([keys], [values]).
            _ => return Ok(None),
        };
        arguments.extend([key, value]);
    }
    if rules == Compatibility::Ksqldb {
        check_entries(&arguments)?;
    }
    Ok(Some(call("__map", arguments)))
}

/// The arguments of a call that are lambdas.
fn lambdas(function: &mut ast::Function, rules: Compatibility) -> Result<()> {
    let ast::FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    for argument in &mut list.args {
        let (parameters, body) = match argument {
            ast::FunctionArg::ExprNamed {
                name,
                arg: ast::FunctionArgExpr::Expr(body),
                operator: ast::FunctionArgOperator::RightArrow,
            } => (parameter_names(name, rules)?, body),
            _ => continue,
        };
        let body = with_parameters(body.clone(), &parameters, rules);
        let lambda = call("__lambda", vec![text(parameters.join(",")), body]);
        *argument = ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(lambda));
    }
    Ok(())
}

fn parameter_names(expr: &ast::Expr, rules: Compatibility) -> Result<Vec<String>> {
    match expr {
        ast::Expr::Identifier(ident) => Ok(vec![super::fold(ident, rules)]),
        ast::Expr::Nested(inner) => parameter_names(inner, rules),
        ast::Expr::Tuple(exprs) => {
            Ok(exprs.iter().map(|expr| parameter_names(expr, rules)).collect::<Result<Vec<_>>>()?.concat())
        }
        other => Err(Error::new(SqlState::SYNTAX_ERROR, format!("a parameter of a lambda is a name, not {other}"))),
    }
}

fn with_parameters(mut body: ast::Expr, parameters: &[String], rules: Compatibility) -> ast::Expr {
    let flow = walk::expressions_mut(&mut body, |expr| {
        if let ast::Expr::Identifier(ident) = expr {
            let name = super::fold(ident, rules);
            if parameters.contains(&name) {
                *expr = call("__parameter", vec![text(name)]);
            }
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    body
}

/// Lambdas as texts, which DataFusion's planner passes on unread: their bodies have no types before their arguments have.
pub fn as_texts(root: &mut impl ast::VisitMut) {
    let flow = walk::expressions_mut(root, |expr| {
        if let ast::Expr::Function(function) = expr
            && function.name.to_string() == "__lambda"
            && let [parameters, body] = arguments(function).as_slice()
        {
            *expr = call("__lambda_text", vec![(*parameters).clone(), text(body.to_string())]);
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}
