//! EXPLAIN ANALYZE of a query that runs: what its operators do, watched for a second.

use std::fmt::Write;
use std::time::Duration;

use super::lookup::query_named;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::exec::FragmentProfile;
use crate::exec::OperatorProfile;
use crate::sql::Name;

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(1);

pub(super) async fn of_query(session: &Session, name: &Name) -> Result<String> {
    let id = query_named(session.engine.catalog()?.as_ref(), name)?.id;
    let stopped = || {
        let message = format!("query \"{}\" does not run", name.value);
        let error = Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message).at(name.position);
        match session.engine.stopped_because(id) {
            Some(reason) => error.detail(reason),
            None => error,
        }
    };
    let clock = &session.engine.env().clock;
    let (before, begun) = (session.engine.runtime().profile(id).ok_or_else(stopped)?, clock.monotonic());
    clock.sleep(WATCHED).await;
    let (after, ended) = (session.engine.runtime().profile(id).ok_or_else(stopped)?, clock.monotonic());
    Ok(text(&before, &after, ended.saturating_sub(begun)))
}

/// One line per operator, a parent before its inputs; rates are of the time between the two.
fn text(before: &[FragmentProfile], after: &[FragmentProfile], watched: Duration) -> String {
    let mut text = String::new();
    for fragment in after.iter().rev() {
        let old = before.iter().find(|other| other.fragment == fragment.fragment);
        let rows = rate(old.map_or(0, |old| old.rows), fragment.rows, watched);
        let reading = share(old.map_or(Duration::ZERO, |old| old.reading), fragment.reading, watched);
        let tasks = if fragment.tasks == 1 { "1 task".to_string() } else { format!("{} tasks", fragment.tasks) };
        let _ = writeln!(
            text,
            "fragment {}: {tasks}, read rows={} rows/s={rows} busy={reading}",
            fragment.fragment, fragment.rows
        );
        for (at, operator) in fragment.operators.iter().enumerate() {
            let old = old.and_then(|old| old.operators.get(at));
            line(&mut text, old, operator, watched);
        }
    }
    text
}

fn line(text: &mut String, old: Option<&OperatorProfile>, operator: &OperatorProfile, watched: Duration) {
    let depth = (operator.depth + 1) * 2;
    let id = operator.operator.as_ref().map_or(String::new(), |id| format!(" {id}"));
    let rows = rate(old.map_or(0, |old| old.rows), operator.rows, watched);
    let busy = share(old.map_or(Duration::ZERO, |old| old.busy), operator.busy, watched);
    let _ = write!(text, "{:depth$}{}{id}: rows={} rows/s={rows} busy={busy}", "", operator.text, operator.rows);
    if 0 < operator.state_bytes {
        let _ = write!(text, " state={} KiB", operator.state_bytes.div_ceil(1024));
    }
    if 0 < operator.late {
        let _ = write!(text, " late={}", operator.late);
    }
    text.push('\n');
}

/// Per second.
fn rate(before: u64, after: u64, watched: Duration) -> u64 {
    (after.saturating_sub(before) as f64 / watched.as_secs_f64().max(f64::EPSILON)).round() as u64
}

/// Of one core, over all tasks.
fn share(before: Duration, after: Duration, watched: Duration) -> String {
    let busy = after.saturating_sub(before).as_secs_f64() / watched.as_secs_f64().max(f64::EPSILON);
    format!("{:.1}%", busy * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_between_two_looks() {
        let profile = |rows: u64, busy_ms: u64| FragmentProfile {
            fragment: 0,
            tasks: 2,
            rows,
            reading: Duration::from_millis(busy_ms),
            operators: vec![OperatorProfile {
                operator: None,
                depth: 0,
                text: "Sink".to_string(),
                rows,
                busy: Duration::from_millis(busy_ms),
                state_bytes: 1500,
                late: 3,
            }],
        };
        let text = text(&[profile(100, 10)], &[profile(300, 260)], Duration::from_millis(500));
        let wanted = "fragment 0: 2 tasks, read rows=300 rows/s=400 busy=50.0%\n  \
            Sink: rows=300 rows/s=400 busy=50.0% state=2 KiB late=3\n";
        assert_eq!(text, wanted);
    }
}
