//! The oracle: generated queries over generated histories, against batch queries and a row-by-row model.
//!
//! For each case: what `emit = 'all'` folds to equals what `emit = 'net'` folds to equals the batch query over the rows
//! that were not late; and `all` with random rounds, cuts and restarts writes the very records that `all` with one-row
//! rounds writes. `TIDEMILL_ORACLE_CASES` sets how many cases (5,000 if unset), `TIDEMILL_SEED` where they begin,
//! `TIDEMILL_ORACLE_KIND` the only kind that is drawn (`tumbling`, `with sub-queries`).

mod chains;
mod changes;
mod derived;
mod generate;
mod inner_tables;
mod model;
mod pairs;
mod ranks;
mod unions;

use std::collections::BTreeMap;

pub use model::texts;

use changes::Change;
use generate::Draw;
use generate::Event;
use generate::Query;
use generate::STREAM_COLUMNS;
use generate::Shape;
use generate::TABLE_COLUMNS;
use generate::WINDOW;
use generate::Windows;
use tidemill::catalog::EmitMode;
use tidemill::catalog::Semantics;
use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::cli::test::RawOutput;
use tidemill::config;
use tidemill::config::ByteSize;
use tidemill::engine::Outcome;
use tidemill::protocol::partition_for_key;

/// Queries that share one history; each is a case.
const QUERIES: u64 = 8;
/// How often a query is drawn until there is one over all partitions.
const DRAWS_MAX: usize = 50;
/// The streams and tables.
const SOURCES: [&str; 5] = ["s", "r", "c", "e", "g"];
/// Later than all rows of the histories.
const NOW_MICROS: i64 = 1_717_200_000_000_000;

#[test]
fn what_a_query_keeps_is_what_the_batch_query_says() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (cases, first) = (number("TIDEMILL_ORACLE_CASES", 5_000), number("TIDEMILL_SEED", 1));
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    println!("{cases} cases from seed {first}");
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let mut kinds = BTreeMap::new();
                for seed in (first..first + cases.div_ceil(QUERIES)).skip(worker as usize).step_by(threads as usize) {
                    runtime.block_on(check(seed, &mut kinds));
                }
                kinds
            })
        })
        .collect();
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for worker in workers {
        for (kind, count) in worker.join().expect("a case failed; its seed is printed above") {
            *kinds.entry(kind).or_default() += count;
        }
    }
    println!("cases: {kinds:?}");
    if 1_000 <= cases && std::env::var("TIDEMILL_ORACLE_KIND").is_err() {
        let windowed = ["tumbling", "tumbling, final", "hopping", "hopping, final", "session", "session, final"];
        let pairs = ["paired", "paired, outer", "paired by value", "paired with itself"];
        let others = [
            "stateless",
            "of a union",
            "grouped",
            "joined",
            "with late rows",
            "with retention",
            "with answers",
            "with statements",
            "with sub-queries",
            "with rows elsewhere than their keys belong",
        ];
        let tables = [
            "tables joined",
            "tables joined in a chain",
            "tables joined by what they name",
            "tables joined by what they name, in a chain",
            "tables grouped",
            "kept for a while",
            "windows joined",
            "over groups of tables",
            "of rows that others have",
            "groups of groups",
            "groups of windows grouped",
        ];
        let ranks = ["top of a stream", "top of tables", "groups ranked", "groups of windows ranked"];
        for kind in windowed.iter().chain(&pairs).chain(&tables).chain(&ranks).chain(&others) {
            assert!(kinds.contains_key(*kind), "no case of kind {kind}");
        }
    }
    assert!(cases <= kinds.iter().filter(|(kind, _)| !kind.starts_with("with")).map(|(_, count)| count).sum());
}

/// Names the seed of a case that panics, wherever it does.
struct NamedOnPanic(u64);

impl Drop for NamedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("oracle: seed {}; TIDEMILL_SEED={} TIDEMILL_ORACLE_CASES=1 runs it alone", self.0, self.0);
        }
    }
}

