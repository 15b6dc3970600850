//! INSERT INTO .. SELECT: read once and appended, all rows or none; with EMIT, or under ksqlDB's rules, a standing query.
//!
//! Rows are kept encoded until the query has ended, and appended as one flush group: a query that fails has written nothing,
//! and one that reads what it writes into reads what was there before.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::new_null_array;
use arrow::compute::CastOptions;
use arrow::compute::cast_with_options;
use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::IntervalUnit;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use sqlparser::ast;

use super::done;
use super::insert_rows::refuse_numbers;
use super::insert_rows::refuses_taken_keys;
use super::insert_standing;
use super::insert_table;
use super::lookup::insert_target;
use super::lookup::target_columns;
use super::modify;
use super::returning;
use super::returning::Answer;
use super::select;
use super::update::start_of;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::config::ByteSize;
use crate::engine::append::Appending;
use crate::engine::append::fitted_new;
use crate::engine::append::record_times;
use crate::engine::defaults::Defaults;
use crate::engine::outcome::Description;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::Value;
use crate::engine::session::Session;
use crate::engine::table_write::replace_rows;
use crate::engine::tables::is_plain_table;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::functions;
use crate::model::Column;
use crate::model::SqlType;
use crate::plan::assign_item;
use crate::plan::assignable;
use crate::plan::execution_error;
use crate::plan::not_assignable;
use crate::sql::InsertClauses;
use crate::sql::InsertSelect;
use crate::sql::Select;

pub(super) async fn execute(
    session: &mut Session,
    insert: &InsertSelect,
    text: &str,
    parameters: &[Value],
) -> Result<Outcome> {
    if is_standing(session, insert) {
        refuse_clauses(&insert.clauses)?;
        return insert_standing::execute(session, insert, text).await;
    }
    if let Some(name) = &insert.query_id {
        let error = Error::new(SqlState::SYNTAX_ERROR, "QUERY_ID is of a query that stands").at(name.position);
        return Err(error.hint("Add EMIT CHANGES."));
    }
    let relation = insert_target(session, &insert.target)?;
    let targets = target_columns(session, &relation, &insert.columns)?;
    if let Some(conflict) = &insert.clauses.conflict {
        insert_table::check_conflict(session, &relation, conflict)?;
    }
    let select = with_told_types(&insert.select, &relation, &targets)?;
    let Outcome::Rows { fields, mut rows, .. } = select::execute(session, &select, parameters).await? else {
        return Err(Error::internal("a query without rows"));
    };
    refuse_other_count(insert, targets.len(), fields.len())?;
    refuse_other_types(&relation, &targets, &fields, &insert.select)?;
    let client = Arc::clone(&session.client);
    let bytes_max = session.engine.limits().insert_bytes_max;
    let keeps_rows = is_plain_table(&relation) || insert.clauses.returning.is_some();
    let is_told = |index| targets.iter().take(fields.len()).any(|target| *target == index);
    refuse_numbers(&relation, is_told).map_err(|error| error.at(insert.target.position))?;
    let defaults = Defaults::of(session, &relation, is_told).await?;
    let (mut kept, mut kept_times) = (Vec::new(), Vec::new());
    let mut appending = Appending::new(&session.engine, client.as_ref(), &relation)?;
    while let Some(batch) = rows.try_next().await? {
        let batch = shaped(&relation, &targets, &batch)?;
        let batch = defaults.fill(&session.engine, &relation, batch).await?;
        let batch = fitted_new(&session.engine, &relation, batch)?;
        let times = record_times(&session.engine, &relation, &batch)?;
        appending.add(&batch, &times)?;
        if bytes_max.as_usize() < appending.bytes() {
            return Err(too_large(&relation, bytes_max));
        }
        if keeps_rows {
            kept.push(batch);
            kept_times.extend(times);
        }
    }
    let inserted = appending.rows();
    if !keeps_rows {
        let ends = appending.append(client.as_ref()).await?;
        session.written.note(ends);
        return Ok(done(format!("INSERT 0 {inserted}")));
    }
    let kept = concat_batches(&modify::no_rows(&relation).schema(), &kept)
        .map_err(|error| Error::internal("inserted rows do not fit together").caused_by(error))?;
    if refuses_taken_keys(session, &relation, &insert.clauses) {
        let inserted = insert_table::insert(session, &relation, (kept, kept_times), &insert.clauses, parameters).await;
        return inserted.map_err(|refused| refused.error.at(insert.target.position));
    }
    let alias = modify::alias_of(session, &relation, insert.clauses.alias.as_ref());
    let answer = Answer::of(session, insert.clauses.returning.as_ref(), &alias, &kept, &[], parameters).await?;
    let ends = match is_plain_table(&relation) {
        true => replace_rows(&session.engine, &client, &relation, kept, kept_times).await?,
        false => appending.append(client.as_ref()).await?,
    };
    session.written.note(ends);
    Ok(answer.outcome("INSERT 0"))
}

/// Refuses a query that has other columns than are written; without their names the last ones may be left out.
fn refuse_other_count(insert: &InsertSelect, targets: usize, given: usize) -> Result<()> {
    let problem = match given {
        count if targets < count => "more expressions than target columns",
        count if count < targets && !insert.columns.is_empty() => "more target columns than expressions",
        _ => return Ok(()),
    };
    Err(Error::new(SqlState::SYNTAX_ERROR, format!("INSERT has {problem}")).at(insert.target.position))
}

