//! Delay per carrier and day over all 336,776 flights of 2013: views against models that share nothing with the engine.
//!
//! The models take the rows of the Parquet file one at a time, in plain Rust. In the order of `time_hour` no flight is
//! late with a day of grace; the file's own order (its months run 1, 10, 11, 12, 2 ... 9) makes most of the year late.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::LazyLock;
use std::time::Instant;

use arrow::array::Array;
use arrow::array::AsArray;
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::datatypes::Float64Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::TimeUnit;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;

const DAY_MS: i64 = 86_400_000;
/// 2014-06-01: no flight lies in the future, where it would be a bad record.
const NOW_MICROS: i64 = 1_401_580_800_000_000;
/// Flights that are written together, and stay together in a partition.
const BATCH_FLIGHTS: usize = 4096;

/// What the views look at.
struct Flight {
    carrier: String,
    delay: Option<i64>,
    time_ms: i64,
}

impl Flight {
    fn group(&self) -> Group {
        (self.carrier.clone(), self.time_ms.div_euclid(DAY_MS) * DAY_MS)
    }

    fn json(&self) -> String {
        let Self { carrier, delay, time_ms } = self;
        let delay = delay.map_or("null".to_string(), |delay| delay.to_string());
        format!("{{\"carrier\":\"{carrier}\",\"dep_delay\":{delay},\"at\":{time_ms}}}")
    }
}

/// A carrier and the start of a day in milliseconds.
type Group = (String, i64);

#[derive(Debug, Default, Clone, PartialEq)]
struct Delay {
    flights: i64,
    departed: i64,
    minutes: Option<i64>,
    mean: Option<f64>,
    max: Option<i64>,
}

impl Delay {
    fn add(&mut self, delay: Option<i64>) {
        self.flights += 1;
        let Some(delay) = delay else { return };
        self.departed += 1;
        let minutes = self.minutes.unwrap_or(0) + delay;
        self.minutes = Some(minutes);
        self.mean = Some(minutes as f64 / self.departed as f64);
        self.max = self.max.max(Some(delay));
    }
}

type Delays = BTreeMap<Group, Delay>;

/// All flights in the file's order.
static IN_FILE_ORDER: LazyLock<Vec<Flight>> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/flights/flights.parquet");
    let file = File::open(path).expect("the flights are part of the repository");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file").build().expect("a reader");
    let mut flights = Vec::new();
    for batch in reader {
        let batch = batch.expect("the file is whole");
        let carriers = text(&batch, "carrier");
        let delays = whole(&batch, "dep_delay");
        let times = batch.column_by_name("time_hour").expect("a column");
        let times = cast(times, &DataType::Timestamp(TimeUnit::Millisecond, None)).expect("an instant");
        let times = cast(&times, &DataType::Int64).expect("milliseconds");
        let times = times.as_primitive::<Int64Type>();
        flights.extend((0..batch.num_rows()).map(|row| Flight {
            carrier: carriers[row].clone(),
            delay: delays[row],
            time_ms: times.value(row),
        }));
    }
    flights
});

fn text(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch.column_by_name(column).expect("a column");
    column.as_string::<i32>().iter().map(|text| text.expect("never null").to_string()).collect()
}

fn whole(batch: &RecordBatch, column: &str) -> Vec<Option<i64>> {
    let numbers = cast(batch.column_by_name(column).expect("a column"), &DataType::Int64).expect("a whole number");
    numbers.as_primitive::<Int64Type>().iter().collect()
}

fn batch_answer<'a>(flights: impl IntoIterator<Item = &'a Flight>) -> Delays {
    let mut delays = Delays::new();
    for flight in flights {
        delays.entry(flight.group()).or_default().add(flight.delay);
    }
    delays
}

/// One row after the other: stream time is the greatest time so far, and a row is late when its window had closed.
fn row_by_row(flights: &[Flight], grace_ms: i64) -> (Delays, u64) {
    let (mut delays, mut late, mut stream_time) = (Delays::new(), 0, i64::MIN);
    for flight in flights {
        stream_time = stream_time.max(flight.time_ms);
        let group = flight.group();
        if group.1 + DAY_MS + grace_ms <= stream_time {
            late += 1;
        } else {
            delays.entry(group).or_default().add(flight.delay);
        }
    }
    (delays, late)
}

async fn pipeline(partitions: i32) -> Pipeline {
    let options = PipelineOptions { seed: 2013, wall_micros: NOW_MICROS, ..PipelineOptions::default() };
    let mut pipeline = Pipeline::open(options).await.expect("a pipeline opens");
    // A view needs only the columns that it reads; the time is told in milliseconds, as in the record.
    let stream = format!(
        "CREATE STREAM flights (carrier TEXT, dep_delay INT, at BIGINT) WITH (kafka_topic = 'flights',
            value_format = 'JSON', partitions = {partitions}, timestamp = 'at')"
    );
    pipeline.execute(&stream).await.expect("the stream is made");
    pipeline
}

async fn create_view(pipeline: &mut Pipeline, name: &str, grace: &str, emit: &str) {
    let view = format!(
        "CREATE TABLE {name} AS SELECT carrier, COUNT(*) AS flights, COUNT(dep_delay) AS departed,
            SUM(dep_delay) AS minutes, AVG(dep_delay) AS mean, MAX(dep_delay) AS max
        FROM flights WINDOW TUMBLING (SIZE 1 DAY, GRACE PERIOD {grace}) GROUP BY carrier {emit}"
    );
    pipeline.execute(&view).await.expect("the view is made");
}

