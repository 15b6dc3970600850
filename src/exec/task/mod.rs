//! A task: one fragment over one partition of each of its inputs, from rounds to sealed cuts.
//!
//! Synchronous: a call takes what lies in the input queues, never waits, and says when it wants to be called again.
//!
//! Invariants:
//!   * positions, state, output and view changes of a cut are sealed together, and at most one cut is under way
//!   * after an error the task's memory is dropped; it is made again from the last commit

mod board;
mod decoded;
mod input;
#[cfg(test)]
mod input_tests;
mod queue;
mod restore;
mod round;
mod spec;
mod times;

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub use board::Board;
pub use board::Spoken;
pub use board::Tell;
pub use decoded::DecodeCounts;
pub use decoded::Decoders;
pub use input::DeadLetter;
pub use input::Input;
pub use input::Place;
pub use queue::InputQueue;
pub use restore::ViewReader;
pub use restore::keeps_time;
pub use restore::restore;
pub use restore::restore_view;
pub use restore::transient;
pub use spec::FragmentParts;
pub use spec::FragmentSpec;
pub use spec::QuerySpec;
pub use spec::Reads;
pub use spec::reader_groups;
pub use spec::relation_options;
pub use spec::topic_spec;
pub use times::NO_TIME;
pub use times::Progress as InputProgress;
pub use times::Writer;

use arrow::array::RecordBatch;
use tracing::warn;

use super::CutId;
use super::Driver;
use super::ExecError;
use super::StepExec;
use super::carried::Carried;
use super::course::Course;
use super::mark::Said;
use super::output::CutOutput;
use super::slice::Marker;
use super::step_exec::Teller;
use super::step_exec::step_of;
use crate::broker::CommittedOffset;
use crate::broker::Generation;
use crate::broker::PendingBatch;
use crate::broker::QueryCommit;
use crate::catalog::OnError;
use crate::catalog::Relation;
use crate::env::Clock;
use crate::memory::Held;
use crate::memory::MemoryPool;
use crate::model::EventTime;
use crate::model::Offset;
use crate::model::OperatorId;
use crate::model::StreamTime;
use crate::model::TopicPartition;
use crate::state::Frontier;
use crate::state::PartitionChange;
use crate::state::ViewDelta;
use round::RoundLimits;
use round::Sequence;

/// Wall and monotonic time at a call.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Microseconds since 1970-01-01 UTC.
    pub wall_micros: i64,
    /// Since an arbitrary start.
    pub monotonic: Duration,
}

/// When a task wants to be called again, if nothing happens before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At once: more rows lie ready.
    Again,
    /// After this time.
    After(Duration),
    /// When something is fetched or committed.
    Woken,
}

/// A cut on its way to the committer.
pub struct SealedCut {
    /// Its number in the task.
    pub cut: CutId,
    /// Records and positions.
    pub commit: QueryCommit,
    /// Changes of the view.
    pub views: Vec<PartitionChange>,
    /// The changelog partition of each state table, in order.
    pub changelogs: Vec<Option<TopicPartition>>,
    /// Repartition topics that need not keep what lies below.
    pub purge: Vec<(TopicPartition, Offset)>,
    /// The memory of its records, until they are in the log.
    pub held: Held,
}

/// What a task counts for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Rows taken.
    pub rows: u64,
    /// Rows for closed windows.
    pub late: u64,
    /// The same by operator.
    pub late_by_operator: BTreeMap<OperatorId, u64>,
    /// How long reading and decoding rows took, as far as a clock is there.
    pub reading: Duration,
    /// Records that were not read.
    pub bad: u64,
    /// Rows that an expression failed on, or that could not be written.
    pub errors: u64,
    /// Commits.
    pub cuts: u64,
    /// The last entries of the processing log.
    pub log: Vec<String>,
}

/// A task with more than this part of the pool in uncommitted changes and output cuts when the pool is full.
const UNCOMMITTED_SHARE: usize = 64;

