//! UPDATE: rows of a table as they are become rows as they shall be, under a claim.

use std::collections::HashSet;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::beside::Others;
use super::claims::Claimed;
use super::claims::claim;
use super::claims::claimed_keys;
use super::lookup::changed_target;
use super::modify;
use super::modify::Assigned;
use super::returning;
use super::returning::Answer;
use crate::catalog::Relation;
use crate::catalog::TextKind;
use crate::engine::append::RefusedValue;
use crate::engine::append::fitted;
use crate::engine::append::record_times;
use crate::engine::outcome::Description;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::Value;
use crate::engine::session::Session;
use crate::engine::table_write::TableChange;
use crate::engine::table_write::TableWrite;
use crate::engine::table_write::key_detail;
use crate::engine::table_write::keys_of;
use crate::engine::table_write::taken;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::plan::placeholder;
use crate::plan::relation_key;
use crate::sql::Select;
use crate::sql::Update;

pub(super) async fn execute(session: &mut Session, update: &Update, parameters: &[Value]) -> Result<Outcome> {
    loop {
        if let Some(outcome) = execute_as_planned(session, update, parameters).await? {
            return Ok(outcome);
        }
    }
}

/// `None` if the table got further columns in between.
async fn execute_as_planned(session: &mut Session, update: &Update, parameters: &[Value]) -> Result<Option<Outcome>> {
    let relation = changed_target(session, &update.target, "update")?;
    let alias = modify::alias_of(session, &relation, update.alias.as_ref());
    let assigned = modify::assigned(session, &relation, &update.assignments)?;
    let others = Others::of(session, &alias, &update.from)?;
    others.check_values(&assigned)?;
    let query = query(session, &relation, &alias, &assigned, &others, update)?;
    let sets_key = assigned.iter().any(|assigned| relation_key(&relation).contains(&assigned.column));
    let keys = match sets_key {
        true => None,
        false => claimed_keys(session, &relation, &alias, update.filter.as_ref(), parameters),
    };
    let types = types(&relation, &assigned);
    let claimed = claim(session, &relation, keys, &query, parameters, &types, !others.are_none()).await?;
    let Some(Claimed { write, columns, rows: old, keys: old_keys, others }) = claimed else { return Ok(None) };
    let rows = modify::with_assigned(&relation, &columns, &assigned)?;
    if let Some(twice) = repeated(&old_keys) {
        let error = twice_error(&write, &relation, &old, twice).await?;
        return Err(error.at(update.target.position));
    }
    let at = |refused: RefusedValue| match position_of(&assigned, refused.column) {
        Some(position) => refused.error.at(position),
        None => refused.error,
    };
    let rows = fitted(&relation, rows).map_err(at)?;
    let times = record_times(&session.engine, &relation, &rows).map_err(at)?;
    let gone = match sets_key {
        false => modify::no_rows(&relation),
        true => {
            moved(&write, &relation, &old, &old_keys, &rows).await.map_err(|error| error.at(update.target.position))?
        }
    };
    let answer = Answer::of(session, update.returning.as_ref(), &alias, &rows, &others, parameters).await?;
    let ends = write.commit(&session.client, &TableChange { rows, times, are_new: false, gone }).await?;
    session.written.note(ends);
    Ok(Some(answer.outcome("UPDATE")))
}

pub(super) async fn describe(session: &Session, update: &Update, known: &[Option<SqlType>]) -> Result<Description> {
    let relation = changed_target(session, &update.target, "update")?;
    let alias = modify::alias_of(session, &relation, update.alias.as_ref());
    let assigned = modify::assigned(session, &relation, &update.assignments)?;
    let others = Others::of(session, &alias, &update.from)?;
    let query = query(session, &relation, &alias, &assigned, &others, update)?;
    let mut params = known.to_vec();
    let reading = modify::pin(session, &relation)?;
    let planned = modify::tell_parameters(session, &query, &reading, &mut params).await?;
    let mut uuids = planned.uuid_parameters();
    let is_uuid = |assigned: &&Assigned| relation.text_kinds.get(&assigned.column) == Some(&TextKind::Uuid);
    uuids.extend(assigned.iter().filter(is_uuid).filter_map(|assigned| placeholder(assigned.value.as_ref()?)));
    let others = modify::other_columns(&planned, types(&relation, &assigned).len())?;
    let fields =
        returning::describe(session, &relation, update.returning.as_ref(), &alias, &others, &mut params).await?;
    let params = params.into_iter().map(|told| told.unwrap_or(SqlType::Text)).collect();
    Ok(Description::new(params, fields).with_uuids(uuids))
}

