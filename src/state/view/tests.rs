//! Views against a map.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::BinaryArray;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;

use super::*;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::model::Offset;
use crate::model::RelationId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::state::StateError;

/// Key bytes with their number.
type Map = BTreeMap<Vec<u8>, i64>;

const VIEW: RelationId = RelationId(1);

fn schema() -> SchemaRef {
    let key = Field::new("key", DataType::Binary, true);
    Arc::new(Schema::new(vec![key, Field::new("number", DataType::Int64, true)]))
}

fn delta(rows: &[(Vec<u8>, i64)], tombstones: &[Vec<u8>]) -> ViewDelta {
    let keys: ArrayRef = Arc::new(BinaryArray::from_iter_values(rows.iter().map(|(key, _)| key)));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, number)| *number)));
    ViewDelta {
        keys: rows.iter().map(|(key, _)| key.clone()).collect(),
        rows: RecordBatch::try_new(schema(), vec![keys, numbers]).expect("two columns"),
        tombstones: tombstones.to_vec(),
    }
}

fn contents(batches: impl Iterator<Item = Result<RecordBatch, StateError>>) -> Map {
    let mut map = Map::new();
    for batch in batches {
        let batch = batch.expect("read");
        let numbers = batch.column(1).as_primitive::<Int64Type>();
        for (key, number) in batch.column(0).as_binary::<i32>().iter().zip(numbers) {
            let before = map.insert(key.expect("not null").to_vec(), number.expect("not null"));
            assert_eq!(before, None, "a key is live in two rows");
        }
    }
    map
}

fn number(row: Option<RecordBatch>) -> Option<i64> {
    row.map(|row| {
        assert_eq!(row.num_rows(), 1);
        row.column(1).as_primitive::<Int64Type>().value(0)
    })
}

/// A delta of up to `rows_max` rows over `keys` keys, applied to the map too.
fn random_delta(random: &SeededRandom, rows_max: u64, keys: u64, map: &mut Map) -> ViewDelta {
    let key = || (random.next_u64() % keys).to_string().into_bytes();
    let tombstones: Vec<Vec<u8>> = (0..random.next_u64() % (rows_max / 2 + 1)).map(|_| key()).collect();
    for key in &tombstones {
        map.remove(key);
    }
    let rows: Vec<(Vec<u8>, i64)> =
        (0..random.next_u64() % rows_max).map(|_| (key(), random.next_u64() as i64)).collect();
    map.extend(rows.iter().cloned());
    delta(&rows, &tombstones)
}

#[test]
fn view_equals_a_map_and_old_versions_never_change() {
    for (seed, rows_max, keys, steps) in [(1, 3, 10, 400), (2, 60, 5000, 300), (3, 9000, 30_000, 25), (4, 1, 1, 50)] {
        let random = SeededRandom::new(seed);
        let mut view = ViewPartition::new(schema());
        let mut map = Map::new();
        let mut pinned = Vec::new();
        for step in 0..steps {
            let delta = random_delta(&random, rows_max + 1, keys, &mut map);
            view = view.apply(&delta).expect("applied");
            assert_eq!(view.row_count(), map.len(), "seed {seed}, step {step}");
            if step % (steps / 10) == 0 {
                assert_eq!(contents(view.batches(None)), map, "seed {seed}, step {step}");
                pinned.push((view.clone(), map.clone()));
            }
            let key = (random.next_u64() % keys).to_string().into_bytes();
            assert_eq!(number(view.get(&key)), map.get(&key).copied());
        }
        for (version, map) in pinned {
            assert_eq!(contents(version.batches(None)), map, "a pinned version of seed {seed} changed");
            for (key, value) in map.iter().take(500) {
                assert_eq!(number(version.get(key)), Some(*value));
            }
        }
    }
}

#[test]
fn small_commits_are_folded_into_few_pages() {
    let mut view = ViewPartition::new(schema());
    for number in 0..20_000i64 {
        view = view.apply(&delta(&[(number.to_be_bytes().to_vec(), number)], &[])).expect("applied");
        let full = number as usize / 4096;
        assert!(view.batches(None).count() <= full + 40, "{} pages for {number} rows", view.batches(None).count());
    }
    assert_eq!(view.row_count(), 20_000);
}

