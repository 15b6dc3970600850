//! Push queries: a task of its own that commits nothing, and a bounded channel to its client.
//!
//! A client that does not read stops its task: a row leaves the task only for a free place of `rows_max`; nothing grows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::sync::Notify;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::ExecError;
use super::Layout;
use super::Runtime;
use super::expressions::user_columns;
use super::fetch;
use super::layout::OP_VALUE;
use super::runtime::RuntimeParts;
use super::runtime::now;
use super::step_exec::step_of;
use super::task::FragmentSpec;
use super::task::Reads;
use super::task::Task;
use super::task::transient;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::plan::StandingPlan;
use crate::state::ColdStores;
use crate::state::SimulatedStores;

/// What `rows_max` may be at most: far below what the channel and its semaphore can count.
const ROWS_MAX: u32 = 1 << 24;

/// Where a push query begins to read streams; tables of a join are always read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushStart {
    /// With what is still kept.
    Earliest,
    /// With what comes from now on.
    Latest,
}

/// A push query to be run.
#[derive(Clone)]
pub struct PushSpec {
    /// Its plan, of one fragment.
    pub plan: Arc<StandingPlan>,
    /// Where it begins.
    pub start: PushStart,
    /// Rows that may wait for its client, at least 1.
    pub rows_max: usize,
}

/// Rows as they come.
#[derive(Debug, Clone)]
pub struct PushBatch {
    /// The columns of the SELECT list.
    pub rows: RecordBatch,
    /// For each row, whether its key was deleted: only its key columns mean something.
    pub deleted: Vec<bool>,
}

/// A running push query; dropping it ends the query.
pub struct PushStream {
    /// The columns of the SELECT list.
    pub schema: SchemaRef,
    batches: mpsc::Receiver<Waiting>,
    tasks: Vec<AbortHandle>,
}

impl PushStream {
    /// The next rows; `None` after an error. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<PushBatch>> {
        self.batches.recv().await.map(|waiting| waiting.batch)
    }
}

/// A batch with the places of its rows, which are free again when the client takes it.
struct Waiting {
    batch: Result<PushBatch>,
    _places: Option<OwnedSemaphorePermit>,
}

/// The task's side of the channel.
struct Sender {
    batches: mpsc::Sender<Waiting>,
    places: Arc<Semaphore>,
    rows_max: u32,
}

impl Sender {
    /// A channel in which `rows_max` rows may wait.
    fn new(rows_max: usize) -> (Self, mpsc::Receiver<Waiting>) {
        // One more for the error at the end, which is no row.
        let rows_max = u32::try_from(rows_max).unwrap_or(u32::MAX).clamp(1, ROWS_MAX);
        let (batches, receiver) = mpsc::channel(rows_max as usize + 1);
        let places = Arc::new(Semaphore::new(rows_max as usize));
        (Self { batches, places, rows_max }, receiver)
    }

    /// Waits for room; `false` if the client is gone. A batch of more rows than may wait goes alone.
    async fn send(&self, batch: Result<PushBatch>) -> bool {
        let rows = batch.as_ref().map_or(0, |batch| batch.rows.num_rows());
        let rows = u32::try_from(rows).unwrap_or(u32::MAX).min(self.rows_max);
        let places = Arc::clone(&self.places).acquire_many_owned(rows).await.ok();
        self.batches.send(Waiting { batch, _places: places }).await.is_ok()
    }
}

