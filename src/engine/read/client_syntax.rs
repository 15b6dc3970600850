//! What psql writes and DataFusion does not know, in queries of PostgreSQL's catalogs.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::client_functions::JOINED;
use super::client_subqueries::is_correlated;
use super::client_vectors;
use super::client_vectors::last_name;
use super::client_views;
use super::reg_names;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::plan::array_of_rows;
use crate::plan::call;
use crate::plan::escape_in_pattern;
use crate::sql::walk;

/// Catalogs that hold no row here, nor ever will.
const EMPTY: [&str; 5] = ["pg_auth_members", "pg_constraint", "pg_enum", "pg_policy", "pg_ts_config_map"];

/// Types of names that nothing here knows.
const NAMES: [&str; 7] =
    ["regcollation", "regconfig", "regdictionary", "regoper", "regoperator", "regproc", "regprocedure"];

/// Functions that unfold options, which nobody has set.
const OF_UNSET: [&str; 2] = ["pg_options_to_table", "unnest"];

/// Columns of PostgreSQL's that the catalogs lack; nobody has set them.
const UNSET: [&str; 4] = ["colliculocale", "relacl", "reloptions", "tableoid"];

/// The statement with them in other words.
pub(super) fn rewrite(statement: &mut ast::Statement) -> Result<()> {
    client_views::rewrite(statement)?;
    client_vectors::rewrite(statement);
    let changed = walk::expressions_mut(statement, |expression| {
        escape_in_pattern(expression);
        let replaced = match expression {
            ast::Expr::Function(function) => match last_name(&function.name).as_str() {
                "array" => empty_array(function).or_else(|| array_of_rows(expression)),
                "to_regtype" => reg_names::type_of_parameter(function),
                "array_length" if is_of_privileges(function) => Some(ast::Expr::value(ast::Value::Null)),
                "array_to_string" => {
                    function.name = ast::ObjectName::from(vec![ast::Ident::new(JOINED)]);
                    None
                }
                // `'d' = ANY (kinds)`: the kinds of statistics, of which there are none, are no list here.
                "array_contains" | "array_has" if first_is_column(function, "stxkind") || first_is_empty(function) => {
                    Some(ast::Expr::value(ast::Value::Boolean(false)))
                }
                _ => None,
            },
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq | ast::BinaryOperator::NotEq, right } => {
                by_name(left, right);
                by_name(right, left);
                None
            }
            ast::Expr::CompoundIdentifier(names) => {
                let is_unset = names.last().is_some_and(|name| UNSET.contains(&name.value.as_str()));
                is_unset.then(|| ast::Expr::value(ast::Value::Null))
            }
            // Identities and collations of columns, which none has, as SQLAlchemy 2.1 asks for them.
            ast::Expr::Subquery(query) if query.to_string().contains("json_build_object") => {
                Some(ast::Expr::value(ast::Value::Null))
            }
            ast::Expr::Subquery(query) => {
                aggregate(query);
                value_of(query)
            }
            // No constraint is deferrable or deferred.
            ast::Expr::Exists { subquery, negated } if subquery.to_string().contains("condeferr") => {
                Some(ast::Expr::value(ast::Value::Boolean(*negated)))
            }
            // A name that is made while the statement runs is not looked up.
            ast::Expr::Cast { expr, data_type, .. } if last_word(data_type) == "regclass" && is_made(expr) => {
                Some(ast::Expr::value(ast::Value::Null))
            }
            // What numbers of functions and their kin are called stands in their place already, or is nobody's.
            ast::Expr::Cast { expr, data_type, .. } if NAMES.contains(&last_word(data_type).as_str()) => {
                Some(expr.as_ref().clone())
            }
            _ => None,
        };
        if let Some(other) = replaced {
            *expression = other;
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(changed.is_continue());
    let left = walk::expressions(statement, |expression| match expression {
        ast::Expr::Function(function) if matches!(function.args, ast::FunctionArguments::Subquery(_)) => {
            ControlFlow::Break(function.span().start.column)
        }
        _ => ControlFlow::Continue(()),
    });
    let ControlFlow::Break(column) = left else { return Ok(()) };
    let error = Error::unsupported("ARRAY(SELECT ..) is not there yet");
    Err(match u32::try_from(column) {
        Ok(column) if 0 < column => error.at(Position(column)),
        _ => error,
    })
}

fn is_made(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Function(_) | ast::Expr::BinaryOp { op: ast::BinaryOperator::StringConcat, .. } => true,
        ast::Expr::Nested(inner) | ast::Expr::Cast { expr: inner, .. } => is_made(inner),
        _ => false,
    }
}

fn last_word(data_type: &ast::DataType) -> String {
    let text = data_type.to_string().to_lowercase();
    text.strip_prefix("pg_catalog.").unwrap_or(&text).to_string()
}

/// Lists of privileges are texts here, and null.
fn is_of_privileges(function: &ast::Function) -> bool {
    let ast::FunctionArguments::List(list) = &function.args else { return false };
    match list.args.first() {
        Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(first))) => match first {
            ast::Expr::Identifier(name) => name.value.ends_with("acl"),
            ast::Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| name.value.ends_with("acl")),
            ast::Expr::Value(value) => value.value == ast::Value::Null,
            _ => false,
        },
        _ => false,
    }
}

