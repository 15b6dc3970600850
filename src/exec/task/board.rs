//! What the tasks of a query that writes a stream have said of their time, and to which partitions of it.
//!
//! A task says its time where it writes rows in the same cut, and to the other partitions not more often than once in
//! an interval: each mark speaks for all tasks, so that a partition needs one in that time and not one of each task.
//!
//! Invariants:
//!   * what a mark says of another task is committed: the rows that made that time stand before the mark
//!   * that a task became idle, or speaks again, is said at the next cut, to all partitions, and by itself alone
//!   * nothing is said twice: a query that stands still writes no marks

use std::time::Duration;

use parking_lot::Mutex;

use crate::exec::mark::Mark;
use crate::exec::mark::Said;
use crate::model::QueryId;

/// Where a task's rows may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// To the partition of its own number, or what that leaves divided by the number of partitions.
    Kept,
    /// To any.
    Anywhere,
}

/// Which of the partitions that a cut writes no rows to are told what they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// Those that have waited long enough.
    Due,
    /// All.
    All,
}

/// How many tasks write how many partitions.
#[derive(Debug, Clone, Copy)]
pub struct BoardSize {
    /// Tasks, at least 1.
    pub tasks: usize,
    /// Partitions, at least 1.
    pub partitions: usize,
    /// Which of these a task writes.
    pub placement: Placement,
}

/// How often something is said.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long a partition without rows waits at most.
    pub interval: Duration,
    /// After which silence a task holds time no longer whose time is only that of the rows that it writes.
    pub silence: Duration,
}

/// See the file's head.
pub struct Board {
    query: QueryId,
    time_column: Option<String>,
    placement: Placement,
    partitions: usize,
    pace: Pace,
    state: Mutex<State>,
}

struct State {
    tasks: Vec<TaskSaid>,
    told: Vec<Told>,
}

#[derive(Debug, Clone, Copy, Default)]
struct TaskSaid {
    sealed: Said,
    committed: Said,
}

/// What a partition was told.
#[derive(Debug, Clone)]
struct Told {
    /// Monotonic time of the last mark.
    at: Option<Duration>,
    clocks: Vec<Option<i64>>,
    /// `None` if it is not known what became of a cut.
    idle: Vec<Option<bool>>,
}

impl Told {
    fn nothing(tasks: usize) -> Self {
        Self { at: None, clocks: vec![None; tasks], idle: vec![Some(false); tasks] }
    }
}

/// When a partition must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Never,
    At(Duration),
}

/// A mark that a cut writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// The partition's number.
    pub partition: usize,
    /// What is known of all tasks that may write to it.
    pub writers: Vec<(u32, Said)>,
}

/// What a mark says of the rows behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spoken {
    /// How many there are.
    pub rows: u32,
    /// The task's time at some of them, by their place.
    pub clocks: Vec<(u32, i64)>,
    /// What the task says behind the last of them, if that is not yet what it says at the cut.
    pub said: Option<Said>,
}

impl Board {
    /// Nothing was said yet.
    pub fn new(query: QueryId, time_column: Option<String>, size: BoardSize, pace: Pace) -> Self {
        let BoardSize { tasks, partitions, placement } = size;
        let state = State { tasks: vec![TaskSaid::default(); tasks], told: vec![Told::nothing(tasks); partitions] };
        Self { query, time_column, placement, partitions, pace, state: Mutex::new(state) }
    }

    /// The column that the records' times are from, if they are not the rows' event times.
    pub fn time_column(&self) -> Option<&str> {
        self.time_column.as_deref()
    }

    /// Whether a task that has written no row `since` then says nothing of time any more: where records have the times of a
    /// column, rows that a filter leaves out move no time, and one row a year would hold it for a year.
    pub fn is_silent(&self, since: Duration, now: Duration) -> bool {
        self.time_column.is_some() && self.pace.silence <= now.saturating_sub(since)
    }

    /// A mark that `telling` is about, of a task and some of its rows.
    pub fn mark(&self, task: usize, telling: &Telling, spoken: Spoken) -> Mark {
        let mut writers = telling.writers.clone();
        if let (Some(said), Some((_, own))) = (spoken.said, writers.iter_mut().find(|(other, _)| *other == task as u32))
        {
            *own = said;
        }
        let (query, time_column) = (self.query, self.time_column.clone());
        Mark { query, task: task as u32, rows: spoken.rows, time_column, writers, clocks: spoken.clocks }
    }

    /// A task goes on from its last commit, in which it had `said` this, to all partitions if `everywhere`.
    pub fn restored(&self, task: usize, said: Said, everywhere: bool) {
        let mut state = self.state.lock();
        state.tasks[task] = TaskSaid { sealed: said, committed: said };
        for partition in (0..self.partitions).filter(|partition| everywhere && self.writes(task, *partition)) {
            let told = &mut state.told[partition];
            told.at = told.at.or(Some(Duration::ZERO));
            told.clocks[task] = said.clock;
            told.idle[task] = Some(said.idle);
        }
    }

    /// A cut may be lost: whatever it said is said again.
    pub fn forget(&self) {
        for told in &mut self.state.lock().told {
            told.at = None;
            told.clocks.fill(None);
            told.idle.fill(None);
        }
    }

