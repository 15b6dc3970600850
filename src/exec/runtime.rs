//! Runs standing queries: slots for tasks, a few worker threads, fetchers, timers and the committer.
//!
//! An idle task holds no thread: it is woken by a fetch, a settled cut or a timer, and then runs for a short while.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datafusion::config::ConfigOptions;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tracing::info;
use tracing::warn;

use super::ExecError;
use super::committer::Committer;
use super::committer::Request;
use super::committer::Settled;
use super::committer::committer;
use super::fetch;
use super::kept::KeptTable;
use super::run_queue::RunQueue;
use super::slot::QueryState;
use super::slot::Slot;
use super::slot::TaskStatus;
use super::task::DecodeCounts;
use super::task::Decoders;
use super::task::FragmentParts;
use super::task::FragmentSpec;
use super::task::Next;
use super::task::Now;
use super::task::QuerySpec;
use super::task::Reads;
use super::task::Task;
use super::task::Tell;
use super::task::restore;
use super::task::restore_view;
use crate::broker::Client;
use crate::config;
use crate::env::Env;
use crate::env::JoinHandle;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::memory::Memory;
use crate::model::QueryId;
use crate::model::RelationId;
use crate::model::TopicPartition;
use crate::state::ColdStores;
use crate::state::Frontier;
use crate::state::PartitionChange;
use crate::state::Published;
use crate::state::Publisher;

/// How long a task runs before another one has its turn.
const TURN: Duration = Duration::from_millis(2);
/// Before a task is made again; doubled with each try, up to the last.
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What a runtime is made of.
#[derive(Clone)]
pub struct RuntimeParts {
    /// The doors.
    pub env: Env,
    /// The log, as the server itself.
    pub client: Arc<dyn Client>,
    /// State on disk.
    pub stores: Arc<dyn ColdStores>,
    /// Where views are published.
    pub publisher: Arc<Publisher>,
    /// What functions are handed.
    pub functions: Arc<ConfigOptions>,
    /// Limits.
    pub config: config::Exec,
    /// Memory for state and decoded rows.
    pub memory: Memory,
    /// The committer's transactional id, one per node.
    pub transactional_id: String,
    /// Called when the process must end.
    pub on_fatal: Arc<dyn Fn(Error) + Send + Sync>,
}

/// A query, for people.
#[derive(Debug, Clone)]
pub struct QueryStatus {
    /// Whether it works.
    pub state: QueryState,
    /// Its tasks.
    pub tasks: Vec<TaskStatus>,
}

pub(super) struct Query {
    pub(super) spec: QuerySpec,
    pub(super) slots: Vec<Arc<Slot>>,
    pub(super) state: Arc<Mutex<QueryState>>,
}

impl Query {
    /// The task that keeps a partition of its view.
    fn keeper(&self, partition: i32) -> &Slot {
        let mut keepers = self.slots.iter().filter(|slot| slot.spec.view.is_some());
        let own = keepers.clone().find(|slot| slot.partition == partition);
        own.or_else(|| keepers.next()).expect("a view is kept by a task")
    }
}

/// A query is shown among those that are prepared for as long as this lives.
struct Preparing<'a>(&'a Inner, QueryId);

impl Drop for Preparing<'_> {
    fn drop(&mut self) {
        self.0.preparing.lock().remove(&self.1);
    }
}

/// See the file's head.
pub struct Runtime {
    pub(super) inner: Arc<Inner>,
    workers: Mutex<Vec<JoinHandle>>,
}

pub(super) struct Inner {
    pub(super) parts: RuntimeParts,
    pub(super) queries: Mutex<BTreeMap<QueryId, Arc<Query>>>,
    /// Queries whose tasks are being made, for people to see.
    preparing: Mutex<BTreeMap<QueryId, Arc<Query>>>,
    /// Tables without a query.
    pub(super) tables: Mutex<BTreeMap<RelationId, Arc<KeptTable>>>,
    pub(super) committer: mpsc::Sender<Request>,
    handle: Handle,
    /// The committer itself when nothing runs it: manual mode.
    manual: Option<tokio::sync::Mutex<Committer>>,
    /// What tasks, and push queries, decode with.
    decoders: Decoders,
    runnable: RunQueue<Arc<Slot>>,
    /// No further query is taken.
    closing: AtomicBool,
    /// Numbers that holds were given.
    holds: AtomicU64,
}

