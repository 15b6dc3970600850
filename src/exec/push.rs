//! Push queries: a task of its own that commits nothing, and a bounded channel to its client.
//!
//! A client that does not read stops its task, since rows wait in the channel's few places; nothing grows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::sync::Notify;
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
use super::task::Task;
use super::task::transient;
use crate::error::Result;
use crate::plan::StandingPlan;
use crate::state::ColdStores;
use crate::state::SimulatedStores;

/// Batches that wait for the client.
const BATCHES_MAX: usize = 4;

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
    batches: mpsc::Receiver<Result<PushBatch>>,
    tasks: Vec<AbortHandle>,
}

impl PushStream {
    /// The next rows; `None` after an error. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<PushBatch>> {
        self.batches.recv().await
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
        let fragment = FragmentSpec::of_push(&spec.plan, &parts.functions, &parts.config)?;
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
        let task = transient(&fragment, &stores, |partition, is_table| {
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
        let (sender, batches) = mpsc::channel(BATCHES_MAX);
        let schema = layout.user_schema();
        tasks.push(tokio::spawn(run(parts, task, layout, sender, woken)).abort_handle());
        Ok(PushStream { schema, batches, tasks })
    }
}

async fn run(
    parts: RuntimeParts,
    mut task: Task,
    layout: Layout,
    sender: mpsc::Sender<Result<PushBatch>>,
    woken: Arc<Notify>,
) {
    loop {
        match round(&parts, &mut task, &layout) {
            Ok((batches, passed)) => {
                for batch in batches {
                    if sender.send(Ok(batch)).await.is_err() {
                        return;
                    }
                }
                if !passed {
                    woken.notified().await;
                }
            }
            Err(failure) => {
                // A client that is gone needs no error.
                let _ = sender.send(Err(failure.into())).await;
                return;
            }
        }
    }
}

/// One round and what it says at once: a push query is flushed after every round.
fn round(parts: &RuntimeParts, task: &mut Task, layout: &Layout) -> Result<(Vec<PushBatch>, bool), ExecError> {
    let (mut rows, passed) = task.round(now(&parts.env), parts.config.round_rows_max)?;
    rows.extend(task.flush_only()?);
    let schema = layout.user_schema();
    let batch = |rows: &RecordBatch| {
        let deleted = layout.ops(rows).values().iter().map(|op| *op != OP_VALUE).collect();
        Ok(PushBatch { rows: user_columns(rows, &schema)?, deleted })
    };
    let batches = rows.iter().map(batch).collect::<Result<Vec<_>, ExecError>>()?;
    Ok((batches, passed))
}
