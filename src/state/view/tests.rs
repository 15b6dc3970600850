//! Views against a map, over stores that lose what was not synced.

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
use futures::FutureExt;

use super::*;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::memory::MemoryPool;
use crate::model::Offset;
use crate::model::OperatorId;
use crate::model::PartitionId;
use crate::model::QueryId;
use crate::model::RelationId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::state::ColdStores;
use crate::state::SimulatedStores;
use crate::state::StateError;
use crate::state::StoreExpectation;
use crate::state::StoreName;
use crate::state::StoreVerdict;

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

fn memory(bytes: usize, replay_max: u64) -> Arc<ViewMemory> {
    Arc::new(ViewMemory::new(MemoryPool::new("views", bytes), replay_max))
}

fn topic(partition: i32) -> TopicPartition {
    TopicPartition::new(TopicId([9; 16]), partition)
}

fn expected(end: i64) -> StoreExpectation {
    StoreExpectation {
        owner: QueryId(4).into(),
        layout: "view".to_string(),
        changelog: topic(0),
        start: Offset(0),
        kept: Offset(0)..=Offset(end),
    }
}

fn name(partition: i32) -> StoreName {
    StoreName { owner: QueryId(4).into(), operator: OperatorId::new("view"), partition: PartitionId(partition) }
}

fn open(stores: &SimulatedStores, end: i64, memory: &Arc<ViewMemory>) -> OpenedView {
    ViewPartition::open(stores, &name(0), &expected(end), &schema(), memory).expect("opened")
}

/// A partition without rows, in stores of its own.
fn empty() -> ViewPartition {
    open(&SimulatedStores::new(), 0, &memory(1 << 30, 1 << 30)).partition
}

fn partitions(count: i32) -> Vec<ViewPartition> {
    let memory = memory(1 << 30, 1 << 30);
    let stores = SimulatedStores::new();
    let open = |partition| ViewPartition::open(&stores, &name(partition), &expected(0), &schema(), &memory);
    (0..count).map(|partition| open(partition).expect("opened").partition).collect()
}

/// A view with the truth beside it: its rows, and its topic, which has one record per delta.
struct Run {
    stores: SimulatedStores,
    memory: Arc<ViewMemory>,
    view: ViewPartition,
    map: Map,
    topic: Vec<ViewDelta>,
}

impl Run {
    fn new(bytes: usize, replay_max: u64) -> Self {
        let (stores, memory) = (SimulatedStores::new(), memory(bytes, replay_max));
        let view = open(&stores, 0, &memory).partition;
        Self { stores, memory, view, map: Map::new(), topic: Vec::new() }
    }

    fn commit(&mut self, delta: ViewDelta) {
        let rows = delta.changes();
        self.topic.push(delta.clone());
        let view = self.view.apply(&delta).expect("applied").reflecting(Offset(self.topic.len() as i64));
        self.view = view.with_room(rows).expect("folded");
    }

    /// Starts anew from what the stores have.
    fn restart(&mut self) -> StoreVerdict {
        let end = self.topic.len() as i64;
        let opened = open(&self.stores, end, &self.memory);
        self.view = opened.partition;
        for (at, delta) in self.topic.iter().enumerate().skip(opened.replay_from.0 as usize) {
            let view = self.view.apply(delta).expect("applied").reflecting(Offset(at as i64 + 1));
            self.view = view.with_room(delta.changes()).expect("folded");
        }
        opened.verdict
    }

    /// What is in memory is what is there; whether it was in memory.
    fn check_in_memory(&self, key: &[u8]) -> bool {
        let view = ViewSnapshot::new(schema(), vec![self.view.clone()]);
        let Some(rows) = view.rows_in_memory(key, &[1]) else { return false };
        let numbers: Vec<i64> = rows.iter().map(|row| row[0].as_primitive::<Int64Type>().value(0)).collect();
        assert_eq!(numbers, self.map.get(key).copied().into_iter().collect::<Vec<_>>());
        true
    }

