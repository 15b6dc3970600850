//! Names: a parsed query against the catalog, into a query without stars, aliases of columns or doubt about case.
//!
//! Every error here has the position of the word it is about, and a hint where a near name exists.

mod bound;
mod clauses;
mod from;
mod items;
mod scope;
mod units;

pub use bound::BoundItem;
pub use bound::BoundJoin;
pub use bound::BoundQuery;
pub use bound::BoundSource;
pub use bound::BoundWindow;
pub use bound::Purpose;
pub use from::either;
pub use items::postgres_name;
pub use scope::Clause;
pub use scope::fold;
pub use scope::fold_name;
pub use scope::position;

use sqlparser::ast;

use super::functions::Functions;
use super::request::Destination;
use super::request::StandingRequest;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::Emit;
use crate::sql::ObjectKind;
use crate::sql::Select;
use crate::sql::WindowClause;
use scope::Scope;

/// Milliseconds that windows stay open after their end unless the statement says otherwise.
const DEFAULT_GRACE_MS: i64 = 5 * 60 * 1000;

/// ksqlDB keeps a window open until a day after its start, unless it waits for the end to give a final row.
const KSQLDB_GRACE_AND_SIZE_MS: i64 = 24 * 60 * 60 * 1000;

/// Binds a query for a standing plan.
pub fn bind(
    select: &Select,
    catalog: &Catalog,
    functions: &Functions,
    request: &StandingRequest,
) -> Result<BoundQuery> {
    let rules = request.semantics.compatibility;
    let mut body = clauses::only_select(&select.ast)?;
    let window = crate::sql::take_window(&mut body)?;
    let partition_by = crate::sql::take_partition_by(&mut body);
    clauses::check(&body, functions, rules)?;
    if let Destination::Insert { relation, columns } = &request.destination
        && rules == Compatibility::Ksqldb
        && columns.is_empty()
    {
        clauses::check_count(&body.projection, relation)?;
    }
    let from::From { sources, joins, merged } = from::bind(&body, catalog, rules)?;
    if rules == Compatibility::Ksqldb && !matches!(request.destination, Destination::Client) {
        check_windowed_tables(&sources)?;
    }
    let mut scope = Scope::new(&sources, rules, window.is_some(), merged);
    let joins = joins
        .into_iter()
        .map(|(kind, on)| Ok(BoundJoin { kind, on: scope.resolved(on, Clause::Join)? }))
        .collect::<Result<Vec<_>>>()?;
    scope.set_rowkey(from::rowkey(&joins, rules));
    let partition_by =
        partition_by.into_iter().map(|expr| scope.resolved(expr, Clause::PartitionBy)).collect::<Result<Vec<_>>>()?;
    let items = items::bind(&body.projection, &partition_by, &mut scope, &request.destination)?;
    let filter = body.selection.map(|filter| scope.resolved(filter, Clause::Where)).transpose()?;
    let group_by = group_by(body.group_by, &items, &mut scope)?;
    let partition_by = (!partition_by.is_empty()).then_some(partition_by);
    let having = body.having.map(|having| scope.resolved(having, Clause::Having)).transpose()?;
    let pseudo = scope.into_pseudo();
    let emit = select.emit.unwrap_or(Emit::Changes);
    let window = window.map(|window| bound_window(window, rules, emit)).transpose()?;
    Ok(BoundQuery {
        semantics: request.semantics,
        purpose: purpose(&request.destination, rules),
        key_format: request.key_format,
        value_format: request.value_format,
        partitions: request.partitions,
        sources: sources.into_iter().zip(pseudo).map(|(source, pseudo)| BoundSource { pseudo, ..source }).collect(),
        joins,
        window,
        filter,
        group_by,
        partition_by,
        having,
        items,
        emit,
    })
}