impl Drop for PushStream {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Runtime {
    /// Starts a push query.
    pub async fn push(&self, spec: PushSpec) -> Result<PushStream> {
        let parts = self.parts().clone();
        let fragment = FragmentSpec::of_push(&spec.plan, &self.inner.fragment_parts())?;
        let mut starts = std::collections::HashMap::new();
        for leaf in &fragment.leaves {
            for partition in 0..leaf.partitions {
                let partition = crate::model::TopicPartition::new(leaf.topic, partition);
                let ends = parts.client.ends(partition).await?;
                starts.insert(partition, (ends.log_start_offset, ends.readable_end()));
            }
        }
        let joins = 1 < fragment.leaves.len();
        let stores: Arc<dyn ColdStores> = Arc::new(SimulatedStores::new());
        let task = transient(&fragment, &stores, &parts.memory, |partition, is_table| {
            let (earliest, latest) = starts[&partition];
            let whole = spec.start == PushStart::Earliest || joins && is_table;
            if whole { earliest } else { latest }
        })?;
        let layout = step_of(&fragment.root).map(|step| step.output().clone());
        let layout = layout.ok_or_else(|| crate::error::Error::internal("a plan without operators"))?;
        let woken = Arc::new(Notify::new());
        let mut tasks = Vec::new();
        for input in &task.inputs {
            let woken = Arc::clone(&woken);
            let wake = move || woken.notify_one();
            let (client, env) = (Arc::clone(&parts.client), parts.env.clone());
            let source = fetch::Source::of(input);
            tasks.push(tokio::spawn(fetch::run(client, env, source, Arc::clone(&input.queue), wake)).abort_handle());
        }
        let (sender, batches) = Sender::new(spec.rows_max);
        let schema = layout.user_schema();
        tasks.push(tokio::spawn(run(parts, task, layout, sender, woken)).abort_handle());
        Ok(PushStream { schema, batches, tasks })
    }
}

async fn run(parts: RuntimeParts, mut task: Task, layout: Layout, sender: Sender, woken: Arc<Notify>) {
    loop {
        match round(&parts, &mut task, &layout, &sender).await {
            Ok(Went::On) => {}
            Ok(Went::Nowhere) => {
                // An input that has been at its end for long lets the others' time go on.
                let idle = task.idle_after(now(&parts.env)).map(|after| parts.env.clock.sleep(after));
                tokio::select! {
                    () = woken.notified() => {}
                    () = or_never(idle) => {}
                }
            }
            Ok(Went::Away) => return,
            Err(failure) => {
                // A client that is gone needs no error.
                sender.send(Err(told(failure, &task.spec))).await;
                return;
            }
        }
    }
}

/// A failure as the client is told it: by the name of what it reads.
fn told(failure: ExecError, spec: &FragmentSpec) -> Error {
    let ExecError::InputGone(partition) = &failure else { return failure.into() };
    let leaf = spec.leaves.iter().find(|leaf| leaf.topic == partition.topic);
    match leaf.map(|leaf| &leaf.reads) {
        Some(Reads::Relation(reads)) => {
            let kind = if reads.relation.is_table() { "table" } else { "stream" };
            let message = format!("{kind} \"{}\" was dropped", reads.relation.name);
            Error::new(SqlState::UNDEFINED_TABLE, message).detail("Its topic was deleted with it.")
        }
        _ => failure.into(),
    }
}

/// Waits for `timer`, for ever if there is none.
async fn or_never(timer: Option<impl Future<Output = ()>>) {
    match timer {
        Some(timer) => timer.await,
        None => std::future::pending().await,
    }
}

/// What a round came to.
enum Went {
    /// Rows passed.
    On,
    /// There were none.
    Nowhere,
    /// The client is gone.
    Away,
}

/// One round and what it says at once: a push query is flushed after every round. Operators go on when the client has taken
/// what they said before.
async fn round(parts: &RuntimeParts, task: &mut Task, layout: &Layout, sender: &Sender) -> Result<Went, ExecError> {
    let rows_max = (sender.rows_max as usize).min(parts.config.round_rows_max);
    let passed = task.begin_round(now(&parts.env), rows_max)?;
    if !say(task, layout, sender).await? {
        return Ok(Went::Away);
    }
    task.begin_flush();
    if !say(task, layout, sender).await? {
        return Ok(Went::Away);
    }
    task.end_flush()?;
    Ok(if 0 < passed.rows { Went::On } else { Went::Nowhere })
}

/// Sends what the operators say until they have done what was begun; `false` if the client is gone.
async fn say(task: &mut Task, layout: &Layout, sender: &Sender) -> Result<bool, ExecError> {
    let schema = layout.user_schema();
    while let Some(rows) = task.next_output()? {
        let deleted = layout.ops(&rows).values().iter().map(|op| *op != OP_VALUE).collect();
        let batch = PushBatch { rows: user_columns(&rows, &schema)?, deleted };
        if !sender.send(Ok(batch)).await {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: usize) -> Result<PushBatch> {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::new(arrow::datatypes::Schema::empty());
        let rows = RecordBatch::try_new_with_options(schema, Vec::new(), &options).expect("rows without columns");
        Ok(PushBatch { deleted: vec![false; rows.num_rows()], rows })
    }

    #[test]
    fn rows_wait_for_free_places_and_a_larger_batch_goes_alone() {
        let (sender, mut batches) = Sender::new(5);
        let send = |rows| futures::FutureExt::now_or_never(sender.send(batch(rows)));
        assert_eq!(send(3), Some(true));
        assert_eq!(send(3), None, "only two places are free");
        assert_eq!(send(2), Some(true));
        drop(batches.try_recv().expect("three rows"));
        drop(batches.try_recv().expect("two rows"));
        assert_eq!(send(9), Some(true));
        assert_eq!(send(1), None, "the large batch has all places");
        drop(batches);
    }
}