/// One history with its queries.
struct Scene {
    seed: u64,
    partitions: i32,
    /// The numbers of partitions of `s`, `r`, `c`, `e` and `g`: all of them `partitions`, or each its own.
    partitions_of: BTreeMap<&'static str, i32>,
    stream: Vec<Event>,
    /// Where rows of the stream lie that a client with another hash wrote; empty if all lie where their keys belong.
    astray: Vec<i32>,
    table: Vec<Event>,
    /// Of the stream `r`, whose columns are those of `s`.
    second: Vec<Event>,
    /// The other tables, `e` and `g`.
    others: [(&'static str, Vec<Event>); 2],
    /// What statements then do to the tables.
    changes: Vec<Change>,
    queries: Vec<Query>,
}

/// What one run of a query wrote and keeps.
struct Ran {
    records: Vec<RawOutput>,
    rows: Vec<Vec<String>>,
    late: u64,
}

async fn check(seed: u64, kinds: &mut BTreeMap<&'static str, u64>) {
    let _named = NamedOnPanic(seed);
    let draw = Draw::new(seed);
    let partitions = if draw.once_in(2) { 1 } else { 4 };
    let (rows, versions) = (1 + draw.below(40), draw.below(20));
    let stream = generate::stream_history(&draw, rows);
    let second_rows = draw.below(40);
    let second = generate::stream_history(&draw, second_rows);
    let table = generate::table_history(&draw, versions, &stream);
    let others = ["e", "g"].map(|name| (name, generate::table_history(&draw, draw.below(20), &stream)));
    let histories = [("c", &table), ("e", &others[0].1), ("g", &others[1].1)];
    let changes = histories.into_iter().flat_map(|(name, history)| {
        let count = if draw.once_in(2) { draw.below(7) } else { 0 };
        changes::changes(&draw, name, history, count, NOW_MICROS / 1_000)
    });
    let changes: Vec<Change> = changes.collect();
    let only = std::env::var("TIDEMILL_ORACLE_KIND").ok();
    *kinds.entry("with statements").or_default() += u64::from(!changes.is_empty());
    // Where the model looks at each partition by itself all sources have the same ones; else each may have its own.
    let own = partitions != 1 && draw.once_in(3);
    let astray = partitions != 1 && draw.once_in(4);
    let query = || generate::query(&draw, partitions == 1, only.as_deref());
    let fits = |query: &Query| (!own || query.is_whole()) && (!astray || query.gathers_rows());
    let fitting = |_| std::iter::repeat_with(query).take(DRAWS_MAX).find(fits).unwrap_or_else(query);
    let queries: Vec<Query> = (0..QUERIES).map(fitting).collect();
    let own = own && queries.iter().all(Query::is_whole);
    let astray = astray && queries.iter().all(Query::gathers_rows);
    let partitions_of = SOURCES.map(|name| (name, if own { 1 + draw.below(5) as i32 } else { partitions }));
    *kinds.entry("in partitions of their own").or_default() += u64::from(own);
    *kinds.entry("with rows elsewhere than their keys belong").or_default() += u64::from(astray);
    let partitions_of = BTreeMap::from(partitions_of);
    let place = |row: &Event| match draw.once_in(2) {
        true => draw.below(partitions_of["s"] as u64) as i32,
        false => place(row, partitions_of["s"]),
    };
    let astray = if astray { stream.iter().map(place).collect() } else { Vec::new() };
    let scene = Scene { seed, second, partitions, partitions_of, changes, table, others, stream, astray, queries };
    let one_row = scene.run(EmitMode::All, None).await;
    let all = scene.run(EmitMode::All, Some(seed)).await;
    let net = scene.run(EmitMode::Net, Some(seed + 1)).await;
    for (at, query) in scene.queries.iter().enumerate() {
        let told = || format!("seed {seed}, partitions {:?}, query {at}: {}", scene.partitions_of, query.standing);
        let answer = scene.answer(query).await;
        // Counted over one life: a restart counts again what it takes again.
        assert_eq!(one_row[at].late, answer.late, "{}: late rows", told());
        *kinds.entry(query.kind()).or_default() += 1;
        *kinds.entry("with late rows").or_default() += u64::from(0 < answer.late);
        *kinds.entry("with answers").or_default() += u64::from(!answer.rows.is_empty());
        assert_eq!(one_row[at].rows, answer.rows, "{}: one-row rounds against batch", told());
        assert_eq!(all[at].rows, answer.rows, "{}: all against batch", told());
        assert_eq!(net[at].rows, answer.rows, "{}: net against batch", told());
        *kinds.entry("with sub-queries").or_default() += u64::from(query.is_of("with sub-queries"));
        *kinds.entry("with retention").or_default() += u64::from(query.is_retained());
        // Rows are taken away after a round, wherever it ends; and what is met of a view is as far as its own query is.
        if partitions == 1 && !query.is_retained() && query.shape != Shape::WindowPairs {
            assert_eq!(all[at].records, one_row[at].records, "{}: all against one-row rounds", told());
        }
        if query.is_view() {
            assert_eq!(fold(&all[at].records), fold(&net[at].records), "{}: fold(all) against fold(net)", told());
        }
    }
}

/// The partition to which a row's key belongs.
fn place(event: &Event, partitions: i32) -> i32 {
    partition_for_key(event.key.as_bytes(), partitions).0
}

fn fold(records: &[RawOutput]) -> BTreeMap<Option<Vec<u8>>, Vec<u8>> {
    let mut latest = BTreeMap::new();
    for record in records {
        match &record.value {
            Some(value) => latest.insert(record.key.clone(), value.clone()),
            None => latest.remove(&record.key),
        };
    }
    latest
}

impl Query {
    fn is_view(&self) -> bool {
        !matches!(
            self.shape,
            Shape::Stateless | Shape::Joined { .. } | Shape::Paired { .. } | Shape::United { view: false, .. }
        )
    }

    /// Whether it is of a kind that may be asked for.
    fn is_of(&self, kind: &str) -> bool {
        match kind {
            "with sub-queries" => self.standing.starts_with("WITH ") || self.standing.contains("FROM ("),
            kind => self.kind() == kind,
        }
    }

    fn is_retained(&self) -> bool {
        matches!(self.shape, Shape::Grouped { retention: Some(_), .. } | Shape::Kept { .. })
    }

    /// Whether the answer over several partitions is that over all their rows together.
    fn is_whole(&self) -> bool {
        match self.shape {
            Shape::Paired { pairing, .. } => pairing.by_value,
            Shape::Kept { .. } => false,
            Shape::United { .. } => true,
            _ => self.is_view(),
        }
    }

    /// Whether rows of one key are brought together, wherever in the stream they lie.
    fn gathers_rows(&self) -> bool {
        matches!(self.shape, Shape::Grouped { window: None, .. } | Shape::Top)
    }

    fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Stateless => "stateless",
            Shape::Top => "top of a stream",
            Shape::TableTop => "top of tables",
            Shape::Grouped { window: None, again: true, .. } => "groups of groups",
            Shape::Grouped { again: true, .. } => "groups of windows grouped",
            Shape::InnerTables => "over groups of tables",
            Shape::SemiJoins => "of rows that others have",
            Shape::Grouped { window: None, ranked: true, .. } => "groups ranked",
            Shape::Grouped { ranked: true, .. } => "groups of windows ranked",
            Shape::Grouped { window: None, .. } => "grouped",
            Shape::Grouped { window: Some(Windows::Session { .. }), last: false, .. } => "session",
            Shape::Grouped { window: Some(Windows::Session { .. }), last: true, .. } => "session, final",
            Shape::Grouped { window: Some(Windows::Fixed { size, advance, .. }), last, .. } => {
                match (size == advance, last) {
                    (true, false) => "tumbling",
                    (true, true) => "tumbling, final",
                    (false, false) => "hopping",
                    (false, true) => "hopping, final",
                }
            }
            Shape::Joined { .. } => "joined",
            Shape::Paired { twice: true, .. } => "paired with itself",
            Shape::Paired { pairing, .. } if pairing.by_value => "paired by value",
            Shape::Paired { pairing, .. } if pairing.keeps_left || pairing.keeps_right => "paired, outer",
            Shape::Paired { .. } => "paired",
            Shape::TableGroups => "tables grouped",
            Shape::Kept { .. } => "kept for a while",
            Shape::WindowPairs => "windows joined",
            Shape::United { .. } => "of a union",
            Shape::Tables { chain: false, foreign: false } => "tables joined",
            Shape::Tables { chain: true, foreign: false } => "tables joined in a chain",
            Shape::Tables { chain: false, foreign: true } => "tables joined by what they name",
            Shape::Tables { chain: true, foreign: true } => "tables joined by what they name, in a chain",
        }
    }

