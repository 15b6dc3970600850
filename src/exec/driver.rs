//! Drives one operator tree through its phases, with a waker that does nothing.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::LazyLock;
use std::task::Context;
use std::task::Poll;

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use futures::task::noop_waker;

use super::CutId;
use super::ExecError;
use super::Phase;
use super::PhaseKind;
use super::TaskCell;
use super::step_exec::TaskState;

/// DataFusion's pools and registries, which our operators do not use; one for all, since each takes memory.
static RUNTIME: LazyLock<Arc<RuntimeEnv>> = LazyLock::new(Arc::default);

/// One running instance of a plan.
pub struct Driver {
    root: SendableRecordBatchStream,
    task: Arc<TaskCell>,
    round: u64,
    /// The phases that are begun or still to come.
    phases: VecDeque<PhaseKind>,
}

impl Driver {
    /// Starts the plan over a fresh task state.
    pub fn new(plan: &Arc<dyn ExecutionPlan>, state: TaskState) -> Result<Self, ExecError> {
        let task = Arc::new(TaskCell(parking_lot::Mutex::new(state)));
        let config = SessionConfig::new().with_extension(Arc::clone(&task));
        let context = Arc::new(TaskContext::new(
            None,
            "tidemill".to_string(),
            config,
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            Arc::clone(&RUNTIME),
        ));
        let root = plan.execute(0, context)?;
        Ok(Self { root, task, round: 0, phases: VecDeque::new() })
    }

    /// What the operators share, between phases.
    pub fn task(&self) -> parking_lot::MutexGuard<'_, TaskState> {
        self.task.0.lock()
    }

    /// One round: the leaves' rows pass, then timers fire. Returns what the root emitted.
    pub fn round(&mut self, leaves: Vec<Vec<RecordBatch>>) -> Result<Vec<RecordBatch>, ExecError> {
        self.begin_round(leaves);
        self.rest()
    }

    /// What waits for the cut goes out.
    pub fn flush(&mut self, cut: CutId) -> Result<Vec<RecordBatch>, ExecError> {
        self.begin_flush(cut);
        self.rest()
    }

    /// Begins a round, which `next_output` takes further.
    pub fn begin_round(&mut self, leaves: Vec<Vec<RecordBatch>>) {
        self.round += 1;
        self.task.0.lock().leaves = leaves;
        self.phases.extend([PhaseKind::Input, PhaseKind::Drain]);
    }

    /// Begins a flush, which `next_output` takes further.
    pub fn begin_flush(&mut self, cut: CutId) {
        self.phases.push_back(PhaseKind::Flush(cut));
    }

    /// What the root emits next, `None` when all that was begun is done. After an error the tree must be dropped.
    pub fn next_output(&mut self) -> Result<Option<RecordBatch>, ExecError> {
        while let Some(kind) = self.phases.front() {
            self.task.0.lock().phase = Phase { round: self.round, kind: *kind };
            match self.poll()? {
                Some(batch) => return Ok(Some(batch)),
                None => drop(self.phases.pop_front()),
            }
        }
        Ok(None)
    }

    fn rest(&mut self) -> Result<Vec<RecordBatch>, ExecError> {
        std::iter::from_fn(|| self.next_output().transpose()).collect()
    }

    /// Polls the root once; `None` if the phase is done. A panic of an operator is an error of the task.
    fn poll(&mut self) -> Result<Option<RecordBatch>, ExecError> {
        let root = &mut self.root;
        let polled = catch_unwind(AssertUnwindSafe(move || {
            let waker = noop_waker();
            match root.poll_next_unpin(&mut Context::from_waker(&waker)) {
                Poll::Pending => Ok(None),
                Poll::Ready(Some(Ok(batch))) => Ok(Some(batch)),
                Poll::Ready(Some(Err(error))) => Err(ExecError::from(error)),
                Poll::Ready(None) => Err(ExecError::Contract { operator: "root".into(), what: "it ended its stream" }),
            }
        }));
        polled.unwrap_or_else(|panic| Err(ExecError::of_panic(panic.as_ref())))
    }
}
