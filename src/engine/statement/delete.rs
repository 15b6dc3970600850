//! DELETE: rows of a table go, each with a record without value.

use super::beside::Others;
use super::claims::Claimed;
use super::claims::claim;
use super::claims::claimed_keys;
use super::lookup::changed_target;
use super::modify;
use super::returning;
use super::returning::Answer;
use crate::catalog::Relation;
use crate::engine::outcome::Description;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::Value;
use crate::engine::session::Session;
use crate::engine::table_write::TableChange;
use crate::error::Result;
use crate::model::SqlType;
use crate::sql::Delete;
use crate::sql::Select;

pub(super) async fn execute(session: &mut Session, delete: &Delete, parameters: &[Value]) -> Result<Outcome> {
    loop {
        if let Some(outcome) = execute_as_planned(session, delete, parameters).await? {
            return Ok(outcome);
        }
    }
}

/// `None` if the table got further columns in between.
async fn execute_as_planned(session: &mut Session, delete: &Delete, parameters: &[Value]) -> Result<Option<Outcome>> {
    let relation = changed_target(session, &delete.target, "delete from")?;
    let alias = modify::alias_of(session, &relation, delete.alias.as_ref());
    let others = Others::of(session, &alias, &delete.using)?;
    let query = query(session, &relation, &alias, &others, delete)?;
    let keys = claimed_keys(session, &relation, &alias, delete.filter.as_ref(), parameters);
    let types: Vec<SqlType> = relation.columns.iter().map(|column| column.sql_type.clone()).collect();
    let with_others = !others.are_none();
    let claimed = claim(session, &relation, keys, &query, parameters, &types, with_others).await?;
    let Some(Claimed { write, rows: gone, others, .. }) = claimed else { return Ok(None) };
    let answer = Answer::of(session, delete.returning.as_ref(), &alias, &gone, &others, parameters).await?;
    let change = TableChange { rows: modify::no_rows(&relation), times: Vec::new(), are_new: false, gone };
    let ends = write.commit(&session.client, &change).await?;
    session.written.note(ends);
    Ok(Some(answer.outcome("DELETE")))
}

pub(super) async fn describe(session: &Session, delete: &Delete, known: &[Option<SqlType>]) -> Result<Description> {
    let relation = changed_target(session, &delete.target, "delete from")?;
    let alias = modify::alias_of(session, &relation, delete.alias.as_ref());
    let others = Others::of(session, &alias, &delete.using)?;
    let query = query(session, &relation, &alias, &others, delete)?;
    let mut params = known.to_vec();
    let reading = modify::pin(session, &relation)?;
    let planned = modify::tell_parameters(session, &query, &reading, &mut params).await?;
    let uuids = planned.uuid_parameters();
    let others = modify::other_columns(&planned, relation.columns.len())?;
    let fields =
        returning::describe(session, &relation, delete.returning.as_ref(), &alias, &others, &mut params).await?;
    let params = params.into_iter().map(|told| told.unwrap_or(SqlType::Text)).collect();
    Ok(Description::new(params, fields).with_uuids(uuids))
}

fn query(session: &Session, relation: &Relation, alias: &str, others: &Others<'_>, delete: &Delete) -> Result<Select> {
    let items = modify::changed_items(relation, alias, &[]);
    let from = [modify::changed(session, relation, alias)?];
    let mut select = modify::select(&items, &from, None, delete.filter.as_ref())?;
    others.join(&mut select, delete.returning.as_ref())?;
    Ok(select)
}