    fn create(&self, name: &str) -> String {
        let kind = if self.is_view() { "TABLE" } else { "STREAM" };
        let options = match self.shape {
            Shape::Kept { ttl } => format!(" WITH (ttl_ms = {ttl})"),
            _ => String::new(),
        };
        format!("CREATE {kind} {name}{options} AS {}", self.standing)
    }
}

impl Scene {
    /// Runs all queries; without chance one row a round and a cut after each, else rounds, cuts and restarts by seed.
    async fn run(&self, emit: EmitMode, chance: Option<u64>) -> Vec<Ran> {
        let semantics = Semantics { emit, ..Semantics::default() };
        let options =
            PipelineOptions { seed: self.seed, semantics, wall_micros: NOW_MICROS, ..PipelineOptions::default() };
        let options = match chance {
            None => options,
            Some(seed) => with_scarce_memory(options, &Draw::new(seed)),
        };
        let mut pipeline = Pipeline::open(options).await.expect("a pipeline opens");
        let ddl = |kind: &str, name: &str, columns: &[(&str, &str)], key: &str| {
            let columns: Vec<String> = columns.iter().map(|(name, sql_type)| format!("{name} {sql_type}")).collect();
            let columns = columns.join(", ").replacen("TEXT", &format!("TEXT {key}"), 1);
            format!(
                "CREATE {kind} {name} ({columns}) WITH (kafka_topic = '{name}', value_format = 'JSON', partitions = {})",
                self.partitions_of[name]
            )
        };
        pipeline.execute(&ddl("STREAM", "s", STREAM_COLUMNS, "KEY")).await.expect("the stream is made");
        pipeline.execute(&ddl("STREAM", "r", STREAM_COLUMNS, "KEY")).await.expect("the second stream is made");
        for name in ["c", "e", "g"] {
            pipeline.execute(&ddl("TABLE", name, TABLE_COLUMNS, "PRIMARY KEY")).await.expect("the table is made");
        }
        if self.queries.iter().any(|query| query.shape == Shape::WindowPairs) {
            for name in ["s", "r"] {
                let view = format!(
                    "CREATE TABLE w{name} AS SELECT k, COUNT(*) AS n, SUM(a) AS t FROM {name}
                        WINDOW TUMBLING (SIZE {WINDOW} MILLISECONDS, GRACE PERIOD 1000 HOURS) GROUP BY k"
                );
                pipeline.execute(&view).await.expect("a windowed view is made");
            }
        }
        for (at, query) in self.queries.iter().enumerate() {
            let made = pipeline.execute(&query.create(&format!("o{at}"))).await;
            made.unwrap_or_else(|error| panic!("seed {}: {}: {error:?}", self.seed, query.standing));
        }
        for version in &self.table {
            self.produce(&pipeline, "c", TABLE_COLUMNS, version, None).await;
        }
        for (name, versions) in &self.others {
            for version in versions {
                self.produce(&pipeline, name, TABLE_COLUMNS, version, None).await;
            }
        }
        for change in &self.changes {
            self.change(&pipeline, change).await;
        }
        // What a join meets depends on what is there: all of it, before the first row is taken.
        for (at, row) in self.stream.iter().enumerate() {
            self.produce(&pipeline, "s", STREAM_COLUMNS, row, self.astray.get(at).copied()).await;
        }
        for row in &self.second {
            self.produce(&pipeline, "r", STREAM_COLUMNS, row, None).await;
        }
        match chance {
            None => pipeline.drive().await.expect("the queries run"),
            Some(seed) => pipeline = drive_by_chance(pipeline, &Draw::new(seed)).await,
        }
        let queries = || self.queries.iter().map(|query| query.standing.as_str()).collect::<Vec<_>>().join("\n");
        assert_eq!(pipeline.failed_query(), None, "seed {}, one of\n{}", self.seed, queries());
        let mut ran = Vec::new();
        for (at, query) in self.queries.iter().enumerate() {
            let sink = format!("o{at}");
            let records = pipeline.records(&sink).await.expect("the sink is read");
            let mut rows = if query.is_view() { kept(&pipeline, &sink, query) } else { written(&records) };
            rows.sort();
            let late = pipeline.tasks(&sink).expect("the query is there").iter().map(|task| task.counts.late).sum();
            ran.push(Ran { records, rows, late });
        }
        pipeline.runtime().close().await;
        ran
    }

