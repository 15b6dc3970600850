//! A task's place in the runtime: the task itself, its mail, its faults, and who fetches for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::ExecError;
use super::committer::Mailbox;
use super::course::Course;
use super::course::Restoring;
use super::rows_allowed::RowsAllowed;
use super::task::FragmentSpec;
use super::task::Passed;
use super::task::Place;
use super::task::Task;
use super::task::TaskCounts;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::Offset;
use crate::model::OperatorId;
use crate::model::TopicPartition;
use crate::state::Frontier;

/// Tries after which a query is given up.
pub const TRIES_MAX: u32 = 10;

/// Whether a query works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryState {
    /// It reads and writes.
    Running,
    /// It gave up, with the reason; its data stays readable.
    Failed(String),
}

/// One task, for people.
#[derive(Debug, Clone)]
pub struct TaskStatus {
    /// The fragment.
    pub fragment: usize,
    /// The partition.
    pub partition: i32,
    /// What it is at, and how far.
    pub course: Course,
    /// Where it stands.
    pub positions: Vec<(TopicPartition, Offset)>,
    /// What it counted.
    pub counts: TaskCounts,
    /// Memory of each operator's state, in bytes.
    pub state_bytes: Vec<(OperatorId, usize)>,
    /// How often it had to start again since its last commit.
    pub attempts: u32,
    /// The error of the last time.
    pub last_error: Option<String>,
    /// Whether it has committed nothing since that error.
    pub is_held_up: bool,
}

/// What is remembered over rebuilds.
#[derive(Default)]
pub struct Faults {
    /// Tries since the last commit that passed the fault.
    pub attempts: u32,
    /// How often since then it was found that the disk is full, which is waited for, however long.
    pub waits: u32,
    /// Rows that are still to be taken one by one.
    pub one_by_one: usize,
    /// How many rows it takes at once.
    pub rows_allowed: RowsAllowed,
    /// Records that are left out.
    pub skipped: HashSet<Place>,
    /// The last error.
    pub last_error: Option<String>,
    /// Nothing was committed since. `attempts` may be kept for longer: while rows are taken one by one.
    pub is_held_up: bool,
}

impl Faults {
    /// Counts a failure; whether the task may try again.
    fn count(&mut self, failure: &ExecError) -> bool {
        self.last_error = Some(failure.to_string());
        self.is_held_up = true;
        if matches!(failure, ExecError::Data(told) if told.state() == SqlState::DISK_FULL) {
            self.waits = self.waits.saturating_add(1);
        } else {
            self.attempts += 1;
        }
        self.attempts < TRIES_MAX
    }

    /// Notes that a cut was committed.
    fn committed(&mut self) {
        self.waits = 0;
        self.is_held_up = false;
        self.rows_allowed.grow();
        if self.one_by_one == 0 {
            self.attempts = 0;
        }
    }

    /// How often in a row it did not come further.
    pub fn setbacks(&self) -> u32 {
        self.attempts.saturating_add(self.waits)
    }
}

/// See the file's head.
pub struct Slot {
    /// What it runs.
    pub spec: Arc<FragmentSpec>,
    /// Which partition.
    pub partition: i32,
    /// The task, `None` while it is made again.
    pub task: Mutex<Option<Task>>,
    /// Settled cuts.
    pub mailbox: Mailbox,
    /// Whether it stands in the run queue.
    pub scheduled: AtomicBool,
    /// Whether its query was stopped.
    pub closed: AtomicBool,
    /// Whether someone waits for its next cut.
    pub hurry: AtomicBool,
    /// What is remembered over rebuilds.
    pub faults: Mutex<Faults>,
    /// How far it is with being made.
    pub restoring: Restoring,
    /// What the last commit covers of the roots; `None` if no task could be made that knows it.
    pub frontier: watch::Sender<Option<Frontier>>,
    /// The query's state, shared by its tasks.
    pub state: Arc<Mutex<QueryState>>,
    status: Mutex<TaskStatus>,
    helpers: Mutex<Vec<AbortHandle>>,
    timer: Mutex<Option<AbortHandle>>,
}

impl Slot {
    /// A place for a task.
    pub fn new(spec: Arc<FragmentSpec>, partition: i32, state: Arc<Mutex<QueryState>>) -> Self {
        let status = TaskStatus {
            fragment: spec.index,
            partition,
            course: Course::of_inputs(0, 0),
            positions: Vec::new(),
            counts: TaskCounts::default(),
            state_bytes: Vec::new(),
            attempts: 0,
            last_error: None,
            is_held_up: false,
        };
        Self {
            spec,
            partition,
            task: Mutex::new(None),
            mailbox: Mailbox::default(),
            scheduled: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            hurry: AtomicBool::new(false),
            faults: Mutex::default(),
            restoring: Restoring::default(),
            frontier: watch::Sender::default(),
            state,
            status: Mutex::new(status),
            helpers: Mutex::default(),
            timer: Mutex::default(),
        }
    }

    /// Keeps what fetches for the task; it ends when the task does.
    pub fn keep(&self, helper: AbortHandle) {
        self.helpers.lock().push(helper);
    }

    /// Keeps the timer that wakes the task; an older one is put off.
    pub fn keep_timer(&self, timer: AbortHandle) {
        if let Some(older) = self.timer.lock().replace(timer) {
            older.abort();
        }
    }

