//! Flights with their planes and the weather, while the server is killed again and again: views against plain models.
//!
//! A writer copies flights in the order of time and never asks what became of a copy that broke: after a kill it counts what
//! is stored and goes on there. The join with the weather is made when all is stored, and killed while it catches up.
//!
//! `TIDEMILL_FLIGHTS` sets the number of flights (6,000 if unset, at most 336,776), `TIDEMILL_KILLS` the number of kills for each
//! number of partitions (5 if unset), `TIDEMILL_SEED` the seed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use arrow::datatypes::Int64Type;
use arrow::datatypes::TimeUnit;
use bytes::Bytes;
use futures::SinkExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tidemill::env::Random;
use tidemill::env::SeededRandom;
use tokio_postgres::Client;

use super::kill_nine::Server;
use super::kill_nine::connect;
use super::kill_nine::number;
use super::kill_nine::port_of;
use super::server::column;
use super::server::rows;

const HOUR_MS: i64 = 3_600_000;
/// Flights of one COPY.
const COPY_FLIGHTS: usize = 500;
/// Cuts in a life that is killed, at most.
const CUTS_MAX: u64 = 6;
/// The server's own log tells of each cut with this.
const CUT: &str = "cut committed";
/// Smaller than they are by itself, so that segments roll and views fold in so short a test.
const SETTINGS: &[(&str, &str)] =
    &[("TIDEMILL_LOG_SEGMENT_BYTES", "1048576"), ("TIDEMILL_STATE_VIEW_REPLAY_MAX", "2000")];

struct Flight {
    tailnum: Option<String>,
    origin: String,
    dest: String,
    flight: i64,
    delay: Option<i64>,
    distance: i64,
    time_ms: i64,
}

struct Weather {
    origin: String,
    visibility: Option<f64>,
    time_ms: i64,
}

struct World {
    flights: Vec<Flight>,
    /// Tail numbers with their manufacturers.
    planes: BTreeMap<String, Option<String>>,
    /// In the order of time.
    weather: Vec<Weather>,
}

impl World {
    /// The first flights in the order of time, all planes, all weather.
    fn read(flights: usize) -> Self {
        let batch = parquet("flights");
        let [tailnums, origins, dests] = ["tailnum", "origin", "dest"].map(|name| texts(&batch, name));
        let [numbers, delays, distances] = ["flight", "dep_delay", "distance"].map(|name| wholes(&batch, name));
        let times = times(&batch);
        let mut all: Vec<Flight> = (0..batch.num_rows())
            .map(|row| Flight {
                tailnum: tailnums[row].clone(),
                origin: origins[row].clone().expect("a flight has an origin"),
                dest: dests[row].clone().expect("a flight has a destination"),
                flight: numbers[row].expect("a flight has a number"),
                delay: delays[row],
                distance: distances[row].expect("a flight has a distance"),
                time_ms: times[row],
            })
            .collect();
        all.sort_by_key(|flight| flight.time_ms);
        all.truncate(flights);
        let batch = parquet("planes");
        let planes = texts(&batch, "tailnum").into_iter().map(|text| text.expect("a plane has a tail number"));
        let planes = planes.zip(texts(&batch, "manufacturer")).collect();
        let batch = parquet("weather");
        let visibilities =
            batch.column_by_name("visib").expect("a column").as_primitive::<arrow::datatypes::Float64Type>();
        let mut weather: Vec<Weather> = texts(&batch, "origin")
            .into_iter()
            .zip(visibilities.iter())
            .zip(self::times(&batch))
            .map(|((origin, visibility), time_ms)| Weather {
                origin: origin.expect("weather has an origin"),
                visibility,
                time_ms,
            })
            .collect();
        weather.sort_by_key(|report| report.time_ms);
        Self { flights: all, planes, weather }
    }
}

fn parquet(name: &str) -> RecordBatch {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/flights").join(name).with_extension("parquet");
    let file = File::open(path).expect("the file is part of the repository");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file").build().expect("a reader");
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("the file is whole")).collect();
    concat_batches(&batches[0].schema(), &batches).expect("batches of one file")
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let texts = batch.column_by_name(name).expect("a column").as_string::<i32>();
    texts.iter().map(|text| text.map(str::to_string)).collect()
}

fn wholes(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    let numbers = cast(batch.column_by_name(name).expect("a column"), &DataType::Int64).expect("a whole number");
    numbers.as_primitive::<Int64Type>().iter().collect()
}