    /// Writes a record, to `partition` or to where its key belongs.
    async fn produce(
        &self,
        pipeline: &Pipeline,
        topic: &str,
        columns: &[(&str, &str)],
        event: &Event,
        partition: Option<i32>,
    ) {
        let value = event.values.as_ref().map(|values| {
            let cells = columns[1..].iter().zip(values).map(|((name, sql_type), value)| match (value, *sql_type) {
                (None, _) => format!("\"{name}\": null"),
                (Some(text), "TEXT") => format!("\"{name}\": {}", serde_json::to_string(text).expect("text")),
                (Some(text), _) => format!("\"{name}\": {text}"),
            });
            format!("{{{}}}", cells.collect::<Vec<_>>().join(", "))
        });
        let partition = partition.unwrap_or_else(|| place(event, self.partitions_of[topic]));
        let value = value.as_deref().map(str::as_bytes);
        pipeline
            .produce(topic, partition, event.time, Some(event.key.as_bytes()), value)
            .await
            .expect("a record is taken");
    }

    /// Runs a statement that changes a table.
    async fn change(&self, pipeline: &Pipeline, change: &Change) {
        let mut session = pipeline.session().expect("a session");
        for statement in session.parse(&change.statement).expect("it is SQL") {
            match session.execute(&statement, &[]).await {
                Ok(Outcome::Done { tag }) => {
                    let rows = tag.rsplit(' ').next().expect("a word");
                    assert_eq!(rows, change.rows.to_string(), "seed {}: {}: {tag}", self.seed, change.statement);
                }
                Ok(_) => panic!("seed {}: {}: not a tag", self.seed, change.statement),
                Err(error) => panic!("seed {}: {}: {error:?}", self.seed, change.statement),
            }
        }
    }

