//! What each statement does, one per file, and the match that leads to it.

mod aligned;
mod alter;
mod assert;
mod backfill;
mod beside;
mod changing_with;
mod circle;
mod claims;
mod copy_from;
mod copy_to;
mod create_as;
mod create_filled;
mod create_source;
mod cursors;
mod define;
mod delete;
mod describe;
mod describe_function;
mod drop;
mod explain;
mod index;
mod insert_rows;
mod insert_select;
mod insert_standing;
mod insert_table;
mod lookup;
mod modify;
mod pause;
mod prepared;
mod print;
mod profile;
mod push;
mod rebuild;
mod rename;
mod replace;
mod returning;
mod select;
mod set;
mod set_config;
mod show;
mod temporary;
mod terminate;
mod transaction;
mod truncate;
mod types;
mod update;
mod views;

use std::future::ready;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::outcome::Description;
use super::outcome::Outcome;
use super::outcome::Value;
use super::prepared::Prepared;
use super::session::Session;
use crate::catalog::QueryState;
use crate::env::OpenFiles;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::sql::CopySource;
use crate::sql::ExplainTarget;
use crate::sql::Statement;

pub(super) use select::shape_by_key;
pub(super) use temporary::end_transaction;

/// The statement with what names of temporary tables, views and types stand for; `None` if it is that already.
fn resolved(session: &Session, prepared: &Prepared) -> Result<Option<Prepared>> {
    let mut resolved: Option<Prepared> = None;
    for step in [temporary::resolved, views::expanded, types::resolved] {
        if let Some(next) = step(session, resolved.as_ref().unwrap_or(prepared))? {
            resolved = Some(next);
        }
    }
    Ok(resolved)
}

/// Runs a statement.
pub(super) async fn execute(session: &mut Session, prepared: &Prepared, parameters: &[Value]) -> Result<Outcome> {
    let resolved = resolved(session, prepared)?;
    let prepared = resolved.as_ref().unwrap_or(prepared);
    if let Statement::Select(select) = prepared.statement.as_ref()
        && let Some(outcome) = select::read_by_key(session, select, prepared, parameters).await?
    {
        return Ok(outcome);
    }
    if matches!(prepared.statement.as_ref(), Statement::CreateSource(_) | Statement::CreateAs(_)) {
        refuse_without_files(session)?;
    }
    future_of(session, prepared, parameters).await
}