    fn check(&self, random: &SeededRandom, keys: u64) {
        assert_eq!(contents(self.view.batches(None)), self.map);
        let key = || (random.next_u64() % keys).to_string().into_bytes();
        for _ in 0..20 {
            let key = key();
            self.check_in_memory(&key);
            assert_eq!(number(self.view.get(&key).expect("read")), self.map.get(&key).copied());
        }
        let (from, to) = (key(), key());
        let inside = |key: &[u8]| *from <= *key && *key < *to;
        let wanted: Map = self.map.iter().filter(|(key, _)| inside(key)).map(|(key, at)| (key.clone(), *at)).collect();
        assert_eq!(contents(self.view.range(&from, Some(&to), None)), wanted);
        let parts = self.view.parts(&from, Some(&to), 3);
        assert_eq!(contents(parts.into_iter().flat_map(|part| part.batches(None))), wanted);
        let count = usize::try_from(random.next_u64() % 50).expect("it is small");
        let firsts = |order: KeyOrder| {
            let whole = self.view.parts(&from, Some(&to), 1).pop().expect("there is one");
            let found = whole.first(&[1, 0], count, order).expect("read");
            let numbers =
                found.rows.iter().flat_map(|rows| rows.column(0).as_primitive::<Int64Type>().values().to_vec());
            found.keys.iter().cloned().zip(numbers).collect::<Vec<_>>()
        };
        let wanted: Vec<(Vec<u8>, i64)> = wanted.into_iter().collect();
        let rising: Vec<_> = wanted.iter().take(count).cloned().collect();
        let falling: Vec<_> = wanted.iter().rev().take(count).cloned().collect();
        assert_eq!(firsts(KeyOrder::Rising), rising);
        assert_eq!(firsts(KeyOrder::Falling), falling);
    }
}

#[test]
fn view_equals_a_map_and_old_versions_never_change_whatever_is_folded_evicted_and_lost() {
    for (seed, rows_max, keys, steps) in [(1, 3, 10, 400), (2, 60, 5000, 300), (3, 9000, 30_000, 25), (4, 1, 1, 50)] {
        for (bytes, replay_max) in [(1 << 30, 1 << 30), (20_000, 1 << 30), (1 << 30, 5), (0, 1)] {
            let random = SeededRandom::new(seed);
            let mut run = Run::new(bytes, replay_max);
            let mut pinned = Vec::new();
            for step in 0..steps {
                let delta = random_delta(&random, rows_max + 1, keys, &mut run.map);
                run.commit(delta);
                match random.next_u64() % 40 {
                    0 => run.view = run.view.folded(3).expect("folded").unwrap_or(run.view),
                    kill @ 1..=2 => {
                        // Versions of a life before are not read after it.
                        pinned.clear();
                        if kill == 2 {
                            run.stores.lose_power(seed * 1000 + step);
                        }
                        run.restart();
                    }
                    _ => {}
                }
                if step % (steps / 10) == 0 {
                    run.check(&random, keys);
                    pinned.push((run.view.clone(), run.map.clone()));
                }
            }
            run.check(&random, keys);
            for (version, map) in pinned {
                assert_eq!(contents(version.batches(None)), map, "a pinned version of seed {seed} changed");
                for (key, value) in map.iter().take(50) {
                    assert_eq!(number(version.get(key).expect("read")), Some(*value));
                }
            }
        }
    }
}

#[test]
fn rows_beyond_the_pool_lie_in_the_store_and_are_read_from_there() {
    let random = SeededRandom::new(5);
    let mut run = Run::new(300_000, 1 << 30);
    for number in 0..40i64 {
        let rows: Vec<(Vec<u8>, i64)> = (0..1000).map(|_| (random.next_u64().to_be_bytes().to_vec(), number)).collect();
        run.map.extend(rows.iter().cloned());
        run.commit(delta(&rows, &[]));
        let used = run.memory.pool().used();
        assert!(used <= 300_000, "{used} bytes are in memory");
    }
    assert_eq!(contents(run.view.batches(None)), run.map);
    assert!(run.memory.pool().used() <= 300_000);
    let in_memory = run.map.keys().filter(|key| run.check_in_memory(key)).count();
    assert!((1..run.map.len()).contains(&in_memory), "{in_memory} of {} keys are in memory", run.map.len());
    drop(run.view);
    run.topic.clear();
    assert_eq!(run.memory.pool().used(), 0, "what nobody holds is not counted");
}

#[test]
fn restart_reads_only_what_the_pages_do_not_have() {
    let mut run = Run::new(1 << 30, 100);
    for number in 0..1000i64 {
        let key = (number % 300).to_be_bytes().to_vec();
        run.map.insert(key.clone(), number);
        run.commit(delta(&[(key, number)], &[]));
    }
    let opened = open(&run.stores, 1000, &run.memory);
    assert_eq!(opened.verdict, StoreVerdict::Kept);
    assert!(900 <= opened.replay_from.0, "read again from {}", opened.replay_from);
    assert_eq!(run.restart(), StoreVerdict::Kept);
    assert_eq!(contents(run.view.batches(None)), run.map);
}