impl Runtime {
    /// Starts workers and committer. Must be called inside a tokio runtime, in which fetchers will run.
    pub fn new(parts: RuntimeParts) -> Result<Arc<Self>> {
        let (door, committer) = door_of(&parts);
        let handle = Handle::current();
        // A thread of its own: publishing writes pages of views, and waits while the store cannot take more. It ends when all
        // doors to it are closed.
        let here = handle.clone();
        let served = parts.env.threads.spawn("tidemill-committer", move || here.block_on(committer.run()));
        served.map_err(no_thread)?;
        let count = if parts.config.workers == 0 { parts.env.threads.cores() } else { parts.config.workers };
        let inner = Arc::new(Inner::new(parts, door, handle, None));
        let mut workers = Vec::new();
        for number in 0..count {
            let inner_ = Arc::clone(&inner);
            let worker = inner.parts.env.threads.spawn(&format!("tidemill-task-{number}"), move || inner_.work());
            workers.push(worker.map_err(no_thread)?);
        }
        Ok(Arc::new(Self { inner, workers: Mutex::new(workers) }))
    }

    /// A runtime in which nothing moves but in `drive`. Must be called inside a tokio runtime.
    pub fn manual(parts: RuntimeParts) -> Arc<Self> {
        let (door, committer) = door_of(&parts);
        let inner = Inner::new(parts, door, Handle::current(), Some(tokio::sync::Mutex::new(committer)));
        Arc::new(Self { inner: Arc::new(inner), workers: Mutex::default() })
    }

    /// Restores a query and sets it to work. Its view is readable when this returns.
    pub async fn start(&self, spec: QuerySpec) -> Result<()> {
        let query = self.inner.prepare(spec).await?;
        {
            let mut queries = self.inner.queries.lock();
            if self.inner.closing.load(Ordering::Acquire) {
                return Err(Error::new(SqlState::ADMIN_SHUTDOWN, "the server is shutting down"));
            }
            queries.insert(query.spec.id, Arc::clone(&query));
        }
        self.inner.assign_dead_letters();
        for slot in query.slots.iter().filter(|_| self.inner.manual.is_none()) {
            self.inner.launch(slot);
        }
        Ok(())
    }

    /// Stops a query. Its last cut is committed or left out when this returns; nothing of it is removed.
    pub async fn stop(&self, id: QueryId) {
        let Some(query) = self.inner.queries.lock().remove(&id) else { return };
        self.inner.assign_dead_letters();
        for slot in &query.slots {
            slot.closed.store(true, Ordering::Release);
            drop(slot.task.lock().take());
            // Last: fetchers are set on a task under its lock, and none is left behind.
            slot.abort_helpers();
        }
        self.inner.settled().await;
        info!(query = %id, "query stopped");
    }

    /// Whether tasks run without being driven: not in manual mode.
    pub fn runs_by_itself(&self) -> bool {
        self.inner.follows().is_some()
    }

    /// How a query does, also while it is restored; `None` if it does not run here.
    pub fn status(&self, id: QueryId) -> Option<QueryStatus> {
        let running = self.inner.queries.lock().get(&id).cloned();
        let query = running.or_else(|| self.inner.preparing.lock().get(&id).cloned())?;
        let state = query.state.lock().clone();
        Some(QueryStatus { state, tasks: query.slots.iter().map(|slot| slot.status()).collect() })
    }

    /// The queries that run here.
    pub fn queries(&self) -> Vec<QueryId> {
        self.inner.queries.lock().keys().copied().collect()
    }

    /// All views as of the last commit; the clone is the pin.
    pub fn published(&self) -> Arc<Published> {
        self.inner.parts.publisher.current()
    }

    /// How many records were read, and how many had to be decoded for it.
    pub fn decode_counts(&self) -> DecodeCounts {
        self.inner.decoders.counts()
    }

    /// The parts, for push queries.
    pub fn parts(&self) -> &RuntimeParts {
        &self.inner.parts
    }