/// How many times the bytes after which a cut is due one round may give out.
const ROUND_CUTS_MAX: usize = 8;

/// What a round came to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Passed {
    /// Rows that it took.
    pub rows: usize,
    /// Bytes that wait for a cut since.
    pub bytes: usize,
}

/// Entries of the processing log that a task remembers.
const LOG_KEPT: usize = 20;

/// See the file's head.
pub struct Task {
    /// What it runs.
    pub spec: Arc<FragmentSpec>,
    /// Which partition.
    pub partition: i32,
    /// Its membership.
    pub generation: Generation,
    /// What it reads.
    pub inputs: Vec<Input>,
    /// What it counted.
    pub counts: TaskCounts,
    /// Records that are left out because an operator fails on them.
    pub skipped: HashSet<Place>,
    /// The first change of the round on which an operator failed, and how many changes it had.
    pub failed_round: Option<(Place, usize)>,
    /// The same of the round under way.
    round: Option<(Place, usize)>,
    driver: Driver,
    /// Where its state tables have their memory, and what waits for a cut.
    pool: MemoryPool,
    /// The memory of output since the last cut, as of the last round.
    gathered: Held,
    clock: Option<Arc<dyn Clock>>,
    sequence: Sequence,
    cut: CutId,
    /// The cut under way, and what it covers.
    in_flight: Option<(CutId, Frontier)>,
    last_cut: Duration,
    cut_time_micros: i64,
    /// Whether the cut's first round was run.
    cut_began: bool,
    said_idle: bool,
    /// Stream time at the last round.
    clock_seen: Option<i64>,
    started: bool,
}

impl Task {
    fn new(
        spec: Arc<FragmentSpec>,
        partition: i32,
        generation: Generation,
        inputs: Vec<Input>,
        driver: Driver,
        pool: MemoryPool,
    ) -> Self {
        let cut_time_micros = inputs.iter().filter_map(|input| input.progress.cut_time_micros).max();
        Self {
            spec,
            partition,
            generation,
            inputs,
            counts: TaskCounts::default(),
            skipped: HashSet::new(),
            failed_round: None,
            round: None,
            driver,
            gathered: pool.hold(0),
            pool,
            clock: None,
            sequence: Sequence::default(),
            cut: CutId::default(),
            in_flight: None,
            last_cut: Duration::ZERO,
            cut_time_micros: cut_time_micros.unwrap_or(i64::MIN),
            cut_began: false,
            said_idle: false,
            clock_seen: None,
            started: false,
        }
    }

    /// One round, if rows lie ready. Fails with `RoundTooLarge` if its rows, more than one change, give out far more than a
    /// cut should take, with `ChangeTooLarge` if they are one change that gives out more than a cut may take.
    pub fn round(&mut self, now: Now, rows_max: usize) -> Result<Passed, ExecError> {
        let passed = self.begin_round(now, rows_max)?;
        let before = {
            let mut state = self.driver.task();
            let before = state.waiting_bytes();
            let config = &self.spec.config;
            let several_max = config.cut_bytes_max.as_usize().saturating_mul(ROUND_CUTS_MAX);
            let more_max = match self.round {
                Some((_, 2..)) => several_max,
                Some(_) => several_max.max(config.change_bytes_max.as_usize()),
                // What time alone makes has no row to blame, and state that was kept is no larger than it may be.
                None => usize::MAX,
            };
            state.waiting_max = before.saturating_add(more_max);
            before
        };
        while self.next_output().map_err(|failure| self.blamed(failure))?.is_some() {}
        let mut state = self.driver.task();
        state.waiting_max = usize::MAX;
        self.gathered.resize(state.output.bytes());
        Ok(Passed { bytes: state.waiting_bytes().saturating_sub(before), ..passed })
    }

