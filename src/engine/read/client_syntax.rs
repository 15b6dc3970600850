//! What psql writes and DataFusion does not know, in queries of PostgreSQL's catalogs.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::client_functions::JOINED;
use super::pg_keys::DEFINITION;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::sql::walk;

/// Catalogs that hold no row here, nor ever will.
const EMPTY: [&str; 4] = ["pg_auth_members", "pg_constraint", "pg_enum", "pg_policy"];

/// Columns of PostgreSQL's that the catalogs lack; nobody has set them.
const UNSET: [&str; 4] = ["colliculocale", "relacl", "reloptions", "tableoid"];

/// The statement with them in other words.
pub(super) fn rewrite(statement: &mut ast::Statement) -> Result<()> {
    let changed = walk::expressions_mut(statement, |expression| {
        let replaced = match expression {
            ast::Expr::Function(function) => match last_name(&function.name).as_str() {
                "array" => empty_array(function),
                "pg_get_indexdef" | "pg_get_constraintdef" => definition(function),
                "array_to_string" => {
                    function.name = ast::ObjectName::from(vec![ast::Ident::new(JOINED)]);
                    None
                }
                // `'d' = ANY (kinds)`: the kinds of statistics, of which there are none, are no list here.
                "array_contains" | "array_has" if first_is_column(function, "stxkind") => {
                    Some(ast::Expr::value(ast::Value::Boolean(false)))
                }
                _ => None,
            },
            // Functions of operator families stand by name where PostgreSQL has numbers.
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } if is_column(left, "amproc") => {
                if let ast::Expr::CompoundIdentifier(names) = right.as_mut()
                    && let Some(name) = names.last_mut()
                {
                    *name = ast::Ident::new("proname");
                }
                None
            }
            ast::Expr::CompoundIdentifier(names) => {
                let is_unset = names.last().is_some_and(|name| UNSET.contains(&name.value.as_str()));
                is_unset.then(|| ast::Expr::value(ast::Value::Null))
            }
            ast::Expr::Subquery(query) => {
                aggregate_condition(query);
                None
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

fn first_is_column(function: &ast::Function, name: &str) -> bool {
    let ast::FunctionArguments::List(list) = &function.args else { return false };
    let first = list.args.first();
    first.is_some_and(|first| match first {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expression)) => is_column(expression, name),
        _ => false,
    })
}

fn is_column(expression: &ast::Expr, name: &str) -> bool {
    let ast::Expr::CompoundIdentifier(names) = expression else { return false };
    names.last().is_some_and(|last| last.value.eq_ignore_ascii_case(name))
}

fn last_name(name: &ast::ObjectName) -> String {
    let name = name.to_string().to_lowercase();
    name.rsplit('.').next().unwrap_or_default().to_string()
}

/// `pg_get_indexdef(i.indexrelid, ..)`, of a column of the catalog: that catalog's own column.
fn definition(function: &ast::Function) -> Option<ast::Expr> {
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(first))) = list.args.first() else { return None };
    match first {
        ast::Expr::CompoundIdentifier(names) => {
            let (_, of) = names.split_last()?;
            let name = ast::Ident::with_quote('"', DEFINITION);
            Some(ast::Expr::CompoundIdentifier(of.iter().cloned().chain([name]).collect()))
        }
        _ => None,
    }
}

/// `(SELECT a = b FROM ..)` of one row at most: DataFusion wants an aggregate that says so.
fn aggregate_condition(query: &mut ast::Query) {
    let ast::SetExpr::Select(select) = query.body.as_mut() else { return };
    if let [ast::SelectItem::UnnamedExpr(item @ ast::Expr::BinaryOp { op: ast::BinaryOperator::Eq, .. })] =
        select.projection.as_mut_slice()
    {
        *item = crate::plan::call("bool_or", vec![item.clone()]);
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
                    EMPTY.contains(&name.as_str()) || (name == "unnest" && args.is_some())
                }
                ast::TableFactor::UNNEST { .. } => true,
                _ => false,
            };
        }
        ControlFlow::<()>::Continue(())
    });
    is_empty.then(|| ast::Expr::value(ast::Value::SingleQuotedString("{}".to_string())))
}