fn times(batch: &RecordBatch) -> Vec<i64> {
    let times = batch.column_by_name("time_hour").expect("a column");
    let times = cast(times, &DataType::Timestamp(TimeUnit::Millisecond, None)).expect("an instant");
    let times = cast(&times, &DataType::Int64).expect("milliseconds");
    times.as_primitive::<Int64Type>().values().to_vec()
}

/// Flights, those that departed, and their delay in minutes.
#[derive(Default, Clone, Copy)]
struct Delay {
    flights: i64,
    departed: i64,
    minutes: Option<i64>,
}

impl Delay {
    fn add(&mut self, delay: Option<i64>) {
        self.flights += 1;
        if let Some(delay) = delay {
            self.departed += 1;
            self.minutes = Some(self.minutes.unwrap_or(0) + delay);
        }
    }
}

type Rows = Vec<Vec<String>>;

fn delays<K: Ord>(groups: BTreeMap<K, Delay>, text: impl Fn(&K) -> String) -> Rows {
    let or_null = |number: Option<i64>| number.map_or("NULL".to_string(), |number| number.to_string());
    let row = |(key, delay): (&K, &Delay)| {
        vec![text(key), delay.flights.to_string(), delay.departed.to_string(), or_null(delay.minutes)]
    };
    sorted(groups.iter().map(row).collect())
}

fn sorted(mut rows: Rows) -> Rows {
    rows.sort();
    rows
}

fn text(text: &Option<String>) -> String {
    text.clone().unwrap_or("NULL".to_string())
}

/// The models: from all flights at once, in plain Rust.
impl World {
    fn per_manufacturer(&self) -> Rows {
        let mut groups = BTreeMap::<Option<String>, Delay>::new();
        for flight in &self.flights {
            let manufacturer = flight.tailnum.as_ref().and_then(|tailnum| self.planes.get(tailnum)).cloned().flatten();
            groups.entry(manufacturer).or_default().add(flight.delay);
        }
        delays(groups, text)
    }

    fn by_visibility(&self) -> Rows {
        let mut groups = BTreeMap::<Option<u64>, Delay>::new();
        let mut newest = BTreeMap::<&str, Option<f64>>::new();
        let mut reports = self.weather.iter().peekable();
        for flight in &self.flights {
            while let Some(report) = reports.next_if(|report| report.time_ms <= flight.time_ms) {
                newest.insert(&report.origin, report.visibility);
            }
            let visibility = newest.get(flight.origin.as_str()).copied().flatten();
            groups.entry(visibility.map(f64::to_bits)).or_default().add(flight.delay);
        }
        delays(groups, |bits| bits.map_or("NULL".to_string(), |bits| f64::from_bits(bits).to_string()))
    }

    fn duties(&self) -> Rows {
        let mut open = BTreeMap::<&Option<String>, (i64, i64, i64, i64)>::new();
        let mut rows = Rows::new();
        let row = |tailnum: &Option<String>, (from, to, legs, miles): (i64, i64, i64, i64)| {
            [text(tailnum), from.to_string(), to.to_string(), legs.to_string(), miles.to_string()].to_vec()
        };
        for flight in &self.flights {
            let time = flight.time_ms;
            let duty = open.entry(&flight.tailnum).or_insert((time, time, 0, 0));
            if duty.1 + 6 * HOUR_MS < time {
                rows.push(row(&flight.tailnum, *duty));
                *duty = (time, time, 0, 0);
            }
            *duty = (duty.0, time, duty.2 + 1, duty.3 + flight.distance);
        }
        rows.extend(open.into_iter().map(|(tailnum, duty)| row(tailnum, duty)));
        sorted(rows)
    }

    fn turnarounds(&self) -> Rows {
        let mut recent = BTreeMap::<&str, Vec<&Flight>>::new();
        let mut rows = Rows::new();
        for flight in &self.flights {
            let Some(tailnum) = &flight.tailnum else { continue };
            let before = recent.entry(tailnum).or_default();
            before.retain(|other| flight.time_ms - other.time_ms <= 3 * HOUR_MS);
            for other in before.iter().filter(|other| other.time_ms < flight.time_ms) {
                rows.push(vec![tailnum.clone(), other.flight.to_string(), flight.flight.to_string()]);
            }
            before.push(flight);
        }
        sorted(rows)
    }

