//! The threads around the flusher's plain calls: one flushes and confirms, one trims the journal.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use crate::env::JoinHandle;

use super::LogError;
use super::core::Core;
use super::core::Pending;

/// Starts both threads; they end when the directory is stopped.
pub(super) fn start(core: &Arc<Core>) -> Result<Vec<JoinHandle>, LogError> {
    Ok(vec![spawn(core, "log-flush", flush)?, spawn(core, "log-trim", trim)?])
}

fn spawn(core: &Arc<Core>, name: &str, body: fn(&Core)) -> Result<JoinHandle, LogError> {
    let shared = core.clone();
    let guarded = move || {
        // Without its thread the log would let everyone wait for ever.
        let ended = std::panic::catch_unwind(AssertUnwindSafe(|| body(&shared)));
        if ended.is_err() {
            shared.fail(&LogError::Unknown);
        }
    };
    core.env.threads.spawn(name, guarded).map_err(LogError::io("start a thread for", &core.dir))
}

/// Flushes at once what comes while it is idle, and when a flush returns what came meanwhile.
fn flush(core: &Core) {
    // A failed call has stopped the core, which ends the loop.
    while core.check_running().is_ok() {
        let work = core.next_work();
        let _ = match work {
            Work::Flush => core.flush_once().map(|_| ()),
            Work::Confirm => core.confirm_once(),
            Work::ForceDue => {
                core.force_due();
                Ok(())
            }
            Work::Stop => return,
        };
    }
}

fn trim(core: &Core) {
    while core.wants_trim() {
        // A failed trim has stopped the core, which ends the loop.
        let _ = core.trim_once();
    }
}

/// What the flusher is to do next.
enum Work {
    Flush,
    Confirm,
    ForceDue,
    Stop,
}

impl Core {
    /// Waits until the journal has files to trim away; `false` once the log has stopped.
    fn wants_trim(&self) -> bool {
        let mut pending = self.pending.lock();
        loop {
            if self.check_running().is_err() {
                return false;
            }
            if pending.trim_wanted {
                return true;
            }
            self.trim.wait(&mut pending);
        }
    }

    /// Waits until there is something to do.
    fn next_work(&self) -> Work {
        let mut pending = self.pending.lock();
        loop {
            if self.check_running().is_err() {
                return Work::Stop;
            }
            if !pending.entries.is_empty() {
                return Work::Flush;
            }
            let now = self.env.clock.monotonic();
            if pending.due.iter().any(|(at, _)| *at <= now) {
                return Work::ForceDue;
            }
            if pending.confirm_at.is_some_and(|at| at <= now) {
                return Work::Confirm;
            }
            match pending.next_deadline() {
                None => self.wake.wait(&mut pending),
                Some(at) => {
                    self.wake.wait_for(&mut pending, at.saturating_sub(now));
                }
            }
        }
    }
}

impl Pending {
    /// When (monotonic) something becomes due by itself.
    fn next_deadline(&self) -> Option<Duration> {
        let due = self.due.iter().map(|(at, _)| *at).min();
        [self.confirm_at, due].into_iter().flatten().min()
    }
}
