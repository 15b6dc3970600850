//! The one `ExecutionPlan` of ours: a `Step` with its children, driven phase by phase.
//!
//! Children are polled to `Pending` first, what they yield is fed to the step, then the step's own call of the phase
//! is made exactly once. So in every phase a child's output has passed its parent before the parent's own call.

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::RecordBatchStream;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::Partitioning;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::DisplayAs;
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::PlanProperties;
use datafusion::physical_plan::execution_plan::Boundedness;
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::metrics::Count;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::metrics::MetricBuilder;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::metrics::Time;
use futures::Stream;
use futures::StreamExt;
use parking_lot::Mutex;

use super::Cx;
use super::ExecError;
use super::Layout;
use super::Phase;
use super::PhaseKind;
use super::Ports;
use super::Progress;
use super::Step;
use super::carried::Carried;
use super::output::CutOutput;
use super::slice::Marker;
use super::task::Board;
use super::task::Tell;
use crate::env::Clock;
use crate::model::OperatorId;
use crate::model::StreamTime;
use crate::model::TopicPartition;
use crate::state::StateTable;

/// Makes the body of an operator for one task.
pub type MakeStep = Arc<dyn Fn() -> Result<Box<dyn Step>, ExecError> + Send + Sync>;

/// What an operator is, apart from its children.
#[derive(Clone)]
pub struct StepSpec {
    /// Its id in the plan.
    pub id: OperatorId,
    /// Its name and parameters, as EXPLAIN shows them.
    pub text: String,
    /// The layout of what it emits.
    pub output: Layout,
    /// Roles of its state tables.
    pub tables: Vec<&'static str>,
    /// How far behind the time of what it reads its rows may be, milliseconds.
    pub lag_ms: i64,
    /// Makes its body.
    pub make: MakeStep,
}

/// What all operators of one task share; in the `TaskContext`'s extensions.
#[derive(Default)]
pub struct TaskCell(pub(super) Mutex<TaskState>);

/// The shared part of a task, locked for one call of one step at a time.
pub struct TaskState {
    pub(super) phase: Phase,
    pub(super) stream_time: StreamTime,
    pub(super) cut_time_micros: i64,
    pub(super) leaves: Vec<Vec<RecordBatch>>,
    pub(super) partition: i32,
    pub(super) tables: Vec<(TableName, StateTable)>,
    pub(super) output: CutOutput,
    /// Bytes that may wait for a cut after a call of an operator.
    pub(super) waiting_max: usize,
    /// Where rows that come too late are kept, by operator; without a topic they are counted only.
    pub(super) late: BTreeMap<OperatorId, TopicPartition>,
    /// The headers of the records since the last cut, by the places of their rows.
    pub(super) headers: Carried,
    pub(super) marker: Marker,
    /// What is said of time at the cut, in the stream that the task writes.
    pub(super) teller: Option<Teller>,
    /// Tells how long operators take; without it nobody asks.
    pub(super) clock: Option<Arc<dyn Clock>>,
}

impl TaskState {
    /// Memory of changes that no commit has taken.
    pub(super) fn uncommitted_bytes(&self) -> usize {
        self.tables.iter().map(|(_, table)| table.uncommitted_bytes()).sum()
    }

    /// Memory of what waits for a cut: such changes, and output.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.output.bytes() + self.uncommitted_bytes()
    }

    /// Whether more waits for a cut than may.
    fn is_over(&self) -> bool {
        self.waiting_max != usize::MAX && self.waiting_max < self.waiting_bytes()
    }
}

/// How a task says its time at a cut.
#[derive(Clone)]
pub struct Teller {
    /// What was said so far.
    pub board: Arc<Board>,
    /// Monotonic time of the cut.
    pub now: Duration,
    /// Which partitions without rows are told.
    pub tell: Tell,
}