    /// Of a round that gave out too much, the change if it was one.
    fn blamed(&self, failure: ExecError) -> ExecError {
        let place = match (&failure, self.round) {
            (ExecError::RoundTooLarge, Some((place, 0 | 1))) => place,
            _ => return failure,
        };
        let input = self.inputs.iter().find(|input| input.partition == place.partition);
        let topic = input.map_or(String::new(), |input| match &self.spec.leaves[input.leaf].reads {
            Reads::Relation(reads) => format!("topic \"{}\"", reads.relation.topic),
            Reads::Exchange(_) | Reads::Relocated => "a repartition".to_string(),
        });
        let (partition, offset) = (place.partition.partition.0, place.offset);
        ExecError::ChangeTooLarge { topic, partition, offset, limit: self.spec.config.change_bytes_max }
    }

    /// Begins a round, if rows lie ready; `next_output` takes it further, to its end.
    pub fn begin_round(&mut self, now: Now, rows_max: usize) -> Result<Passed, ExecError> {
        let spec = Arc::clone(&self.spec);
        let latest = spec.refuses_future.then(|| future_limit(now, &spec));
        let bytes_max = usize::try_from(spec.config.round_bytes_max.0).unwrap_or(usize::MAX);
        let limits = RoundLimits::new(rows_max.min(spec.round_rows_max), bytes_max);
        let begun = self.clock.as_ref().map(|clock| clock.monotonic());
        let round = round::assemble(&mut self.inputs, &spec.leaves, &mut self.sequence, limits, latest, &self.skipped)?;
        if let (Some(clock), Some(begun)) = (&self.clock, begun) {
            self.counts.reading += clock.monotonic().saturating_sub(begun);
        }
        self.dead_letters()?;
        let idle_moved = self.note_idle(now);
        let clock = self.clock();
        // Markers and marks move time without rows.
        let time_moved = std::mem::replace(&mut self.clock_seen, clock) != clock;
        if round.rows == 0 && self.started && !idle_moved && !time_moved {
            return Ok(Passed::default());
        }
        self.started = true;
        self.counts.rows += round.rows as u64;
        {
            let mut state = self.driver.task();
            if !std::mem::replace(&mut self.cut_began, true) {
                self.cut_time_micros = self.cut_time_micros.max(now.wall_micros);
            }
            state.cut_time_micros = self.cut_time_micros;
            self.spec.cut_time.set(self.cut_time_micros);
            state.stream_time = StreamTime(clock.map(EventTime));
            let kept = state.headers.extend(round.headers);
            state.output.held_bytes += kept;
        }
        self.round = round.first.map(|first| (first, round.changes));
        self.driver.begin_round(round.leaves);
        Ok(Passed { rows: round.rows, bytes: 0 })
    }

    /// What the root emits next (only a push query's does) of the round or flush that was begun, `None` when it is over.
    pub fn next_output(&mut self) -> Result<Option<RecordBatch>, ExecError> {
        // Only this error is of these rows: a fetch or a commit that fails has no record to blame.
        let next = self.driver.next_output().inspect_err(|_| self.failed_round = self.round)?;
        if next.is_none() {
            self.round = None;
        }
        Ok(next)
    }

    /// Stream time of the task: the least over inputs that set it and are not idle, none while one of these has none; all
    /// idle, the greatest. Where none of them ever had a row, what was relocated tells it.
    fn clock(&self) -> Option<i64> {
        let setting = || self.inputs.iter().filter(|input| input.sets_time);
        match setting().filter(|input| !input.progress.idle).map(|input| input.progress.clock).min() {
            Some(least) => least,
            None => {
                let relocated = self.inputs.iter().filter(|input| !input.is_awaited);
                let greatest = setting().filter_map(|input| input.progress.clock).max();
                greatest.or_else(|| relocated.filter_map(|input| input.progress.clock).max())
            }
        }
    }