    fn top_routes(&self) -> Rows {
        let mut routes = BTreeMap::<(&str, &str), i64>::new();
        for flight in &self.flights {
            *routes.entry((&flight.origin, &flight.dest)).or_default() += 1;
        }
        let mut routes: Vec<_> = routes.into_iter().collect();
        routes.sort_by_key(|(route, flights)| (-flights, *route));
        let row =
            |((origin, dest), flights): ((&str, &str), i64)| vec![origin.into(), dest.into(), flights.to_string()];
        routes.into_iter().take(10).map(row).collect()
    }
}

/// Statements of the sample, with another number of partitions.
fn statements(file: &str, partitions: u64) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/flights").join(file);
    let text = std::fs::read_to_string(path).expect("the sample is part of the repository");
    text.replace("partitions = 4", &format!("partitions = {partitions}"))
}

async fn copy(client: &Client, statement: &str, rows: String) -> Result<(), tokio_postgres::Error> {
    let sink = client.copy_in::<_, Bytes>(statement).await?;
    futures::pin_mut!(sink);
    sink.send(Bytes::from(rows)).await?;
    sink.finish().await.map(|_| ())
}

/// What the join with the weather waits for, and all else.
async fn create(client: &Client, world: &World, partitions: u64) {
    client.batch_execute(&statements("01_stream.sql", partitions)).await.expect("the stream is made");
    let all = statements("04_dimensions.sql", partitions);
    let (before, after) = all.split_once(WEATHER_VIEW).expect("the sample has the view");
    let (_, after) = after.split_once(';').expect("a statement ends");
    client.batch_execute(before).await.expect("the tables are made");
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let plane = |(tailnum, manufacturer): (&String, &Option<String>)| {
        let manufacturer = manufacturer.as_deref().map_or("NULL".to_string(), quoted);
        // Known before the first flight.
        format!("({}, {manufacturer}, 1)", quoted(tailnum))
    };
    let planes: Vec<String> = world.planes.iter().map(plane).collect();
    let insert = format!("INSERT INTO planes (tailnum, manufacturer, rowtime) VALUES {}", planes.join(", "));
    client.batch_execute(&insert).await.expect("planes are taken");
    let weather = world.weather.iter().fold(String::new(), |mut lines, report| {
        let visibility = report.visibility.map_or("\\N".to_string(), |number| number.to_string());
        writeln!(lines, "{}\t{visibility}\t{}", report.origin, stamp(report.time_ms)).expect("memory takes text");
        lines
    });
    copy(client, "COPY weather (origin, visib, time_hour) FROM STDIN", weather).await.expect("weather is taken");
    client.batch_execute(after).await.expect("the views are made");
}

const WEATHER_VIEW: &str = "CREATE TABLE IF NOT EXISTS delay_by_visibility AS";

async fn create_weather_view(client: &Client, partitions: u64) {
    let all = statements("04_dimensions.sql", partitions);
    let (_, rest) = all.split_once(WEATHER_VIEW).expect("the sample has the view");
    let (body, _) = rest.split_once(';').expect("a statement ends");
    client.batch_execute(&format!("{WEATHER_VIEW}{body}")).await.expect("the view is made");
}

fn stamp(time_ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(time_ms).expect("a time of the data");
    time.format("%Y-%m-%d %H:%M:%S+00").to_string()
}

/// Copies the flights that are not stored yet until `upto` are there or the connection breaks.
async fn write(port: u16, world: &World, upto: usize) {
    let client = connect(port).await;
    let Ok(stored) = client.query_one("SELECT COUNT(*) FROM flights", &[]).await else { return };
    let stored: i64 = stored.get(0);
    for flights in world.flights[stored as usize..]
        .chunks(COPY_FLIGHTS)
        .take(upto.saturating_sub(stored as usize).div_ceil(COPY_FLIGHTS))
    {
        let lines = flights.iter().fold(String::new(), |mut lines, flight| {
            let delay = flight.delay.map_or("\\N".to_string(), |delay| delay.to_string());
            let tailnum = flight.tailnum.as_deref().unwrap_or("\\N");
            let Flight { origin, dest, flight, distance, time_ms, .. } = flight;
            writeln!(lines, "{tailnum}\t{origin}\t{dest}\t{flight}\t{delay}\t{distance}\t{}", stamp(*time_ms))
                .expect("memory takes text");
            lines
        });
        let columns = "tailnum, origin, dest, flight, dep_delay, distance, time_hour";
        if copy(&client, &format!("COPY flights ({columns}) FROM STDIN"), lines).await.is_err() {
            return;
        }
    }
}

