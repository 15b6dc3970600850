//! State tables and stores against a map.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::env::Env;
use crate::env::Random;
use crate::env::SeededRandom;
use crate::error::Error;
use crate::error::SqlState;
use crate::memory::MemoryPool;
use crate::model::Offset;
use crate::model::OperatorId;
use crate::model::PartitionId;
use crate::model::QueryId;
use crate::model::TopicId;
use crate::model::TopicPartition;

type Map = BTreeMap<Bytes, Bytes>;

fn changelog() -> TopicPartition {
    TopicPartition::new(TopicId([7; 16]), 3)
}

fn identity() -> StateIdentity {
    StateIdentity { owner: QueryId(4).into(), layout: "count v1".to_string(), changelog: changelog() }
}

fn name() -> StoreName {
    StoreName { owner: QueryId(4).into(), operator: OperatorId::new("0-agg"), partition: PartitionId(3) }
}

fn position(offset: i64) -> StorePosition {
    StorePosition {
        owner: QueryId(4).into(),
        layout: "count v1".to_string(),
        changelog: changelog(),
        offset: Offset(offset),
    }
}

fn expected(start: i64, end: i64) -> StoreExpectation {
    StoreExpectation {
        owner: QueryId(4).into(),
        layout: "count v1".to_string(),
        changelog: changelog(),
        start: Offset(start),
        kept: Offset(start)..=Offset(end),
    }
}

