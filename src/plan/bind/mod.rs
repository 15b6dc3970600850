//! Names: a parsed query against the catalog, into a query without stars, aliases of columns or doubt about case.
//!
//! Every error here has the position of the word it is about, and a hint where a near name exists.

mod bound;
mod chance;
mod clauses;
mod columns;
mod comma_joins;
mod distinct;
mod first_rows;
mod flatten;
mod from;
mod inner_table;
mod items;
mod ordered;
mod rank;
mod scope;
mod semi_joins;
mod union;
mod units;
mod window;

pub use bound::BoundItem;
pub use bound::BoundJoin;
pub use bound::BoundQuery;
pub use bound::BoundRank;
pub use bound::BoundSource;
pub use bound::Purpose;
pub use bound::both;
pub use chance::CHANCE;
pub use chance::called_bare;
pub use from::implicit_repartition;
pub use from::in_other_case;
pub use from::name_of_unnamed_key;
pub use items::place_in_star;
pub use items::postgres_name;
pub use scope::Clause;
pub use scope::bounds_misplaced;
pub use scope::fold;
pub use scope::fold_name;
pub use scope::is_window_bound;
pub use scope::no_such_alias;
pub use scope::position;
pub use units::as_texts as units_as_texts;

use sqlparser::ast;
use sqlparser::tokenizer::Span;

use super::functions::Functions;
use super::ksqldb_text;
use super::request::Destination;
use super::request::StandingRequest;
use super::series;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::catalog::Formats;
use crate::catalog::delimited;
use crate::catalog::no_time_column;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::Emit;
use crate::sql::ObjectKind;
use crate::sql::Select;
use flatten::Flattener;
use scope::Scope;

/// Binds a query for a standing plan.
pub fn bind(
    select: &Select,
    catalog: &Catalog,
    functions: &Functions,
    request: &StandingRequest,
) -> Result<BoundQuery> {
    let flattener = Flattener { catalog, functions, rules: request.semantics.compatibility };
    let body = flattener.one_select(&select.ast)?;
    bind_select(body, select.emit.unwrap_or(Emit::Changes), &flattener, request)
}

/// The same of a SELECT that is flat.
fn bind_select(
    body: ast::Select,
    emit: Emit,
    flattener: &Flattener<'_>,
    request: &StandingRequest,
) -> Result<BoundQuery> {
    let (functions, rules) = (flattener.functions, flattener.rules);
    let (mut body, ranked) = rank::take(unfolded(body, rules), functions, rules)?;
    let window = crate::sql::take_window(&mut body)?;
    let partition_by = crate::sql::take_partition_by(&mut body);
    clauses::check(&body, functions, rules)?;
    let from::From { sources, joins, merged } = from::bind(&body, flattener)?;
    check_windowed_tables(&sources, &request.destination, rules)?;
    // ksqlDB does not find the bounds of a window over a join.
    let has_bounds = window.is_some() && (rules == Compatibility::Postgres || joins.is_empty());
    let mut scope = Scope::new(&sources, rules, has_bounds, merged);
    if ranked.is_some() {
        scope.has_rank();
    }
    let joins = resolved_joins(joins, &mut scope)?;
    if rules == Compatibility::Ksqldb {
        from::check_conditions(&sources, &joins)?;
    }
    if rules == Compatibility::Ksqldb
        && let Some(key) = from::unnamed_key(&sources, &joins)?
    {
        scope.name_key(key);
    }
    let partition_by =
        partition_by.into_iter().map(|expr| scope.resolved(expr, Clause::PartitionBy)).collect::<Result<Vec<_>>>()?;
    items::check_bounds(&body.projection, &request.destination, rules)?;
    let mut items = items::bind(&body.projection, &partition_by, &mut scope)?;
    assign(&mut items, &request.destination, rules)?;
    let filter = body.selection.map(|filter| scope.resolved(filter, Clause::Where)).transpose()?;
    let group_by = group_by(body.group_by, &items, &mut scope)?;
    let having = body.having.map(|having| scope.resolved(having, Clause::Having)).transpose()?;
    let (items, rank) = match ranked {
        Some(ranked) => ranked.bind(&items, &mut scope).map(|(items, rank)| (items, Some(rank)))?,
        None => (items, None),
    };
    items::check_names(&items, &request.destination, rules)?;
    check_timestamp(&items, request)?;
    check_key_format(&partition_by, request)?;
    let pseudo = scope.into_pseudo();
    let (key_format, value_format) = sink_formats(request, sources[0].relation.formats)?;
    let retention_ms = window.and_then(window::retention_ms);
    let window = window.map(|window| window::bind(window, rules, emit)).transpose()?;
    Ok(BoundQuery {
        place: None,
        semantics: request.semantics,
        purpose: purpose(&request.destination, rules),
        key_format,
        value_format,
        partitions: request.partitions,
        sources: union::with_pseudo(sources, pseudo),
        joins,
        window,
        retention_ms,
        ttl_ms: request.ttl_ms,
        filter,
        strays_meet: rules == Compatibility::Postgres && (group_by.is_some() || rank.is_some()),
        group_by,
        partition_by: (!partition_by.is_empty()).then_some(partition_by),
        having,
        rank,
        items,
        emit,
    })
}

/// The same with the parts of documents as rows.
fn unfolded(mut body: ast::Select, rules: Compatibility) -> ast::Select {
    if rules == Compatibility::Postgres {
        series::unfold_documents(&mut body.projection);
    }
    body
}

