//! Drives one operator tree through its phases, with a waker that does nothing.

use std::collections::HashMap;
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
        Ok(Self { root, task, round: 0 })
    }

    /// What the operators share, between phases.
    pub fn task(&self) -> parking_lot::MutexGuard<'_, TaskState> {
        self.task.0.lock()
    }

    /// One round: the leaves' rows pass, then timers fire. Returns what the root emitted.
    pub fn round(&mut self, leaves: Vec<Vec<RecordBatch>>) -> Result<Vec<RecordBatch>, ExecError> {
        self.round += 1;
        self.task.0.lock().leaves = leaves;
        let mut output = self.phase(PhaseKind::Input)?;
        output.extend(self.phase(PhaseKind::Drain)?);
        Ok(output)
    }

    /// What waits for the cut goes out.
    pub fn flush(&mut self, cut: CutId) -> Result<Vec<RecordBatch>, ExecError> {
        self.phase(PhaseKind::Flush(cut))
    }

    /// Polls the root to `Pending` once. A panic of an operator is an error of the task; the tree must then be dropped.
    fn phase(&mut self, kind: PhaseKind) -> Result<Vec<RecordBatch>, ExecError> {
        self.task.0.lock().phase = Phase { round: self.round, kind };
        let root = &mut self.root;
        let polled = catch_unwind(AssertUnwindSafe(move || {
            let waker = noop_waker();
            let mut context = Context::from_waker(&waker);
            let mut output = Vec::new();
            loop {
                match root.poll_next_unpin(&mut context) {
                    Poll::Pending => return Ok(output),
                    Poll::Ready(Some(Ok(batch))) => output.push(batch),
                    Poll::Ready(Some(Err(error))) => return Err(ExecError::from(error)),
                    Poll::Ready(None) => {
                        return Err(ExecError::Contract { operator: "root".into(), what: "it ended its stream" });
                    }
                }
            }
        }));
        polled.unwrap_or_else(|panic| Err(ExecError::of_panic(panic.as_ref())))
    }
}
