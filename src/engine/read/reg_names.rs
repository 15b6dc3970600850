//! `'name'::regclass`, `to_regtype('name')` and their kin: names that stand for numbers of PostgreSQL's catalogs.
//!
//! Types are known here, and functions are looked for. Relations and schemas are left as casts, which become queries of the catalogs later; a
//! relation that is not there is told, or is NULL for `to_regclass`.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::origins::relation_oid;
use super::type_names;
use crate::catalog::Catalog;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::temporary_schema;
use crate::sql::walk;

const FUNCTIONS: [&str; 4] = ["to_regclass", "to_regnamespace", "to_regproc", "to_regtype"];
const TYPES: [&str; 5] = ["regclass", "regnamespace", "regproc", "regtype", "regprocedure"];

/// Whether a statement has such names.
pub(super) fn are_in(statement: &ast::Statement) -> bool {
    walk::expressions(statement, |expression: &ast::Expr| match reading(expression) {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    })
    .is_break()
}

/// Puts numbers in the place of names as far as they are known, and casts for functions.
pub(super) fn rewrite(statement: &mut ast::Statement, catalog: &Catalog) -> Result<()> {
    let flow = walk::expressions_mut(statement, |expression| {
        let Some((kind, name, lenient)) = reading(expression) else { return ControlFlow::Continue(()) };
        match replacement(kind, &name, lenient, catalog) {
            Ok(Some(replaced)) => {
                *expression = replaced;
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(error) => {
                let column = u32::try_from(expression.span().start.column).ok().filter(|column| 0 < *column);
                ControlFlow::Break(column.map_or(error.clone(), |column| error.at(Position(column))))
            }
        }
    });
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The kind of name, the name, and whether an unknown one is NULL.
fn reading(expression: &ast::Expr) -> Option<(&'static str, String, bool)> {
    match expression {
        ast::Expr::Cast { expr, data_type, .. } => {
            let wanted = bare(&data_type.to_string());
            let kind = TYPES.into_iter().find(|known| *known == wanted)?;
            Some((kind, literal(expr)?, false))
        }
        ast::Expr::Function(function) => {
            let wanted = bare(&function.name.to_string());
            let place = FUNCTIONS.iter().position(|known| *known == wanted)?;
            let ast::FunctionArguments::List(list) = &function.args else { return None };
            let [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(argument))] = list.args.as_slice() else {
                return None;
            };
            Some((TYPES[place], literal(argument)?, true))
        }
        _ => None,
    }
}

fn bare(name: &str) -> String {
    let name = name.to_lowercase();
    name.strip_prefix("pg_catalog.").unwrap_or(&name).to_string()
}

fn literal(expression: &ast::Expr) -> Option<String> {
    match expression {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        // `'int4'::text`, as drivers write it.
        ast::Expr::Cast { expr, data_type, .. } if bare(&data_type.to_string()) == "text" => literal(expr),
        ast::Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

fn replacement(kind: &str, name: &str, lenient: bool, catalog: &Catalog) -> Result<Option<ast::Expr>> {
    let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let null = || ast::Expr::value(ast::Value::Null);
    let known = match kind {
        _ if is_number => true,
        "regtype" => match type_names::oid(name) {
            Some(oid) => return Ok(Some(ast::Expr::value(ast::Value::Number(oid.to_string(), false)))),
            None if lenient => return Ok(Some(null())),
            None => {
                return Err(Error::new(SqlState::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist")));
            }
        },
        "regclass" if let Some(table) = temporary(name, catalog) => {
            let number = relation_oid(table.id).to_string();
            return Ok(Some(ast::Expr::value(ast::Value::Number(number, false))));
        }
        // Names of other schemas are the catalogs' to know.
        "regclass" => name.contains('.') || name.starts_with("pg_") || catalog.id_of(&folded(name)).is_some(),
        // Of several functions of a name one stands for all: their rows say more.
        "regproc" | "regprocedure" => return function_oid(name).map(Some),
        _ => true,
    };
    match (known, lenient) {
        // The cast is made a query later.
        (true, false) => Ok(None),
        (true, true) => Ok(Some(ast::Expr::Cast {
            kind: ast::CastKind::Cast,
            expr: Box::new(ast::Expr::value(ast::Value::SingleQuotedString(name.to_string()))),
            data_type: ast::DataType::Custom(ast::ObjectName::from(vec![ast::Ident::new(kind)]), Vec::new()),
            array: false,
            format: None,
        })),
        (false, true) => Ok(Some(null())),
        (false, false) => {
            let error = Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"));
            Err(match catalog.nearest_relation(&folded(name)) {
                Some(nearest) => error.hint(format!("Did you mean \"{nearest}\"?")),
                None => error,
            })
        }
    }
}

/// The session's own table of that name.
fn temporary<'a>(name: &str, catalog: &'a Catalog) -> Option<&'a Relation> {
    let table = match name.split_once('.') {
        None => name,
        Some((schema, table)) => temporary_schema(&schema.to_lowercase()).map(|_| table)?,
    };
    catalog.temporary(&folded(table)).map(AsRef::as_ref)
}

/// `to_regtype($1)`: the number of a type that is told when the statement runs, NULL for one that is not there.
pub(super) fn type_of_parameter(function: &ast::Function) -> Option<ast::Expr> {
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    let [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(argument))] = list.args.as_slice() else { return None };
    if bare(&function.name.to_string()) != "to_regtype" || literal(argument).is_some() {
        return None;
    }
    let spelled = [
        ("int", "int4"),
        ("integer", "int4"),
        ("bigint", "int8"),
        ("smallint", "int2"),
        ("boolean", "bool"),
        ("double precision", "float8"),
        ("real", "float4"),
        ("decimal", "numeric"),
        ("character varying", "varchar"),
        ("timestamp without time zone", "timestamp"),
        ("timestamp with time zone", "timestamptz"),
        ("time without time zone", "time"),
    ]
    .map(|(name, own)| format!(" WHEN '{name}' THEN '{own}'"))
    .concat();
    let name = format!("lower(CAST({argument} AS TEXT))");
    let query = format!("SELECT min(oid) FROM pg_catalog.pg_type WHERE typname = CASE {name}{spelled} ELSE {name} END");
    Some(ast::Expr::Subquery(crate::sql::parse_select(&query).ok()?.ast))
}

/// The number of the first function of a name, whatever arguments are told.
fn function_oid(name: &str) -> Result<ast::Expr> {
    let name = name.split('(').next().unwrap_or(name).trim();
    let name = folded(name.rsplit('.').next().unwrap_or(name)).replace('\'', "''");
    let query = format!("SELECT min(oid) FROM pg_catalog.pg_proc WHERE proname = '{name}'");
    Ok(ast::Expr::Subquery(crate::sql::parse_select(&query)?.ast))
}

fn folded(name: &str) -> String {
    match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_lowercase(),
    }
}
