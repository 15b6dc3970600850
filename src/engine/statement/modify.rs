//! What UPDATE, DELETE, ON CONFLICT and RETURNING ask: each is a SELECT over the table, or over rows that are given.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use arrow::array::new_empty_array;
use arrow::compute::concat;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use sqlparser::ast;

use super::beside::OtherColumn;
use super::lookup::written_column;
use crate::catalog::Identity;
use crate::catalog::Relation;
use crate::catalog::fold;
use crate::engine::defaults;
use crate::engine::outcome::Value;
use crate::engine::read::Planned;
use crate::engine::read::Planner;
use crate::engine::read::Reading;
use crate::engine::read::WHOLE;
use crate::engine::session::Session;
use crate::engine::table_write::too_large;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::plan::assigned_value;
use crate::sql::Assignment;
use crate::sql::Name;
use crate::sql::Select;

/// What such a query reads: a relation or given rows, under a name.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) alias: &'a str,
}

/// A value for each row.
#[derive(Debug, Clone)]
pub(super) enum Item<'a> {
    /// A column of a source, by the source's alias and its own name.
    Column(&'a str, &'a str),
    /// An expression that is assigned to a column of that type and name; `None` is NULL.
    Value(Option<&'a ast::Expr>, &'a SqlType, &'a str),
}

/// An assignment to a column, by the column's index.
pub(super) struct Assigned {
    pub(super) column: usize,
    /// Where the column stands.
    pub(super) position: Position,
    /// The value, or the column's default where the statement says DEFAULT; `None` is NULL.
    pub(super) value: Option<ast::Expr>,
}

/// The table that a statement changes, as its query reads it.
pub(super) fn changed<'a>(session: &Session, relation: &'a Relation, alias: &'a str) -> Result<Source<'a>> {
    let catalog = session.catalog()?;
    let is_hidden = catalog.relation(&relation.name).is_none_or(|named| named.id != relation.id);
    let name = if is_hidden || relation.row_key().is_some() { WHOLE } else { &relation.name };
    Ok(Source { name, alias })
}

/// What such a query reads while nothing is claimed.
pub(super) fn pin(session: &Session, relation: &Arc<Relation>) -> Result<Reading> {
    Ok(Reading { whole: Some(Arc::clone(relation)), ..Planner::pin(session)? })
}

