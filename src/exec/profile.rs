//! What the operators of a running query have done so far, for EXPLAIN ANALYZE.

use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::ExecutionPlan;

use super::Runtime;
use super::slot::Slot;
use super::step_exec::step_of;
use crate::model::OperatorId;
use crate::model::QueryId;

/// One operator, over all tasks of its fragment. Counts rise while the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorProfile {
    /// The operator's id in the plan; `None` for what is not an operator of ours.
    pub operator: Option<OperatorId>,
    /// How far below the fragment's root it stands.
    pub depth: usize,
    /// Its name and parameters.
    pub text: String,
    /// Rows that it handed on; a sink hands on none.
    pub rows: u64,
    /// Time that it took, its inputs' left out, summed over tasks.
    pub busy: Duration,
    /// Memory of its state: uncommitted changes and rows in front of the cold store, in bytes.
    pub state_bytes: usize,
    /// Rows that came for closed windows.
    pub late: u64,
}

/// One fragment of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FragmentProfile {
    /// Its place in the plan.
    pub fragment: usize,
    /// Its tasks.
    pub tasks: usize,
    /// Rows that its tasks took from topics.
    pub rows: u64,
    /// Time that reading and decoding them took, summed over tasks.
    pub reading: Duration,
    /// Its operators, a parent before its inputs.
    pub operators: Vec<OperatorProfile>,
}

impl Runtime {
    /// What a query has done so far, upstream fragments first; `None` if it does not run here.
    pub fn profile(&self, id: QueryId) -> Option<Vec<FragmentProfile>> {
        let query = self.inner.queries.lock().get(&id).cloned()?;
        let mut fragments: Vec<FragmentProfile> = Vec::new();
        for slot in &query.slots {
            let own = of_task(slot);
            match fragments.iter_mut().find(|other| other.fragment == own.fragment) {
                Some(fragment) => fragment.add(own),
                None => fragments.push(own),
            }
        }
        Some(fragments)
    }
}

impl FragmentProfile {
    fn add(&mut self, other: Self) {
        self.tasks += other.tasks;
        self.rows += other.rows;
        self.reading += other.reading;
        // Tasks of one fragment run the same operators.
        for (operator, other) in self.operators.iter_mut().zip(other.operators) {
            operator.rows += other.rows;
            operator.busy += other.busy;
            operator.state_bytes += other.state_bytes;
            operator.late += other.late;
        }
    }
}

fn of_task(slot: &Slot) -> FragmentProfile {
    let status = slot.status();
    let mut operators = Vec::new();
    collect(&slot.spec.root, 0, &mut operators);
    for operator in &mut operators {
        let Some(id) = &operator.operator else { continue };
        operator.late = status.counts.late_by_operator.get(id).copied().unwrap_or(0);
        operator.state_bytes = status.state_bytes.iter().filter(|(own, _)| own == id).map(|(_, bytes)| bytes).sum();
    }
    let (rows, reading) = (status.counts.rows, status.counts.reading);
    FragmentProfile { fragment: slot.spec.index, tasks: 1, rows, reading, operators }
}

fn collect(plan: &Arc<dyn ExecutionPlan>, depth: usize, operators: &mut Vec<OperatorProfile>) {
    let metrics = plan.metrics();
    let number = |count: Option<usize>| count.unwrap_or(0) as u64;
    let step = step_of(plan);
    operators.push(OperatorProfile {
        operator: step.map(|step| step.operator_id().clone()),
        depth,
        text: step.map_or_else(|| plan.name().to_string(), |step| step.text().to_string()),
        rows: number(metrics.as_ref().and_then(|metrics| metrics.output_rows())),
        busy: Duration::from_nanos(number(metrics.as_ref().and_then(|metrics| metrics.elapsed_compute()))),
        state_bytes: 0,
        late: 0,
    });
    for input in plan.children() {
        collect(input, depth + 1, operators);
    }
}