/// The formats that were told, if any; a delimiter alone is for the one that is inherited.
fn sink_formats(request: &StandingRequest, inherited: Formats) -> Result<(Option<Format>, Option<Format>)> {
    let is_keyless = inherited.key == Format::None;
    let key = request.key_format.or(request.default_key_format.filter(|_| is_keyless));
    let key = key.or(request.key_delimiter.map(|_| inherited.key));
    let value = request.value_format.or(request.value_delimiter.map(|_| inherited.value));
    Ok((
        delimited("key_delimiter", key, request.key_delimiter)?,
        delimited("value_delimiter", value, request.value_delimiter)?,
    ))
}

/// ksqlDB wants no format of a key that PARTITION BY NULL takes away.
fn check_key_format(partition_by: &[ast::Expr], request: &StandingRequest) -> Result<()> {
    let is_null = |expr: &ast::Expr| matches!(expr, ast::Expr::Value(value) if value.value == ast::Value::Null);
    let has_no_key = !partition_by.is_empty() && partition_by.iter().all(is_null);
    let is_ksqldb = request.semantics.compatibility == Compatibility::Ksqldb;
    match request.key_format {
        Some(format) if is_ksqldb && has_no_key && format != Format::None => {
            let message = "Key format specified for stream without key columns.";
            Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message))
        }
        _ => Ok(()),
    }
}

fn resolved_joins(joins: Vec<BoundJoin>, scope: &mut Scope<'_>) -> Result<Vec<BoundJoin>> {
    joins.into_iter().map(|join| Ok(BoundJoin { on: scope.resolved(join.on, Clause::Join)?, ..join })).collect()
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

/// The columns that INSERT names, or has in the order of the SELECT list, tell the types of what is written for them.
fn assign(items: &mut [BoundItem], destination: &Destination, rules: Compatibility) -> Result<()> {
    let Destination::Insert { relation, columns } = destination else { return Ok(()) };
    let names: Vec<String> = columns.iter().map(|name| fold_name(&name.value, name.quoted, rules)).collect();
    for (place, item) in items.iter_mut().enumerate() {
        let named = |name: &str| relation.columns.iter().find(|column| column.name == name);
        let column = match (names.get(place), rules) {
            (Some(name), _) => named(name),
            (None, Compatibility::Ksqldb) => named(&item.name),
            (None, Compatibility::Postgres) => relation.columns.get(place),
        };
        if let Some(column) = column {
            super::assigned::assign(&mut item.expr, &column.sql_type)?;
        }
    }
    Ok(())
}

/// ksqlDB looks for the column of the event time before it looks at the key.
fn check_timestamp(items: &[BoundItem], request: &StandingRequest) -> Result<()> {
    let rules = request.semantics.compatibility;
    match &request.timestamp {
        Some(name) if rules == Compatibility::Ksqldb && !items.iter().any(|item| item.name == *name) => {
            Err(Error::new(SqlState::UNDEFINED_COLUMN, no_time_column(name, rules)))
        }
        _ => Ok(()),
    }
}

/// ksqlDB's standing queries read no windowed table.
fn check_windowed_tables(sources: &[BoundSource], destination: &Destination, rules: Compatibility) -> Result<()> {
    let is_standing = !matches!(destination, Destination::Client);
    let is_windowed = |source: &BoundSource| source.relation.is_table() && source.relation.window.is_some();
    if rules == Compatibility::Ksqldb && is_standing && sources.iter().any(is_windowed) {
        let message = "KSQL does not support persistent queries on windowed tables.";
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
    }
    Ok(())
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
            ast::Expr::Identifier(ident) if scope.rules() == Compatibility::Postgres && scope.is_unknown(&ident) => {
                match scope.alias(&ident, items) {
                    Some(item) => bound.push(item.expr.clone()),
                    None => bound.push(scope.resolved(ast::Expr::Identifier(ident), Clause::GroupBy)?),
                }
            }
            ast::Expr::Nested(expr) => bound.push(scope.resolved(*expr, Clause::GroupBy)?),
            other => bound.push(scope.resolved(other, Clause::GroupBy)?),
        }
    }
    let again = (1..bound.len()).find(|place| bound[..*place].contains(&bound[*place]));
    if let Some(again) = again.filter(|_| scope.rules() == Compatibility::Ksqldb) {
        let shown = ksqldb_text::shown(&bound[again], ksqldb_text::Columns::Qualified);
        return Err(Error::new(SqlState::GROUPING_ERROR, format!("Duplicate GROUP BY expression: {shown}")));
    }
    Ok(Some(bound))
}

fn by_number(value: &ast::ValueWithSpan, items: &[BoundItem]) -> Result<ast::Expr> {
    let ast::Value::Number(text, _) = &value.value else {
        let error = Error::new(SqlState::SYNTAX_ERROR, "non-integer constant in GROUP BY");
        return Err(scope::at(error, value.span));
    };
    text.parse::<usize>()
        .ok()
        .and_then(|number| items.get(number.checked_sub(1)?))
        .map(|item| item.expr.clone())
        .ok_or_else(|| no_place(text, value.span))
}

fn no_place(place: &str, span: Span) -> Error {
    let message = format!("GROUP BY position {place} is not in the SELECT list");
    scope::at(Error::new(SqlState("42P10"), message), span)
}