#[test]
fn pages_of_another_layout_of_a_longer_topic_or_behind_what_is_kept_are_not_read() {
    let mut run = Run::new(1 << 30, 1);
    for number in 0..10i64 {
        run.map.insert(vec![1], number);
        run.commit(delta(&[(vec![1], number)], &[]));
    }
    let verdict = |expected: StoreExpectation| {
        let copy = run.stores.copy();
        let opened = ViewPartition::open(&copy, &name(0), &expected, &schema(), &run.memory).expect("opened");
        let rows = opened.partition.row_count().expect("read");
        assert_eq!(rows, usize::from(opened.verdict == StoreVerdict::Kept));
        opened.verdict
    };
    assert_eq!(verdict(expected(10)), StoreVerdict::Kept);
    assert_eq!(verdict(expected(9)), StoreVerdict::Ahead, "its pages reflect what the topic does not have");
    assert_eq!(verdict(StoreExpectation { layout: "view 2".to_string(), ..expected(10) }), StoreVerdict::OtherLayout);
    let compacted = StoreExpectation { start: Offset(20), kept: Offset(20)..=Offset(30), ..expected(30) };
    assert_eq!(verdict(compacted), StoreVerdict::Behind);
}

#[test]
fn a_page_that_rots_is_an_error_of_who_reads_it() {
    let mut run = Run::new(0, 1);
    run.commit(delta(&[(vec![1], 1)], &[]));
    let store = run.stores.open(&name(0)).expect("opened");
    let pages = store.range(b"p", Some(b"q"), 9).expect("read");
    let rotten: Vec<crate::state::Change> = pages
        .into_iter()
        .map(|(key, value)| {
            let mut value = value.to_vec();
            value[20] ^= 1;
            (key, Some(value.into()))
        })
        .collect();
    let position = store.position().expect("read").expect("written");
    store.apply(&rotten, &position).expect("applied");
    let error = run.view.get(&[1]).expect_err("a bit is wrong");
    assert_eq!(crate::error::Error::from(error).state(), crate::error::SqlState::DATA_CORRUPTED);
}

#[test]
fn pages_that_nobody_holds_leave_the_store() {
    let mut run = Run::new(0, 1);
    for number in 0..200i64 {
        run.commit(delta(&[(vec![number as u8 % 7], number)], &[]));
    }
    let store = run.stores.open(&name(0)).expect("opened");
    let pages = store.range(b"p", Some(b"q"), 999).expect("read").len();
    assert!(pages <= 3, "{pages} pages for seven rows");
}

#[test]
fn small_commits_are_put_together() {
    let mut view = empty();
    for number in 0..20_000i64 {
        view = view.apply(&delta(&[(number.to_be_bytes().to_vec(), number)], &[])).expect("applied");
        view = view.with_room(1).expect("folded");
        let full = number as usize / 4096;
        assert!(view.batches(None).count() <= full + 3, "{} batches for {number} rows", view.batches(None).count());
    }
    assert_eq!(view.row_count().expect("read"), 20_000);
}

#[test]
fn rows_overwritten_often_do_not_pile_up() {
    let mut view = empty();
    for round in 0..200i64 {
        let rows: Vec<(Vec<u8>, i64)> = (0..1000i64).map(|key| (key.to_be_bytes().to_vec(), round)).collect();
        view = view.apply(&delta(&rows, &[])).expect("applied");
    }
    assert_eq!(view.batches(None).count(), 1);
    assert!(view.bytes() < 1000 * 200, "{} bytes for a thousand rows", view.bytes());
    let keys: Vec<Vec<u8>> = (0..1000i64).map(|key| key.to_be_bytes().to_vec()).collect();
    let gone = view.apply(&delta(&[], &keys)).expect("applied");
    assert_eq!((gone.row_count().expect("read"), gone.batches(None).count()), (0, 0));
    assert_eq!(view.row_count().expect("read"), 1000);
}

#[test]
fn delta_that_does_not_fit_is_refused() {
    let view = empty();
    let mut wrong = delta(&[(vec![1], 1)], &[]);
    wrong.keys.clear();
    assert!(matches!(view.apply(&wrong), Err(StateError::Misfit { rows: 1, keys: 0 })));
    let rows = delta(&[(vec![1], 1)], &[]).rows.project(&[1]).expect("one column");
    let wrong = ViewDelta { keys: vec![vec![1]], rows, tombstones: Vec::new() };
    assert!(matches!(view.apply(&wrong), Err(StateError::Misfit { .. })));
}

fn change(relation: RelationId, partition: usize, rows: &[(Vec<u8>, i64)]) -> PartitionChange {
    let (deltas, topic) = (vec![delta(rows, &[])], topic(partition as i32));
    PartitionChange { relation, partition, deltas, topic, upto: Some(Offset(9)), frontier: Frontier::new() }
}

