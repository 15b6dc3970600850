//! What an input makes of markers and slices, without a log.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;

use super::input::Input;
use super::input::Place;
use super::queue::InputQueue;
use super::spec::LeafSpec;
use super::spec::Reads;
use super::spec::Root;
use super::times::Writer;
use crate::broker::Fetched;
use crate::exec::Changes;
use crate::exec::Layout;
use crate::exec::hold::Holds;
use crate::exec::hold::Reach;
use crate::exec::slice::Marker;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::PartitionId;
use crate::model::TopicId;
use crate::model::TopicPartition;

const PARTITION: TopicPartition = TopicPartition { topic: TopicId([7; 16]), partition: PartitionId(0) };

/// A leaf that two producers write.
fn leaf() -> LeafSpec {
    LeafSpec {
        topic: PARTITION.topic,
        partitions: 2,
        layout: Layout::new(&Schema::new(vec![Field::new("v", DataType::Int64, true)]), Changes::Retract),
        twin_of: None,
        reads: Reads::Exchange(Vec::new()),
        owns_dead_letters: false.into(),
        holds: Holds::default(),
        reads_first: false,
    }
}

fn input() -> Input {
    let mut progress = super::InputProgress::default();
    [0, 1].into_iter().for_each(|producer| progress.expect(Writer::Exchange(producer)));
    Input::new(0, PARTITION, true, Offset(0), LeaderEpoch(0), progress)
}

/// Rows whose event time and clock are `times`, with the changes `seqs`.
fn rows(times: &[i64], seqs: &[i64]) -> RecordBatch {
    let column = |values: &[i64]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    let weights = vec![1; times.len()];
    let columns = vec![column(times), column(times), column(times), column(seqs), column(&weights)];
    RecordBatch::try_new(leaf().layout.schema, columns).expect("columns fit")
}

fn said(producer: u32, clock: Option<i64>, idle: bool) -> Marker {
    Marker { producer, clock, idle, frontier: Vec::new() }
}

/// The clocks that waiting rows carry.
fn clocks(input: &Input) -> Vec<i64> {
    input.ready.iter().flat_map(|ready| ready.clocks.to_vec()).collect()
}

#[test]
fn a_producer_that_has_no_time_yet_holds_time_and_an_idle_one_does_not() {
    for (idle, expected) in [(false, i64::MIN), (true, 5_000)] {
        let mut input = input();
        input.take_marker(0, said(0, Some(4_000), false));
        input.take_marker(1, said(1, None, idle));
        input.take_slice(&leaf(), 2, 0, &rows(&[5_000], &[1]), 1);
        assert_eq!(clocks(&input), [expected], "idle {idle}");
        input.take_slice(&leaf(), 3, 1, &rows(&[200], &[1]), 1);
        assert_eq!(clocks(&input)[1], if idle { 5_000 } else { 200 }, "idle {idle}");
    }
}

#[test]
fn a_change_that_is_left_out_takes_its_rows_and_no_others() {
    let input = input();
    let skipped = HashSet::from([Place { partition: PARTITION, offset: 3, change: 8 }]);
    let slice = rows(&[1, 2, 3, 4], &[7, 8, 8, 9]);
    let kept = input.without(&skipped, &leaf(), 3, slice.clone()).expect("rows are left");
    assert_eq!(kept, rows(&[1, 4], &[7, 9]));
    assert_eq!(input.without(&skipped, &leaf(), 4, slice.clone()).expect("all rows"), slice);
}

#[test]
fn an_end_is_known_only_when_a_fetch_that_began_after_the_question_saw_it() {
    let fetched = || Fetched {
        batches: Vec::new(),
        marks: Vec::new(),
        next: Offset(4),
        readable_end: Offset(4),
        log_start: Offset(0),
        leader_epoch: LeaderEpoch(0),
    };
    let (queue, mut input) = (Arc::new(InputQueue::default()), input());
    input.queue = Arc::clone(&queue);
    assert!(queue.put(fetched(), queue.asked(), None));
    while queue.take(Reach::Free).expect("no error").is_some() {}
    assert!(input.is_known_at_end(&leaf()));
    let before = queue.asked();
    queue.ask();
    queue.put(fetched(), before, None);
    assert!(input.is_at_end() && !input.is_known_at_end(&leaf()), "this fetch began before");
    assert!(queue.put(fetched(), queue.asked(), None), "the answer is news");
    assert!(input.is_known_at_end(&leaf()));
}

#[test]
fn a_repartition_is_at_its_end_when_its_producers_have_written_all_that_lay_before_them() {
    let root = TopicPartition { topic: TopicId([8; 16]), partition: PartitionId(0) };
    let leaf = LeafSpec { reads: Reads::Exchange(vec![Root { partition: root, producer: Some(0) }]), ..leaf() };
    let mut input = input();
    input.roots = leaf.roots();
    let fetched = Fetched {
        batches: Vec::new(),
        marks: Vec::new(),
        next: Offset(0),
        readable_end: Offset(0),
        log_start: Offset(0),
        leader_epoch: LeaderEpoch(0),
    };
    input.queue.put(fetched, 0, Some(vec![(root, Offset(9))]));
    while input.queue.take(Reach::Free).expect("no error").is_some() {}
    for (covered, known) in [(8, false), (9, true)] {
        input.take_marker(covered, Marker { frontier: vec![(root, covered)], ..said(0, Some(1), false) });
        input.pass(Offset(covered + 1));
        assert!(input.is_at_end());
        assert_eq!(input.is_known_at_end(&leaf), known, "written up to {covered}");
    }
}
