//! INSERT into a table: a row whose key is taken is refused, left out, or changes the row that is there.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::Int64Array;
use arrow::compute::concat_batches;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use super::lookup::column;
use super::modify;
use super::modify::Assigned;
use super::modify::Item;
use super::modify::Source;
use super::returning::Answer;
use super::select;
use crate::catalog::Relation;
use crate::catalog::fold;
use crate::engine::append::RefusedValue;
use crate::engine::append::fitted;
use crate::engine::append::record_times;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::Value;
use crate::engine::read::Given;
use crate::engine::read::Planner;
use crate::engine::read::Reading;
use crate::engine::session::Session;
use crate::engine::table_write::TableChange;
use crate::engine::table_write::TableWrite;
use crate::engine::table_write::key_detail;
use crate::engine::table_write::keys_of;
use crate::engine::table_write::taken;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::plan::relation_key;
use crate::sql::Assignment;
use crate::sql::ConflictAction;
use crate::sql::ConflictTarget;
use crate::sql::InsertClauses;
use crate::sql::OnConflict;
use crate::sql::Select;

/// The names of the rows that are there and of those that are to be inserted; no relation has them.
const EXISTING: &str = "__existing";
const PROPOSED: &str = "__proposed";
/// The column by which a row that is there and one that is to be inserted belong together.
const ROW: &str = "__row";
/// What ON CONFLICT calls the rows that are to be inserted.
const EXCLUDED: &str = "excluded";

/// Inserts rows into a table that has no query. An error of one row names the row.
pub(super) async fn insert(
    session: &mut Session,
    relation: &Arc<Relation>,
    (rows, times): (RecordBatch, Vec<i64>),
    clauses: &InsertClauses,
    parameters: &[Value],
) -> std::result::Result<Outcome, RefusedValue> {
    let of_row = |row: usize, error: Error| RefusedValue { row, column: key_column(relation), error };
    let of_all = |error: Error| RefusedValue { row: usize::MAX, column: usize::MAX, error };
    let keys = keys_of(relation, &rows).map_err(of_all)?;
    let conflict = clauses.conflict.as_ref();
    let chosen = distinct(relation, &rows, &keys, conflict).map_err(|(row, error)| of_row(row, error))?;
    let write = TableWrite::begin(&session.engine, relation, Some(&keys)).await.map_err(of_all)?;
    let wanted = chosen.iter().map(|row| keys[*row].clone()).collect();
    let existing = write.existing(wanted).await.map_err(of_all)?;
    let mut new: Vec<usize> = Vec::new();
    let mut met: Vec<(usize, RecordBatch)> = Vec::new();
    for (row, there) in chosen.into_iter().zip(existing) {
        match (there, conflict.map(|conflict| &conflict.action)) {
            (None, _) => new.push(row),
            (Some(_), None) => return Err(of_row(row, taken(relation, &rows, row))),
            (Some(_), Some(ConflictAction::Nothing)) => {}
            (Some(there), Some(ConflictAction::Update { .. })) => met.push((row, there)),
        }
    }
    let changed = match conflict {
        Some(conflict) if !met.is_empty() => {
            update(session, relation, clauses, conflict, &rows, met, parameters).await.map_err(of_all)?
        }
        _ => Vec::new(),
    };
    let are_new = changed.is_empty();
    let (rows, times) = together(session, relation, (rows, times), new, changed)?;
    let alias = modify::alias_of(session, relation, clauses.alias.as_ref());
    let answer =
        Answer::of(session, clauses.returning.as_ref(), &alias, &rows, &[], parameters).await.map_err(of_all)?;
    let change = TableChange { rows, times, are_new, gone: modify::no_rows(relation) };
    let ends = write.commit(&session.client, &change).await.map_err(of_all)?;
    session.written.note(ends);
    Ok(answer.outcome("INSERT 0"))
}

/// The rows of which the statement has one for each key.
fn distinct(
    relation: &Relation,
    rows: &RecordBatch,
    keys: &[Vec<u8>],
    conflict: Option<&OnConflict>,
) -> std::result::Result<Vec<usize>, (usize, Error)> {
    let mut seen: HashMap<&[u8], usize> = HashMap::with_capacity(keys.len());
    let mut chosen = Vec::with_capacity(keys.len());
    for (row, key) in keys.iter().enumerate() {
        if seen.insert(key, row).is_none() {
            chosen.push(row);
            continue;
        }
        match conflict.map(|conflict| &conflict.action) {
            None => return Err((row, taken(relation, rows, row))),
            Some(ConflictAction::Nothing) => {}
            Some(ConflictAction::Update { .. }) => {
                let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
                let error = Error::new(SqlState::CARDINALITY_VIOLATION, message).detail(key_detail(
                    relation,
                    rows,
                    row,
                    "is in the statement twice",
                ));
                return Err((row, error));
            }
        }
    }
    Ok(chosen)
}

