//! What state costs: a commit into a view, reads of a view, a cut of a state table into its store.
//!
//! `cargo bench --bench state` prints all tables, `cargo bench --bench state -- large` one of them. Views hold 1,000,000
//! rows of a key and ten BIGINT columns; commits overwrite rows spread over the whole view.
//!
//! `large` needs 8 GB of disk in the build's folder, which it removes; `TIDEMILL_BENCH_KEYS` sets the keys of its view
//! (10,000,000 if unset), `TIDEMILL_BENCH_MEMORY` the server's `memory.limit` (256 MiB).

#[path = "shared/large_view.rs"]
mod large_view;
#[path = "shared/scan.rs"]
mod scan;
#[path = "shared/server.rs"]
mod server;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::compute::sum;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Schema;
use criterion::BatchSize;
use criterion::Criterion;
use criterion::Throughput;
use tidemill::env::Env;
use tidemill::env::Random;
use tidemill::env::SeededRandom;
use tidemill::memory::MemoryPool;
use tidemill::model::Offset;
use tidemill::model::OperatorId;
use tidemill::model::PartitionId;
use tidemill::model::QueryId;
use tidemill::model::TopicId;
use tidemill::model::TopicPartition;
use tidemill::state::ColdStores;
use tidemill::state::CutId;
use tidemill::state::FjallStores;
use tidemill::state::StateIdentity;
use tidemill::state::StateTable;
use tidemill::state::StoreExpectation;
use tidemill::state::StoreLimits;
use tidemill::state::StoreName;
use tidemill::state::ViewDelta;
use tidemill::state::ViewMemory;
use tidemill::state::ViewPartition;

const ROWS: i64 = 1_000_000;
const COLUMNS: usize = 10;

fn delta(numbers: &[i64]) -> ViewDelta {
    let column: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
    ViewDelta {
        keys: numbers.iter().map(|number| number.to_be_bytes().to_vec()).collect(),
        rows: RecordBatch::try_new(schema(), vec![column; COLUMNS]).expect("equal lengths"),
        tombstones: Vec::new(),
    }
}

fn schema() -> Arc<Schema> {
    let field = |index| Field::new(format!("c{index}"), DataType::Int64, true);
    Arc::new(Schema::new((0..COLUMNS).map(field).collect::<Vec<_>>()))
}

/// A view with all rows in memory, over stores in `directory`.
fn full_view(directory: &Path) -> ViewPartition {
    let stores = FjallStores::open(&Env::real(), directory, StoreLimits::default()).expect("opened");
    let memory = Arc::new(ViewMemory::new(MemoryPool::new("views", 4 << 30), 500_000));
    let changelog = TopicPartition::new(TopicId([2; 16]), 0);
    let (owner, layout, end) = (QueryId(1).into(), "bench".to_string(), Offset(i64::MAX));
    let expected = StoreExpectation { owner, layout, changelog, start: Offset(0), kept: Offset(0)..=end };
    let name = StoreName { owner, operator: OperatorId::new("view"), partition: PartitionId(0) };
    let opened = ViewPartition::open(&stores, &name, &expected, &schema(), &memory).expect("opened");
    let numbers: Vec<i64> = (0..ROWS).collect();
    numbers.chunks(8192).fold(opened.partition, |view, chunk| commit(&view, &delta(chunk)))
}

/// The version after a change, with pages written as in a server.
fn commit(view: &ViewPartition, change: &ViewDelta) -> ViewPartition {
    let next = view.apply(change).expect("applied").reflecting(Offset(view.upto().0 + change.keys.len() as i64));
    next.with_room(change.keys.len()).expect("folded")
}