    /// What a cut of `task` says at `now`: to partitions that it writes rows to, and to those that `tell` names. The
    /// caller writes a mark for each.
    pub fn seal(
        &self,
        task: usize,
        said: Said,
        now: Duration,
        has_rows: impl Fn(usize) -> bool,
        tell: Tell,
    ) -> Vec<Telling> {
        let mut state = self.state.lock();
        state.tasks[task].sealed = said;
        let mut telling = Vec::new();
        for partition in (0..self.partitions).filter(|partition| self.writes(task, *partition)) {
            let is_due = match self.due(&state, task, partition) {
                Due::Never => false,
                Due::At(due) => tell == Tell::All || due <= now,
            };
            if !is_due && !has_rows(partition) {
                continue;
            }
            let known = |other: usize| if other == task { said } else { state.tasks[other].committed };
            let all = (0..state.tasks.len()).filter(|other| self.writes(*other, partition));
            let writers: Vec<(u32, Said)> = all.map(|other| (other as u32, known(other))).collect();
            let told = &mut state.told[partition];
            told.at = Some(now);
            writers.iter().for_each(|(other, said)| told.clocks[*other as usize] = said.clock);
            told.idle[task] = Some(said.idle);
            telling.push(Telling { partition, writers });
        }
        telling
    }

    /// The cut of a task is durable.
    pub fn committed(&self, task: usize) {
        let mut state = self.state.lock();
        state.tasks[task].committed = state.tasks[task].sealed;
    }

    /// How long the last cut of a task may wait before the partitions that do not know what it said must be told; `None`
    /// if all know.
    pub fn wait(&self, task: usize, now: Duration) -> Option<Duration> {
        let state = self.state.lock();
        let due = (0..self.partitions).filter(|partition| self.writes(task, *partition));
        let due = due.filter_map(|partition| match self.due(&state, task, partition) {
            Due::Never => None,
            Due::At(due) => Some(due.saturating_sub(now)),
        });
        due.min()
    }

    fn due(&self, state: &State, task: usize, partition: usize) -> Due {
        let (told, said) = (&state.told[partition], state.tasks[task].sealed);
        match told.at {
            None => Due::At(Duration::ZERO),
            Some(_) if told.idle[task] != Some(said.idle) => Due::At(Duration::ZERO),
            Some(at) if told.clocks[task] != said.clock => Due::At(at + self.pace.interval),
            Some(_) => Due::Never,
        }
    }

    fn writes(&self, task: usize, partition: usize) -> bool {
        match self.placement {
            Placement::Kept => task % self.partitions == partition,
            Placement::Anywhere => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn board(tasks: usize, partitions: usize, placement: Placement) -> Board {
        let pace = Pace { interval: SECOND, silence: SECOND * 10 };
        Board::new(QueryId(1), None, BoardSize { tasks, partitions, placement }, pace)
    }

    fn said(clock: i64) -> Said {
        Said { clock: Some(clock), idle: false }
    }

    fn partitions(telling: &[Telling]) -> Vec<usize> {
        telling.iter().map(|telling| telling.partition).collect()
    }

    #[test]
    fn a_partition_without_rows_is_told_once_an_interval_and_then_of_all_tasks() {
        let board = board(2, 3, Placement::Anywhere);
        let only = |wanted: usize| move |partition: usize| partition == wanted;
        let first = board.seal(0, said(10), SECOND, only(1), Tell::Due);
        assert_eq!(partitions(&first), [0, 1, 2], "the first mark is said at once");
        assert_eq!(first[0].writers, [(0, said(10)), (1, Said::default())]);
        board.committed(0);
        assert_eq!(board.wait(1, SECOND), None, "the other task has nothing to say yet");
        let second = board.seal(1, said(20), SECOND, only(2), Tell::Due);
        assert_eq!(partitions(&second), [2]);
        assert_eq!(second[0].writers, [(0, said(10)), (1, said(20))]);
        board.committed(1);
        assert_eq!(board.wait(1, SECOND * 3 / 2), Some(SECOND / 2));
        board.seal(0, said(11), SECOND, only(2), Tell::Due);
        board.committed(0);
        let later = board.seal(1, said(20), SECOND * 2, |_| false, Tell::Due);
        assert_eq!(partitions(&later), [0, 1]);
        assert_eq!(later[0].writers, [(0, said(11)), (1, said(20))], "it speaks for both");
        board.committed(1);
        assert_eq!((board.wait(0, SECOND * 2), board.wait(1, SECOND * 2)), (None, None));
    }

    #[test]
    fn what_is_not_committed_is_said_by_its_own_task_alone() {
        let board = board(2, 1, Placement::Anywhere);
        board.seal(0, said(10), SECOND, |_| true, Tell::Due);
        let other = board.seal(1, said(20), SECOND, |_| true, Tell::Due);
        assert_eq!(other[0].writers, [(0, Said::default()), (1, said(20))]);
    }

    #[test]
    fn silence_is_told_at_once_and_again_after_a_lost_cut() {
        let board = board(1, 2, Placement::Anywhere);
        board.seal(0, said(10), SECOND, |_| false, Tell::All);
        board.committed(0);
        assert_eq!(board.wait(0, SECOND), None);
        let idle = Said { idle: true, ..said(10) };
        assert_eq!(partitions(&board.seal(0, idle, SECOND, |_| false, Tell::Due)), [0, 1]);
        board.forget();
        board.restored(0, said(10), false);
        assert_eq!(board.wait(0, SECOND), Some(Duration::ZERO));
    }

    #[test]
    fn a_task_whose_rows_stay_speaks_in_its_own_partition_and_for_itself() {
        let board = board(3, 2, Placement::Kept);
        let telling = board.seal(2, said(10), SECOND, |_| true, Tell::Due);
        assert_eq!(telling, [Telling { partition: 0, writers: vec![(0, Said::default()), (2, said(10))] }]);
        board.committed(2);
        board.restored(1, said(5), true);
        assert_eq!(board.wait(1, SECOND), None, "it had been told before the restart");
        assert_eq!(board.wait(2, SECOND), None);
    }
}