fn pool() -> MemoryPool {
    MemoryPool::new("state", 1 << 30)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// A task's state with the truth beside it: committed and current maps, and the changelog.
struct Run {
    stores: Box<dyn ColdStores>,
    cache_bytes_max: usize,
    table: StateTable,
    current: Map,
    committed: Map,
    sealed: Vec<(CutId, Map, Vec<Change>)>,
    changelog: Vec<Change>,
    next_cut: u64,
}

impl Run {
    fn new(stores: Box<dyn ColdStores>, cache_bytes_max: usize) -> Self {
        let store = stores.open(&name()).expect("opened");
        Self {
            stores,
            cache_bytes_max,
            table: StateTable::new(identity(), store, cache_bytes_max, &pool()),
            current: Map::new(),
            committed: Map::new(),
            sealed: Vec::new(),
            changelog: Vec::new(),
            next_cut: 1,
        }
    }

    fn step(&mut self, random: &SeededRandom) {
        let key = key_of(random);
        match random.next_u64() % 40 {
            0..=15 => {
                let value = Bytes::from(random.next_u64().to_be_bytes().to_vec());
                self.table.put(key.clone(), value.clone()).expect("short key");
                self.current.insert(key, value);
            }
            16..=23 => {
                self.table.delete(key.clone()).expect("short key");
                self.current.remove(&key);
            }
            24..=28 => assert_eq!(self.table.get(&key).expect("read"), self.current.get(&key).cloned()),
            29 => self.compare_range(random),
            30 => self.compare_group(random),
            31 => self.take_from_front(random),
            32..=34 => self.seal(),
            35..=37 => self.commit(),
            38 => {
                self.table.rollback();
                self.sealed.clear();
                self.current = self.committed.clone();
            }
            _ => self.restart(),
        }
    }

    fn compare_range(&self, random: &SeededRandom) {
        let (from, to) = (key_of(random), key_of(random));
        let found: Result<Vec<_>, _> = self.table.range(&from, Some(&to)).collect();
        let inside = self.current.iter().filter(|(key, _)| from <= **key && **key < to);
        let model: Vec<_> = inside.map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(found.expect("read"), model);

        let found: Result<Map, _> = self.table.prefix(&from).collect();
        let model = self.current.iter().filter(|(key, _)| key.starts_with(&from));
        assert_eq!(found.expect("read"), model.map(|(key, value)| (key.clone(), value.clone())).collect());
    }

    /// A group, perhaps within another one, read from some key on.
    fn compare_group(&mut self, random: &SeededRandom) {
        let ends: [&[u8]; 4] = [&[0, 0xff], &[1], &[0xfe, 1], &[0xff, 0xff]];
        let end = Bytes::from_static(ends[random.next_u64() as usize % ends.len()]);
        let (from, to) = (key_of(random).min(end.clone()), key_of(random).min(end.clone()));
        let found: Result<Vec<_>, _> = self.table.range_of_group(&from, &to, &end).expect("read").collect();
        let inside = self.current.iter().filter(|(key, _)| from <= **key && **key < to);
        assert_eq!(found.expect("read"), inside.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>());
    }

    /// Two queues, one of which begins in the middle of the other: what lies at the front is right, and perhaps taken.
    fn take_from_front(&mut self, random: &SeededRandom) {
        let from = [Bytes::new(), bytes("b")][(random.next_u64() % 2) as usize].clone();
        let to = key_of(random);
        let found: Result<Vec<_>, _> = self.table.front(&from, &to).expect("read").take(3).collect();
        let inside = self.current.iter().filter(|(key, _)| from <= **key && **key < to);
        let model: Vec<_> = inside.take(3).map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(found.expect("read"), model);
        if random.next_u64().is_multiple_of(2) {
            for (key, _) in model {
                self.table.delete(key.clone()).expect("short key");
                self.current.remove(&key);
            }
        }
    }

    fn seal(&mut self) {
        let cut = CutId(self.next_cut);
        self.next_cut += 2;
        let delta = self.table.seal(cut);
        let changes = delta.changes().map(|(key, value)| (key.clone(), value.cloned())).collect();
        self.sealed.push((cut, self.current.clone(), changes));
    }

    /// Commits the oldest sealed cut.
    fn commit(&mut self) {
        if self.sealed.is_empty() {
            return;
        }
        let (cut, state, changes) = self.sealed.remove(0);
        self.changelog.extend(changes);
        self.committed = state;
        self.table.committed(cut, Offset(self.changelog.len() as i64)).expect("applied");
    }

    fn restart(&mut self) {
        let end = self.changelog.len();
        let opened = open_store(&*self.stores, &name(), &expected(0, end as i64)).expect("opened");
        self.table = StateTable::new(identity(), opened.store, self.cache_bytes_max, &pool());
        let missing = self.changelog[opened.restore_from.0 as usize..].to_vec();
        for (index, part) in missing.chunks(5).enumerate() {
            let next = opened.restore_from.0 as usize + index * 5 + part.len();
            self.table.restore(part.to_vec(), Offset(next as i64)).expect("restored");
        }
        self.sealed.clear();
        self.current = self.committed.clone();
        let all: Result<Map, _> = self.table.range(&[], None).collect();
        assert_eq!(all.expect("read"), self.current);
    }
}

/// Short keys that share prefixes, the empty key among them.
fn key_of(random: &SeededRandom) -> Bytes {
    let length = random.next_u64() % 4;
    (0..length).map(|_| [0, 1, 0xfe, 0xff][random.next_u64() as usize % 4]).collect()
}

#[test]
fn state_table_equals_a_map_under_random_steps_and_power_losses() {
    for seed in 0..60 {
        let random = SeededRandom::new(seed);
        let stores = SimulatedStores::new();
        let cache_bytes_max = [0, 400, 16_000, 1 << 20][seed as usize % 4];
        let mut run = Run::new(Box::new(stores.clone()), cache_bytes_max);
        for step in 0..600 {
            if random.next_u64().is_multiple_of(100) {
                stores.lose_power(seed * 1000 + step);
                run.restart();
            }
            run.step(&random);
            assert!(run.table.bytes() <= run.table.uncommitted_bytes() + cache_bytes_max * 5 / 4 + 200, "seed {seed}");
        }
    }
}

#[test]
fn state_table_over_files_equals_a_map_under_random_steps() {
    let directory = tempfile::tempdir().expect("made");
    let stores = FjallStores::open(&Env::real(), directory.path(), StoreLimits::default()).expect("opened");
    let random = SeededRandom::new(77);
    let mut run = Run::new(Box::new(stores), 300);
    for _ in 0..3000 {
        run.step(&random);
    }
}

#[test]
fn scan_longer_than_a_chunk_sees_every_layer_once() {
    let stores = SimulatedStores::new();
    let mut table = StateTable::new(identity(), stores.open(&name()).expect("opened"), 0, &pool());
    let key = |number: u32| Bytes::copy_from_slice(&number.to_be_bytes());
    let cold = (0..5000).map(|number| (key(number), Some(bytes("cold"))));
    table.restore(cold, Offset(5000)).expect("restored");
    (0..5000).step_by(2).for_each(|number| table.delete(key(number)).expect("short key"));
    table.seal(CutId(1));
    (0..5000).step_by(10).for_each(|number| table.put(key(number), "warm").expect("short key"));
    let found: Vec<(Bytes, Bytes)> = table.range(&[], None).collect::<Result<_, _>>().expect("read");
    assert!(found.is_sorted());
    assert_eq!(found.iter().filter(|(_, value)| value == "warm").count(), 500);
    assert_eq!(found.iter().filter(|(_, value)| value == "cold").count(), 2500);
}

#[test]
fn uncommitted_changes_never_reach_the_store() {
    let stores = SimulatedStores::new();
    let store = stores.open(&name()).expect("opened");
    let mut table = StateTable::new(identity(), store.clone(), 1000, &pool());
    table.put("a", "1").expect("short key");
    table.seal(CutId(1));
    table.put("b", "2").expect("short key");
    assert_eq!(store.range(&[], None, 9).expect("read"), []);
    table.committed(CutId(1), Offset(10)).expect("applied");
    assert_eq!(store.range(&[], None, 9).expect("read"), [(bytes("a"), bytes("1"))]);
    assert_eq!(store.position().expect("read"), Some(position(10)));
    table.discard_unsealed();
    assert_eq!(table.get(b"b").expect("read"), None);
}

#[test]
fn failed_apply_keeps_the_cut_for_the_next_commit() {
    struct FailsOnce(parking_lot::Mutex<bool>, Arc<dyn ColdStore>);
    impl ColdStore for FailsOnce {
        fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
            self.1.get(key)
        }
        fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StateError> {
            self.1.range(from, to, limit)
        }
        fn apply(&self, changes: &[Change], position: &StorePosition) -> Result<(), StateError> {
            if std::mem::take(&mut *self.0.lock()) {
                return Err(StateError::Io(std::io::ErrorKind::StorageFull.into()));
            }
            self.1.apply(changes, position)
        }
        fn position(&self) -> Result<Option<StorePosition>, StateError> {
            self.1.position()
        }
        fn wipe(&self) -> Result<(), StateError> {
            self.1.wipe()
        }
    }
    let inner = SimulatedStores::new().open(&name()).expect("opened");
    let store = Arc::new(FailsOnce(parking_lot::Mutex::new(true), inner.clone()));
    let mut table = StateTable::new(identity(), store, 1000, &pool());
    table.put("a", "1").expect("short key");
    table.seal(CutId(1));
    table.committed(CutId(1), Offset(1)).expect_err("full");
    assert_eq!(table.get(b"a").expect("read"), Some(bytes("1")));
    table.put("a", "2").expect("short key");
    table.seal(CutId(2));
    table.committed(CutId(2), Offset(2)).expect("room again");
    assert_eq!(inner.get(b"a").expect("read"), Some(bytes("2")));
    assert_eq!(table.uncommitted_bytes(), 0);
}