fn key_column(relation: &Relation) -> usize {
    relation_key(relation).first().copied().unwrap_or(usize::MAX)
}

/// Refuses an ON CONFLICT that is not of the table's key, and what it cannot set.
pub(super) fn check_conflict(session: &Session, relation: &Relation, conflict: &OnConflict) -> Result<()> {
    let key = relation_key(relation);
    let fits = match &conflict.target {
        ConflictTarget::Any => true,
        ConflictTarget::Columns(names) => {
            let columns = names.iter().map(|name| column(session, relation, name)).collect::<Result<Vec<_>>>()?;
            relation.is_table() && columns.len() == key.len() && key.iter().all(|at| columns.contains(at))
        }
        ConflictTarget::Constraint(name) => {
            let folded = fold(name, session.settings.compatibility());
            if !relation.is_table()
                || relation.row_key().is_some()
                || !folded.eq_ignore_ascii_case(&format!("{}_pkey", relation.name))
            {
                let message = format!("constraint \"{folded}\" for table \"{}\" does not exist", relation.name);
                return Err(Error::new(SqlState::UNDEFINED_OBJECT, message).at(name.position));
            }
            true
        }
    };
    if !fits {
        let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
        return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(conflict.position));
    }
    if let ConflictAction::Update { assignments, .. } = &conflict.action {
        let assigned = modify::assigned(session, relation, assignments)?;
        let changes_key = |assigned: &&Assigned| key.contains(&assigned.column) && !is_proposed(relation, assigned);
        if let Some(found) = assigned.iter().find(changes_key) {
            return Err(Error::unsupported("ON CONFLICT DO UPDATE cannot set a column of the key")
                .at(found.position)
                .hint("UPDATE can."));
        }
    }
    Ok(())
}

/// `SET id = excluded.id` of a column of the key: the row that is met has that key.
fn is_proposed(relation: &Relation, assigned: &Assigned) -> bool {
    let Some(sqlparser::ast::Expr::CompoundIdentifier(idents)) = &assigned.value else { return false };
    let [table, column] = idents.as_slice() else { return false };
    let name = &relation.columns[assigned.column].name;
    let is_column = match column.quote_style {
        Some(_) => column.value == *name,
        None => column.value.eq_ignore_ascii_case(name),
    };
    table.value.eq_ignore_ascii_case(EXCLUDED) && is_column
}

/// What ON CONFLICT DO UPDATE asks.
struct Updating {
    select: Select,
    assigned: Vec<Assigned>,
    types: Vec<SqlType>,
}

fn updating(
    session: &Session,
    relation: &Relation,
    clauses: &InsertClauses,
    assignments: &[Assignment],
    filter: Option<&sqlparser::ast::Expr>,
) -> Result<Updating> {
    let alias = modify::alias_of(session, relation, clauses.alias.as_ref());
    let mut assigned = modify::assigned(session, relation, assignments)?;
    let key = relation_key(relation);
    assigned.retain(|assigned| !key.contains(&assigned.column));
    let excluded = match session.settings.compatibility() {
        crate::catalog::Compatibility::Postgres => EXCLUDED.to_string(),
        crate::catalog::Compatibility::Ksqldb => EXCLUDED.to_uppercase(),
    };
    let mut items = modify::changed_items(relation, &alias, &assigned);
    items.push(Item::Column(&alias, ROW));
    let from = [Source { name: EXISTING, alias: &alias }, Source { name: PROPOSED, alias: &excluded }];
    let select = modify::select(&items, &from, Some(ROW), filter)?;
    let own = relation.columns.iter();
    let set = assigned.iter().map(|assigned| &relation.columns[assigned.column]);
    let types = own.chain(set).map(|column| column.sql_type.clone()).chain([SqlType::BigInt]).collect();
    Ok(Updating { select, assigned, types })
}

/// Plans ON CONFLICT DO UPDATE to tell its parameters.
pub(super) async fn describe(
    session: &Session,
    relation: &Relation,
    clauses: &InsertClauses,
    params: &mut Vec<Option<SqlType>>,
) -> Result<()> {
    let Some(conflict) = &clauses.conflict else { return Ok(()) };
    check_conflict(session, relation, conflict)?;
    let ConflictAction::Update { assignments, filter } = &conflict.action else { return Ok(()) };
    let updating = updating(session, relation, clauses, assignments, filter.as_deref())?;
    let mut reading = Planner::pin(session)?;
    give(&mut reading, &modify::no_rows(relation), &modify::no_rows(relation), &[])?;
    modify::tell_parameters(session, &updating.select, &reading, params).await.map(|_| ())
}