#[test]
fn commit_over_several_views_is_seen_whole_or_not_at_all() {
    let publisher = Publisher::new(memory(1 << 30, 1 << 30));
    publisher.define(VIEW, schema(), partitions(2));
    publisher.define(RelationId(2), schema(), partitions(1));
    let before = publisher.current();
    let changes = vec![change(VIEW, 1, &[(vec![1], 10)]), change(RelationId(2), 0, &[(vec![2], 20)])];
    publisher.publish(5, changes).expect("published");
    assert_eq!(before.view(VIEW).map(|view| view.row_count().expect("read")), Some(0));

    let mut wrong = change(RelationId(2), 0, &[(vec![3], 30)]);
    wrong.deltas[0].keys.clear();
    publisher.publish(6, vec![change(VIEW, 0, &[(vec![4], 40)]), wrong]).map(|_| ()).expect_err("does not fit");
    let now = publisher.current();
    assert_eq!(now.commit_number(), 5);
    let view = now.view(VIEW).expect("defined");
    assert_eq!((number(view.get(&[1]).expect("read")), number(view.get(&[4]).expect("read"))), (Some(10), None));
    assert_eq!(view.scan(Some(&[1])).expect("read")[0].num_columns(), 1);

    publisher.remove(VIEW);
    assert!(publisher.current().view(VIEW).is_none());
    assert_eq!(number(view.get(&[1]).expect("read")), Some(10), "who holds it still reads it");
}

#[test]
fn pins_are_counted_until_dropped() {
    let publisher = Publisher::new(memory(1 << 30, 1 << 30));
    publisher.define(VIEW, schema(), partitions(1));
    assert_eq!(publisher.pins(), Pins::default());
    let pin = publisher.publish(3, Vec::new()).expect("published");
    publisher.publish(4, Vec::new()).expect("published");
    publisher.publish(5, Vec::new()).expect("published");
    assert_eq!(publisher.pins(), Pins { live: 1, oldest: Some(3), bytes: 0 });
    drop(pin);
    assert_eq!(publisher.pins(), Pins::default());
}

#[test]
fn old_versions_that_hold_too_much_are_given_up_oldest_first_and_the_current_one_never() {
    let views = Arc::new(ViewMemory::new(MemoryPool::new("views", 1 << 30), 1 << 30).with_pinned_max(10_000));
    let stores = SimulatedStores::new();
    let partition = ViewPartition::open(&stores, &name(0), &expected(0), &schema(), &views).expect("opened").partition;
    let publisher = Publisher::new(views);
    publisher.define(VIEW, schema(), vec![partition]);
    let mut commit_number = 0;
    let mut commit = || {
        commit_number += 1;
        let rows: Vec<(Vec<u8>, i64)> = (0..100_u8).map(|key| (vec![key], commit_number)).collect();
        let change = PartitionChange {
            relation: VIEW,
            partition: 0,
            deltas: vec![delta(&rows, &[])],
            topic: topic(0),
            upto: Some(Offset(commit_number * 100)),
            frontier: Frontier::new(),
        };
        publisher.publish(commit_number as u64, vec![change]).expect("published")
    };
    let is_given_up = |pin: &Arc<Published>| pin.given_up().now_or_never().is_some();
    // One after the other takes some 2,000 bytes that no later version has.
    let pins: Vec<Arc<Published>> = (0..3).map(|_| commit()).collect();
    commit();
    assert!(
        !pins.iter().any(is_given_up) && (1_000..10_000).contains(&publisher.pins().bytes),
        "{:?}",
        publisher.pins()
    );
    let more: Vec<Arc<Published>> = (0..5).map(|_| commit()).collect();
    commit();
    assert!(is_given_up(&pins[0]), "{:?}", publisher.pins());
    assert!(!is_given_up(&more[4]) && !is_given_up(&publisher.current()));
    drop((pins, more));
    let held = publisher.current();
    assert_eq!(publisher.pins(), Pins::default());
    assert!(!is_given_up(&held));
}

#[test]
fn frontier_is_the_least_over_partitions() {
    let source = |partition| TopicPartition::new(TopicId([1; 16]), partition);
    let moved = |partition, offsets: &[(i32, i64)]| PartitionChange {
        relation: VIEW,
        partition,
        deltas: Vec::new(),
        topic: topic(partition as i32),
        upto: None,
        frontier: offsets.iter().map(|(root, offset)| (source(*root), Offset(*offset))).collect(),
    };
    let publisher = Publisher::new(memory(1 << 30, 1 << 30));
    publisher.define(VIEW, schema(), partitions(2));
    publisher.publish(1, vec![moved(0, &[(0, 5), (1, 9)]), moved(1, &[(0, 7)])]).expect("published");
    let view = publisher.current().view(VIEW).cloned().expect("defined");
    assert_eq!(view.frontier(), Frontier::from([(source(0), Offset(5)), (source(1), Offset(9))]));
    publisher.publish(2, vec![moved(0, &[(0, 8)])]).expect("published");
    let view = publisher.current().view(VIEW).cloned().expect("defined");
    assert_eq!(view.frontier(), Frontier::from([(source(0), Offset(7)), (source(1), Offset(9))]));
}