/// One life of the server: loads until `upto` flights are stored and read, or it has cut `cuts` times, then kills it. Whether it
/// was struck by a cut.
async fn live(data: &Path, world: &World, upto: usize, cuts: u64) -> bool {
    let mut server = Server::start_with(data, SETTINGS);
    let events = server.events();
    let (mut seen, mut port) = (0, None);
    let mut done = false;
    let next = async || loop {
        match events.try_recv() {
            Ok(line) if line.starts_with("ready: ") => return Some(port_of(&line)),
            Ok(line) if line.contains(CUT) => return None,
            Ok(_) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    while port.is_none() {
        port = next().await;
    }
    let port = port.expect("the loop before ends with it");
    let load = async {
        write(port, world, upto).await;
        let client = connect(port).await;
        // A server that is killed meanwhile gives no answer.
        while lag(&client).await.is_some_and(|lag| 0 < lag) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let count = async {
        while seen < cuts {
            next().await;
            seen += 1;
        }
    };
    tokio::select! {
        () = load => done = true,
        () = count => {}
    }
    server.kill();
    !done
}

/// Records that the queries have still to read.
async fn lag(client: &Client) -> Option<i64> {
    let row = client.query_one("SELECT COALESCE(SUM(lag), 0)::bigint FROM tidemill.frontiers", &[]).await.ok()?;
    Some(row.get(0))
}

async fn check(client: &Client, world: &World) {
    let all = async |statement: &str| sorted(rows(client, statement).await);
    let counted = column(client, "SELECT COUNT(*) FROM flights").await;
    assert_eq!(counted, [world.flights.len().to_string()], "each flight is stored once");
    let columns = "flights, departed, delay_minutes";
    let found = all(&format!("SELECT manufacturer, {columns} FROM delay_per_manufacturer")).await;
    assert_eq!(found, world.per_manufacturer(), "delay per manufacturer");
    let found = all(&format!("SELECT visib, {columns} FROM delay_by_visibility")).await;
    assert_eq!(found, world.by_visibility(), "delay by visibility");
    let milliseconds = |name: &str| format!("(EXTRACT(EPOCH FROM {name}) * 1000)::bigint");
    let (from, to) = (milliseconds("windowstart"), milliseconds("windowend"));
    let found = all(&format!("SELECT tailnum, {from}, {to}, legs, miles FROM duties")).await;
    assert_eq!(found, world.duties(), "sessions of aircraft");
    let found = all("SELECT tailnum, flight, next_flight FROM turnarounds").await;
    assert_eq!(found, world.turnarounds(), "pairs of departures");
    assert!(!found.is_empty(), "no aircraft left twice: the join checked nothing");
    let top = "SELECT origin, dest, flights FROM flights_per_route ORDER BY flights DESC, origin, dest LIMIT 10";
    assert_eq!(rows(client, top).await, world.top_routes(), "routes");
}

async fn settle(client: &Client) {
    while lag(client).await.expect("the server lives") != 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn flights_with_all_dimensions_survive_kills() {
    let flights = number("TIDEMILL_FLIGHTS", 6_000) as usize;
    let (kills, seed) = (number("TIDEMILL_KILLS", 5), number("TIDEMILL_SEED", 1));
    let world = World::read(flights);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for partitions in [1, 4] {
        runtime.block_on(run(&world, partitions, kills, seed));
    }
}

async fn run(world: &World, partitions: u64, kills: u64, seed: u64) {
    let random = SeededRandom::new(seed + partitions);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let server = Server::start_with(data, SETTINGS);
    create(&connect(server.ready()).await, world, partitions).await;
    server.kill();
    let (share, mut loading) = (world.flights.len() / (kills as usize + 1), 0);
    for life in 1..=kills {
        loading += u64::from(live(data, world, share * life as usize, 1 + random.next_u64() % CUTS_MAX).await);
    }
    live(data, world, world.flights.len(), u64::MAX).await;
    let server = Server::start_with(data, SETTINGS);
    create_weather_view(&connect(server.ready()).await, partitions).await;
    server.kill();
    let mut reading = 0;
    while live(data, world, world.flights.len(), 1 + random.next_u64() % 4).await {
        reading += 1;
    }
    let server = Server::start_with(data, SETTINGS);
    let client = connect(server.ready()).await;
    settle(&client).await;
    check(&client, world).await;
    println!(
        "{partitions} partitions, {} flights: {kills} kills, {loading} in the middle of the load; {reading} more after it",
        world.flights.len()
    );
    assert!(0 < loading, "no kill came in the middle of the load");
    server.kill();
}