    /// Waits until what a query keeps or writes reflects `wanted`, as far as it reads these partitions itself. What a
    /// commit has published is published when this returns; so is what it wrote to a topic.
    pub async fn wait_covered(&self, id: QueryId, wanted: &Frontier) -> Result<()> {
        let running = || self.inner.queries.lock().get(&id).cloned();
        let Some(mut query) = running() else { return Ok(()) };
        let reaches = |frontier: &Frontier| {
            wanted.iter().all(|(partition, offset)| frontier.get(partition).is_none_or(|at| offset <= at))
        };
        let covers = |frontier: &Option<Frontier>| frontier.as_ref().is_some_and(reaches);
        loop {
            // Each task knows the roots that it covers, and all of them together all that the query reads.
            let mut frontiers = query.slots.iter().map(|slot| slot.frontier.subscribe());
            let Some(mut behind) = frontiers.find(|frontier| !covers(&frontier.borrow())) else { return Ok(()) };
            if let QueryState::Failed(reason) = &*query.state.lock() {
                let message = "the query that keeps the view has failed";
                return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message).detail(reason.clone()));
            }
            for slot in &query.slots {
                slot.hurry.store(true, Ordering::Release);
                self.inner.wake(slot);
            }
            // A failure, or an end, is not told here, so the wait is short and then looks again.
            let again = self.inner.parts.env.clock.sleep(Duration::from_millis(100));
            tokio::select! {
                changed = behind.changed() => changed.map_err(|_| Error::internal("a task is gone"))?,
                () = again => {}
            }
            // Tasks of a query that was stopped cover nothing more; those that came in their place may.
            query = running().ok_or_else(|| {
                let message = "the query that keeps the view was stopped while its rows were waited for";
                Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            })?;
        }
    }

    /// Stops all queries and the workers.
    pub async fn close(&self) {
        // Under the lock: a query that is being started is either among those that are stopped here, or never runs.
        let ids: Vec<QueryId> = {
            let queries = self.inner.queries.lock();
            self.inner.closing.store(true, Ordering::Release);
            queries.keys().copied().collect()
        };
        for id in ids {
            self.stop(id).await;
        }
        self.close_tables().await;
        self.inner.runnable.close();
        for worker in std::mem::take(&mut *self.workers.lock()) {
            if let Err(panic) = worker.join() {
                warn!(panic, "a worker panicked");
            }
        }
    }
}

fn no_thread(cause: std::io::Error) -> Error {
    Error::new(SqlState::CONFIGURATION_LIMIT_EXCEEDED, "could not start a worker thread").caused_by(cause)
}

/// The committer of these parts and the door to it.
fn door_of(parts: &RuntimeParts) -> (mpsc::Sender<Request>, Committer) {
    let (client, publisher) = (Arc::clone(&parts.client), Arc::clone(&parts.publisher));
    committer(client, publisher, parts.transactional_id.clone(), Arc::clone(&parts.on_fatal))
}

impl Inner {
    fn new(
        parts: RuntimeParts,
        committer: mpsc::Sender<Request>,
        handle: Handle,
        manual: Option<tokio::sync::Mutex<Committer>>,
    ) -> Self {
        Self {
            decoders: Decoders::new(&parts.memory.decode),
            parts,
            queries: Mutex::default(),
            preparing: Mutex::default(),
            tables: Mutex::default(),
            committer,
            handle,
            manual,
            runnable: RunQueue::default(),
            closing: AtomicBool::new(false),
            holds: AtomicU64::new(0),
        }
    }

    /// A number that no other hold has.
    pub(super) fn next_hold(&self) -> u64 {
        self.holds.fetch_add(1, Ordering::Relaxed)
    }