fn views(criterion: &mut Criterion) {
    let random = SeededRandom::new(1);
    let any = || (random.next_u64() % ROWS as u64) as i64;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("made");
    let view = full_view(directory.path());

    let mut group = criterion.benchmark_group("view");
    for rows in [1, 100, 8192] {
        // Each commit goes on from the one before, as in a server, so that folds are paid for.
        let mut latest = view.clone();
        group.throughput(Throughput::Elements(rows));
        group.bench_function(format!("commit of {rows} rows"), |bencher| {
            let change = || delta(&(0..rows).map(|_| any()).collect::<Vec<_>>());
            bencher.iter_batched(change, |change| latest = commit(&latest, &change), BatchSize::LargeInput);
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("point read", |bencher| {
        bencher.iter(|| black_box(view.get(&any().to_be_bytes()).expect("read")).expect("there"));
    });
    group.throughput(Throughput::Elements(ROWS as u64));
    let total = |batches: &mut dyn Iterator<Item = RecordBatch>| -> i64 {
        batches.map(|batch| sum(batch.column(0).as_primitive::<Int64Type>()).unwrap_or(0)).sum()
    };
    group.bench_function("scan and sum of a column", |bencher| {
        bencher.iter(|| total(&mut view.batches(Some(&[3])).map(|batch| batch.expect("read"))));
    });
    let mut sparse = view.clone();
    for _ in 0..20 {
        sparse = commit(&sparse, &delta(&(0..8192).map(|_| any()).collect::<Vec<_>>()));
    }
    group.bench_function("scan and sum of a column after 160,000 overwrites", |bencher| {
        bencher.iter(|| total(&mut sparse.batches(Some(&[3])).map(|batch| batch.expect("read"))));
    });
    let plain: Vec<RecordBatch> = view.batches(None).map(|batch| batch.expect("read")).collect();
    group.bench_function("the same over plain batches, columns looked up only", |bencher| {
        bencher.iter(|| total(&mut plain.iter().map(|batch| batch.project(&[3]).expect("there"))));
    });
}

fn tables(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("made");
    let stores = FjallStores::open(&Env::real(), directory.path(), StoreLimits::default()).expect("opened");
    let mut group = criterion.benchmark_group("table");
    for (count, keys) in [(1, 100), (1, 8192), (64, 100)] {
        let mut tables: Vec<StateTable> = (0..count).map(|partition| table(&stores, partition)).collect();
        let mut cut: u64 = 0;
        group.throughput(Throughput::Elements(count as u64 * keys));
        group.bench_function(format!("get, put and commit {keys} keys in {count} tables"), |bencher| {
            bencher.iter(|| {
                cut += 1;
                for table in &mut tables {
                    for key in 0..keys {
                        let key = u64::wrapping_mul(key, 0x9e37_79b9_7f4a_7c15).to_be_bytes();
                        black_box(table.get(&key)).expect("read");
                        table.put(key.to_vec(), cut.to_be_bytes().to_vec()).expect("short key");
                    }
                    table.seal(CutId(cut));
                    table.committed(CutId(cut), Offset(cut as i64)).expect("applied");
                }
            });
        });
    }
}

fn table(stores: &FjallStores, partition: i32) -> StateTable {
    let name =
        StoreName { owner: QueryId(1).into(), operator: OperatorId::new("bench"), partition: PartitionId(partition) };
    let identity = StateIdentity {
        owner: QueryId(1).into(),
        layout: "bench".to_string(),
        changelog: TopicPartition::new(TopicId([1; 16]), partition),
    };
    StateTable::new(identity, stores.open(&name).expect("opened"), 64 << 20, &MemoryPool::new("state", 1 << 30))
}

fn scans(_: &mut Criterion) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("made");
    let random = SeededRandom::new(2);
    let mut view = full_view(directory.path());
    scan::measure("1,000,000 rows", &view);
    for _ in 0..10 {
        let numbers: Vec<i64> = (0..8192).map(|_| (random.next_u64() % ROWS as u64) as i64).collect();
        view = commit(&view, &delta(&numbers));
    }
    scan::measure("after 80,000 overwrites", &view);
}

fn large(_: &mut Criterion) {
    let keys = std::env::var("TIDEMILL_BENCH_KEYS").map_or(10_000_000, |text| text.parse().expect("a number of keys"));
    let memory = std::env::var("TIDEMILL_BENCH_MEMORY").unwrap_or_else(|_| "256 MiB".to_string());
    large_view::measure(keys, &memory);
}

type Table = fn(&mut Criterion);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let all: [(&str, Table); 4] = [("views", views), ("tables", tables), ("scans", scans), ("large", large)];
    for (name, table) in all {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            table(&mut Criterion::default());
        }
    }
}