/// Names a state table within its task: the operator, and the table's role.
pub type TableName = (OperatorId, &'static str);

impl Default for TaskState {
    fn default() -> Self {
        Self {
            phase: Phase::NONE,
            stream_time: StreamTime::default(),
            cut_time_micros: 0,
            leaves: Vec::new(),
            partition: 0,
            tables: Vec::new(),
            output: CutOutput::default(),
            waiting_max: usize::MAX,
            late: BTreeMap::new(),
            headers: Carried::default(),
            marker: Marker::default(),
            teller: None,
            clock: None,
        }
    }
}

/// A `Step` as a node of a physical plan.
pub struct StepExec {
    spec: StepSpec,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl StepExec {
    /// The operator over its inputs.
    pub fn new(spec: StepSpec, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Self {
        let equivalence = EquivalenceProperties::new(Arc::clone(&spec.output.schema));
        let properties = Arc::new(PlanProperties::new(
            equivalence,
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Unbounded { requires_infinite_memory: false },
        ));
        Self { spec, inputs, properties, metrics: ExecutionPlanMetricsSet::new() }
    }

    /// Its name and parameters.
    pub fn text(&self) -> &str {
        &self.spec.text
    }

    /// The operator's id.
    pub fn operator_id(&self) -> &OperatorId {
        &self.spec.id
    }

    /// Names of its state tables.
    pub fn tables(&self) -> impl Iterator<Item = TableName> {
        self.spec.tables.iter().map(|role| (self.spec.id.clone(), *role))
    }

    /// How far behind stream time the rows may be that it emits, milliseconds.
    pub fn lag_ms(&self) -> i64 {
        self.input_lag_ms().saturating_add(self.spec.lag_ms)
    }

    /// The same of the rows that reach it.
    fn input_lag_ms(&self) -> i64 {
        self.inputs.iter().map(|input| step_of(input).map_or(0, StepExec::lag_ms)).max().unwrap_or(0)
    }

    /// The layout of what it emits.
    pub fn output(&self) -> &Layout {
        &self.spec.output
    }
}

impl fmt::Debug for StepExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepExec").field("id", &self.spec.id).field("text", &self.spec.text).finish_non_exhaustive()
    }
}

impl DisplayAs for StepExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} id={} edge={:?}", self.spec.text, self.spec.id, self.spec.output.changes)
    }
}

