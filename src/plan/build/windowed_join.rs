//! Joins of windowed relations: a row of one is told by its key and its window, so rows meet where both are equal.

use datafusion::common::Column;
use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::Expr;
use sqlparser::ast;

use super::expression::Expressions;
use super::failure;
use crate::catalog::Compatibility;
use crate::catalog::WindowOfKey;
use crate::error::Error;
use crate::error::Result;
use crate::model::ColumnRole;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::BoundSource;
use crate::plan::bind::both;
use crate::plan::bind::implicit_repartition;
use crate::plan::node::JoinKind;
use crate::plan::relation_key;

/// The windows of a query's rows, which are a relation's or of a join of windowed ones, with their bounds: those of the side that
/// is always there, else of whichever is there. An item that says the latter the other way round becomes the bound.
pub fn window(
    query: &BoundQuery,
    items: &mut [Expr],
    schema: &DFSchemaRef,
    expressions: &Expressions<'_>,
) -> Result<Option<(WindowOfKey, Expr, Expr)>> {
    if query.sources.iter().any(|source| source.relation.window.is_none()) {
        return Ok(None);
    }
    let kind = query.joins.last().map_or(JoinKind::Inner, |join| join.kind);
    let (Some(left), Some(right)) = (query.sources.first(), query.sources.last()) else { return Ok(None) };
    let side = if kind == JoinKind::Right { right } else { left };
    let mut bounds = Vec::new();
    for role in [ColumnRole::WindowStart, ColumnRole::WindowEnd] {
        let (Some(own), Some(lefts), Some(rights)) = (bound(side, &role), bound(left, &role), bound(right, &role))
        else {
            return Ok(None);
        };
        if kind != JoinKind::Full {
            bounds.push(expressions.plan(&own, schema)?);
            continue;
        }
        let whichever = expressions.plan(&both(&lefts, &rights)?, schema)?;
        let turned = expressions.plan(&both(&rights, &lefts)?, schema)?;
        items.iter_mut().filter(|item| **item == turned).for_each(|item| *item = whichever.clone());
        bounds.push(whichever);
    }
    let [start, end] = <[Expr; 2]>::try_from(bounds).expect("a window has two bounds");
    Ok(side.relation.window.map(|window| (window, start, end)))
}

/// A bound of a relation's windows, as a query's words name it.
fn bound(source: &BoundSource, role: &ColumnRole) -> Option<ast::Expr> {
    let quoted = |value: &str| ast::Ident::with_quote('"', value);
    let found = source.relation.columns.iter().find(|column| column.role == *role)?;
    Some(ast::Expr::CompoundIdentifier(vec![quoted(&source.alias), quoted(&found.name)]))
}

/// What ON says without words: under ksqlDB's rules that keys of windowed relations are equal says that their windows are.
pub fn equal_windows(index: usize, query: &BoundQuery) -> Vec<ast::Expr> {
    let (left, right) = (&query.sources[0], &query.sources[index]);
    let Some(window) = right.relation.window else { return Vec::new() };
    if query.semantics.compatibility != Compatibility::Ksqldb {
        return Vec::new();
    }
    let roles: &[ColumnRole] = match window.size_ms {
        None => &[ColumnRole::WindowStart, ColumnRole::WindowEnd],
        Some(_) => &[ColumnRole::WindowStart],
    };
    let equal = |role| {
        let (left, right) = (Box::new(bound(left, role)?), Box::new(bound(right, role)?));
        Some(ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right })
    };
    roles.iter().filter_map(equal).collect()
}

/// Refuses a join of windowed streams by anything that leaves a column of a whole key out; `pairs` are equal.
pub fn check_whole(pairs: &[(&Expr, &Expr)], index: usize, query: &BoundQuery) -> Result<()> {
    let (left, right) = (&query.sources[0], &query.sources[index]);
    if right.relation.window.is_none() {
        return Ok(());
    }
    let is = |expr: &Expr, source: &BoundSource, name: &str| {
        let of_source = |column: &Column| {
            column.name == name && column.relation.as_ref().is_some_and(|relation| relation.table() == source.alias)
        };
        column_of(expr).is_some_and(of_source)
    };
    let has_whole = |source: &BoundSource, side: fn(&(&Expr, &Expr)) -> Expr| {
        let mut names = relation_key(&source.relation).into_iter().map(|at| &source.relation.columns[at].name);
        names.all(|name| pairs.iter().any(|pair| is(&side(pair), source, name)))
    };
    match has_whole(left, |pair| pair.0.clone()) && has_whole(right, |pair| pair.1.clone()) {
        true => Ok(()),
        false if query.semantics.compatibility == Compatibility::Ksqldb => {
            Err(failure::at(implicit_repartition(), &query.joins[index - 1].on))
        }
        false => Err(not_by_window(index, query)),
    }
}

/// The column that an expression is, whatever type it is cast to.
fn column_of(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Cast(cast) => column_of(&cast.expr),
        _ => None,
    }
}

/// The error of a condition that is not about whole keys.
pub fn not_by_window(index: usize, query: &BoundQuery) -> Error {
    let names = |source: &BoundSource| {
        let relation = &source.relation;
        let columns =
            relation_key(relation).into_iter().map(|at| format!("{}.{}", source.alias, relation.columns[at].name));
        columns.collect::<Vec<_>>()
    };
    let (left, right) = (&query.sources[0], &query.sources[index]);
    let whole: Vec<String> =
        names(left).iter().zip(&names(right)).map(|(one, other)| format!("{one} = {other}")).collect();
    let kinds = if right.relation.is_table() { "tables" } else { "streams" };
    let message = match query.semantics.compatibility {
        Compatibility::Ksqldb if right.relation.is_table() => {
            "Foreign-key table-table joins are not supported on windowed tables.".to_owned()
        }
        _ => format!("windowed {kinds} can be joined only by their whole keys, windows included, yet"),
    };
    failure::at(
        Error::unsupported(message).hint(format!("Say ON {}.", whole.join(" AND "))),
        &query.joins[index - 1].on,
    )
}
