//! Sub-queries of FROM that are no part of the SELECT around them: a table that nobody sees, of groups or ranked rows, which
//! is grouped, ranked or joined once more.

use std::sync::Arc;

use sqlparser::ast;

use super::BoundQuery;
use super::BoundSource;
use super::clauses;
use super::clauses::not_there;
use super::flatten::Flattener;
use super::flatten::TWO_QUERIES;
use super::flatten::has_window_function;
use super::scope::at;
use super::union;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::catalog::Formats;
use crate::catalog::Relation;
use crate::catalog::RelationKind;
use crate::catalog::Semantics;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::plan::build;
use crate::plan::request::Destination;
use crate::plan::request::StandingRequest;
use crate::sql::Emit;

/// What a sub-query is called that nobody calls.
const ALIAS: &str = "subquery";

/// Whether a flat SELECT makes a table of what it reads.
pub fn is_one(select: &ast::Select, flattener: &Flattener<'_>) -> bool {
    flattener.rules == Compatibility::Postgres && (flattener.is_grouped(select) || is_ranked(select))
}

/// Whether a SELECT stands around one that ranks rows.
fn is_ranked(select: &ast::Select) -> bool {
    let [ast::TableWithJoins { relation: ast::TableFactor::Derived { subquery, .. }, joins }] = select.from.as_slice()
    else {
        return false;
    };
    joins.is_empty() && matches!(subquery.body.as_ref(), ast::SetExpr::Select(inner) if has_window_function(inner))
}

/// A sub-query that is left in FROM as a relation that is read; `None` for any other table.
pub fn source(table: &ast::TableFactor, flattener: &Flattener<'_>) -> Result<Option<BoundSource>> {
    let ast::TableFactor::Derived { lateral: false, subquery, alias, .. } = table else { return Ok(None) };
    let select = clauses::only_select(subquery)?;
    if flattener.rules == Compatibility::Ksqldb {
        return Ok(None);
    }
    let span = select.select_token.0.span;
    let alias = Some(flattener.alias(alias.as_ref())?).filter(|alias| !alias.is_empty());
    flattener.check_inner(&select)?;
    let semantics = Semantics { compatibility: flattener.rules, ..Semantics::default() };
    let request = StandingRequest::new(semantics, Destination::Client);
    let query = super::bind_select(select.clone(), Emit::Changes, flattener, &request)?;
    if !union::makes_table(&query, &select, flattener) {
        return Err(not_there("a join of a subquery with joins of streams", span).hint(TWO_QUERIES));
    }
    if query.retention_ms.is_some() {
        return Err(not_there("RETENTION in a subquery", span).hint(TWO_QUERIES));
    }
    let columns = build::inner_columns(&query, flattener.functions)?;
    if let Some(again) =
        (1..columns.len()).find(|place| columns[..*place].iter().any(|column| column.name == columns[*place].name))
    {
        let message = format!("column \"{}\" specified more than once", columns[again].name);
        return Err(at(
            Error::new(SqlState::DUPLICATE_COLUMN, message).hint("Give one of them another name with AS."),
            span,
        ));
    }
    Ok(Some(source_of(alias.unwrap_or_else(|| ALIAS.to_string()), query, columns)))
}

/// The table that a query makes, which the one around it reads.
pub fn source_of(alias: String, query: BoundQuery, columns: Vec<Column>) -> BoundSource {
    let first = query.sources[0].relation.as_ref();
    // A group may be null, and one field of a line cannot say that.
    let key = match (first.formats.key, query.group_by.as_ref().map(Vec::len)) {
        (format, None) => format,
        (format @ Format::Delimited { .. }, Some(groups)) if 1 < groups => format,
        (_, Some(_)) => Format::Json,
    };
    let relation = Relation {
        name: alias.clone(),
        kind: RelationKind::Table,
        columns,
        formats: Formats { key, ..first.formats },
        timestamp_column: None,
        timestamp_format: None,
        window: None,
        not_null: Vec::new(),
        text_kinds: Default::default(),
        defaults: Default::default(),
        ..first.clone()
    };
    BoundSource { alias, relation: Arc::new(relation), pseudo: Vec::new(), queries: vec![query] }
}
