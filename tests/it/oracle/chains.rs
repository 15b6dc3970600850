//! Chains of queries over several partitions: what a query over derived streams keeps is what one query keeps that does
//! all of it, and no row is late in it that is not late there.
//!
//! The partitions run at paces of their own, so without time that travels with the streams most rows would be late.
//! `TIDEMILL_ORACLE_CASES` sets how many cases (a fortieth of it), `TIDEMILL_SEED` where they begin.

use std::collections::BTreeMap;

use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::protocol::partition_for_key;

use super::Draw;
use super::NamedOnPanic;
use super::drive_by_chance;
use super::texts;
use super::with_scarce_memory;

const PARTITIONS: i32 = 4;
/// How far a row may lie behind the newest one of its partition, in milliseconds.
const DISORDER: u64 = 3_000;

#[test]
fn a_chain_of_queries_keeps_what_one_query_keeps_and_has_no_late_rows() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (cases, first) = (number("TIDEMILL_ORACLE_CASES", 10_000).div_ceil(40), number("TIDEMILL_SEED", 1));
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    println!("{cases} chains from seed {first}");
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
                for seed in (first..first + cases).skip(worker as usize).step_by(threads as usize) {
                    let _named = NamedOnPanic(seed);
                    for kind in runtime.block_on(check(seed)) {
                        *kinds.entry(kind).or_default() += 1;
                    }
                }
                kinds
            })
        })
        .collect();
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for worker in workers {
        for (kind, count) in worker.join().expect("a chain failed; its seed is printed above") {
            *kinds.entry(kind).or_default() += count;
        }
    }
    println!("chains: {kinds:?}");
    if 200 <= cases {
        for kind in ["windows", "windows, final", "sessions", "joined", "two writers", "two links", "by another key"] {
            assert!(kinds.contains_key(kind), "no chain of kind {kind}");
        }
    }
}

/// A row of `s` or `r`.
#[derive(Debug, Clone)]
struct Row {
    key: String,
    a: i64,
    b: i64,
    time: i64,
}

/// A stream between the sources and the last query.
struct Link {
    filter: &'static str,
    key: &'static str,
}