/// The query of these items. `joined` names a column by which two sources belong together.
pub(super) fn select(
    items: &[Item<'_>],
    from: &[Source<'_>],
    joined: Option<&str>,
    filter: Option<&ast::Expr>,
) -> Result<Select> {
    let item = |(place, item): (usize, &Item<'_>)| match item {
        Item::Column(alias, name) => format!("{}.{} AS __v{place}", quoted(alias), quoted(name)),
        Item::Value(_, sql_type, _) => format!("CAST(NULL AS {}) AS __v{place}", cast_name(sql_type)),
    };
    let names: Vec<String> = items.iter().enumerate().map(item).collect();
    let sources: Vec<String> =
        from.iter().map(|source| format!("{} AS {}", quoted(source.name), quoted(source.alias))).collect();
    let joins = match (joined, from) {
        (Some(column), [one, other]) => {
            let column = quoted(column);
            format!(" WHERE {}.{column} = {}.{column}", quoted(one.alias), quoted(other.alias))
        }
        _ => String::new(),
    };
    let mut select =
        crate::sql::parse_select(&format!("SELECT {} FROM {}{joins}", names.join(", "), sources.join(", ")))?;
    let body = body(&mut select)?;
    // The expressions themselves, not their text: they know where they stand in the statement.
    for (made, item) in body.projection.iter_mut().zip(items) {
        if let (ast::SelectItem::ExprWithAlias { expr, .. }, Item::Value(Some(value), sql_type, column)) = (made, item)
        {
            *expr = assigned_value(value, sql_type, column)?;
        }
    }
    if let Some(filter) = filter {
        let filter = ast::Expr::Nested(Box::new(filter.clone()));
        body.selection = Some(match body.selection.take() {
            None => filter,
            Some(joins) => {
                ast::Expr::BinaryOp { left: Box::new(joins), op: ast::BinaryOperator::And, right: Box::new(filter) }
            }
        });
    }
    select.text = select.ast.to_string();
    Ok(select)
}

/// The query of a user's own items over one source.
pub(super) fn select_items(items: &[ast::SelectItem], from: &Source<'_>) -> Result<Select> {
    let text = format!("SELECT 1 FROM {} AS {}", quoted(from.name), quoted(from.alias));
    let mut select = crate::sql::parse_select(&text)?;
    body(&mut select)?.projection = items.to_vec();
    select.text = select.ast.to_string();
    Ok(select)
}

pub(super) fn body(select: &mut Select) -> Result<&mut ast::Select> {
    match select.ast.body.as_mut() {
        ast::SetExpr::Select(body) => Ok(body),
        _ => Err(Error::internal("a SELECT that is none")),
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The type in a cast's words.
pub(super) fn cast_name(sql_type: &SqlType) -> String {
    match sql_type {
        SqlType::Bytes => "BYTEA".to_string(),
        other => other.to_string(),
    }
}

/// The name under which a statement speaks of its table.
pub(super) fn alias_of(session: &Session, relation: &Relation, alias: Option<&Name>) -> String {
    alias.map_or_else(|| relation.name.clone(), |alias| fold(alias, session.settings.compatibility()))
}

/// The columns that are assigned to, each once.
pub(super) fn assigned(session: &Session, relation: &Relation, assignments: &[Assignment]) -> Result<Vec<Assigned>> {
    let mut all: Vec<Assigned> = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        let index = written_column(session, relation, &assignment.column)?;
        if all.iter().any(|known| known.column == index) {
            let message = format!("multiple assignments to same column \"{}\"", relation.columns[index].name);
            return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(assignment.column.position));
        }
        let identity = relation.identity.as_ref().filter(|identity| identity.column == index);
        if let Some(identity) = identity {
            refuse_number(relation, identity, assignment).map_err(|error| error.at(assignment.column.position))?;
        }
        let value = match &assignment.value {
            Some(value) => Some(value.clone()),
            None => defaults::expression(relation, index)?,
        };
        all.push(Assigned { column: index, position: assignment.column.position, value });
    }
    Ok(all)
}

/// A number that is given stays as it is.
fn refuse_number(relation: &Relation, identity: &Identity, assignment: &Assignment) -> Result<()> {
    let name = &relation.columns[identity.column].name;
    match &assignment.value {
        None => Err(Error::unsupported(format!("column \"{name}\" cannot be updated to DEFAULT"))
            .detail("It is an identity column.")),
        Some(_) if identity.always => {
            let message = format!("column \"{name}\" can only be updated to DEFAULT");
            Err(Error::new(SqlState::GENERATED_ALWAYS, message)
                .detail(format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS.")))
        }
        Some(_) => Ok(()),
    }
}

/// A table's own columns, then what is assigned.
pub(super) fn changed_items<'a>(relation: &'a Relation, alias: &'a str, assigned: &'a [Assigned]) -> Vec<Item<'a>> {
    let own = relation.columns.iter().map(|column| Item::Column(alias, &column.name));
    let new = assigned.iter().map(|assigned| {
        let column = &relation.columns[assigned.column];
        Item::Value(assigned.value.as_ref(), &column.sql_type, &column.name)
    });
    own.chain(new).collect()
}

/// What a query found.
pub(super) struct Evaluated {
    /// The columns with the types that were asked for.
    pub(super) columns: Vec<ArrayRef>,
    /// Those behind them, of tables beside the changed one.
    pub(super) others: Vec<OtherColumn>,
}

/// The columns of a query's rows, the first of them with these types. More rows than a statement may change are an error.
pub(super) async fn evaluate(
    session: &Session,
    relation: &Relation,
    select: &Select,
    reading: &Reading,
    parameters: &[Value],
    types: &[SqlType],
) -> Result<Evaluated> {
    let planned = session.engine.planner().plan(session, select, reading, parameters).await?;
    let planned = planned.bind(session, parameters).await?;
    let none_of_others = other_columns(&planned, types.len())?;
    let (_, mut rows) = planned.run(session, "UTC").await?;
    let bytes_max = session.engine.limits().insert_bytes_max;
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = rows.try_next().await? {
        bytes += batch.get_array_memory_size();
        if bytes_max.as_usize() < bytes {
            return Err(too_large(relation, bytes_max));
        }
        batches.push(batch);
    }
    let misfit = |error| Error::internal("rows of one query do not fit together").caused_by(error);
    let parts = |place: usize| {
        batches.iter().map(|batch: &RecordBatch| batch.column(place).as_ref()).collect::<Vec<&dyn Array>>()
    };
    let columns = types.iter().enumerate().map(|(place, sql_type)| {
        let parts = parts(place);
        let column = match parts.is_empty() {
            true => new_empty_array(&sql_type.arrow()),
            false => concat(&parts).map_err(misfit)?,
        };
        match *column.data_type() == sql_type.arrow() {
            true => Ok(column),
            false => arrow::compute::cast(&column, &sql_type.arrow()).map_err(misfit),
        }
    });
    let columns = columns.collect::<Result<_>>()?;
    let mut others = none_of_others;
    for (at, other) in others.iter_mut().enumerate() {
        let parts = parts(types.len() + at);
        if !parts.is_empty() {
            other.values = concat(&parts).map_err(misfit)?;
        }
    }
    Ok(Evaluated { columns, others })
}

/// The columns behind the first `own` of a query, without a row.
pub(super) fn other_columns(planned: &Planned, own: usize) -> Result<Vec<OtherColumn>> {
    let columns = planned.qualified_names().into_iter().skip(own).map(|(table, name, data_type)| {
        let table = table.ok_or_else(|| Error::internal("a column without its table"))?;
        Ok(OtherColumn { table, name, values: new_empty_array(&data_type) })
    });
    columns.collect()
}

/// Rows of a relation from columns, of which those after the relation's own take the place of the assigned ones.
pub(super) fn with_assigned(relation: &Relation, columns: &[ArrayRef], assigned: &[Assigned]) -> Result<RecordBatch> {
    let own = relation.columns.len();
    let mut new = columns[..own].to_vec();
    for (place, assigned) in assigned.iter().enumerate() {
        new[assigned.column] = Arc::clone(&columns[own + place]);
    }
    batch(relation, new)
}

/// Rows of a relation.
pub(super) fn batch(relation: &Relation, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let schema = Schema::new(relation.columns.iter().map(|column| column.field()).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns)
        .map_err(|error| Error::internal("columns of a changed row do not fit").caused_by(error))
}

/// No rows of a relation.
pub(super) fn no_rows(relation: &Relation) -> RecordBatch {
    let schema = Schema::new(relation.columns.iter().map(|column| column.field()).collect::<Vec<_>>());
    RecordBatch::new_empty(Arc::new(schema))
}

/// Plans such a query to tell its parameters: those that are not told yet take the types that it tells.
pub(super) async fn tell_parameters(
    session: &Session,
    select: &Select,
    reading: &Reading,
    params: &mut Vec<Option<SqlType>>,
) -> Result<Planned> {
    let planned = session.engine.planner().plan(session, select, reading, &[]).await?;
    let told = planned.told_parameters(params)?;
    if params.len() < told.len() {
        params.resize(told.len(), None);
    }
    for (known, told) in params.iter_mut().zip(told) {
        *known = known.take().or(told);
    }
    Ok(planned)
}