/// What runs a statement, in memory of its own: who awaits one kind of statement would move along the room that others need.
fn future_of<'a>(
    session: &'a mut Session,
    prepared: &'a Prepared,
    parameters: &'a [Value],
) -> BoxFuture<'a, Result<Outcome>> {
    let text = prepared.text.as_str();
    match prepared.statement.as_ref() {
        Statement::Empty => ready(Ok(Outcome::Empty)).boxed(),
        Statement::CreateSource(create) => Box::pin(create_source::execute(session, create, text)),
        Statement::CreateAs(create) => Box::pin(create_as::execute(session, create, text, parameters)),
        Statement::CreateIndex(create) => ready(index::create(session, create)).boxed(),
        Statement::DropIndex(drop) => ready(index::drop(session, drop)).boxed(),
        Statement::CreateType(create) => Box::pin(types::create(session, create, text)),
        Statement::DropType(drop) => Box::pin(types::drop(session, drop)),
        Statement::CreateView(create) => Box::pin(views::create(session, create, text)),
        Statement::DropView(drop) => Box::pin(views::drop(session, drop)),
        Statement::Rename(rename) => Box::pin(rename::execute(session, rename)),
        Statement::Alter(alter) => Box::pin(alter::execute(session, alter)),
        Statement::RebuildQuery(name) => Box::pin(rebuild::execute(session, name)),
        Statement::Drop(drop) => Box::pin(drop::execute(session, drop)),
        Statement::Update(update) => Box::pin(update::execute(session, update, parameters)),
        Statement::Delete(delete) => Box::pin(delete::execute(session, delete, parameters)),
        Statement::InsertRows(insert) => Box::pin(insert_rows::execute(session, insert, parameters)),
        Statement::InsertSelect(insert) => Box::pin(insert_select::execute(session, insert, text, parameters)),
        Statement::Select(select) => Box::pin(select::execute_prepared(session, select, prepared, parameters)),
        Statement::Explain { analyze, json, target } => {
            Box::pin(explain::execute(session, (*analyze, *json), target, parameters))
        }
        Statement::Describe(name) => ready(describe::execute(session, name)).boxed(),
        Statement::DescribeExtended(name) => ready(describe::extended(session, name)).boxed(),
        Statement::DescribeFunction(name) => Box::pin(describe_function::execute(session, name)),
        Statement::AssertTopic(assert) => Box::pin(assert::topic(session, assert)),
        Statement::Print(print) => Box::pin(print::execute(session, print)),
        Statement::Show(object) => Box::pin(show::execute(session, object)),
        Statement::Set { scope, name, value } => ready(set::execute(session, *scope, name, value.as_deref())).boxed(),
        Statement::SetModes(scope, modes) => ready(set::modes(session, *scope, modes)).boxed(),
        Statement::Reset(name) => ready(set::reset(session, name.as_deref())).boxed(),
        Statement::CopyTo { source, format } => Box::pin(copy_to::execute(session, source, format)),
        Statement::CopyFrom { target, columns, format } => {
            Box::pin(copy_from::execute(session, target, columns, format))
        }
        Statement::Truncate(truncate) => Box::pin(truncate::execute(session, truncate)),
        Statement::Refresh(name) => ready(lookup::refresh(session, name)).boxed(),
        Statement::TruncateTables { names, restart } => Box::pin(truncate::tables(session, names, *restart)),
        Statement::Terminate(name) => Box::pin(terminate::execute(session, name.as_ref())),
        Statement::Pause(name) => Box::pin(pause::execute(session, name.as_ref(), QueryState::Paused)),
        Statement::Resume(name) => Box::pin(pause::execute(session, name.as_ref(), QueryState::Running)),
        Statement::Define { name, value } => ready(Ok(define::execute(session, name, value.as_deref()))).boxed(),
        Statement::Prepare(prepare) => Box::pin(prepared::prepare(session, prepare)),
        Statement::Execute { name, arguments } => Box::pin(prepared::execute(session, name, arguments, parameters)),
        Statement::Declare { name, hold, select } => {
            Box::pin(cursors::declare(session, name, *hold, select, parameters))
        }
        Statement::Fetch { name, direction } => ready(cursors::fetch(session, name, *direction)).boxed(),
        Statement::Move { name, direction } => Box::pin(cursors::skip(session, name, *direction)),
        Statement::Close(name) => ready(cursors::close(session, name.as_ref())).boxed(),
        Statement::Begin(tag, modes) => ready(transaction::begin(session, tag, modes)).boxed(),
        Statement::Commit => Box::pin(transaction::commit(session)),
        Statement::Rollback => Box::pin(transaction::rollback(session)),
        Statement::Savepoint(name) => ready(transaction::savepoint(session, &name.value)).boxed(),
        Statement::ReleaseSavepoint(name) => ready(transaction::release(session, &name.value)).boxed(),
        Statement::RollbackToSavepoint(name) => ready(transaction::rollback_to(session, &name.value)).boxed(),
        Statement::Deallocate(name) => ready(prepared::deallocate(session, name.as_ref())).boxed(),
        Statement::DiscardAll => Box::pin(set::discard_all(session)),
        Statement::DiscardTemporary => Box::pin(temporary::discard(session)),
        Statement::Ignored(tag) => ready(Ok(done(*tag))).boxed(),
    }
}

