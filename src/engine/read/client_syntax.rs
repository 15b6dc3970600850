//! What psql writes and DataFusion does not know, in queries of PostgreSQL's catalogs.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

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
    name_types(statement)?;
    let changed = walk::expressions_mut(statement, |expression| {
        let replaced = match expression {
            ast::Expr::Function(function) => match last_name(&function.name).as_str() {
                "array" => empty_array(function),
                "array_length" if is_of_privileges(function) => Some(ast::Expr::value(ast::Value::Null)),
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

/// The names of types in `information_schema.columns` as PostgreSQL has them, for those that Arrow gives.
const TYPES: &str = "CASE data_type WHEN 'Int32' THEN 'integer' WHEN 'Int64' THEN 'bigint' WHEN 'Utf8' THEN 'text'
    WHEN 'Float64' THEN 'double precision' WHEN 'Boolean' THEN 'boolean' WHEN 'Date32' THEN 'date' WHEN 'Binary' THEN 'bytea'
    ELSE CASE WHEN data_type LIKE 'Decimal%' THEN 'numeric' WHEN data_type LIKE 'Timestamp(%UTC%' THEN 'timestamp with time zone'
    WHEN data_type LIKE 'Timestamp(%' THEN 'timestamp without time zone' WHEN data_type LIKE 'Time64(%' THEN 'time without time zone'
    WHEN data_type LIKE 'List(%' THEN 'ARRAY' WHEN data_type LIKE 'Interval(%' THEN 'interval'
    WHEN data_type LIKE 'Map(%' OR data_type LIKE 'Struct(%' THEN 'json' ELSE data_type END END";

/// `information_schema.columns` with PostgreSQL's names of types.
fn name_types(statement: &mut ast::Statement) -> Result<()> {
    let flow = walk::walk_mut(statement, |node| {
        let walk::NodeMut::TableFactor(factor) = node else { return ControlFlow::Continue(()) };
        let ast::TableFactor::Table { name, alias, .. } = factor else { return ControlFlow::Continue(()) };
        // Quotes tell the one that this puts in.
        if name.to_string().to_lowercase() != "information_schema.columns" {
            return ControlFlow::Continue(());
        }
        let alias = alias.clone().map_or_else(|| "AS columns".to_string(), |alias| alias.to_string());
        let text = format!(
            "SELECT * FROM (SELECT * REPLACE ({TYPES} AS data_type) FROM \"information_schema\".\"columns\") {alias}"
        );
        match derived(&text) {
            Some(table) => *factor = table,
            None => return ControlFlow::Break(Error::internal("information_schema.columns is not read")),
        }
        ControlFlow::Continue(())
    });
    flow.break_value().map_or(Ok(()), Err)
}

fn derived(text: &str) -> Option<ast::TableFactor> {
    let query = Parser::new(&GenericDialect {}).try_with_sql(text).ok()?.parse_query().ok()?;
    match *query.body {
        ast::SetExpr::Select(select) => select.from.into_iter().next().map(|from| from.relation),
        _ => None,
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