    /// The versions of a table's rows, those that statements made at the end.
    fn versions(&self, name: &str, history: &[Event]) -> Vec<Event> {
        let made = self.changes.iter().filter(|change| change.table == name).flat_map(|change| &change.events);
        history.iter().chain(made).cloned().collect()
    }

    /// The model's answer: each partition is a log of its own, with a stream time of its own.
    async fn answer(&self, query: &Query) -> model::Answer {
        let [(e, others), (g, more)] = &self.others;
        let (table, others, more) = (self.versions("c", &self.table), self.versions(e, others), self.versions(g, more));
        let tables: [(&str, &[Event]); 3] = [("c", &table), (e, &others), (g, &more)];
        if self.partitions == 1 {
            return model::answer(query, &self.stream, &table, &self.second, &tables).await;
        }
        if query.is_whole() {
            // Grace is so long that nothing is late: one batch query over all partitions.
            return model::answer(query, &self.stream, &table, &self.second, &tables).await;
        }
        let mut all = model::Answer { rows: Vec::new(), late: 0 };
        for partition in 0..self.partitions {
            let mine = |events: &[Event]| -> Vec<Event> {
                let here = |event: &&Event| place(event, self.partitions) == partition;
                events.iter().filter(here).cloned().collect()
            };
            let (stream, table, second) = (mine(&self.stream), mine(&table), mine(&self.second));
            let answer = model::answer(query, &stream, &table, &second, &tables).await;
            all.rows.extend(answer.rows);
            all.late += answer.late;
        }
        all.rows.sort();
        all
    }
}