/// What reads the last stream.
enum Last {
    Windows { by: &'static str, clause: String, size: i64, advance: i64, is_final: bool },
    Sessions { by: &'static str, clause: String },
    Joined,
}

struct Chain {
    links: Vec<Link>,
    last: Last,
    /// Whether a second query writes the rows of `r` to the first link.
    two_writers: bool,
}

impl Chain {
    fn draw(draw: &Draw) -> Self {
        let grace = DISORDER + draw.below(3_000);
        let is_joined = draw.once_in(4);
        let link = |_| Link {
            filter: if is_joined { "" } else { draw.of::<&str>(&["", "", " WHERE b % 3 <> 0", " WHERE a > 1"]) },
            key: draw.of::<&str>(&["k", "k", "a"]),
        };
        let mut links: Vec<Link> = (0..1 + draw.below(2)).map(link).collect();
        let by = *draw.of(&["a", "k"]);
        let is_final = draw.once_in(3);
        let emit = if is_final { " EMIT FINAL" } else { "" };
        let last = match draw.below(3) {
            _ if is_joined => Last::Joined,
            0 => {
                let clause =
                    format!("WINDOW SESSION (2000 MILLISECONDS, GRACE PERIOD {grace} MILLISECONDS) GROUP BY {by}");
                Last::Sessions { by, clause: clause + emit }
            }
            _ => {
                let (size, advance) = *draw.of(&[(1_000, 1_000), (5_000, 5_000), (6_000, 2_000)]);
                let clause = format!(
                    "WINDOW HOPPING (SIZE {size} MILLISECONDS, ADVANCE BY {advance} MILLISECONDS, \
                     GRACE PERIOD {grace} MILLISECONDS) GROUP BY {by}{emit}"
                );
                Last::Windows { by, clause, size, advance, is_final }
            }
        };
        if is_joined {
            // What is joined by the key lies in the same partition.
            links.iter_mut().for_each(|link| link.key = "a");
        }
        let two_writers = !is_joined && !is_final && matches!(last, Last::Windows { .. }) && draw.once_in(3);
        Self { links, last, two_writers }
    }

    /// Whether the chain has time in which all partitions are, and the one query has each partition's own.
    fn closes_later(&self) -> bool {
        let (Last::Windows { by, clause, .. } | Last::Sessions { by, clause }) = &self.last else { return false };
        clause.ends_with("EMIT FINAL") && *by == "k" && self.links.iter().any(|link| link.key == "a")
    }

    fn kinds(&self) -> Vec<&'static str> {
        let mut kinds = vec![match &self.last {
            Last::Windows { is_final: false, .. } => "windows",
            Last::Windows { is_final: true, .. } => "windows, final",
            Last::Sessions { .. } => "sessions",
            Last::Joined => "joined",
        }];
        kinds.extend(self.two_writers.then_some("two writers"));
        kinds.extend((1 < self.links.len()).then_some("two links"));
        kinds.extend(self.links.iter().any(|link| link.key == "a").then_some("by another key"));
        kinds
    }

    /// The streams from `source` on, and the name of the last of them.
    fn streams(&self, source: &str) -> (Vec<String>, String) {
        let (mut statements, mut from, mut key) = (Vec::new(), source.to_string(), "k");
        for (number, link) in self.links.iter().enumerate() {
            let name = format!("{source}{number}");
            let by = if link.key == key { String::new() } else { format!(" PARTITION BY {}", link.key) };
            key = link.key;
            let filter = link.filter;
            if self.two_writers && number == 0 {
                let columns = if key == "a" { "a BIGINT KEY, k TEXT" } else { "k TEXT KEY, a BIGINT" };
                let with = format!("WITH (kafka_topic = '{name}', partitions = {PARTITIONS})");
                let list = if key == "a" { "a, k, b" } else { "k, a, b" };
                statements.push(format!("CREATE STREAM {name} ({columns}, b BIGINT) {with}"));
                statements.extend(
                    [&from, "r"]
                        .map(|from| format!("INSERT INTO {name} SELECT {list} FROM {from}{filter}{by} EMIT CHANGES")),
                );
            } else {
                statements.push(format!("CREATE STREAM {name} AS SELECT k, a, b FROM {from}{filter}{by}"));
            }
            from = name;
        }
        (statements, from)
    }

    /// The last query over a stream, or two.
    fn over(&self, name: &str, left: &str, right: &str, filter: &str) -> String {
        match &self.last {
            Last::Joined => format!(
                "CREATE STREAM {name} AS SELECT l.a + 0 AS a, l.k || '' AS lk, r.k || '' AS rk, l.b AS lb, r.b AS rb \
                 FROM {left} l JOIN {right} r WITHIN 4 SECONDS GRACE PERIOD {DISORDER} MILLISECONDS ON l.a = r.a"
            ),
            Last::Windows { by, clause, .. } | Last::Sessions { by, clause } => {
                let (windows, group) = clause.split_once(") GROUP BY").expect("a window and a group");
                format!(
                    "CREATE TABLE {name} AS SELECT {by}, COUNT(*) AS n, SUM(b) AS total \
                     FROM {left} {windows}){filter} GROUP BY{group}"
                )
            }
        }
    }

    /// The filters of all links as one.
    fn filter(&self) -> String {
        let each = self.links.iter().filter_map(|link| link.filter.strip_prefix(" WHERE "));
        let all: Vec<&str> = each.collect();
        if all.is_empty() { String::new() } else { format!(" WHERE {}", all.join(" AND ")) }
    }

    fn keeps(&self, row: &Row) -> bool {
        self.links.iter().all(|link| match link.filter {
            " WHERE b % 3 <> 0" => row.b % 3 != 0,
            " WHERE a > 1" => 1 < row.a,
            _ => true,
        })
    }

    /// The windows of all rows, as the view lists them.
    fn model(&self, rows: &[Row]) -> Option<Vec<Vec<String>>> {
        let Last::Windows { by, size, advance, is_final: false, .. } = self.last else { return None };
        let mut groups: BTreeMap<(String, i64), (i64, i64)> = BTreeMap::new();
        for row in rows.iter().filter(|row| self.keeps(row)) {
            let group = if by == "a" { row.a.to_string() } else { row.key.clone() };
            let mut start = row.time.div_euclid(advance) * advance;
            while row.time < start + size {
                let counted = groups.entry((group.clone(), start)).or_default();
                *counted = (counted.0 + 1, counted.1 + row.b);
                start -= advance;
            }
        }
        let row = |((group, start), (count, total)): (_, (i64, i64))| -> Vec<String> {
            let _: i64 = start;
            vec![group, start.to_string(), count.to_string(), total.to_string()]
        };
        Some(groups.into_iter().map(row).collect())
    }
}

/// Rows of a source: each partition in its own time, as its pace has it.
fn history(draw: &Draw) -> Vec<Row> {
    let keys: Vec<Vec<String>> = (0..PARTITIONS).map(keys_of).collect();
    let mut now = vec![1_000_000i64; keys.len()];
    let mut rows = Vec::new();
    let row = |partition: usize, now: &mut Vec<i64>| {
        now[partition] += draw.below(600 * (1 + partition as u64 * partition as u64)) as i64;
        let time = now[partition] - if draw.once_in(3) { draw.below(DISORDER) as i64 } else { 0 };
        let (a, b) = (draw.below(5) as i64, draw.below(100) as i64);
        Row { key: draw.of(&keys[partition]).clone(), a, b, time }
    };
    // A partition that never had a row is idle, and may be late when it has one.
    let written: Vec<usize> = (0..keys.len()).filter(|partition| *partition == 0 || !draw.once_in(8)).collect();
    rows.extend(written.iter().map(|partition| row(*partition, &mut now)));
    for _ in 0..draw.below(80) {
        rows.push(row(*draw.of(&written), &mut now));
    }
    rows
}

/// Keys of a partition.
fn keys_of(partition: i32) -> Vec<String> {
    let all = (0..).map(|number| format!("k{number}"));
    all.filter(|key| partition_for_key(key.as_bytes(), PARTITIONS).0 == partition).take(3).collect()
}

async fn check(seed: u64) -> Vec<&'static str> {
    let draw = Draw::new(seed);
    let chain = Chain::draw(&draw);
    let sources = [("s", history(&draw)), ("r", history(&draw))];
    let options = with_scarce_memory(PipelineOptions { seed, ..PipelineOptions::default() }, &draw);
    let mut pipeline = Pipeline::open(options).await.expect("a pipeline opens");
    for (name, _) in &sources {
        let columns = "k TEXT KEY, a BIGINT, b BIGINT";
        let made = format!("CREATE STREAM {name} ({columns}) WITH (kafka_topic = '{name}', partitions = {PARTITIONS})");
        pipeline.execute(&made).await.expect("a source is made");
    }
    let (left, from) = chain.streams("s");
    let (right, with) =
        if matches!(chain.last, Last::Joined) { chain.streams("r") } else { (Vec::new(), String::new()) };
    let mut statements: Vec<String> = left.into_iter().chain(right).collect();
    statements.push(chain.over("chained", &from, &with, ""));
    if !chain.two_writers {
        statements.push(chain.over("single", "s", "r", &chain.filter()));
    }
    for statement in &statements {
        pipeline.execute(statement).await.unwrap_or_else(|error| panic!("seed {seed}: {statement}: {error:?}"));
    }
    let chunks = 1 + draw.below(3) as usize;
    for chunk in 0..chunks {
        for (name, rows) in &sources {
            let share = |number: usize| number * rows.len().saturating_sub(PARTITIONS as usize) / chunks;
            // The first chunk has a row of each partition that has any.
            let first = if chunk == 0 { 0 } else { share(chunk) + PARTITIONS as usize };
            let upto = share(chunk + 1) + PARTITIONS as usize;
            for row in rows.iter().take(upto.min(rows.len())).skip(first) {
                produce(&pipeline, name, row).await;
            }
        }
        pipeline = drive_by_chance(pipeline, &draw).await;
    }
    let told = || format!("seed {seed}: {statements:#?}");
    assert_eq!(pipeline.failed_query(), None, "{}", told());
    let late = |name: &str| -> u64 {
        pipeline.tasks(name).expect("the query is there").iter().map(|task| task.counts.late).sum()
    };
    assert_eq!(late("chained"), 0, "late rows, {}", told());
    let chained = answer(&pipeline, &chain, "chained").await;
    if !chain.two_writers {
        assert_eq!(late("single"), 0, "late rows of one query, {}", told());
        let single = answer(&pipeline, &chain, "single").await;
        match chain.closes_later() {
            true => assert!(chained.iter().all(|row| single.contains(row)), "{chained:?} in {single:?}, {}", told()),
            false => assert_eq!(chained, single, "chain against one query, {}", told()),
        }
    }
    let mut rows = sources[0].1.clone();
    rows.extend(sources[1].1.iter().filter(|_| chain.two_writers).cloned());
    if let Some(expected) = chain.model(&rows) {
        let kept: Vec<Vec<String>> = chained.iter().map(|row| [&row[..2], &row[3..]].concat()).collect();
        let mut expected = expected;
        expected.sort();
        assert_eq!(kept, expected, "chain against the model, {}", told());
    }
    pipeline.runtime().close().await;
    chain.kinds()
}

async fn produce(pipeline: &Pipeline, topic: &str, row: &Row) {
    let value = format!("{{\"a\": {}, \"b\": {}}}", row.a, row.b);
    let partition = partition_for_key(row.key.as_bytes(), PARTITIONS).0;
    let produced = pipeline.produce(topic, partition, row.time, Some(row.key.as_bytes()), Some(value.as_bytes()));
    produced.await.expect("a record is taken");
}

/// All rows of a view, bounds in milliseconds, or all records of a stream; sorted.
async fn answer(pipeline: &Pipeline, chain: &Chain, name: &str) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = match chain.last {
        Last::Joined => {
            let records = pipeline.records(name).await.expect("the stream is read");
            let text =
                |bytes: &Option<Vec<u8>>| String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
            records.iter().map(|record| vec![record.timestamp.to_string(), text(&record.value)]).collect()
        }
        Last::Windows { .. } | Last::Sessions { .. } => {
            pipeline.view(name).expect("the view is read").iter().flat_map(texts).collect()
        }
    };
    rows.sort();
    rows
}
