//! DECLARE, FETCH, MOVE, CLOSE.
//!
//! FETCH n waits for all n rows, as PostgreSQL's does: clients take fewer rows for the end. With `fetch_linger` set
//! it gives what came by then; a fetch of one row is the way to see each row at once without it.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::StreamExt;
use futures::future::Either;
use futures::future::select;
use futures::stream;

use super::done;
use super::select as select_statement;
use crate::engine::cursor::Cursor;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::RowStream;
use crate::engine::outcome::TransactionStatus;
use crate::engine::outcome::Value;
use crate::engine::session::Session;
use crate::env::Clock;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::FetchDirection;
use crate::sql::Name;
use crate::sql::Select;

pub(super) async fn declare(
    session: &mut Session,
    name: &Name,
    hold: bool,
    select: &Select,
    parameters: &[Value],
) -> Result<Outcome> {
    let key = key(name);
    if session.status == TransactionStatus::Idle && !hold {
        let message = "DECLARE CURSOR can only be used in transaction blocks";
        return Err(Error::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, message)
            .hint("Say BEGIN first, or DECLARE .. CURSOR WITH HOLD FOR .."));
    }
    if session.cursors.contains_key(&key) {
        let message = format!("cursor \"{key}\" already exists");
        return Err(Error::new(SqlState::DUPLICATE_CURSOR, message).at(name.position));
    }
    let portals_max = session.engine.limits().portals_max;
    if portals_max <= session.cursors.len() {
        let message = format!("a session can have {portals_max} open cursors");
        return Err(Error::new(SqlState::CONFIGURATION_LIMIT_EXCEEDED, message));
    }
    match select_statement::execute(session, select, parameters).await? {
        Outcome::Rows { fields, rows, push, .. } => {
            session.cursors.insert(key, Cursor::new(fields, rows, push, hold));
            Ok(done("DECLARE CURSOR"))
        }
        _ => Err(Error::internal("a query without rows")),
    }
}

pub(super) fn fetch(session: &Session, name: &Name, direction: FetchDirection) -> Result<Outcome> {
    let cursor = find(session, name)?.clone();
    let wanted = match direction {
        FetchDirection::Forward(count) => usize::try_from(count).unwrap_or(usize::MAX),
        FetchDirection::All => usize::MAX,
    };
    let linger = session.settings.duration("fetch_linger").filter(|_| cursor.push);
    let fields = cursor.fields.clone();
    let push = cursor.push && wanted == usize::MAX;
    let clock = session.engine.env().clock.clone();
    let rows = rows(cursor, wanted, linger, clock);
    Ok(Outcome::Rows { fields, rows, push, tag: "FETCH" })
}

/// `MOVE`: passes rows over, and tells how many.
pub(super) async fn skip(session: &Session, name: &Name, direction: FetchDirection) -> Result<Outcome> {
    let cursor = find(session, name)?.clone();
    let mut left = match direction {
        FetchDirection::Forward(count) => usize::try_from(count).unwrap_or(usize::MAX),
        FetchDirection::All => usize::MAX,
    };
    let mut passed = 0;
    let mut rows = cursor.rows.lock().await;
    while 0 < left
        && let Some(batch) = rows.next(left).await?
    {
        left -= batch.num_rows();
        passed += batch.num_rows();
    }
    Ok(done(format!("MOVE {passed}")))
}

/// Up to `wanted` rows. With `linger` the first is waited for as long as it takes, and from then on further ones so long: a
/// FETCH without a row would be the end to its client.
fn rows(cursor: Cursor, wanted: usize, linger: Option<Duration>, clock: Arc<dyn Clock>) -> RowStream {
    stream::try_unfold((cursor, wanted, None::<Duration>), move |(cursor, left, deadline)| {
        let clock = Arc::clone(&clock);
        async move {
            if left == 0 {
                return Ok(None);
            }
            let next = {
                let mut rows = cursor.rows.lock().await;
                let next = rows.next(left).boxed();
                match deadline {
                    None => next.await?,
                    Some(deadline) => match select(next, clock.sleep(deadline.saturating_sub(clock.monotonic()))).await
                    {
                        Either::Left((next, _)) => next?,
                        Either::Right(_) => None,
                    },
                }
            };
            Ok(next.map(|batch| {
                let left = left - batch.num_rows();
                let deadline = deadline.or_else(|| linger.map(|linger| clock.monotonic() + linger));
                (batch, (cursor, left, deadline))
            }))
        }
    })
    .boxed()
}

pub(super) fn close(session: &mut Session, name: Option<&Name>) -> Result<Outcome> {
    match name {
        None => {
            session.cursors.clear();
            Ok(done("CLOSE CURSOR ALL"))
        }
        Some(name) => {
            find(session, name)?;
            session.cursors.remove(&key(name));
            Ok(done("CLOSE CURSOR"))
        }
    }
}

pub(super) fn fields(session: &Session, name: &Name) -> Result<Vec<OutputField>> {
    Ok(find(session, name)?.fields.clone())
}

fn find<'a>(session: &'a Session, name: &Name) -> Result<&'a Cursor> {
    session.cursors.get(&key(name)).ok_or_else(|| {
        let message = format!("cursor \"{}\" does not exist", key(name));
        Error::new(SqlState::INVALID_CURSOR_NAME, message).at(name.position)
    })
}

/// Cursors' names fold as PostgreSQL's do, whatever the relations' do.
fn key(name: &Name) -> String {
    if name.quoted { name.value.clone() } else { name.value.to_lowercase() }
}