fn first_is_column(function: &ast::Function, name: &str) -> bool {
    let ast::FunctionArguments::List(list) = &function.args else { return false };
    let first = list.args.first();
    first.is_some_and(|first| match first {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expression)) => is_column(expression, name),
        _ => false,
    })
}

/// `'{}'`, which an array without elements is here.
fn first_is_empty(function: &ast::Function) -> bool {
    let ast::FunctionArguments::List(list) = &function.args else { return false };
    matches!(
        list.args.first(),
        Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::Value(value))))
            if matches!(&value.value, ast::Value::SingleQuotedString(text) if text == "{}")
    )
}

fn is_column(expression: &ast::Expr, name: &str) -> bool {
    let last = match expression {
        ast::Expr::Identifier(name) => Some(name),
        ast::Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    };
    last.is_some_and(|last| last.value.eq_ignore_ascii_case(name))
}

/// `(SELECT a = b FROM ..)` and `(SELECT a FROM ..)` of one row at most: DataFusion wants an aggregate that says so.
fn aggregate(query: &mut ast::Query) {
    let is_correlated = is_correlated(query);
    let is_cut = query.limit_clause.is_some() || query.fetch.is_some();
    let ast::SetExpr::Select(select) = query.body.as_mut() else { return };
    let is_plain = !is_cut && !select.from.is_empty() && select.distinct.is_none();
    // Others see no row outside, and need none.
    let wants_one = is_plain && is_correlated;
    let [ast::SelectItem::UnnamedExpr(item) | ast::SelectItem::ExprWithAlias { expr: item, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    let name = match item {
        ast::Expr::BinaryOp { op: ast::BinaryOperator::Eq, .. } => "bool_or",
        ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) if is_plain => "min",
        ast::Expr::Value(_) if wants_one => "min",
        ast::Expr::Function(function) if wants_one && last_name(&function.name).starts_with("pg_get_") => "min",
        _ => return,
    };
    *item = call(name, vec![item.clone()]);
}

/// `(SELECT a)`, which reads nothing: `a`.
fn value_of(query: &ast::Query) -> Option<ast::Expr> {
    let ast::SetExpr::Select(select) = query.body.as_ref() else { return None };
    match select.projection.as_slice() {
        [ast::SelectItem::UnnamedExpr(item) | ast::SelectItem::ExprWithAlias { expr: item, .. }]
            if select.from.is_empty() && select.selection.is_none() =>
        {
            Some(ast::Expr::Nested(Box::new(item.clone())))
        }
        _ => None,
    }
}

/// Columns in which functions stand by name where PostgreSQL has numbers.
const OF_FUNCTIONS: [&str; 7] = ["amproc", "evtfoid", "typanalyze", "typinput", "typoutput", "typreceive", "typsend"];

/// What such a column is compared with: a function's name in the place of its number.
fn by_name(column: &ast::Expr, other: &mut ast::Expr) {
    if !OF_FUNCTIONS.iter().any(|name| is_column(column, name)) {
        return;
    }
    let text = |text: &str| ast::Expr::value(ast::Value::SingleQuotedString(text.to_string()));
    match other {
        ast::Expr::CompoundIdentifier(names) => {
            if let Some(name) = names.last_mut() {
                *name = ast::Ident::new("proname");
            }
        }
        ast::Expr::Value(value) if matches!(&value.value, ast::Value::Number(number, _) if number == "0") => {
            *other = text("-");
        }
        ast::Expr::Subquery(query) => {
            let told = walk::expressions(query.as_ref(), |part| match part {
                ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } if is_column(left, "proname") => {
                    ControlFlow::Break(right.as_ref().clone())
                }
                _ => ControlFlow::Continue(()),
            });
            if let ControlFlow::Break(name) = told {
                *other = name;
            }
        }
        _ => {}
    }
}

/// `ARRAY(SELECT ..)`, if the SELECT can have no row: an array without elements, as its text.
fn empty_array(function: &ast::Function) -> Option<ast::Expr> {
    let ast::FunctionArguments::Subquery(query) = &function.args else { return None };
    let mut is_empty = query.to_string().to_lowercase().contains("attacl is not null");
    let _ = walk::walk(query.as_ref(), |node| {
        if let walk::Node::TableFactor(factor) = node {
            // What it unnests are options that nobody has set.
            is_empty |= match factor {
                ast::TableFactor::Table { name, args, .. } => {
                    let name = last_name(name);
                    EMPTY.contains(&name.as_str()) || (OF_UNSET.contains(&name.as_str()) && args.is_some())
                }
                ast::TableFactor::UNNEST { .. } => true,
                _ => false,
            };
        }
        ControlFlow::<()>::Continue(())
    });
    is_empty.then(|| ast::Expr::value(ast::Value::SingleQuotedString("{}".to_string())))
}