#[test]
fn accounted_bytes_return_to_zero() {
    let store = SimulatedStores::new().open(&name()).expect("opened");
    let mut table = StateTable::new(identity(), store, 1 << 20, &pool());
    for key in 0..50u32 {
        assert_eq!(table.get(&key.to_be_bytes()).expect("read"), None);
    }
    for round in 0..3 {
        for key in 0..100u32 {
            table.put(key.to_be_bytes().to_vec(), vec![0; round]).expect("short key");
        }
    }
    assert_eq!(table.uncommitted_bytes(), 100 * (4 + 2 + ENTRY_OVERHEAD_BYTES));
    table.seal(CutId(1));
    table.committed(CutId(1), Offset(1)).expect("applied");
    let known = 50 * (4 + 2 + ENTRY_OVERHEAD_BYTES);
    assert_eq!((table.uncommitted_bytes(), table.bytes()), (0, known), "what was read before is remembered");
    table.evict();
    assert_eq!(table.bytes(), 0);
}

#[test]
fn full_pool_takes_cached_rows_and_is_told_of_all_that_a_table_holds() {
    let pool = MemoryPool::new("state", 100_000);
    let store = SimulatedStores::new().open(&name()).expect("opened");
    let mut table = StateTable::new(identity(), store, usize::MAX, &pool);
    for cut in 0..50 {
        for key in 0..20u32 {
            let key = (cut * 20 + key).to_be_bytes().to_vec();
            assert_eq!(table.get(&key).expect("read"), None);
            table.put(key, vec![0; 1000]).expect("short key");
        }
        table.seal(CutId(u64::from(cut)));
        table.committed(CutId(u64::from(cut)), Offset(i64::from(cut))).expect("applied");
        assert!(pool.used() <= 100_000 + 25_000, "{} bytes after cut {cut}", pool.used());
        assert!(pool.used().abs_diff(table.bytes()) < 20_000);
    }
    assert_eq!(table.get(&7u32.to_be_bytes()).expect("read").map(|value| value.len()), Some(1000));
    drop(table);
    assert_eq!(pool.used(), 0);
}

