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

use std::pin::Pin;

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
    // In a box: a read by key would move the room along that the others need between their steps, some 20 KiB.
    Box::pin(execute_any(session, prepared, parameters)).await
}

async fn execute_any(session: &mut Session, prepared: &Prepared, parameters: &[Value]) -> Result<Outcome> {
    let text = prepared.text.as_str();
    if matches!(prepared.statement.as_ref(), Statement::CreateSource(_) | Statement::CreateAs(_)) {
        refuse_without_files(session)?;
    }
    match prepared.statement.as_ref() {
        Statement::Empty => Ok(Outcome::Empty),
        Statement::CreateSource(create) if create.temporary.is_some() => {
            boxed(move || temporary::create(session, create, text)).await
        }
        Statement::CreateSource(create) => boxed(move || create_source::execute(session, create, text)).await,
        Statement::CreateAs(create) if create_filled::is_one(session, create) => {
            boxed(move || create_filled::execute(session, create, parameters)).await
        }
        Statement::CreateAs(create) => boxed(move || create_as::execute(session, create, text)).await,
        Statement::CreateIndex(create) => index::create(session, create),
        Statement::DropIndex(drop) => index::drop(session, drop),
        Statement::CreateType(create) => boxed(move || types::create(session, create, text)).await,
        Statement::DropType(drop) => boxed(move || types::drop(session, drop)).await,
        Statement::CreateView(create) => boxed(move || views::create(session, create, text)).await,
        Statement::DropView(drop) => boxed(move || views::drop(session, drop)).await,
        Statement::Rename(rename) => boxed(move || rename::execute(session, rename)).await,
        Statement::Alter(alter) => boxed(move || alter::execute(session, alter)).await,
        Statement::RebuildQuery(name) => boxed(move || rebuild::execute(session, name)).await,
        Statement::Drop(drop) => boxed(move || drop::execute(session, drop)).await,
        Statement::Update(update) => boxed(move || update::execute(session, update, parameters)).await,
        Statement::Delete(delete) => boxed(move || delete::execute(session, delete, parameters)).await,
        Statement::InsertRows(insert) => boxed(move || insert_rows::execute(session, insert, parameters)).await,
        Statement::InsertSelect(insert) => {
            boxed(move || insert_select::execute(session, insert, text, parameters)).await
        }
        Statement::Select(select) => {
            boxed(move || select::execute_prepared(session, select, prepared, parameters)).await
        }
        Statement::Explain { analyze, json, target } => {
            boxed(move || explain::execute(session, (*analyze, *json), target, parameters)).await
        }
        Statement::Describe(name) => describe::execute(session, name),
        Statement::DescribeExtended(name) => describe::extended(session, name),
        Statement::DescribeFunction(name) => boxed(move || describe_function::execute(session, name)).await,
        Statement::AssertTopic(assert) => boxed(move || assert::topic(session, assert)).await,
        Statement::Print(print) => boxed(move || print::execute(session, print)).await,
        Statement::Show(object) => boxed(move || show::execute(session, object)).await,
        Statement::Set { scope, name, value } => set::execute(session, *scope, name, value.as_deref()),
        Statement::SetModes(scope, modes) => set::modes(session, *scope, modes),
        Statement::Reset(name) => set::reset(session, name.as_deref()),
        Statement::CopyTo { source, format } => boxed(move || copy_to::execute(session, source, format)).await,
        Statement::CopyFrom { target, columns, format } => {
            boxed(move || copy_from::execute(session, target, columns, format)).await
        }
        Statement::Truncate(truncate) => boxed(move || truncate::execute(session, truncate)).await,
        Statement::Refresh(name) => lookup::refresh(session, name),
        Statement::TruncateTables { names, restart_identity } => {
            boxed(move || truncate::tables(session, names, *restart_identity)).await
        }
        Statement::Terminate(name) => boxed(move || terminate::execute(session, name.as_ref())).await,
        Statement::Pause(name) => boxed(move || pause::execute(session, name.as_ref(), QueryState::Paused)).await,
        Statement::Resume(name) => boxed(move || pause::execute(session, name.as_ref(), QueryState::Running)).await,
        Statement::Define { name, value } => Ok(define::execute(session, name, value.as_deref())),
        Statement::Prepare(prepare) => boxed(move || prepared::prepare(session, prepare)).await,
        Statement::Execute { name, arguments } => {
            boxed(move || prepared::execute(session, name, arguments, parameters)).await
        }
        statement => boxed(move || of_session(session, statement, parameters)).await,
    }
}

/// Runs a statement that is about the session alone: its transaction, its cursors, what it forgets.
async fn of_session(session: &mut Session, statement: &Statement, parameters: &[Value]) -> Result<Outcome> {
    match statement {
        Statement::Declare { name, hold, select } => {
            boxed(move || cursors::declare(session, name, *hold, select, parameters)).await
        }
        Statement::Fetch { name, direction } => cursors::fetch(session, name, *direction),
        Statement::Move { name, direction } => boxed(move || cursors::skip(session, name, *direction)).await,
        Statement::Close(name) => cursors::close(session, name.as_ref()),
        Statement::Begin(tag, modes) => transaction::begin(session, tag, modes),
        Statement::Commit => boxed(move || transaction::commit(session)).await,
        Statement::Rollback => boxed(move || transaction::rollback(session)).await,
        Statement::Savepoint(name) => transaction::savepoint(session, &name.value),
        Statement::ReleaseSavepoint(name) => transaction::release(session, &name.value),
        Statement::RollbackToSavepoint(name) => transaction::rollback_to(session, &name.value),
        Statement::Deallocate(name) => prepared::deallocate(session, name.as_ref()),
        Statement::DiscardAll => boxed(move || set::discard_all(session)).await,
        Statement::DiscardTemporary => boxed(move || temporary::discard(session)).await,
        Statement::Ignored(tag) => Ok(done(*tag)),
        _ => Err(Error::internal("a statement that nobody runs")),
    }
}

/// The future of one kind of statement, in memory of its own: room for those of all kinds would be taken, and moved along, by
/// whoever awaits one.
fn boxed<F: Future<Output = Result<Outcome>>>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
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