    /// Notes which inputs have been at their end for long, or are at it and never had a row: readers of a repartition hold
    /// their time until each of its producers has spoken. Whether all of them have now become idle, or one moved again.
    fn note_idle(&mut self, now: Now) -> bool {
        let timeout = self.spec.config.idle_timeout.as_millis() as u64;
        let now = now.monotonic.as_millis() as u64;
        let leaves = &self.spec.leaves;
        let is_relation = |input: &&mut Input| matches!(leaves[input.leaf].reads, Reads::Relation(_));
        for input in self.inputs.iter_mut().filter(|input| input.sets_time).filter(is_relation) {
            input.note_idle(now, timeout);
        }
        let idle = self.is_idle();
        std::mem::replace(&mut self.said_idle, idle) != idle
    }

    /// Whether no input that sets time holds it.
    fn is_idle(&self) -> bool {
        self.inputs.iter().filter(|input| input.sets_time).all(|input| input.progress.idle)
    }

    /// What the rows that the task writes to a stream say of time so far, as far as its inputs tell.
    fn said(&self, board: &Board) -> Said {
        let lag_ms = step_of(&self.spec.root).map_or(0, StepExec::lag_ms);
        let clock = self.clock().map(|clock| clock.saturating_sub(lag_ms));
        Said { clock: clock.filter(|_| board.time_column().is_none()), idle: self.is_idle() }
    }

    /// Goes on with what the last commit said of time.
    fn tell_again(&self) {
        if let Some(board) = &self.spec.board {
            let everywhere = !self.inputs.is_empty() && self.inputs.iter().all(|input| input.progress.told);
            board.restored(self.number(), self.said(board), everywhere);
        }
    }

    /// How long what it says of time may wait before it is told to all partitions of its stream; `None` if they know.
    fn telling_waits(&self, now: Now) -> Option<Duration> {
        self.spec.board.as_ref().and_then(|board| board.wait(self.number(), now.monotonic))
    }

    /// Its number among the tasks of its fragment.
    fn number(&self) -> usize {
        usize::try_from(self.partition).unwrap_or(0)
    }

    fn dead_letters(&mut self) -> Result<(), ExecError> {
        let passed: Vec<DeadLetter> = self.inputs.iter_mut().flat_map(Input::passed_bad).collect();
        for letter in passed {
            self.counts.bad += 1;
            let Reads::Relation(reads) = &self.spec.leaves[letter.leaf].reads else { continue };
            let relation = &reads.relation;
            match relation.on_error {
                OnError::Fail => {
                    return Err(ExecError::BadRecord {
                        relation: relation.name.clone(),
                        partition: letter.partition.partition.0,
                        offset: letter.record.offset,
                        reason: letter.record.reason,
                    });
                }
                OnError::Skip => {}
                OnError::DeadLetter if !self.spec.leaves[letter.leaf].owns_dead_letters.load(Ordering::Acquire) => {}
                OnError::DeadLetter => {
                    if let Some((_, topic)) = &relation.dead_letter_topic {
                        let mut state = self.driver.task();
                        append_dead_letter(&mut state.output, TopicPartition::new(*topic, 0), &relation.topic, &letter);
                    }
                }
            }
            let (topic, partition) = (&relation.topic, letter.partition.partition.0);
            let (offset, reason) = (letter.record.offset, &letter.record.reason);
            self.remember(format!("topic \"{topic}\" partition {partition} offset {offset}: {reason}"));
        }
        Ok(())
    }

    fn remember(&mut self, entry: String) {
        if self.counts.log.len() == LOG_KEPT {
            self.counts.log.remove(0);
        }
        self.counts.log.push(entry);
    }