/// The rows that ON CONFLICT DO UPDATE changes, with the places of those that were to be inserted.
async fn update(
    session: &Session,
    relation: &Relation,
    clauses: &InsertClauses,
    conflict: &OnConflict,
    rows: &RecordBatch,
    met: Vec<(usize, RecordBatch)>,
    parameters: &[Value],
) -> Result<Vec<(usize, RecordBatch)>> {
    let ConflictAction::Update { assignments, filter } = &conflict.action else { return Ok(Vec::new()) };
    let Updating { select, assigned, types } = updating(session, relation, clauses, assignments, filter.as_deref())?;
    let misfit = |error| Error::internal("rows of one table do not fit together").caused_by(error);
    let places: Vec<usize> = met.iter().map(|(row, _)| *row).collect();
    let existing = met.iter().map(|(_, there)| modify::batch(relation, there.columns().to_vec()));
    let existing = existing.collect::<Result<Vec<_>>>()?;
    let existing = concat_batches(&rows.schema(), &existing).map_err(misfit)?;
    let proposed: Vec<(usize, usize)> = places.iter().map(|row| (0, *row)).collect();
    let proposed = interleave_record_batch(&[rows], &proposed).map_err(misfit)?;
    let mut reading = select::pin(session, &select).await?;
    give(&mut reading, &existing, &proposed, &places)?;
    let found = modify::evaluate(session, relation, &select, &reading, parameters, &types).await?;
    let (numbers, columns) = found.columns.split_last().ok_or_else(|| Error::internal("a query without columns"))?;
    let changed = modify::with_assigned(relation, columns, &assigned)?;
    let numbers = numbers.as_primitive::<Int64Type>();
    let place = |number: &i64| usize::try_from(*number).unwrap_or(usize::MAX);
    let mut changed: Vec<(usize, RecordBatch)> =
        numbers.values().iter().enumerate().map(|(at, number)| (place(number), changed.slice(at, 1))).collect();
    changed.sort_by_key(|(row, _)| *row);
    Ok(changed)
}

/// Lets a statement read the rows that are there and those that are to be inserted, row by row beside each other.
fn give(reading: &mut Reading, existing: &RecordBatch, proposed: &RecordBatch, places: &[usize]) -> Result<()> {
    let numbers: ArrayRef =
        Arc::new(Int64Array::from_iter_values(places.iter().map(|row| i64::try_from(*row).unwrap_or(i64::MAX))));
    for (name, rows) in [(EXISTING, existing), (PROPOSED, proposed)] {
        let mut fields = rows.schema().fields().to_vec();
        fields.push(Arc::new(Field::new(ROW, DataType::Int64, false)));
        let columns = rows.columns().iter().chain([&numbers]).map(Arc::clone).collect();
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| Error::internal("numbered rows").caused_by(error))?;
        reading.given.push(Given { name: name.to_string(), rows });
    }
    Ok(())
}

/// New and changed rows in the statement's order, with their times.
fn together(
    session: &Session,
    relation: &Relation,
    (rows, times): (RecordBatch, Vec<i64>),
    new: Vec<usize>,
    changed: Vec<(usize, RecordBatch)>,
) -> std::result::Result<(RecordBatch, Vec<i64>), RefusedValue> {
    if changed.is_empty() && new.len() == rows.num_rows() {
        return Ok((rows, times));
    }
    let fitted = |(row, changed)| match fitted(relation, changed) {
        Ok(changed) => Ok((row, changed)),
        Err(refused) => Err(RefusedValue { row, column: usize::MAX, ..refused }),
    };
    let changed: Vec<(usize, RecordBatch)> = changed.into_iter().map(fitted).collect::<std::result::Result<_, _>>()?;
    let mut batches: Vec<&RecordBatch> = vec![&rows];
    let mut places: Vec<(usize, usize, usize)> = new.iter().map(|row| (*row, 0, *row)).collect();
    let mut changed_times = Vec::with_capacity(changed.len());
    for (row, changed) in &changed {
        places.push((*row, batches.len(), 0));
        batches.push(changed);
        let of_row = |refused: RefusedValue| RefusedValue { row: *row, column: usize::MAX, ..refused };
        changed_times.extend(record_times(&session.engine, relation, changed).map_err(of_row)?);
    }
    places.sort_unstable();
    let internal = |error| RefusedValue {
        row: usize::MAX,
        column: usize::MAX,
        error: Error::internal("rows of one table do not fit together").caused_by(error),
    };
    let time = |(_, batch, row): &(usize, usize, usize)| match batch {
        0 => times[*row],
        batch => changed_times[batch - 1],
    };
    let new_times = places.iter().map(time).collect();
    let picked: Vec<(usize, usize)> = places.iter().map(|(_, batch, row)| (*batch, *row)).collect();
    let rows = match picked.is_empty() {
        true => rows.slice(0, 0),
        false => interleave_record_batch(&batches, &picked).map_err(internal)?,
    };
    Ok((rows, new_times))
}