fn query(
    session: &Session,
    relation: &Relation,
    alias: &str,
    assigned: &[Assigned],
    others: &Others<'_>,
    update: &Update,
) -> Result<Select> {
    let items = modify::changed_items(relation, alias, assigned);
    let from = [modify::changed(session, relation, alias)?];
    let mut select = modify::select(&items, &from, None, update.filter.as_ref())?;
    others.join(&mut select, update.returning.as_ref())?;
    Ok(select)
}

fn types(relation: &Relation, assigned: &[Assigned]) -> Vec<SqlType> {
    let own = relation.columns.iter();
    let new = assigned.iter().map(|assigned| &relation.columns[assigned.column]);
    own.chain(new).map(|column| column.sql_type.clone()).collect()
}

/// The first row whose key another one before it has.
fn repeated(keys: &[Vec<u8>]) -> Option<usize> {
    let mut seen = HashSet::with_capacity(keys.len());
    keys.iter().position(|key| !seen.insert(key))
}

/// Why two rows have one key: the table has it twice, or the statement made two rows of one.
async fn twice_error(write: &TableWrite, relation: &Relation, rows: &RecordBatch, row: usize) -> Result<Error> {
    let holders = write.holders(&rows.slice(row, 1)).await?;
    if holders.iter().all(|holders| holders.len() < 2) {
        return Ok(Error::unsupported("set-returning functions are not supported in UPDATE"));
    }
    let message = format!("table \"{}\" has two rows of one key", relation.name);
    let what = format!("is in several partitions of topic \"{}\"", relation.topic);
    Ok(Error::new(SqlState::CARDINALITY_VIOLATION, message)
        .detail(key_detail(relation, rows, row, &what))
        .hint("DELETE takes all rows of a key; INSERT it again."))
}

/// Of rows whose keys change, those whose old keys nobody has any more; new keys must be free.
async fn moved(
    write: &TableWrite,
    relation: &Relation,
    old: &RecordBatch,
    old_keys: &[Vec<u8>],
    rows: &RecordBatch,
) -> Result<RecordBatch> {
    let keys = keys_of(relation, rows)?;
    let mut new: HashSet<&Vec<u8>> = HashSet::new();
    if let Some(twice) = keys.iter().position(|key| !new.insert(key)) {
        return Err(taken(relation, rows, twice));
    }
    let before: HashSet<&Vec<u8>> = old_keys.iter().collect();
    let fresh: Vec<usize> = (0..keys.len()).filter(|row| !before.contains(&keys[*row])).collect();
    let existing = write.existing(fresh.iter().map(|row| keys[*row].clone()).collect()).await?;
    if let Some(place) = existing.iter().position(Option::is_some) {
        return Err(taken(relation, rows, fresh[place]));
    }
    let gone: BooleanArray = old_keys.iter().map(|key| Some(!new.contains(key))).collect();
    filter_record_batch(old, &gone).map_err(|error| Error::internal("rows that go").caused_by(error))
}

fn position_of(assigned: &[Assigned], column: usize) -> Option<Position> {
    let assigned = assigned.iter().find(|assigned| assigned.column == column)?;
    Some(assigned.value.as_ref().and_then(start_of).unwrap_or(assigned.position))
}

/// Where an expression of the statement begins.
pub(super) fn start_of(expression: &ast::Expr) -> Option<Position> {
    u32::try_from(expression.span().start.column).ok().filter(|column| 0 < *column).map(Position)
}