    /// Whether a cut is due: with output when drained, at the latest after the interval, or when it grows too large.
    pub fn wants_cut(&self, now: Now, drained: bool, hurry: bool) -> Next {
        let config = &self.spec.config;
        let moved = self.inputs.iter().any(|input| input.moved);
        let (has_output, bytes) = {
            let state = self.driver.task();
            (!state.output.is_empty(), state.waiting_bytes())
        };
        if self.in_flight.is_some() || self.inputs.iter().any(|input| input.mid_slice) {
            return Next::Woken;
        }
        let since = now.monotonic.saturating_sub(self.last_cut);
        if !(has_output || moved) {
            let soonest = config.commit_interval_min.saturating_sub(since);
            return match self.telling_waits(now).map(|wait| wait.max(soonest)) {
                None => Next::Woken,
                Some(Duration::ZERO) => Next::Again,
                Some(wait) => Next::After(wait),
            };
        }
        let wait = match drained && (has_output || hurry) {
            _ if config.cut_bytes_max.0 <= bytes as u64 || self.is_too_large() => Duration::ZERO,
            true => config.commit_interval_min,
            false => config.commit_interval,
        };
        if wait <= since { Next::Again } else { Next::After(wait - since) }
    }

    /// When an input that is at its end becomes idle, if it has to be noticed.
    pub fn idle_after(&self, now: Now) -> Option<Duration> {
        let now = now.monotonic.as_millis() as u64;
        let timeout = self.spec.config.idle_timeout.as_millis() as u64;
        // Readers of a repartition learn of it from its markers.
        let is_relation = |input: &&Input| matches!(self.spec.leaves[input.leaf].reads, Reads::Relation(_));
        let setting = self.inputs.iter().filter(is_relation).filter(|input| input.sets_time);
        let since = setting.filter_map(Input::silent_since).min()?;
        Some(Duration::from_millis((since + timeout).saturating_sub(now).max(1)))
    }

    /// Whether its changes and its output must be committed since there is not enough memory for them: what is committed can
    /// be evicted, or is in the log.
    pub fn is_too_large(&self) -> bool {
        self.pool.is_full() && self.pool.limit() / UNCOMMITTED_SHARE < self.driver.task().waiting_bytes()
    }

    /// Measures from now on how long its parts take.
    pub fn measure(&mut self, clock: &Arc<dyn Clock>) {
        self.clock = Some(Arc::clone(clock));
        self.driver.task().clock = Some(Arc::clone(clock));
    }

    /// Memory of each operator's state, in bytes.
    pub fn state_bytes(&self) -> Vec<(OperatorId, usize)> {
        self.driver.task().tables.iter().map(|((operator, _), table)| (operator.clone(), table.bytes())).collect()
    }

    /// Forgets committed rows of its state; they are in the store.
    pub fn evict(&mut self) {
        self.driver.task().tables.iter_mut().for_each(|(_, table)| table.evict());
    }

    /// Whether more may be taken before the cut under way is committed.
    pub fn may_go_on(&self) -> bool {
        let room = || self.driver.task().output.bytes() < self.spec.config.cut_bytes_max.as_usize();
        self.in_flight.is_none() || (room() && !self.is_too_large())
    }

    /// Whether anything would be committed.
    pub fn is_dirty(&self, now: Now) -> bool {
        let moved = self.inputs.iter().any(|input| input.moved);
        moved || self.telling_waits(now).is_some() || !self.driver.task().output.is_empty()
    }