#[test]
fn key_too_long_for_the_store_is_refused_at_once() {
    let store = SimulatedStores::new().open(&name()).expect("opened");
    let mut table = StateTable::new(identity(), store, 0, &pool());
    table.put(vec![0; KEY_BYTES_MAX], "1").expect("as long as may be");
    let error = table.put(vec![0; KEY_BYTES_MAX + 1], "1").expect_err("too long");
    assert_eq!(Error::from(error).state(), SqlState::PROGRAM_LIMIT_EXCEEDED);
}

#[test]
fn only_a_store_that_fits_is_kept() {
    let verdicts = |position: StorePosition, expected: StoreExpectation| {
        let stores = SimulatedStores::new();
        let store = stores.open(&name()).expect("opened");
        store.apply(&[(bytes("a"), Some(bytes("1")))], &position).expect("applied");
        let opened = open_store(&stores, &name(), &expected).expect("opened");
        let kept = !opened.store.range(&[], None, 9).expect("read").is_empty();
        assert_eq!(kept, opened.verdict == StoreVerdict::Kept);
        (opened.verdict, opened.restore_from)
    };
    assert_eq!(verdicts(position(5), expected(0, 5)), (StoreVerdict::Kept, Offset(5)));
    assert_eq!(verdicts(position(5), expected(5, 9)), (StoreVerdict::Kept, Offset(5)));
    assert_eq!(verdicts(position(6), expected(2, 5)), (StoreVerdict::Ahead, Offset(2)));
    assert_eq!(verdicts(position(1), expected(2, 5)), (StoreVerdict::Behind, Offset(2)));
    let other = StorePosition { layout: "count v2".to_string(), ..position(5) };
    assert_eq!(verdicts(other, expected(0, 5)), (StoreVerdict::OtherLayout, Offset(0)));
    let other = StorePosition { owner: QueryId(5).into(), ..position(5) };
    assert_eq!(verdicts(other, expected(0, 5)), (StoreVerdict::OtherLayout, Offset(0)));
    let opened = open_store(&SimulatedStores::new(), &name(), &expected(3, 5)).expect("opened");
    assert_eq!((opened.verdict, opened.restore_from), (StoreVerdict::Missing, Offset(3)));
}

#[test]
fn damaged_position_is_not_read() {
    let encoded = position(5).encode();
    assert_eq!(StorePosition::decode(&encoded), Some(position(5)));
    for length in 0..encoded.len() {
        assert_eq!(StorePosition::decode(&encoded[..length]), None);
    }
    for bit in 0..encoded.len() * 8 {
        let mut damaged = encoded.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(StorePosition::decode(&damaged), None);
    }
}

#[test]
fn files_keep_entries_and_position_over_a_reopen_and_a_wipe_forgets_both() {
    let directory = tempfile::tempdir().expect("made");
    let open = || FjallStores::open(&Env::real(), directory.path(), StoreLimits::default()).expect("opened");
    let changes = [(Bytes::new(), Some(bytes("empty key"))), (bytes("a"), Some(Bytes::new()))];
    open().open(&name()).expect("opened").apply(&changes, &position(2)).expect("applied");

    let stores = open();
    let store = stores.open(&name()).expect("opened");
    assert_eq!(store.get(b"").expect("read"), Some(bytes("empty key")));
    assert_eq!(store.range(&[], None, 9).expect("read").len(), 2);
    assert_eq!(store.range(b"a", Some(b"a"), 9).expect("read"), []);
    assert_eq!(store.range(b"b", Some(b"a"), 9).expect("read"), []);
    assert_eq!(store.position().expect("read"), Some(position(2)));
    let opened = open_store(&stores, &name(), &expected(0, 1)).expect("opened");
    assert_eq!(opened.verdict, StoreVerdict::Ahead);
    drop((store, opened, stores));

    let stores = open();
    let store = stores.open(&name()).expect("opened");
    assert_eq!((store.position().expect("read"), store.get(b"a").expect("read")), (None, None));
    store.apply(&changes, &position(2)).expect("applied");
    stores.remove(QueryId(4).into()).expect("removed");
    let again = stores.open(&name()).expect("made anew");
    assert_eq!((again.position().expect("read"), again.get(b"a").expect("read")), (None, None));
}