fn purpose(destination: &Destination, rules: Compatibility) -> Purpose {
    match destination {
        Destination::Client => Purpose::Push,
        Destination::Create { kind: ObjectKind::Stream, name } => Purpose::Stream { name: name.clone() },
        Destination::Create { kind: ObjectKind::Table, name } => Purpose::Table { name: name.clone() },
        Destination::Create { kind: ObjectKind::MaterializedView, name } => {
            Purpose::MaterializedView { name: name.clone() }
        }
        Destination::Insert { relation, columns } => Purpose::Insert {
            relation: relation.id,
            columns: columns.iter().map(|name| scope::fold_name(&name.value, name.quoted, rules)).collect(),
        },
    }
}

fn check_windowed_tables(sources: &[BoundSource]) -> Result<()> {
    match sources.iter().find(|source| source.relation.is_table() && source.relation.window.is_some()) {
        Some(_) => {
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, "KSQL does not support persistent queries on windowed tables."))
        }
        None => Ok(()),
    }
}

fn bound_window(window: WindowClause, rules: Compatibility, emit: Emit) -> Result<BoundWindow> {
    let not_there = |what: &str| {
        Err(Error::unsupported(format!("{what} windows are not there yet"))
            .hint("Tumbling windows are: WINDOW TUMBLING (SIZE 1 HOUR)."))
    };
    match window {
        WindowClause::Tumbling { size_ms, grace_ms, retention_ms: _ } => {
            let default = match (rules, emit) {
                (Compatibility::Postgres, _) => DEFAULT_GRACE_MS,
                (Compatibility::Ksqldb, Emit::Final) => 0,
                (Compatibility::Ksqldb, Emit::Changes) => (KSQLDB_GRACE_AND_SIZE_MS - size_ms).max(0),
            };
            Ok(BoundWindow { size_ms, grace_ms: grace_ms.unwrap_or(default) })
        }
        WindowClause::Hopping { .. } => not_there("hopping"),
        WindowClause::Session { .. } => not_there("session"),
    }
}

/// GROUP BY's expressions; in PostgreSQL's rules also numbers and aliases of the SELECT list.
fn group_by(clause: ast::GroupByExpr, items: &[BoundItem], scope: &mut Scope<'_>) -> Result<Option<Vec<ast::Expr>>> {
    let exprs = match clause {
        ast::GroupByExpr::Expressions(exprs, modifiers) if modifiers.is_empty() => exprs,
        _ => return Err(Error::unsupported("GROUP BY ALL, ROLLUP and CUBE are not there yet in standing queries")),
    };
    if exprs.is_empty() {
        return Ok(None);
    }
    let mut bound = Vec::with_capacity(exprs.len());
    for expr in exprs {
        match expr {
            // ksqlDB: `GROUP BY ()` and `GROUP BY (a, b)`.
            ast::Expr::Tuple(exprs) => {
                for expr in exprs {
                    bound.push(scope.resolved(expr, Clause::GroupBy)?);
                }
            }
            ast::Expr::Value(value) if scope.rules() == Compatibility::Postgres => {
                bound.push(by_number(&value, items)?)
            }
            ast::Expr::Identifier(ident) if scope.is_unknown(&ident) => match scope.alias(&ident, items) {
                Some(item) => bound.push(item.expr.clone()),
                None => bound.push(scope.resolved(ast::Expr::Identifier(ident), Clause::GroupBy)?),
            },
            ast::Expr::Nested(expr) => bound.push(scope.resolved(*expr, Clause::GroupBy)?),
            other => bound.push(scope.resolved(other, Clause::GroupBy)?),
        }
    }
    Ok(Some(bound))
}

fn by_number(value: &ast::ValueWithSpan, items: &[BoundItem]) -> Result<ast::Expr> {
    let at = |error: Error| match position(value.span) {
        Some(position) => error.at(position),
        None => error,
    };
    let ast::Value::Number(text, _) = &value.value else {
        return Err(at(Error::new(SqlState::SYNTAX_ERROR, "non-integer constant in GROUP BY")));
    };
    text.parse::<usize>()
        .ok()
        .and_then(|number| items.get(number.checked_sub(1)?))
        .map(|item| item.expr.clone())
        .ok_or_else(|| at(Error::new(SqlState("42P10"), format!("GROUP BY position {text} is not in the SELECT list"))))
}
