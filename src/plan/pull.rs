//! A query that is read once: what must happen to it before DataFusion plans it, and to its errors after.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::common::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use sqlparser::ast;
use sqlparser::ast::VisitMut;
use sqlparser::ast::VisitorMut;

use super::bind::fold;
use super::bind::postgres_name;
use super::build::Expressions;
use super::build::failure;
use super::functions::Functions;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::sql::Select;

/// Stands before the number that makes a repeated column name unique; DataFusion wants different names, PostgreSQL does not.
const REPETITION: char = '\u{1}';

/// The query as plain SQL: names folded, items named as PostgreSQL names them, none of the clauses of standing queries left.
///
/// Column names may carry a mark of repetition: show them through `shown_name`.
pub fn prepare_pull(select: &Select, rules: Compatibility) -> Result<ast::Query> {
    if select.emit.is_some() {
        return Err(Error::internal("a query with EMIT is not read once"));
    }
    let mut query = select.ast.as_ref().clone();
    if let ControlFlow::Break(error) = query.visit(&mut NoStandingClauses) {
        return Err(error);
    }
    if rules == Compatibility::Ksqldb {
        let flow = query.visit(&mut UpperCase);
        debug_assert!(flow.is_continue());
    }
    name_items(&mut query);
    Ok(query)
}

/// The plan of such a query, with the rules of values made explicit as in a standing query.
pub fn with_rules(
    plan: LogicalPlan,
    functions: &Functions,
    rules: Compatibility,
) -> std::result::Result<LogicalPlan, DataFusionError> {
    Expressions::new(functions, rules).explicit_plan(plan)
}

/// A result's column name as the client shall see it.
pub fn shown_name(name: &str) -> &str {
    name.split(REPETITION).next().unwrap_or(name)
}

/// The user's error for one of DataFusion's planner about a query.
pub fn planning_error(error: DataFusionError, query: &ast::Query) -> Error {
    failure::in_query(error, query)
}

/// The user's error for one that came while rows were computed.
pub fn execution_error(error: DataFusionError) -> Error {
    failure::of_datafusion(error, None)
}

struct NoStandingClauses;

impl VisitorMut for NoStandingClauses {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<Error> {
        let only = |clause: &str| {
            Error::unsupported(format!("{clause} is for queries that run on"))
                .hint("Add EMIT CHANGES, or make a view with CREATE TABLE .. AS and read that.")
        };
        match crate::sql::take_window(select) {
            Ok(None) => {}
            Ok(Some(_)) => return ControlFlow::Break(only("WINDOW")),
            Err(error) => return ControlFlow::Break(error),
        }
        if !crate::sql::take_partition_by(select).is_empty() {
            return ControlFlow::Break(only("PARTITION BY"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut ast::TableFactor) -> ControlFlow<Error> {
        match crate::sql::take_within(table) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(_)) => ControlFlow::Break(
                Error::unsupported("WITHIN is for queries that run on").hint("Compare the rows' times in ON."),
            ),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// ksqlDB's bare words are upper case; DataFusion's are lower case, so each becomes a quoted one.
struct UpperCase;

impl UpperCase {
    fn fold(ident: &mut ast::Ident) {
        ident.value = fold_ident(ident);
        ident.quote_style = Some('"');
    }
}

fn fold_ident(ident: &ast::Ident) -> String {
    fold(ident, Compatibility::Ksqldb)
}

impl VisitorMut for UpperCase {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &mut ast::ObjectName) -> ControlFlow<()> {
        // Names with a schema are those of system tables, which are lower case.
        if let [ast::ObjectNamePart::Identifier(ident)] = relation.0.as_mut_slice() {
            Self::fold(ident);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut ast::TableFactor) -> ControlFlow<()> {
        if let ast::TableFactor::Table { alias: Some(alias), .. }
        | ast::TableFactor::Derived { alias: Some(alias), .. } = table
        {
            Self::fold(&mut alias.name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let ast::SelectItem::ExprWithAlias { alias, .. } = item {
                Self::fold(alias);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        match expr {
            ast::Expr::Identifier(ident) => Self::fold(ident),
            ast::Expr::CompoundIdentifier(idents) => idents.iter_mut().for_each(Self::fold),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Names the items of the outermost SELECT that have no name, and makes repeated names different.
fn name_items(query: &mut ast::Query) {
    let ast::SetExpr::Select(select) = query.body.as_mut() else { return };
    let mut seen: HashSet<String> = HashSet::new();
    for (index, item) in select.projection.iter_mut().enumerate() {
        let (expr, name, quote) = match item {
            // A bare column keeps its own name; ORDER BY may still tell it by its relation.
            ast::SelectItem::UnnamedExpr(expr @ (ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_))) => {
                let name = postgres_name(expr);
                if seen.insert(name.to_lowercase()) {
                    continue;
                }
                (expr.clone(), name, None)
            }
            ast::SelectItem::UnnamedExpr(expr) => (expr.clone(), postgres_name(expr), Some('"')),
            ast::SelectItem::ExprWithAlias { expr, alias } => {
                if seen.insert(alias.value.to_lowercase()) {
                    continue;
                }
                (expr.clone(), alias.value.clone(), alias.quote_style)
            }
            _ => continue,
        };
        let shown = if quote.is_some() { name.clone() } else { name.to_lowercase() };
        let unique = match seen.insert(name.to_lowercase()) {
            true => shown,
            false => format!("{shown}{REPETITION}{index}"),
        };
        *item = ast::SelectItem::ExprWithAlias { expr, alias: ast::Ident::with_quote('"', unique) };
    }
}
