//! How far a task has come with what lay before it when it was made: its state, and the records of its inputs.
//!
//! Counts are offsets, so that what transactions and marks take is counted too.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use tracing::info;

/// Restores of fewer records are over before anybody reads of them in the server's log.
const TOLD_FROM: u64 = 100_000;

/// What a task is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its state, or its view, is read from its changelogs and its topic.
    Restoring,
    /// It has not read all that lay before it when it was made.
    CatchingUp,
    /// It has.
    Running,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// What it is at.
    pub stage: Stage,
    /// Records that it has read of what it must read in this stage.
    pub done: u64,
    /// How many these are in all.
    pub to_do: u64,
}

impl Course {
    /// Of a task whose inputs have so many of the records that lay before them.
    pub fn of_inputs(done: u64, to_do: u64) -> Self {
        let stage = if done < to_do { Stage::CatchingUp } else { Stage::Running };
        Self { stage, done, to_do }
    }
}

/// Counts what is read while a task, and its view, are made.
#[derive(Debug, Default)]
pub struct Restoring {
    under_way: AtomicBool,
    done: AtomicU64,
    to_do: AtomicU64,
}

impl Restoring {
    /// It begins. It ends when the guard goes, whatever became of it.
    pub fn begin(&self) -> RestoringGuard<'_> {
        self.done.store(0, Ordering::Relaxed);
        self.to_do.store(0, Ordering::Relaxed);
        self.under_way.store(true, Ordering::Release);
        RestoringGuard(self)
    }

    /// So many more records are to be read.
    pub fn expect(&self, records: i64) {
        self.to_do.fetch_add(u64::try_from(records).unwrap_or(0), Ordering::Relaxed);
    }

    /// So many more were read.
    pub fn passed(&self, records: i64) {
        let records = u64::try_from(records).unwrap_or(0);
        let before = self.done.fetch_add(records, Ordering::Relaxed);
        let to_do = self.to_do.load(Ordering::Relaxed);
        let tenths = |done: u64| u128::from(done) * 10 / u128::from(to_do.max(1));
        if TOLD_FROM <= to_do && tenths(before) < tenths(before + records) {
            info!(done = before + records, to_do, "restoring");
        }
    }

    /// Where it stands, `None` if nothing is restored.
    pub fn course(&self) -> Option<Course> {
        self.under_way.load(Ordering::Acquire).then(|| Course {
            stage: Stage::Restoring,
            done: self.done.load(Ordering::Relaxed),
            to_do: self.to_do.load(Ordering::Relaxed),
        })
    }
}

/// As long as it lives something is restored.
pub struct RestoringGuard<'a>(&'a Restoring);

impl Drop for RestoringGuard<'_> {
    fn drop(&mut self) {
        self.0.under_way.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_begins_and_ends_with_its_guard() {
        let restoring = Restoring::default();
        assert_eq!(restoring.course(), None);
        for _ in 0..2 {
            let guard = restoring.begin();
            restoring.expect(7);
            restoring.expect(-1);
            restoring.passed(3);
            assert_eq!(restoring.course(), Some(Course { stage: Stage::Restoring, done: 3, to_do: 7 }));
            drop(guard);
            assert_eq!(restoring.course(), None);
        }
    }
}