    /// Flushes the operators and seals everything since the last cut. `tell` says which partitions of its stream learn of
    /// time that get no rows.
    pub fn seal(&mut self, now: Now, tell: Tell) -> Result<SealedCut, ExecError> {
        assert!(self.in_flight.is_none(), "one cut is under way per task");
        let cut = CutId(self.cut.0 + 1);
        let frontier = self.frontier();
        self.driver.task().marker = Marker {
            producer: self.partition as u32,
            clock: self.clock(),
            idle: self.said_idle,
            frontier: frontier.iter().map(|(partition, offset)| (*partition, offset.0)).collect(),
        };
        let board = self.spec.board.clone();
        self.driver.task().teller = board.map(|board| Teller { board, now: now.monotonic, tell });
        self.driver.flush(cut)?;
        self.driver.task().headers = Carried::default();
        self.cut = cut;
        self.cut_began = false;
        self.in_flight = Some((cut, frontier.clone()));
        self.last_cut = now.monotonic;
        let (output, changelogs) = {
            let mut state = self.driver.task();
            let mut output = std::mem::take(&mut state.output);
            let mut changelogs = Vec::new();
            for ((_, changelog), (_, table)) in self.spec.tables.iter().zip(&mut state.tables) {
                let changelog = changelog.map(|topic| TopicPartition::new(topic, self.partition));
                let delta = table.seal(cut);
                if let Some(changelog) = changelog {
                    let batch = output.batch(changelog);
                    for (key, value) in delta.changes() {
                        batch.append(now.wall_micros.div_euclid(1000), Some(key), value.map(|v| v.as_ref()), &[]);
                    }
                }
                changelogs.push(changelog);
            }
            (output, changelogs)
        };
        self.count(&output);
        let told = self.telling_waits(now).is_none();
        self.inputs.iter_mut().for_each(|input| input.progress.told = told && self.spec.board.is_some());
        Ok(self.sealed(cut, output, changelogs, frontier))
    }

    fn sealed(
        &mut self,
        cut: CutId,
        output: CutOutput,
        changelogs: Vec<Option<TopicPartition>>,
        frontier: Frontier,
    ) -> SealedCut {
        let (mut offsets, mut purge) = (Vec::new(), Vec::new());
        for input in &mut self.inputs {
            let moved = std::mem::take(&mut input.moved);
            if !moved && matches!(self.spec.leaves[input.leaf].reads, Reads::Relocated) {
                // Where all rows lie where they belong, nothing is ever said of it.
                continue;
            }
            input.progress.cut_time_micros = Some(self.cut_time_micros).filter(|time| *time != i64::MIN);
            let metadata = serde_json::to_string(&input.progress).expect("progress is plain data");
            let committed = CommittedOffset { offset: input.position, leader_epoch: input.leader_epoch, metadata };
            offsets.push((input.partition, committed));
            if matches!(self.spec.leaves[input.leaf].reads, Reads::Exchange(_) | Reads::Relocated) {
                purge.push((input.partition, input.position));
            }
        }
        let views = match &self.spec.view {
            None => Vec::new(),
            Some(relation) => view_changes(relation, output.views, self.partition, &frontier),
        };
        let commit = QueryCommit {
            query: self.spec.query,
            group: self.spec.query.group_of_reader(self.spec.reader),
            generation: self.generation,
            member: self.spec.member(self.partition),
            appends: output.appends.into_iter().collect::<Vec<(TopicPartition, PendingBatch)>>(),
            offsets,
        };
        let mut held = std::mem::replace(&mut self.gathered, self.pool.hold(0));
        held.resize(commit.appends.iter().map(|(_, batch)| batch.size_in_bytes()).sum());
        SealedCut { cut, commit, views, changelogs, purge, held }
    }

    fn count(&mut self, output: &CutOutput) {
        self.counts.late += output.late.values().sum::<u64>();
        for (operator, rows) in &output.late {
            *self.counts.late_by_operator.entry(operator.clone()).or_default() += rows;
        }
        self.counts.errors += output.log.len() as u64 + output.log_dropped;
        for entry in &output.log {
            warn!(operator = %entry.operator, event_time = entry.event_time, "{}", entry.message);
            self.remember(entry.message.clone());
        }
    }

    /// Offsets of root topics that all rows so far cover.
    pub fn frontier(&self) -> Frontier {
        let mut frontier = Frontier::new();
        for input in &self.inputs {
            for (partition, offset) in input.frontier(&self.spec.leaves[input.leaf]) {
                frontier.entry(partition).and_modify(|known| *known = offset.min(*known)).or_insert(offset);
            }
        }
        frontier
    }