#[test]
fn stores_of_one_directory_do_not_see_each_other() {
    let directory = tempfile::tempdir().expect("made");
    let open = || FjallStores::open(&Env::real(), directory.path(), StoreLimits::default()).expect("opened");
    let name_of = |query, partition| StoreName {
        owner: QueryId(query).into(),
        operator: OperatorId::new("0-agg"),
        partition: PartitionId(partition),
    };
    let names = [name_of(1, 0), name_of(1, 1), name_of(11, 0)];
    let longest = Bytes::from(vec![0xff; KEY_BYTES_MAX]);
    let stores = open();
    for (number, name) in names.iter().enumerate() {
        let store = stores.open(name).expect("opened");
        let changes = (0..5000u32).map(|key| (Bytes::copy_from_slice(&key.to_be_bytes()), Some(bytes("1"))));
        let changes: Vec<Change> = changes.chain([(longest.clone(), Some(bytes("2")))]).collect();
        store.apply(&changes, &position(number as i64)).expect("applied");
    }
    stores.open(&names[0]).expect("opened").wipe().expect("wiped");
    drop(stores);
    let stores = open();
    let count = |name| stores.open(name).expect("opened").range(&[], None, 9999).expect("read").len();
    assert_eq!(names.each_ref().map(count), [0, 5001, 5001]);
    let store = stores.open(&names[1]).expect("opened");
    assert_eq!(store.get(&longest).expect("read"), Some(bytes("2")));
    let too_long = [&longest[..], &[0, 0]].concat();
    assert_eq!(store.get(&too_long).expect("read"), None);
    assert_eq!(store.range(&too_long, None, 9).expect("read"), []);
    assert_eq!(store.range(&longest, Some(&too_long), 9).expect("read"), [(longest.clone(), bytes("2"))]);
    stores.remove(QueryId(1).into()).expect("removed");
    let count = |name| stores.open(name).expect("opened").range(&[], None, 9999).expect("read").len();
    assert_eq!(names.each_ref().map(count), [0, 0, 5001]);
}

#[test]
fn unreadable_directory_is_emptied_and_a_held_one_is_left_alone() {
    let directory = tempfile::tempdir().expect("made");
    let env = Env::real();
    let stores = FjallStores::open(&env, directory.path(), StoreLimits::default()).expect("opened");
    stores.open(&name()).expect("opened").apply(&[(bytes("a"), None)], &position(1)).expect("applied");
    let held = FjallStores::open(&env, directory.path(), StoreLimits::default());
    assert!(matches!(held, Err(StateError::Locked)));
    drop(stores);

    overwrite_all_files(&env, directory.path());
    let stores = FjallStores::open(&env, directory.path(), StoreLimits::default()).expect("emptied and opened");
    assert_eq!(stores.open(&name()).expect("opened").position().expect("read"), None);
}

fn overwrite_all_files(env: &Env, directory: &Path) {
    for path in env.disk.read_dir(directory).expect("listed") {
        match env.disk.is_dir(&path) {
            true => overwrite_all_files(env, &path),
            false => {
                let file = env.disk.open(&path, crate::env::OpenMode::ReadWrite).expect("opened");
                file.set_len(0).expect("cut");
                file.write_at(&[0xa5; 5000], 0).expect("written");
            }
        }
    }
}

#[test]
fn group_is_read_from_the_store_once_and_follows_commits() {
    let store = SimulatedStores::new().open(&name()).expect("opened");
    let mut table = StateTable::new(identity(), store.clone(), 1 << 20, &pool());
    let commit = |table: &mut StateTable, number: u64| {
        table.seal(CutId(number));
        table.committed(CutId(number), Offset(number as i64)).expect("applied");
    };
    let keys = |table: &mut StateTable| -> Vec<Bytes> {
        let found = table.range_of_group(b"g1", b"g9", b"h").expect("read");
        found.map(|entry| entry.expect("read").0).collect()
    };
    ["g0", "g1", "g2", "g9", "h"].into_iter().for_each(|key| table.put(key, "1").expect("short key"));
    commit(&mut table, 1);
    assert_eq!(keys(&mut table), [bytes("g1"), bytes("g2")]);
    store.wipe().expect("wiped");
    assert_eq!(keys(&mut table), [bytes("g1"), bytes("g2")], "the store is not asked again");
    table.delete("g1").expect("short key");
    ["g0", "g3", "h"].into_iter().for_each(|key| table.put(key, "2").expect("short key"));
    commit(&mut table, 2);
    assert_eq!(keys(&mut table), [bytes("g2"), bytes("g3")]);
    assert_eq!(table.get(b"g9").expect("read"), Some(bytes("1")), "a single key of the group is known too");
    table.evict();
    assert_eq!(keys(&mut table), [bytes("g3")], "the store is asked again");
}
