//! WINDOW: its spans checked, and the grace that the rules give where the statement gives none.

use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::plan::node::Window;
use crate::sql::Emit;
use crate::sql::WindowClause;

/// Milliseconds that windows stay open after their end unless the statement says otherwise.
pub(super) const DEFAULT_GRACE_MS: i64 = 5 * 60 * 1000;

/// ksqlDB keeps a window open until a day after its start, unless it waits for the end to give a final row.
pub(super) const KSQLDB_GRACE_AND_SIZE_MS: i64 = 24 * 60 * 60 * 1000;

/// Windows that one row may be in: each is a change of its own.
const WINDOWS_OF_ROW_MAX: i64 = 10_000;

/// The windows of a clause.
pub fn bind(clause: WindowClause, rules: Compatibility, emit: Emit) -> Result<Window> {
    let retention_ms = retention_ms(clause);
    let grace_after = |size_ms: i64, told: Option<i64>| -> Result<i64> {
        check_retention(retention_ms, size_ms, told)?;
        let default = match (rules, emit) {
            (Compatibility::Postgres, _) => DEFAULT_GRACE_MS,
            (Compatibility::Ksqldb, Emit::Final) => 0,
            (Compatibility::Ksqldb, Emit::Changes) => (KSQLDB_GRACE_AND_SIZE_MS - size_ms).max(0),
        };
        // No row is waited for longer than its window is kept.
        let kept = retention_ms.map_or(i64::MAX, |retention_ms| retention_ms.saturating_sub(size_ms));
        Ok(told.unwrap_or(default.min(kept)))
    };
    Ok(match clause {
        WindowClause::Tumbling { size_ms, grace_ms, .. } => {
            Window::Tumbling { size_ms, grace_ms: grace_after(size_ms, grace_ms)? }
        }
        WindowClause::Hopping { size_ms, advance_ms, grace_ms, .. } => {
            check_advance(size_ms, advance_ms)?;
            Window::Hopping { size_ms, advance_ms, grace_ms: grace_after(size_ms, grace_ms)? }
        }
        WindowClause::Session { gap_ms, grace_ms, .. } => {
            Window::Session { gap_ms, grace_ms: grace_after(gap_ms, grace_ms)? }
        }
    })
}

/// RETENTION, as it was told.
pub fn retention_ms(clause: WindowClause) -> Option<i64> {
    match clause {
        WindowClause::Tumbling { retention_ms, .. }
        | WindowClause::Hopping { retention_ms, .. }
        | WindowClause::Session { retention_ms, .. } => retention_ms,
    }
}

/// What is kept for a shorter time than rows are waited for could not take them.
fn check_retention(retention_ms: Option<i64>, size_ms: i64, grace_ms: Option<i64>) -> Result<()> {
    let least = size_ms.saturating_add(grace_ms.unwrap_or(0));
    match retention_ms {
        Some(retention_ms) if retention_ms < least => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("a retention of {retention_ms} ms is shorter than the window and its grace period, {least} ms"),
        )
        .hint("Make RETENTION longer, or leave it out.")),
        _ => Ok(()),
    }
}

fn check_advance(size_ms: i64, advance_ms: i64) -> Result<()> {
    if size_ms < advance_ms {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("an advance of {advance_ms} ms is longer than the window, {size_ms} ms"),
        )
        .detail("Rows between two windows would be in none.")
        .hint("Make ADVANCE BY at most the SIZE."));
    }
    let windows = size_ms.div_euclid(advance_ms);
    if WINDOWS_OF_ROW_MAX < windows {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("each row would be in {windows} windows, more than {WINDOWS_OF_ROW_MAX}"),
        )
        .hint("Make ADVANCE BY longer or SIZE shorter."));
    }
    Ok(())
}