    /// The cut under way is durable: its changes go into the cold stores. `ends` are the ends of the changelogs. Answers
    /// what it covers.
    pub fn committed(&mut self, cut: CutId, ends: &[Option<Offset>]) -> Result<Frontier, ExecError> {
        let (in_flight, frontier) = self.in_flight.take().expect("a commit is told of a cut under way");
        assert_eq!(in_flight, cut, "a commit is told once, in order");
        self.counts.cuts += 1;
        if let Some(board) = &self.spec.board {
            board.committed(self.number());
        }
        let mut state = self.driver.task();
        for ((_, table), end) in state.tables.iter_mut().zip(ends) {
            match end {
                Some(end) => table.committed(cut, *end)?,
                None => table.committed(cut, numbered(cut))?,
            }
        }
        Ok(frontier)
    }

    /// How far it is with what lay before it when it was made.
    pub fn course(&self) -> Course {
        let (mut done, mut to_do) = (0, 0);
        for (read, all) in self.inputs.iter().map(Input::backlog) {
            done += read;
            to_do += all;
        }
        Course::of_inputs(done, to_do)
    }

    /// Whether a cut is on its way.
    pub fn is_committing(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Forgets gathered output, for a task that never commits.
    pub fn drop_output(&mut self) -> CutOutput {
        std::mem::take(&mut self.driver.task().output)
    }

    /// Begins a flush without a cut, for a task that never commits; `next_output` takes it further.
    pub fn begin_flush(&mut self) {
        self.cut = CutId(self.cut.0 + 1);
        self.driver.begin_flush(self.cut);
    }

    /// Ends the flush without a cut.
    pub fn end_flush(&mut self) -> Result<(), ExecError> {
        let output = self.drop_output();
        self.count(&output);
        self.cut_began = false;
        for (_, table) in &mut self.driver.task().tables {
            // Committed at once: an overlay that is never sealed would keep each key and each delete for ever.
            table.seal(self.cut);
            table.committed(self.cut, numbered(self.cut))?;
        }
        Ok(())
    }
}

/// A changelog position for a table without a changelog.
fn numbered(cut: CutId) -> Offset {
    Offset(i64::try_from(cut.0).unwrap_or(i64::MAX))
}

fn future_limit(now: Now, spec: &FragmentSpec) -> i64 {
    let ahead = i64::try_from(spec.config.timestamp_future_max.as_millis()).unwrap_or(i64::MAX);
    now.wall_micros.div_euclid(1000).saturating_add(ahead)
}

fn append_dead_letter(output: &mut CutOutput, to: TopicPartition, topic: &str, letter: &DeadLetter) {
    let offset = letter.record.offset.to_string();
    let partition = letter.partition.partition.to_string();
    let headers: [(&[u8], Option<&[u8]>); 4] = [
        (b"topic", Some(topic.as_bytes())),
        (b"partition", Some(partition.as_bytes())),
        (b"offset", Some(offset.as_bytes())),
        (b"reason", Some(letter.record.reason.as_bytes())),
    ];
    let (key, value) = (letter.record.key.as_deref(), letter.record.value.as_deref());
    output.batch(to).append(letter.record.timestamp, key, value, &headers);
}

fn view_changes(
    view: &Relation,
    deltas: Vec<(usize, ViewDelta)>,
    partition: i32,
    frontier: &Frontier,
) -> Vec<PartitionChange> {
    let change = |partition: usize, deltas, frontier| PartitionChange {
        relation: view.id,
        partition,
        deltas,
        topic: TopicPartition::new(view.topic_id, i32::try_from(partition).unwrap_or(i32::MAX)),
        upto: None,
        frontier,
    };
    let own = partition.rem_euclid(view.partitions) as usize;
    let mut changes = vec![change(own, Vec::new(), frontier.clone())];
    for (partition, delta) in deltas {
        match changes.iter_mut().find(|change| change.partition == partition) {
            Some(change) => change.deltas.push(delta),
            None => changes.push(change(partition, vec![delta], Frontier::new())),
        }
    }
    changes
}