    /// Ends fetchers and timer.
    pub fn abort_helpers(&self) {
        self.helpers.lock().drain(..).for_each(|helper| helper.abort());
        if let Some(timer) = self.timer.lock().take() {
            timer.abort();
        }
    }

    /// Notes what people may see of the task.
    pub fn note(&self, task: &Task) {
        let mut status = self.status.lock();
        status.course = task.course();
        status.positions = task.inputs.iter().map(|input| (input.partition, input.position)).collect();
        status.counts = task.counts.clone();
        status.state_bytes = task.state_bytes();
    }

    /// What people may see of the task.
    pub fn status(&self) -> TaskStatus {
        let faults = self.faults.lock();
        let status = self.status.lock().clone();
        let course = self.restoring.course().unwrap_or(status.course);
        let (attempts, last_error, is_held_up) = (faults.attempts, faults.last_error.clone(), faults.is_held_up);
        TaskStatus { course, attempts, last_error, is_held_up, ..status }
    }

    /// Decides what becomes of a task that failed: `true` if it is to be tried again.
    ///
    /// The rows of a round that failed are taken one by one; a row that fails alone is left out from then on.
    pub fn failed(&self, task: Option<&Task>, failure: &ExecError) -> bool {
        let mut faults = self.faults.lock();
        let may_try = faults.count(failure);
        let of_a_row = match failure {
            ExecError::Panic(_) | ExecError::Arrow(_) | ExecError::Expression(_) => true,
            ExecError::Data(told) => !is_of_the_machine(told),
            // Left out its row would be lost, and taken again it would make the same again.
            ExecError::ChangeTooLarge { .. }
            | ExecError::UnknownNode(_)
            | ExecError::InputGap { .. }
            | ExecError::BadRecord { .. } => {
                return self.give_up(failure);
            }
            ExecError::Contract { .. }
            | ExecError::InternalRecord(_)
            | ExecError::LeftOut(_)
            | ExecError::InputGone(_)
            | ExecError::RoundTooLarge => false,
        };
        let failed_round = task.and_then(|task| task.failed_round);
        // ksqlDB's own errors of aggregates end the query.
        let ksqldb_ends = matches!(failure, ExecError::Data(_)) && failed_round.is_some() && !self.spec.refuses_future;
        if ksqldb_ends || !may_try {
            return self.give_up(failure);
        }
        if let (ExecError::RoundTooLarge, Some((_, changes))) = (failure, failed_round) {
            faults.rows_allowed.were_too_many(changes);
        }
        if let (true, Some((first, changes))) = (of_a_row, failed_round) {
            match changes {
                1 => drop(faults.skipped.insert(first)),
                _ => faults.one_by_one = changes,
            }
        }
        true
    }

    /// Ends the query at a failure, whatever it is.
    pub fn end(&self, failure: &ExecError) {
        self.faults.lock().last_error = Some(failure.to_string());
        self.give_up(failure);
    }

    fn give_up(&self, failure: &ExecError) -> bool {
        *self.state.lock() = QueryState::Failed(failure.to_string());
        false
    }

    /// Rows that the next round may take.
    pub fn rows_max(&self, usual: usize) -> usize {
        let faults = self.faults.lock();
        if 0 < faults.one_by_one { 1 } else { faults.rows_allowed.of(usual) }
    }

    /// Notes that a round passed.
    pub fn passed(&self, round: Passed) {
        let mut faults = self.faults.lock();
        faults.one_by_one = faults.one_by_one.saturating_sub(1);
        faults.rows_allowed.passed(round.rows, round.bytes, self.spec.config.cut_bytes_max.as_usize());
    }

    /// Notes that a cut was committed.
    pub fn committed(&self) {
        self.faults.lock().committed();
    }

    /// Whether the query still runs.
    pub fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire) && *self.state.lock() == QueryState::Running
    }
}

/// Whether disk, memory or shutdown are to blame, which no row is.
fn is_of_the_machine(told: &Error) -> bool {
    ["53", "57", "58"].iter().any(|class| told.state().0.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_waited_for_and_takes_no_try() {
        let full = ExecError::Data(Error::new(SqlState::DISK_FULL, "the disk is full"));
        let other = ExecError::Data(Error::new(SqlState::IO_ERROR, "the disk is broken"));
        let mut faults = Faults::default();
        assert!((0..1_000).all(|_| faults.count(&full)));
        assert_eq!((faults.attempts, faults.setbacks()), (0, 1_000));
        assert!((1..TRIES_MAX).all(|_| faults.count(&other)));
        assert!(!faults.count(&other), "anything else is given up in the end");
    }

    #[test]
    fn a_task_is_held_up_until_it_commits_whatever_is_still_taken_one_by_one() {
        let failure = ExecError::Data(Error::new(SqlState::IO_ERROR, "the disk is broken"));
        let mut faults = Faults { one_by_one: 1, ..Faults::default() };
        faults.count(&failure);
        assert!(faults.is_held_up);
        faults.committed();
        assert_eq!((faults.is_held_up, faults.attempts), (false, 1));
        faults.one_by_one = 0;
        faults.committed();
        assert_eq!(faults.attempts, 0);
    }
}