/// What a statement takes and gives, without running it.
pub(super) async fn describe(
    session: &mut Session,
    prepared: &Prepared,
    known: &[Option<SqlType>],
) -> Result<Description> {
    let resolved = resolved(session, prepared)?;
    let prepared = resolved.as_ref().unwrap_or(prepared);
    match prepared.statement.as_ref() {
        Statement::Select(select) => select::describe_prepared(session, select, prepared, known).await,
        Statement::Declare { select, .. } => {
            let described = select::describe(session, select, known).await?;
            Ok(Description { fields: None, ..described })
        }
        Statement::InsertRows(insert) => insert_rows::describe(session, insert, known).await,
        Statement::InsertSelect(insert) => insert_select::describe(session, insert, known).await,
        Statement::Update(update) => update::describe(session, update, known).await,
        Statement::Delete(delete) => delete::describe(session, delete, known).await,
        Statement::Explain { target: ExplainTarget::Select(select), json, .. } => {
            let described = select::describe(session, select, known).await?;
            Ok(Description { fields: Some(explain::fields(*json)), ..described })
        }
        Statement::Explain { json, .. } => Ok(rows(explain::fields(*json))),
        Statement::Describe(_) => Ok(rows(describe::fields())),
        Statement::DescribeExtended(_) => Ok(rows(describe::extended_fields())),
        Statement::DescribeFunction(_) => Ok(rows(describe_function::fields())),
        Statement::Print(_) => Ok(rows(print::fields())),
        Statement::Show(object) => Ok(rows(show::fields(object))),
        Statement::Execute { name, .. } => Ok(Description::new(Vec::new(), prepared::fields(session, name)?)),
        Statement::Fetch { name, .. } => Ok(rows(cursors::fields(session, name)?)),
        Statement::CopyTo { source: CopySource::Select(_) | CopySource::Relation(..), .. }
        | Statement::CopyFrom { .. }
        | Statement::Empty
        | Statement::AssertTopic(_)
        | Statement::CreateSource(_)
        | Statement::CreateAs(_)
        | Statement::CreateIndex(_)
        | Statement::DropIndex(_)
        | Statement::CreateType(_)
        | Statement::DropType(_)
        | Statement::CreateView(_)
        | Statement::DropView(_)
        | Statement::Rename(_)
        | Statement::Alter(_)
        | Statement::RebuildQuery(_)
        | Statement::Drop(_)
        | Statement::Set { .. }
        | Statement::Reset(_)
        | Statement::Close(_)
        | Statement::Move { .. }
        | Statement::SetModes(..)
        | Statement::Begin(..)
        | Statement::Commit
        | Statement::Rollback
        | Statement::Savepoint(_)
        | Statement::ReleaseSavepoint(_)
        | Statement::RollbackToSavepoint(_)
        | Statement::Terminate(_)
        | Statement::Pause(_)
        | Statement::Resume(_)
        | Statement::Define { .. }
        | Statement::Prepare(_)
        | Statement::Truncate(_)
        | Statement::TruncateTables { .. }
        | Statement::Refresh(_)
        | Statement::Deallocate(_)
        | Statement::DiscardAll
        | Statement::DiscardTemporary
        | Statement::Ignored(_) => Ok(Description::new(Vec::new(), None)),
    }
}

fn rows(fields: Vec<super::outcome::OutputField>) -> Description {
    Description::new(Vec::new(), Some(fields))
}

/// Whether a failed transaction block lets the statement through.
pub(super) fn ends_failed_block(statement: &Statement) -> bool {
    matches!(statement, Statement::Commit | Statement::Rollback | Statement::RollbackToSavepoint(_))
}

/// Whether a statement changes something that no ROLLBACK takes back.
pub(super) fn takes_effect(statement: &Statement) -> bool {
    if let Statement::Select(select) = statement {
        return changing_with::is_one(&select.ast);
    }
    matches!(
        statement,
        Statement::CreateSource(_)
            | Statement::CreateAs(_)
            | Statement::CreateType(_)
            | Statement::DropType(_)
            | Statement::CreateView(_)
            | Statement::DropView(_)
            | Statement::Rename(_)
            | Statement::Alter(_)
            | Statement::RebuildQuery(_)
            | Statement::Drop(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::InsertRows(_)
            | Statement::InsertSelect(_)
            | Statement::CopyFrom { .. }
            | Statement::Terminate(_)
            | Statement::Pause(_)
            | Statement::Resume(_)
            | Statement::Truncate(_)
            | Statement::TruncateTables { .. }
    )
}

/// Refuses to make what needs open files when those that are left are needed by what there is: a log that cannot open its
/// files ends the server.
fn refuse_without_files(session: &Session) -> Result<()> {
    let files = (session.engine.env().open_files)();
    let Some(OpenFiles { open, limit }) = files.filter(|files| files.is_short()) else { return Ok(()) };
    let message = format!("the server has {open} files open of the {limit} that it may have");
    Err(Error::new(SqlState::INSUFFICIENT_RESOURCES, message)
        .hint("DROP what is not needed, or start the server with more (ulimit -n, LimitNOFILE of a systemd unit)."))
}

/// An answer without rows.
fn done(tag: impl Into<String>) -> Outcome {
    Outcome::Done { tag: tag.into() }
}