    /// Of the queries that read a relation, the oldest writes its dead letters, in the first of its fragments that reads it.
    /// Not of those that read the topic: another relation over it may read its records in another format.
    fn assign_dead_letters(&self) {
        let queries = self.queries.lock();
        let mut owners: BTreeMap<RelationId, (QueryId, usize)> = BTreeMap::new();
        // A query that failed writes nothing more.
        let running = queries.iter().filter(|(_, query)| *query.state.lock() == QueryState::Running);
        for (id, query) in running {
            let specs = query.slots.iter().map(|slot| &slot.spec);
            for (leaf, reader) in specs.flat_map(|spec| spec.leaves.iter().map(|leaf| (leaf, (*id, spec.index)))) {
                let Reads::Relation(reads) = &leaf.reads else { continue };
                let owner = *owners.entry(reads.relation.id).or_insert(reader);
                leaf.owns_dead_letters.store(owner == reader, Ordering::Release);
            }
        }
    }

    /// Where tables are followed; not in manual mode, in which they move when they are asked.
    pub(super) fn follows(&self) -> Option<&Handle> {
        self.manual.is_none().then_some(&self.handle)
    }

    /// Returns when all that was asked of the committer so far is settled.
    pub(super) async fn settled(&self) {
        if let Some(committer) = &self.manual {
            committer.lock().await.run_queued().await;
            return;
        }
        let (done, settled) = oneshot::channel();
        if self.committer.send(Request::Barrier(done)).await.is_ok() {
            // Without an answer the committer is gone, and so is what waited for it.
            let _ = settled.await;
        }
    }