impl ExecutionPlan for StepExec {
    fn name(&self) -> &str {
        "StepExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(self.spec.clone(), children)))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(self.spec.clone(), children)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let task = context.session_config().get_extension::<TaskCell>().ok_or_else(|| {
            DataFusionError::Internal("a StepExec runs inside a task, which this context has not".to_string())
        })?;
        let children = self.inputs.iter().map(|input| input.execute(partition, Arc::clone(&context)));
        let children = children.collect::<DataFusionResult<Vec<_>>>()?;
        let tables = {
            let state = task.0.lock();
            let place = |role: &&'static str| {
                let found = state.tables.iter().position(|(name, _)| name.0 == self.spec.id && name.1 == *role);
                found.ok_or_else(|| DataFusionError::Internal(format!("no table {role} for operator {}", self.spec.id)))
            };
            self.spec.tables.iter().map(place).collect::<DataFusionResult<Vec<_>>>()?
        };
        let step = (self.spec.make)()?;
        Ok(Box::pin(StepStream {
            ports: step.ports(),
            step,
            operator: self.spec.id.clone(),
            lag_ms: self.input_lag_ms(),
            tables,
            schema: Arc::clone(&self.spec.output.schema),
            gathered: vec![Vec::new(); children.len()],
            children,
            task,
            out: VecDeque::new(),
            phase: Phase::NONE,
            stage: Stage::Finished,
            output_rows: MetricBuilder::new(&self.metrics).output_rows(partition),
            busy: MetricBuilder::new(&self.metrics).elapsed_compute(partition),
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// How far an operator is in its phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Children are polled; this is the next port.
    Children(usize),
    /// A call answered `More`; afterwards the stage goes on with this port.
    Resume(usize),
    /// The gathered slices of a Round operator are due.
    Round,
    /// The round was answered with `More`.
    ResumeRound,
    /// The own call of the phase is due.
    Own,
    /// The own call was answered with `More`.
    ResumeOwn,
    /// Nothing more in this phase.
    Finished,
}

struct StepStream {
    step: Box<dyn Step>,
    ports: Ports,
    operator: OperatorId,
    lag_ms: i64,
    tables: Vec<usize>,
    schema: SchemaRef,
    children: Vec<SendableRecordBatchStream>,
    gathered: Vec<Vec<RecordBatch>>,
    task: Arc<TaskCell>,
    out: VecDeque<RecordBatch>,
    phase: Phase,
    stage: Stage,
    output_rows: Count,
    busy: Time,
}

impl StepStream {
    fn call(
        &mut self,
        body: impl FnOnce(&mut dyn Step, &mut Cx<'_>) -> Result<Progress, ExecError>,
    ) -> Result<Progress, ExecError> {
        let mut task = self.task.0.lock();
        let begun = task.clock.clone().map(|clock| (clock.monotonic(), clock));
        let (operator, tables, out) = (&self.operator, &self.tables, &mut self.out);
        let mut cx = Cx { operator, lag_ms: self.lag_ms, tables, out, task: &mut task };
        let progress = body(self.step.as_mut(), &mut cx);
        if let Some((begun, clock)) = begun {
            self.busy.add_duration(clock.monotonic().saturating_sub(begun));
        }
        if task.is_over() { Err(ExecError::RoundTooLarge) } else { progress }
    }

    fn contract(&self, what: &'static str) -> ExecError {
        ExecError::Contract { operator: self.operator.to_string(), what }
    }

    /// One move of the stage machine; `Pending` only from `Finished`.
    fn advance(&mut self, context: &mut Context<'_>) -> Result<(), ExecError> {
        let (progress, again, next) = match self.stage {
            Stage::Children(port) if port == self.children.len() => {
                self.stage = if self.ports == Ports::Round { Stage::Round } else { Stage::Own };
                return Ok(());
            }
            Stage::Children(port) => match self.children[port].poll_next_unpin(context) {
                Poll::Pending => {
                    self.stage = Stage::Children(port + 1);
                    return Ok(());
                }
                Poll::Ready(None) => return Err(self.contract("a child ended its stream")),
                Poll::Ready(Some(Err(error))) => return Err(error.into()),
                Poll::Ready(Some(Ok(batch))) if self.ports == Ports::Round => {
                    self.gathered[port].push(batch);
                    return Ok(());
                }
                Poll::Ready(Some(Ok(batch))) => {
                    let progress = self.call(|step, cx| step.input(cx, port, batch))?;
                    (progress, Stage::Resume(port), Stage::Children(port))
                }
            },
            Stage::Resume(port) => (self.call(|step, cx| step.resume(cx))?, Stage::Resume(port), Stage::Children(port)),
            Stage::Round => {
                let ports = self.children.len();
                let slices = std::mem::replace(&mut self.gathered, vec![Vec::new(); ports]);
                if self.phase.kind != PhaseKind::Input && slices.iter().all(Vec::is_empty) {
                    self.stage = Stage::Own;
                    return Ok(());
                }
                (self.call(|step, cx| step.round(cx, slices))?, Stage::ResumeRound, Stage::Own)
            }
            Stage::ResumeRound => (self.call(|step, cx| step.resume(cx))?, Stage::ResumeRound, Stage::Own),
            Stage::Own => {
                let progress = match self.phase.kind {
                    PhaseKind::Input => Progress::Done,
                    PhaseKind::Drain => self.call(|step, cx| step.drained(cx))?,
                    PhaseKind::Flush(cut) => self.call(|step, cx| step.flush(cx, cut))?,
                };
                (progress, Stage::ResumeOwn, Stage::Finished)
            }
            Stage::ResumeOwn => (self.call(|step, cx| step.resume(cx))?, Stage::ResumeOwn, Stage::Finished),
            Stage::Finished => return Ok(()),
        };
        self.stage = if progress == Progress::More { again } else { next };
        Ok(())
    }
}

impl Stream for StepStream {
    type Item = DataFusionResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = &mut *self;
        let asked = stream.task.0.lock().phase;
        if asked != stream.phase {
            if stream.stage != Stage::Finished || !stream.out.is_empty() {
                return Poll::Ready(Some(Err(stream.contract("the phase changed before it was finished").into())));
            }
            stream.phase = asked;
            stream.stage = Stage::Children(0);
        }
        loop {
            if let Some(batch) = stream.out.pop_front() {
                debug_assert_eq!(batch.num_columns(), stream.schema.fields().len());
                stream.output_rows.add(batch.num_rows());
                return Poll::Ready(Some(Ok(batch)));
            }
            if stream.stage == Stage::Finished {
                return Poll::Pending;
            }
            if let Err(error) = stream.advance(context) {
                return Poll::Ready(Some(Err(error.into())));
            }
        }
    }
}

impl RecordBatchStream for StepStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The operator behind a plan's node, if it is one of ours.
pub fn step_of(plan: &Arc<dyn ExecutionPlan>) -> Option<&StepExec> {
    let plan: &dyn Any = plan.as_ref();
    plan.downcast_ref::<StepExec>()
}
