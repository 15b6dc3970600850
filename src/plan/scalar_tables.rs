//! `FROM current_schema()`, `FROM upper('x') AS u`: a function of one value stands for a table of one row.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::functions::Functions;
use super::functions::TABLE_FUNCTIONS;
use crate::sql::walk;

/// Functions that tell of the session, which the registry does not have.
const OF_SESSIONS: [&str; 7] = [
    "current_database",
    "current_schema",
    "current_schemas",
    "current_setting",
    "pg_backend_pid",
    "set_config",
    "version",
];

/// Functions that give rows where they stand in FROM, whatever else they are.
const OF_ROWS: [&str; 5] = ["generate_series", "range", "regexp_matches", "regexp_split_to_table", "string_to_table"];

/// Puts a query of the function's value in the place of the table.
pub(super) fn reword(query: &mut ast::Query, functions: &Functions) {
    let is_scalar = |name: &str| {
        let gives_rows = OF_ROWS.contains(&name) || TABLE_FUNCTIONS.contains(&name);
        !gives_rows && (functions.is_scalar(name) || OF_SESSIONS.contains(&name))
    };
    let flow = walk::walk_mut(query, |node| {
        if let walk::NodeMut::TableFactor(table) = node
            && let Some(row) = one_row(table, &is_scalar)
        {
            *table = row;
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn one_row(table: &ast::TableFactor, is_scalar: &dyn Fn(&str) -> bool) -> Option<ast::TableFactor> {
    let ast::TableFactor::Table { name, alias, args: Some(arguments), with_ordinality: false, .. } = table else {
        return None;
    };
    let ident = name.0.last()?.as_ident()?;
    let called = ident.value.to_lowercase();
    if !is_scalar(&called) {
        return None;
    }
    let text = match &alias {
        Some(alias) => format!("SELECT {name}() AS {}", alias.name),
        None => format!("SELECT {name}() AS {ident}"),
    };
    let mut query = crate::sql::parse_view_query(&text).ok()?;
    let ast::SetExpr::Select(select) = query.body.as_mut() else { return None };
    if let Some(ast::SelectItem::ExprWithAlias { expr: ast::Expr::Function(function), .. }) =
        select.projection.first_mut()
        && let ast::FunctionArguments::List(list) = &mut function.args
    {
        list.args.clone_from(&arguments.args);
    }
    let alias = alias.clone().unwrap_or_else(|| ast::TableAlias {
        explicit: true,
        name: ident.clone(),
        columns: Vec::new(),
        at: None,
    });
    Some(ast::TableFactor::Derived { lateral: false, subquery: query, alias: Some(alias), sample: None })
}
