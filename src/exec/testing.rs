//! Operator trees over hand-made rows, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int8Array;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::array::StringArray;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::util::display::ArrayFormatter;
use arrow::util::display::FormatOptions;
use datafusion::physical_plan::ExecutionPlan;

use super::Changes;
use super::CutId;
use super::Driver;
use super::Layout;
use super::Step;
use super::StepExec;
use super::StepSpec;
use super::TaskState;
use super::operators::Source;
use super::step_exec::step_of;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::memory::MemoryPool;
use crate::model::EventTime;
use crate::model::OperatorId;
use crate::model::PartitionId;
use crate::model::QueryId;
use crate::model::StreamTime;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::state::ColdStores;
use crate::state::SimulatedStores;
use crate::state::StateIdentity;
use crate::state::StateTable;
use crate::state::StoreName;

/// A row of the columns `k` and `v`; `op` is `__op` or, on a retract edge, `__weight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub key: Option<i64>,
    pub value: Option<i64>,
    pub time: i64,
    pub op: i64,
}

pub fn row(key: i64, value: i64, time: i64) -> Row {
    Row { key: Some(key), value: Some(value), time, op: 0 }
}

pub fn layout(changes: Changes) -> Layout {
    let fields = vec![Field::new("k", DataType::Utf8, true), Field::new("v", DataType::Int64, true)];
    Layout::new(&Schema::new(fields), changes)
}

/// Rows in order, with their clock and their places from `first`.
pub fn batch(layout: &Layout, rows: &[Row], first: i64, clock: &mut Option<i64>) -> RecordBatch {
    let mut clocks = Vec::new();
    for row in rows {
        *clock = (*clock).max(Some(row.time));
        clocks.push(clock.unwrap_or(row.time));
    }
    let keys: StringArray = rows.iter().map(|row| row.key.map(|key| format!("k{key}"))).collect();
    let values: Int64Array = rows.iter().map(|row| row.value).collect();
    let times = Int64Array::from_iter_values(rows.iter().map(|row| row.time));
    let seqs = Int64Array::from_iter_values((0..rows.len() as i64).map(|at| first + at));
    let change: ArrayRef = match layout.changes {
        Changes::Retract => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.op))),
        _ => Arc::new(Int8Array::from_iter_values(rows.iter().map(|row| row.op as i8))),
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(keys),
        Arc::new(values),
        Arc::new(times),
        Arc::new(Int64Array::from(clocks)),
        Arc::new(seqs),
        change,
    ];
    RecordBatch::try_new(Arc::clone(&layout.schema), columns).expect("columns fit the layout")
}

pub fn exec<S: Step + 'static>(
    id: &str,
    output: Layout,
    tables: Vec<&'static str>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    make: impl Fn() -> S + Send + Sync + 'static,
) -> Arc<dyn ExecutionPlan> {
    let make = Arc::new(move || Ok(Box::new(make()) as Box<dyn Step>));
    Arc::new(StepExec::new(
        StepSpec { id: OperatorId::new(id), text: id.to_string(), output, tables, lag_ms: 0, make },
        inputs,
    ))
}

pub fn leaf(leaf: usize, layout: Layout) -> Arc<dyn ExecutionPlan> {
    exec(&format!("leaf{leaf}"), layout, vec![], vec![], move || Source { leaf })
}

/// A tree with its state in stores that outlive it.
pub struct Tree {
    pub plan: Arc<dyn ExecutionPlan>,
    pub driver: Driver,
    stores: SimulatedStores,
    cut: CutId,
    seq: i64,
    clock: Option<i64>,
}

impl Tree {
    pub fn new(plan: Arc<dyn ExecutionPlan>) -> Self {
        let stores = SimulatedStores::new();
        let driver = Driver::new(&plan, state(&plan, &stores)).expect("the tree starts");
        Self { plan, driver, stores, cut: CutId::default(), seq: 0, clock: None }
    }

    /// One round; the rows of each leaf in one batch.
    pub fn round(&mut self, leaves: &[(&Layout, &[Row])]) -> Vec<RecordBatch> {
        let mut batches = Vec::new();
        for (layout, rows) in leaves {
            batches.push(vec![batch(layout, rows, self.seq, &mut self.clock)]);
            self.seq += rows.len() as i64;
        }
        self.driver.task().stream_time = StreamTime(self.clock.map(EventTime));
        self.driver.round(batches).expect("the round passes")
    }

    /// Flush, seal, commit; `restart` drops all memory afterwards.
    pub fn cut(&mut self, restart: bool) -> Vec<RecordBatch> {
        self.cut = CutId(self.cut.0 + 1);
        let rows = self.driver.flush(self.cut).expect("the flush passes");
        {
            let mut task = self.driver.task();
            for (_, table) in &mut task.tables {
                table.seal(self.cut);
                table.committed(self.cut, crate::model::Offset(self.cut.0 as i64)).expect("the store takes it");
            }
        }
        if restart {
            self.driver = Driver::new(&self.plan, state(&self.plan, &self.stores)).expect("the tree starts again");
        }
        rows
    }

    pub fn late(&self) -> u64 {
        self.driver.task().output.late.values().sum()
    }
}

fn state(plan: &Arc<dyn ExecutionPlan>, stores: &SimulatedStores) -> TaskState {
    let mut state = TaskState::default();
    tables(plan, stores, &mut state);
    state
}

fn tables(plan: &Arc<dyn ExecutionPlan>, stores: &SimulatedStores, state: &mut TaskState) {
    for name in step_of(plan).into_iter().flat_map(StepExec::tables) {
        let changelog = TopicPartition::new(TopicId([1; 16]), 0);
        let store_name = StoreName { owner: QueryId(1).into(), operator: name.0.clone(), partition: PartitionId(0) };
        let store = stores.open(&store_name).expect("a simulated store opens");
        let identity = StateIdentity { owner: QueryId(1).into(), layout: "test".to_string(), changelog };
        state.tables.push((name, StateTable::new(identity, store, 0, &MemoryPool::new("state", 1 << 30))));
    }
    plan.children().into_iter().for_each(|child| tables(child, stores, state));
}

/// The user columns of rows as texts, and the change.
pub fn texts(layout: &Layout, batches: &[RecordBatch]) -> Vec<(Vec<String>, i64)> {
    let options = FormatOptions::default().with_null("null");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = (0..layout.users())
            .map(|at| ArrayFormatter::try_new(batch.column(at).as_ref(), &options).expect("a type with a text"))
            .collect();
        for row in 0..batch.num_rows() {
            let change = match layout.changes {
                Changes::Retract => layout.weights(batch).value(row),
                _ => i64::from(layout.ops(batch).value(row)),
            };
            rows.push((columns.iter().map(|column| column.value(row).to_string()).collect(), change));
        }
    }
    rows
}

/// Upserts folded into a table by their first `keys` columns.
pub fn fold(rows: &[(Vec<String>, i64)], keys: usize) -> BTreeMap<Vec<String>, Vec<String>> {
    let mut table = BTreeMap::new();
    for (row, op) in rows {
        match op {
            0 => table.insert(row[..keys].to_vec(), row[keys..].to_vec()),
            _ => table.remove(&row[..keys]),
        };
    }
    table
}

/// Numbers below a bound, from a seed.
pub struct Dice(SeededRandom);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    pub fn below(&self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }
}