    /// What fragments are made with.
    pub(super) fn fragment_parts(&self) -> FragmentParts<'_> {
        FragmentParts { functions: &self.parts.functions, config: &self.parts.config, decoders: &self.decoders }
    }

    /// A query with places for its tasks, and these made from its last commit, its view from its topic.
    async fn prepare(&self, spec: QuerySpec) -> Result<Arc<Query>> {
        let state = Arc::new(Mutex::new(QueryState::Running));
        let fragments = FragmentSpec::of_query(&spec, &self.fragment_parts())?.into_iter();
        let slots = fragments.map(|(partition, fragment)| Arc::new(Slot::new(fragment, partition, Arc::clone(&state))));
        let query = Arc::new(Query { slots: slots.collect(), spec, state });
        self.preparing.lock().insert(query.spec.id, Arc::clone(&query));
        let _preparing = Preparing(self, query.spec.id);
        self.restore(&query).await?;
        Ok(query)
    }

    /// Makes the tasks of a query from its last commit, and its view from its topic.
    async fn restore(&self, query: &Query) -> Result<()> {
        let parts = &self.parts;
        let _under_way: Vec<_> = query.slots.iter().map(|slot| slot.restoring.begin()).collect();
        let mut frontiers = Vec::new();
        for slot in &query.slots {
            let memory = &parts.memory;
            match restore(&slot.spec, slot.partition, &parts.client, &parts.stores, memory, &slot.restoring).await {
                Ok(mut task) => {
                    task.measure(&parts.env.clock);
                    if slot.spec.view.is_some() {
                        frontiers.push((slot.partition, task.frontier()));
                    }
                    slot.note(&task);
                    slot.frontier.send_replace(Some(task.frontier()));
                    *slot.task.lock() = Some(task);
                }
                Err(gap @ ExecError::InputGap { .. }) => drop(slot.failed(None, &gap)),
                Err(failure) => return Err(failure.into()),
            }
        }
        if query.slots.iter().any(|slot| slot.spec.view.is_some()) {
            self.restore_view(query, frontiers).await?;
        }
        Ok(())
    }

    /// Makes the view of a query readable, and tells what it reflects.
    async fn restore_view(&self, query: &Query, frontiers: Vec<(i32, Frontier)>) -> Result<()> {
        let (parts, spec, sink) = (&self.parts, &query.spec, &query.spec.sink);
        // A query that was stopped leaves its view to readers; several queries may write into one.
        if parts.publisher.current().view(sink.id).is_none() {
            let owner = sink.query.unwrap_or(spec.id).into();
            let memory = parts.publisher.memory();
            let mut partitions = Vec::new();
            for partition in 0..sink.partitions.max(1) {
                let (client, stores) = (&parts.client, &parts.stores);
                let restoring = &query.keeper(partition).restoring;
                partitions.push(restore_view(owner, sink, partition, client, stores, memory, restoring).await?);
            }
            if let Some(first) = partitions.first() {
                parts.publisher.define(sink.id, Arc::clone(first.schema()), partitions);
            }
            info!(view = %sink.name, "view restored");
        }
        let moved = |(partition, frontier): (i32, Frontier)| PartitionChange {
            relation: sink.id,
            partition: usize::try_from(partition).unwrap_or_default(),
            deltas: Vec::new(),
            topic: TopicPartition::new(sink.topic_id, partition),
            upto: None,
            frontier,
        };
        let changes = frontiers.into_iter().map(moved).collect();
        let shown = self.committer.send(Request::Show(changes)).await;
        shown.map_err(|_| Error::new(SqlState::ADMIN_SHUTDOWN, "the server is shutting down"))?;
        self.settled().await;
        Ok(())
    }

    /// Takes cached rows from tasks that do nothing at the moment, when state takes more than it may.
    fn make_room(&self) {
        if !self.parts.memory.state.is_full() {
            return;
        }
        let queries: Vec<Arc<Query>> = self.queries.lock().values().cloned().collect();
        for slot in queries.iter().flat_map(|query| &query.slots) {
            if let Some(task) = slot.task.try_lock().as_mut().and_then(|place| place.as_mut()) {
                task.evict();
            }
        }
    }

    /// Sets fetchers on a task that stands in its slot, and wakes it.
    fn launch(self: &Arc<Self>, slot: &Arc<Slot>) {
        if let Some(task) = slot.task.lock().as_ref() {
            for input in &task.inputs {
                let (inner, slot_) = (Arc::downgrade(self), Arc::downgrade(slot));
                let wake = move || {
                    if let (Some(inner), Some(slot)) = (inner.upgrade(), slot_.upgrade()) {
                        inner.wake(&slot);
                    }
                };
                let fetcher = fetch::run(
                    Arc::clone(&self.parts.client),
                    self.parts.env.clone(),
                    fetch::Source::of(input),
                    Arc::clone(&input.queue),
                    wake,
                );
                slot.keep(self.handle.spawn(fetcher).abort_handle());
            }
        }
        self.wake(slot);
    }

    pub(super) fn wake(&self, slot: &Arc<Slot>) {
        if !slot.scheduled.swap(true, Ordering::AcqRel) {
            self.runnable.push(Arc::clone(slot));
        }
    }

    fn work(self: Arc<Self>) {
        // Timers and waits of the real clock belong to the tokio runtime.
        let _entered = self.handle.enter();
        while let Some(slot) = self.runnable.pop() {
            slot.scheduled.store(false, Ordering::Release);
            if slot.is_open() {
                self.turn(&slot);
            }
        }
    }

    fn now(&self) -> Now {
        now(&self.parts.env)
    }

    /// One turn of a task.
    fn turn(self: &Arc<Self>, slot: &Arc<Slot>) {
        let mut place = slot.task.lock();
        let Some(task) = place.as_mut() else { return };
        // A panic is the task's failure: the worker goes on with others.
        let advanced = std::panic::catch_unwind(AssertUnwindSafe(|| self.advance(slot, task)));
        slot.note(task);
        match advanced.unwrap_or_else(|panic| Err(ExecError::of_panic(panic.as_ref()))) {
            Ok(Next::Again) => self.wake(slot),
            Ok(Next::After(wait)) => self.wake_after(slot, wait),
            Ok(Next::Woken) => {}
            Err(failure) => {
                let again = slot.failed(Some(task), &failure);
                *place = None;
                drop(place);
                slot.abort_helpers();
                self.rebuild(slot, again, &failure);
            }
        }
    }

    fn advance(self: &Arc<Self>, slot: &Arc<Slot>, task: &mut Task) -> Result<Next, ExecError> {
        settle(slot, task)?;
        let started = self.parts.env.clock.monotonic();
        loop {
            let now = self.now();
            let mut passed = false;
            if task.may_go_on() {
                let round = task.round(now, slot.rows_max(self.parts.config.round_rows_max))?;
                passed = 0 < round.rows;
                if passed {
                    slot.passed(round);
                }
            }
            let cut = task.wants_cut(now, !passed, slot.hurry.load(Ordering::Acquire));
            if cut == Next::Again {
                slot.hurry.store(false, Ordering::Release);
                self.seal(slot, task, now, Tell::Due)?;
            }
            self.make_room();
            if !passed {
                return Ok(match cut {
                    Next::After(wait) => Next::After(wait),
                    Next::Again | Next::Woken => task.idle_after(now).map_or(Next::Woken, Next::After),
                });
            }
            if TURN <= now.monotonic.saturating_sub(started) {
                return Ok(Next::Again);
            }
        }
    }

    pub(super) fn seal(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        task: &mut Task,
        now: Now,
        tell: Tell,
    ) -> Result<(), ExecError> {
        let cut = task.seal(now, tell)?;
        let (inner, slot_) = (Arc::clone(self), Arc::clone(slot));
        let settle = Box::new(move |settled: Settled| {
            slot_.mailbox.put(settled);
            inner.wake(&slot_);
        });
        self.committer
            .try_send(Request::Cut(Box::new(cut), settle))
            .map_err(|_| Error::new(SqlState::ADMIN_SHUTDOWN, "the committer takes no more cuts").into())
    }

    fn wake_after(self: &Arc<Self>, slot: &Arc<Slot>, wait: Duration) {
        let sleep = self.parts.env.clock.sleep(wait);
        let (inner, slot_) = (Arc::downgrade(self), Arc::downgrade(slot));
        let timer = self.handle.spawn(async move {
            sleep.await;
            if let (Some(inner), Some(slot)) = (inner.upgrade(), slot_.upgrade()) {
                inner.wake(&slot);
            }
        });
        slot.keep_timer(timer.abort_handle());
    }

    /// Makes a failed task again from its last commit.
    fn rebuild(self: &Arc<Self>, slot: &Arc<Slot>, again: bool, failure: &ExecError) {
        let (query, fragment, partition) = (slot.spec.query, slot.spec.index, slot.partition);
        warn!(%query, fragment, partition, error = %failure, again, "a task failed");
        if !again {
            self.assign_dead_letters();
        }
        if !again || slot.closed.load(Ordering::Acquire) {
            return;
        }
        let (inner, slot) = (Arc::clone(self), Arc::clone(slot));
        self.handle.spawn(async move {
            loop {
                let setbacks = slot.faults.lock().setbacks().min(10);
                inner.parts.env.clock.sleep((BACKOFF * 2u32.pow(setbacks)).min(BACKOFF_MAX)).await;
                let parts = &inner.parts;
                // Cuts of the task's former life are settled before the positions are read again.
                inner.settled().await;
                drop(slot.mailbox.take());
                if let Some(board) = &slot.spec.board {
                    board.forget();
                }
                if !slot.is_open() {
                    return;
                }
                let under_way = slot.restoring.begin();
                let (spec, restoring) = (&slot.spec, &slot.restoring);
                let made = restore(spec, slot.partition, &parts.client, &parts.stores, &parts.memory, restoring).await;
                drop(under_way);
                match made {
                    Ok(mut task) => {
                        task.measure(&parts.env.clock);
                        task.skipped = slot.faults.lock().skipped.clone();
                        {
                            let mut place = slot.task.lock();
                            // The query may have been stopped meanwhile; `stop` empties the place under the same lock.
                            if !slot.is_open() {
                                return;
                            }
                            *place = Some(task);
                        }
                        inner.launch(&slot);
                        return;
                    }
                    Err(failure) if slot.failed(None, &failure) => {
                        warn!(query = %slot.spec.query, error = %failure, "a task could not be made again");
                    }
                    Err(_) => {
                        inner.assign_dead_letters();
                        return;
                    }
                }
            }
        });
    }
}

/// Hands settled cuts to their task.
pub(super) fn settle(slot: &Slot, task: &mut Task) -> Result<(), ExecError> {
    for settled in slot.mailbox.take() {
        let (cut, ends) = settled?;
        if task.is_committing() {
            let frontier = task.committed(cut, &ends)?;
            slot.frontier.send_replace(Some(frontier));
            slot.committed();
        }
    }
    Ok(())
}

pub(super) fn now(env: &Env) -> Now {
    Now { wall_micros: env.clock.wall_micros(), monotonic: env.clock.monotonic() }
}