/// Writes flights in their order, batches in turn to the partitions, and lets the views take them all.
async fn load(pipeline: &Pipeline, flights: &[&Flight], partitions: i32) {
    for (batch, partition) in flights.chunks(BATCH_FLIGHTS).zip((0..partitions).cycle()) {
        let records: Vec<(i64, String)> = batch.iter().map(|flight| (flight.time_ms, flight.json())).collect();
        let records = records.iter().map(|(time, json)| (*time, None, Some(json.as_bytes())));
        pipeline.produce_many("flights", partition, records).await.expect("flights are taken");
    }
    let mut rounds = 0;
    let mut cut = || {
        rounds += 1;
        rounds % 8 == 0
    };
    pipeline.drive_with(8192, &mut cut).await.expect("the views take all");
    assert_eq!(pipeline.failed_query(), None);
}

/// What a view holds.
fn kept(pipeline: &Pipeline, name: &str) -> Delays {
    let mut delays = Delays::new();
    for batch in pipeline.view(name).expect("the view is read") {
        let (carriers, starts) = (text(&batch, "carrier"), whole(&batch, "windowstart"));
        let [flights, departed, minutes, max] =
            ["flights", "departed", "minutes", "max"].map(|name| whole(&batch, name));
        let means = batch.column_by_name("mean").expect("a column").as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let start_ms = starts[row].expect("a window has a start").div_euclid(1000);
            let delay = Delay {
                flights: flights[row].expect("a count"),
                departed: departed[row].expect("a count"),
                minutes: minutes[row],
                mean: means.is_valid(row).then(|| means.value(row)),
                max: max[row],
            };
            let twice = delays.insert((carriers[row].clone(), start_ms), delay);
            assert_eq!(twice, None, "a group stands in two rows");
        }
    }
    delays
}

/// Rows that a view's query left out as late.
fn late(pipeline: &Pipeline, name: &str) -> u64 {
    pipeline.tasks(name).expect("the query is there").iter().map(|task| task.counts.late).sum()
}

async fn sorted_by_time(partitions: i32) {
    let start = Instant::now();
    let mut flights: Vec<&Flight> = IN_FILE_ORDER.iter().collect();
    flights.sort_by_key(|flight| flight.time_ms);
    let expected = batch_answer(flights.iter().copied());
    let mut pipeline = pipeline(partitions).await;
    create_view(&mut pipeline, "per_day", "1 DAY", "").await;
    create_view(&mut pipeline, "closed", "1 DAY", "EMIT FINAL").await;
    let exchanges = pipeline.topics().iter().filter(|topic| topic.ends_with("repartition")).count();
    assert_eq!(exchanges, if partitions == 1 { 0 } else { 2 });

    let (first, second) = flights.split_at(flights.len() / 2);
    load(&pipeline, first, partitions).await;
    let closed = kept(&pipeline, "closed");
    let early = closed.len();
    let stream_time = first.last().expect("there are flights").time_ms;
    let closes = |(_, start): &Group| start + 2 * DAY_MS;
    assert!(0 < early, "windows close while the input goes on");
    assert!(closed.keys().all(|group| closes(group) <= stream_time));
    if partitions == 1 {
        assert_eq!(early, expected.keys().filter(|group| closes(group) <= stream_time).count());
    }
    for (group, delay) in &closed {
        assert_eq!(delay, &expected[group], "{group:?} is final, and not what it is at the end");
    }

    load(&pipeline, second, partitions).await;
    assert_eq!(kept(&pipeline, "per_day"), expected);
    let closed = kept(&pipeline, "closed");
    assert!(early < closed.len());
    assert!(closed.iter().all(|(group, delay)| expected.get(group) == Some(delay)));
    assert_eq!((late(&pipeline, "per_day"), late(&pipeline, "closed")), (0, 0));
    println!(
        "(a) by time, {partitions} partitions: {} flights, 0 late, {} groups, of them final {early} at the half, {} at the end, {:.1} s",
        flights.len(),
        expected.len(),
        closed.len(),
        start.elapsed().as_secs_f64()
    );
    pipeline.runtime().close().await;
}

#[tokio::test]
async fn by_time_over_one_partition_the_view_is_the_batch_answer_and_nothing_is_late() {
    sorted_by_time(1).await;
}

#[tokio::test]
async fn by_time_through_a_repartition_the_view_is_the_batch_answer_and_nothing_is_late() {
    sorted_by_time(4).await;
}

#[tokio::test]
async fn in_file_order_a_day_of_grace_leaves_out_what_the_model_says_and_a_year_takes_all() {
    let start = Instant::now();
    let flights: Vec<&Flight> = IN_FILE_ORDER.iter().collect();
    assert_eq!(flights.len(), 336_776);
    let mut pipeline = pipeline(1).await;
    create_view(&mut pipeline, "day_of_grace", "1 DAY", "").await;
    create_view(&mut pipeline, "year_of_grace", "366 DAYS", "").await;
    load(&pipeline, &flights, 1).await;

    let (expected, expected_late) = row_by_row(&IN_FILE_ORDER, DAY_MS);
    assert!(0 < expected_late, "the order makes flights late");
    assert_eq!(kept(&pipeline, "day_of_grace"), expected);
    assert_eq!(late(&pipeline, "day_of_grace"), expected_late);

    let all = batch_answer(flights.iter().copied());
    assert_eq!(kept(&pipeline, "year_of_grace"), all);
    assert_eq!(late(&pipeline, "year_of_grace"), 0);
    println!(
        "(b) in file order, a day of grace: {expected_late} of {} flights late, {} groups; (c) a year of grace: 0 late, {} groups; {:.1} s",
        flights.len(),
        expected.len(),
        all.len(),
        start.elapsed().as_secs_f64()
    );
    pipeline.runtime().close().await;
}