#[test]
fn rows_overwritten_often_do_not_pile_up() {
    let mut view = ViewPartition::new(schema());
    for round in 0..200i64 {
        let rows: Vec<(Vec<u8>, i64)> = (0..1000i64).map(|key| (key.to_be_bytes().to_vec(), round)).collect();
        view = view.apply(&delta(&rows, &[])).expect("applied");
    }
    assert_eq!(view.batches(None).count(), 1);
    let keys: Vec<Vec<u8>> = (0..1000i64).map(|key| key.to_be_bytes().to_vec()).collect();
    let empty = view.apply(&delta(&[], &keys)).expect("applied");
    assert_eq!((empty.row_count(), empty.batches(None).count()), (0, 0));
    assert_eq!(view.row_count(), 1000);
}

#[test]
fn delta_that_does_not_fit_is_refused() {
    let view = ViewPartition::new(schema());
    let mut wrong = delta(&[(vec![1], 1)], &[]);
    wrong.keys.clear();
    assert!(matches!(view.apply(&wrong), Err(StateError::Misfit { rows: 1, keys: 0 })));
    let rows = delta(&[(vec![1], 1)], &[]).rows.project(&[1]).expect("one column");
    let wrong = ViewDelta { keys: vec![vec![1]], rows, tombstones: Vec::new() };
    assert!(matches!(view.apply(&wrong), Err(StateError::Misfit { .. })));
}

fn change(relation: RelationId, partition: usize, rows: &[(Vec<u8>, i64)]) -> PartitionChange {
    PartitionChange { relation, partition, deltas: vec![delta(rows, &[])], frontier: Frontier::new() }
}

#[test]
fn commit_over_several_views_is_seen_whole_or_not_at_all() {
    let publisher = Publisher::new();
    publisher.define(VIEW, schema(), 2);
    publisher.define(RelationId(2), schema(), 1);
    let before = publisher.current();
    let changes = vec![change(VIEW, 1, &[(vec![1], 10)]), change(RelationId(2), 0, &[(vec![2], 20)])];
    publisher.publish(5, changes).expect("published");
    assert_eq!(before.view(VIEW).map(|view| view.row_count()), Some(0));

    let mut wrong = change(RelationId(2), 0, &[(vec![3], 30)]);
    wrong.deltas[0].keys.clear();
    publisher.publish(6, vec![change(VIEW, 0, &[(vec![4], 40)]), wrong]).map(|_| ()).expect_err("does not fit");
    let now = publisher.current();
    assert_eq!(now.commit_number(), 5);
    let view = now.view(VIEW).expect("defined");
    assert_eq!((number(view.get(&[1])), number(view.get(&[4]))), (Some(10), None));
    assert_eq!(view.scan(Some(&[1])).expect("read")[0].num_columns(), 1);

    publisher.remove(VIEW);
    assert!(publisher.current().view(VIEW).is_none());
    assert_eq!(number(view.get(&[1])), Some(10), "who holds it still reads it");
}

#[test]
fn pins_are_counted_until_dropped() {
    let publisher = Publisher::new();
    publisher.define(VIEW, schema(), 1);
    assert_eq!(publisher.pins(), Pins::default());
    let pin = publisher.publish(3, Vec::new()).expect("published");
    publisher.publish(4, Vec::new()).expect("published");
    publisher.publish(5, Vec::new()).expect("published");
    assert_eq!(publisher.pins(), Pins { live: 1, oldest: Some(3) });
    drop(pin);
    assert_eq!(publisher.pins(), Pins::default());
}

#[test]
fn frontier_is_the_least_over_partitions() {
    let source = |partition| TopicPartition::new(TopicId([1; 16]), partition);
    let moved = |partition, offsets: &[(i32, i64)]| PartitionChange {
        relation: VIEW,
        partition,
        deltas: Vec::new(),
        frontier: offsets.iter().map(|(root, offset)| (source(*root), Offset(*offset))).collect(),
    };
    let publisher = Publisher::new();
    publisher.define(VIEW, schema(), 2);
    publisher.publish(1, vec![moved(0, &[(0, 5), (1, 9)]), moved(1, &[(0, 7)])]).expect("published");
    let view = publisher.current().view(VIEW).cloned().expect("defined");
    assert_eq!(view.frontier(), Frontier::from([(source(0), Offset(5)), (source(1), Offset(9))]));
    publisher.publish(2, vec![moved(0, &[(0, 8)])]).expect("published");
    let view = publisher.current().view(VIEW).cloned().expect("defined");
    assert_eq!(view.frontier(), Frontier::from([(source(0), Offset(7)), (source(1), Offset(9))]));
}
