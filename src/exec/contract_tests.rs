//! The operator contract, on operators that do nothing but keep it.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::AsArray;
use arrow::array::Int8Array;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Schema;
use datafusion::physical_plan::ExecutionPlan;

use super::Changes;
use super::CutId;
use super::Cx;
use super::Driver;
use super::ExecError;
use super::Layout;
use super::Ports;
use super::Progress;
use super::Step;
use super::StepExec;
use super::StepSpec;
use super::step_exec::TaskState;
use crate::model::EventTime;
use crate::model::OperatorId;
use crate::model::StreamTime;

fn layout() -> Layout {
    Layout::new(&Schema::new(vec![Field::new("v", DataType::Int64, true)]), Changes::Append)
}

fn rows(values: &[i64]) -> RecordBatch {
    let numbers = || Arc::new(Int64Array::from(values.to_vec()));
    let ops = Arc::new(Int8Array::from(vec![0; values.len()]));
    RecordBatch::try_new(layout().schema, vec![numbers(), numbers(), numbers(), numbers(), ops]).expect("columns fit")
}

fn values(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

fn exec(
    id: &str,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    make: impl Fn() -> Box<dyn Step> + Send + Sync + 'static,
) -> Arc<dyn ExecutionPlan> {
    let make = Arc::new(move || Ok(make()));
    let spec =
        StepSpec { id: OperatorId::new(id), text: id.to_string(), output: layout(), tables: vec![], lag_ms: 0, make };
    Arc::new(StepExec::new(spec, inputs))
}

struct Leaf(usize);

impl Step for Leaf {
    fn ports(&self) -> Ports {
        Ports::Round
    }

    fn input(&mut self, _: &mut Cx<'_>, _: usize, _: RecordBatch) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }

    fn round(&mut self, cx: &mut Cx<'_>, _: Vec<Vec<RecordBatch>>) -> Result<Progress, ExecError> {
        for batch in cx.take_leaf(self.0) {
            cx.emit(batch);
        }
        Ok(Progress::Done)
    }
}

fn leaf(index: usize) -> Arc<dyn ExecutionPlan> {
    exec("leaf", vec![], move || Box::new(Leaf(index)))
}

/// Adds one to each value; in two halves, so that `More` is used.
struct AddOne {
    held: Option<RecordBatch>,
}

impl Step for AddOne {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let more: Vec<i64> = values(std::slice::from_ref(&batch)).iter().map(|value| value + 1).collect();
        let half = more.len() / 2;
        cx.emit(rows(&more[..half]));
        self.held = Some(rows(&more[half..]));
        Ok(Progress::More)
    }

    fn resume(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        if let Some(batch) = self.held.take() {
            cx.emit(batch);
        }
        Ok(Progress::Done)
    }
}

/// Holds rows until stream time reaches their value, or until the cut.
#[derive(Default)]
struct Timer {
    waiting: Vec<i64>,
}

impl Step for Timer {
    fn input(&mut self, _: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        self.waiting.extend(values(&[batch]));
        Ok(Progress::Done)
    }

    fn drained(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        let now = cx.stream_time();
        let (due, waiting) = self.waiting.iter().partition(|value| now.has_reached(**value));
        self.waiting = waiting;
        cx.emit(rows(&due));
        Ok(Progress::Done)
    }

    fn flush(&mut self, cx: &mut Cx<'_>, _: CutId) -> Result<Progress, ExecError> {
        cx.emit(rows(&std::mem::take(&mut self.waiting)));
        Ok(Progress::Done)
    }
}

/// Passes the right port's values times a thousand, then the left port's.
struct Both;

impl Step for Both {
    fn ports(&self) -> Ports {
        Ports::Round
    }

    fn input(&mut self, _: &mut Cx<'_>, _: usize, _: RecordBatch) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }

    fn round(&mut self, cx: &mut Cx<'_>, slices: Vec<Vec<RecordBatch>>) -> Result<Progress, ExecError> {
        let right: Vec<i64> = values(&slices[1]).iter().map(|value| value * 1000).collect();
        cx.emit(rows(&right));
        cx.emit(rows(&values(&slices[0])));
        cx.emit(rows(&[-(slices.iter().filter(|slice| slice.is_empty()).count() as i64)]));
        Ok(Progress::Done)
    }
}

fn add_one(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    exec("add", vec![input], || Box::new(AddOne { held: None }))
}

fn driver(plan: &Arc<dyn ExecutionPlan>) -> Driver {
    Driver::new(plan, TaskState::default()).expect("the plan starts")
}

#[test]
fn one_row_passes_five_operators_at_once() {
    let plan = add_one(add_one(add_one(add_one(leaf(0)))));
    let mut driver = driver(&plan);
    for value in 0..3 {
        let output = driver.round(vec![vec![rows(&[value])]]).expect("the round passes");
        assert_eq!(values(&output), [value + 4]);
    }
}

#[test]
fn more_keeps_the_order_of_rows() {
    let mut driver = driver(&add_one(add_one(leaf(0))));
    let output = driver.round(vec![vec![rows(&[1, 2, 3]), rows(&[4, 5])]]).expect("the round passes");
    assert_eq!(values(&output), [3, 4, 5, 6, 7]);
}

#[test]
fn a_timer_fires_in_drained_and_its_rows_pass_the_parents() {
    let plan = add_one(exec("timer", vec![leaf(0)], || Box::<Timer>::default()));
    let mut driver = driver(&plan);
    driver.task().stream_time = StreamTime(Some(EventTime(5)));
    assert_eq!(values(&driver.round(vec![vec![rows(&[10, 4, 30])]]).expect("passes")), [5]);
    driver.task().stream_time = StreamTime(Some(EventTime(10)));
    assert_eq!(values(&driver.round(vec![]).expect("passes")), [11]);
}

#[test]
fn a_flush_passes_the_parents_of_the_flushed_operator_once_per_cut() {
    let plan = add_one(exec("timer", vec![leaf(0)], || Box::<Timer>::default()));
    let mut driver = driver(&plan);
    driver.round(vec![vec![rows(&[10, 4])]]).expect("passes");
    assert_eq!(values(&driver.flush(CutId(1)).expect("flushes")), [11, 5]);
    assert!(driver.flush(CutId(2)).expect("flushes").is_empty());
}

#[test]
fn two_ports_are_given_a_whole_round_empty_slices_included() {
    let plan = exec("both", vec![leaf(0), leaf(1)], || Box::new(Both));
    let mut driver = driver(&plan);
    let output = driver.round(vec![vec![rows(&[1])], vec![rows(&[7]), rows(&[8])]]).expect("passes");
    assert_eq!(values(&output), [7000, 8000, 1, 0]);
    assert_eq!(values(&driver.round(vec![]).expect("passes")), [-2]);
    assert!(driver.flush(CutId(1)).expect("flushes").is_empty(), "a round without rows is not called in a flush");
}

#[test]
fn a_repartition_hands_rows_from_one_tree_to_others() {
    let mut upstream = driver(&add_one(leaf(0)));
    let mut downstream = [driver(&add_one(leaf(0))), driver(&add_one(leaf(0)))];
    let output = upstream.round(vec![vec![rows(&[1, 2, 3, 4])]]).expect("passes");
    let parted = |odd: i64| values(&output).into_iter().filter(|v| v % 2 == odd).collect::<Vec<_>>();
    for (odd, expected) in [(0, vec![3, 5]), (1, vec![4, 6])] {
        let slice = rows(&parted(odd));
        let output = downstream[odd as usize].round(vec![vec![slice]]).expect("passes");
        assert_eq!(values(&output), expected);
    }
}

struct Panics;

impl Step for Panics {
    fn input(&mut self, _: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        assert!(batch.column(0).is_empty(), "no row is good enough");
        Ok(Progress::Done)
    }
}

#[test]
fn a_panic_of_an_operator_is_an_error_of_its_task() {
    let mut driver = driver(&exec("panics", vec![leaf(0)], || Box::new(Panics)));
    let error = driver.round(vec![vec![rows(&[1])]]).expect_err("it panics");
    assert!(matches!(&error, ExecError::Panic(text) if text.contains("no row is good enough")), "{error}");
}

/// Holds a hundred bytes for the flush with each call, three times a batch.
struct Holds(usize);

impl Step for Holds {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, _: RecordBatch) -> Result<Progress, ExecError> {
        self.0 = 3;
        self.resume(cx)
    }

    fn resume(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        cx.hold(100);
        self.0 -= 1;
        Ok(if self.0 == 0 { Progress::Done } else { Progress::More })
    }
}

#[test]
fn a_round_ends_where_more_waits_for_the_cut_than_may() {
    let plan = exec("holds", vec![leaf(0)], || Box::new(Holds(0)));
    let held = |waiting_max: usize| {
        let mut driver = driver(&plan);
        driver.task().waiting_max = waiting_max;
        let passed = driver.round(vec![vec![rows(&[1])]]);
        let held = driver.task().output.held_bytes;
        (passed.map_err(|error| matches!(error, ExecError::RoundTooLarge)), held)
    };
    assert_eq!(held(300), (Ok(vec![]), 300));
    assert_eq!(held(299), (Err(true), 300));
    assert_eq!(held(100), (Err(true), 200), "what is over it at once is not gone on with");
}

#[test]
fn what_the_root_emits_can_be_taken_batch_by_batch() {
    let mut driver = driver(&add_one(leaf(0)));
    driver.begin_round(vec![vec![rows(&[1, 2, 3, 4])]]);
    let next = |driver: &mut Driver| driver.next_output().expect("the round passes").map(|batch| values(&[batch]));
    assert_eq!([next(&mut driver), next(&mut driver), next(&mut driver)], [Some(vec![2, 3]), Some(vec![4, 5]), None]);
    driver.begin_flush(CutId(1));
    assert_eq!(next(&mut driver), None);
}