/// So little memory that rows and pages go to the stores again and again, or enough.
fn with_scarce_memory(options: PipelineOptions, draw: &Draw) -> PipelineOptions {
    let size = || ByteSize(1 + [0, 500, 5_000, 1 << 30][draw.below(4) as usize]);
    let memory = config::Memory { decode: size(), state: size(), views: size(), ..config::Memory::default() };
    let view_replay_max = [1, 20, 1 << 30][draw.below(3) as usize];
    PipelineOptions { memory, state: config::State { view_replay_max, ..config::State::default() }, ..options }
}

/// Rounds of random size with random cuts; sometimes the process is killed in the middle of them, with rows read, state
/// changed and output gathered that no cut has taken, and started again.
async fn drive_by_chance(mut pipeline: Pipeline, draw: &Draw) -> Pipeline {
    let rows = 1 + draw.below(12) as usize;
    let each = 1 + draw.below(4);
    let mut rounds = draw.below(4);
    let mut cut = move || {
        rounds += 1;
        rounds.is_multiple_of(each)
    };
    for _ in 0..draw.below(3) {
        let rounds = draw.below(40) as usize;
        pipeline.drive_rounds(rows, &mut cut, Some(rounds)).await.expect("the queries run");
        if draw.once_in(3) {
            pipeline.stores().lose_power(draw.below(1 << 20));
        }
        pipeline = pipeline.restart().await.expect("a restart in the middle");
    }
    pipeline.drive_with(rows, &mut cut).await.expect("the queries run");
    if draw.once_in(4) {
        pipeline = pipeline.restart().await.expect("a restart after the last round");
        pipeline.drive_with(rows, &mut || true).await.expect("nothing is left to do");
    }
    pipeline
}

/// What a view shows: groups, values and the window's bounds, as the batch query lists them.
fn kept(pipeline: &Pipeline, name: &str, query: &Query) -> Vec<Vec<String>> {
    let windowed = matches!(
        query.shape,
        Shape::Grouped { window: Some(_), again: false, .. }
            | Shape::WindowPairs
            | Shape::United { windowed: true, .. }
    );
    let reorder = |mut row: Vec<String>| {
        if windowed {
            let bounds: Vec<String> = row.drain(query.keys..query.keys + 2).collect();
            row.extend(bounds);
        }
        row
    };
    let batches = pipeline.view(name).expect("the view is read");
    batches.iter().flat_map(model::texts).map(reorder).collect()
}

/// What a stream holds: its key and the values of its JSON documents, in their order.
fn written(records: &[RawOutput]) -> Vec<Vec<String>> {
    let row = |record: &RawOutput| {
        let key = record.key.as_ref().map_or("NULL".to_string(), |key| String::from_utf8_lossy(key).into_owned());
        let value = record.value.as_ref().expect("a stream's record has a value");
        let document: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(value).expect("JSON");
        std::iter::once(key).chain(document.values().map(model::json_text)).collect()
    };
    records.iter().map(row).collect()
}