/// Refuses what PostgreSQL does not assign to a column, such as a text that was computed to a column of numbers.
fn refuse_other_types(relation: &Relation, targets: &[usize], fields: &[OutputField], select: &Select) -> Result<()> {
    let given = |field: &OutputField| match field.is_interval {
        true => DataType::Interval(IntervalUnit::MonthDayNano),
        false => field.sql_type.arrow(),
    };
    let columns = targets.iter().map(|target| &relation.columns[*target]);
    let is_wrong =
        |(_, (column, field)): &(usize, (&Column, &OutputField))| !assignable(&given(field), &column.sql_type.arrow());
    let Some((place, (column, field))) = columns.zip(fields).enumerate().find(is_wrong) else { return Ok(()) };
    let error = not_assignable(&column.name, &column.sql_type.arrow(), &given(field));
    Err(match item_at(select, place).and_then(start_of) {
        Some(position) => error.at(position),
        None => error,
    })
}

/// The item of a query's list at a place, as far as stars leave it known.
fn item_at(select: &Select, place: usize) -> Option<&ast::Expr> {
    let ast::SetExpr::Select(body) = select.ast.body.as_ref() else { return None };
    let item = |item: &'_ ast::SelectItem| {
        matches!(item, ast::SelectItem::UnnamedExpr(_) | ast::SelectItem::ExprWithAlias { .. })
    };
    match body.projection.get(..=place)? {
        [before @ .., ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. }] => {
            before.iter().all(item).then_some(expr)
        }
        _ => None,
    }
}

/// The query, in which the columns tell the types of what is written for them.
fn with_told_types(select: &Select, relation: &Relation, targets: &[usize]) -> Result<Select> {
    let mut select = select.clone();
    if let ast::SetExpr::Select(body) = select.ast.body.as_mut() {
        for (item, target) in body.projection.iter_mut().zip(targets) {
            match item {
                ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } => {
                    assign_item(expr, &relation.columns[*target].sql_type)?;
                }
                // The places of what follows a star are not known yet.
                _ => break,
            }
        }
    }
    Ok(select)
}

pub(super) async fn describe(
    session: &Session,
    insert: &InsertSelect,
    known: &[Option<SqlType>],
) -> Result<Description> {
    if is_standing(session, insert) {
        let described = select::describe(session, &insert.select, known).await?;
        return Ok(Description { fields: None, ..described });
    }
    let relation = insert_target(session, &insert.target)?;
    let targets = target_columns(session, &relation, &insert.columns)?;
    let select = with_told_types(&insert.select, &relation, &targets)?;
    let described = select::describe(session, &select, known).await?;
    let uuids = described.uuids;
    let mut params: Vec<Option<SqlType>> = described.params.into_iter().map(Some).collect();
    insert_table::describe(session, &relation, &insert.clauses, &mut params).await?;
    let alias = modify::alias_of(session, &relation, insert.clauses.alias.as_ref());
    let returning = insert.clauses.returning.as_ref();
    let fields = returning::describe(session, &relation, returning, &alias, &[], &mut params).await?;
    let params = params.into_iter().map(|told| told.unwrap_or(SqlType::Text)).collect();
    Ok(Description::new(params, fields).with_uuids(uuids))
}

/// Whether it runs on.
pub(super) fn is_standing(session: &Session, insert: &InsertSelect) -> bool {
    insert.select.emit.is_some() || session.settings.compatibility() == Compatibility::Ksqldb
}

fn refuse_clauses(clauses: &InsertClauses) -> Result<()> {
    let told = |what: &str, position| {
        Err(Error::unsupported(format!("{what} is not supported in a query that runs on")).at(position))
    };
    match (&clauses.conflict, &clauses.returning) {
        (Some(conflict), _) => told("ON CONFLICT", conflict.position),
        (None, Some(returning)) => told("RETURNING", returning.position),
        (None, None) => Ok(()),
    }
}

fn too_large(relation: &Relation, bytes_max: ByteSize) -> Error {
    let message = format!("the rows of one INSERT into \"{}\" take more than {bytes_max}", relation.name);
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
        .detail("Nothing was inserted.")
        .hint("Insert in parts, use COPY, or raise limits.insert_bytes_max.")
}

/// The relation's columns, cast from the query's; those without a value are null.
fn shaped(relation: &Relation, targets: &[usize], batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = Arc::new(Schema::new(relation.columns.iter().map(|column| column.field()).collect::<Vec<_>>()));
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(relation.columns.len());
    for (index, field) in schema.fields().iter().enumerate() {
        let source = targets.iter().position(|target| *target == index).filter(|place| *place < batch.num_columns());
        columns.push(match source {
            None => new_null_array(field.data_type(), batch.num_rows()),
            Some(place) => assigned(batch.column(place), field).map_err(execution_error)?,
        });
    }
    RecordBatch::try_new(schema, columns)
        .map_err(|error| Error::internal("inserted columns do not fit").caused_by(error))
}

/// A value as its column takes it, as PostgreSQL assigns it: a fraction is rounded where Arrow's cast would cut it off.
fn assigned(column: &ArrayRef, field: &Field) -> datafusion::error::Result<ArrayRef> {
    let has_fraction = matches!(column.data_type(), DataType::Float64 | DataType::Decimal128(_, _));
    let whole = match SqlType::from_arrow(field.data_type()).filter(|_| has_fraction) {
        Some(SqlType::Int) => Some(functions::CastTarget::Int),
        Some(SqlType::BigInt) => Some(functions::CastTarget::BigInt),
        _ => None,
    };
    // A value that does not fit is an error, never a null.
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    match whole {
        Some(target) => target.whole(column),
        None => Ok(cast_with_options(column, field.data_type(), &strict)?),
    }
}
