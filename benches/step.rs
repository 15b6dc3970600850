//! What operators cost: one row through five, a full round per row and operator, whole plans, and a cut.
//!
//! `cargo bench --bench step` prints the figures; run it on an idle machine. The first two are of the contract itself
//! (operators that add one to a number); the plans are real, from JSON records in a log in memory to their sink, so that
//! the difference of two of them is what the operators between them cost. The cut is a commit on this machine's disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use arrow::array::Int8Array;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use datafusion::physical_plan::ExecutionPlan;
use tidemill::broker::Broker;
use tidemill::broker::BrokerConfig;
use tidemill::broker::Client;
use tidemill::broker::CommittedOffset;
use tidemill::broker::PendingBatch;
use tidemill::broker::QueryCommit;
use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::cluster::MetadataLog;
use tidemill::cluster::MetadataRecord;
use tidemill::cluster::NodeId;
use tidemill::cluster::TopicConfig;
use tidemill::cluster::TopicRecord;
use tidemill::env::Env;
use tidemill::exec::Changes;
use tidemill::exec::CutId;
use tidemill::exec::Cx;
use tidemill::exec::Driver;
use tidemill::exec::ExecError;
use tidemill::exec::Layout;
use tidemill::exec::Ports;
use tidemill::exec::Progress;
use tidemill::exec::Step;
use tidemill::exec::StepExec;
use tidemill::exec::StepSpec;
use tidemill::exec::TaskState;
use tidemill::log::LogConfig;
use tidemill::log::LogDir;
use tidemill::model::LeaderEpoch;
use tidemill::model::Offset;
use tidemill::model::OperatorId;
use tidemill::model::QueryId;
use tidemill::model::TopicId;
use tidemill::model::TopicPartition;
use tidemill::security::Principal;

const OPERATORS: usize = 5;
const ROUND_ROWS: usize = 8_192;

struct Leaf;

impl Step for Leaf {
    fn ports(&self) -> Ports {
        Ports::Round
    }

    fn input(&mut self, _: &mut Cx<'_>, _: usize, _: RecordBatch) -> Result<Progress, ExecError> {
        Ok(Progress::Done)
    }

    fn round(&mut self, cx: &mut Cx<'_>, _: Vec<Vec<RecordBatch>>) -> Result<Progress, ExecError> {
        cx.take_leaf(0).into_iter().for_each(|batch| cx.emit(batch));
        Ok(Progress::Done)
    }
}

/// Adds one to the user column: the cheapest operator that touches every row.
struct AddOne(Layout);

impl Step for AddOne {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let mut columns = batch.columns().to_vec();
        let values = self.0.times(&batch).values().iter().map(|value| value + 1);
        columns[0] = Arc::new(Int64Array::from_iter_values(values));
        cx.emit(RecordBatch::try_new(batch.schema(), columns)?);
        Ok(Progress::Done)
    }
}

fn layout() -> Layout {
    Layout::new(&Schema::new(vec![Field::new("v", DataType::Int64, true)]), Changes::Append)
}

fn rows(count: usize) -> RecordBatch {
    let numbers = || Arc::new(Int64Array::from_iter_values(0..count as i64));
    let ops = Arc::new(Int8Array::from(vec![0; count]));
    RecordBatch::try_new(layout().schema, vec![numbers(), numbers(), numbers(), numbers(), ops]).expect("columns fit")
}

fn tree() -> Driver {
    let exec = |id: String, inputs: Vec<Arc<dyn ExecutionPlan>>, leaf: bool| -> Arc<dyn ExecutionPlan> {
        let make = Arc::new(move || {
            Ok(if leaf { Box::new(Leaf) as Box<dyn Step> } else { Box::new(AddOne(layout())) as Box<dyn Step> })
        });
        let id = OperatorId::new(&id);
        Arc::new(StepExec::new(
            StepSpec { id, text: "bench".into(), output: layout(), tables: vec![], lag_ms: 0, make },
            inputs,
        ))
    };
    let mut plan = exec("leaf".into(), vec![], true);
    for number in 1..OPERATORS {
        plan = exec(format!("add{number}"), vec![plan], false);
    }
    Driver::new(&plan, TaskState::default()).expect("the tree starts")
}

/// The median time of `body` over `times` calls.
fn median(times: usize, mut body: impl FnMut()) -> Duration {
    let mut taken: Vec<Duration> = (0..times)
        .map(|_| {
            let start = Instant::now();
            body();
            start.elapsed()
        })
        .collect();
    taken.sort_unstable();
    taken[times / 2]
}

fn main() {
    let mut driver = tree();
    let one = rows(1);
    let single = median(10_000, || drop(driver.round(vec![vec![one.clone()]]).expect("it passes")));
    let full = rows(ROUND_ROWS);
    let round = median(1_000, || drop(driver.round(vec![vec![full.clone()]]).expect("it passes")));
    let per_row = round.as_nanos() as f64 / (ROUND_ROWS * OPERATORS) as f64;
    let out = |text: String| {
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), "{text}");
    };
    out(format!("one row through {OPERATORS} operators: {:.2} us", single.as_nanos() as f64 / 1_000.0));
    out(format!("{ROUND_ROWS} rows: {per_row:.2} ns per row and operator"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (what, statement) in PLANS {
        let per_row = runtime.block_on(plan(statement));
        out(format!("{per_row:>8.0} ns per row: {what}"));
    }
    for tasks in [1, 16, 64] {
        let (operators, log) = cut(tasks);
        let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        out(format!("cut of {tasks} tasks: a round and the flush {:.3} ms, commit {:.3} ms", ms(operators), ms(log)));
    }
}

/// Each adds an operator or two to the one before, over the same records.
const PLANS: [(&str, &str); 8] = [
    ("source, sink", "CREATE STREAM o AS SELECT * FROM s"),
    ("source, filter, sink", "CREATE STREAM o AS SELECT * FROM s WHERE amount >= 0"),
    ("source, filter, project, sink", "CREATE STREAM o AS SELECT k, amount * 2 AS a, country FROM s WHERE amount >= 0"),
    (
        "source, project, aggregate, sink",
        "CREATE TABLE o AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM s GROUP BY country",
    ),
    (
        "source, project, windowed aggregate, sink",
        "CREATE TABLE o AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM s
         WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 1 MINUTE) GROUP BY country",
    ),
    (
        "the same, windows of 1 minute every second",
        "CREATE TABLE o AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM s
         WINDOW HOPPING (SIZE 1 MINUTE, ADVANCE BY 1 SECOND, GRACE PERIOD 1 MINUTE) GROUP BY country",
    ),
    (
        "the same, only their final rows",
        "CREATE TABLE o AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM s
         WINDOW HOPPING (SIZE 1 MINUTE, ADVANCE BY 1 SECOND, GRACE PERIOD 1 MINUTE) GROUP BY country EMIT FINAL",
    ),
    (
        "the same, sessions: each row extends one",
        "CREATE TABLE o AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM s
         WINDOW SESSION (1 MINUTE, GRACE PERIOD 1 MINUTE) GROUP BY country",
    ),
];
const PLAN_ROWS: i64 = 200_000;

/// Nanoseconds per row of a query over `PLAN_ROWS` records, in full rounds with a cut after each.
async fn plan(statement: &str) -> f64 {
    let mut pipeline = Pipeline::open(PipelineOptions::default()).await.expect("a pipeline opens");
    let source = "CREATE STREAM s (k TEXT KEY, amount BIGINT, country TEXT, at TIMESTAMP) WITH (kafka_topic = 's')";
    pipeline.execute(source).await.expect("the stream is made");
    for first in (0..PLAN_ROWS).step_by(1_000) {
        let values: Vec<(i64, Vec<u8>, Vec<u8>)> = (first..first + 1_000)
            .map(|number| {
                let value = format!(
                    "{{\"amount\":{},\"country\":\"C{}\",\"at\":\"2024-01-01 10:00:00\"}}",
                    number % 1_000,
                    number % 50
                );
                (number, format!("k{}", number % 10_000).into_bytes(), value.into_bytes())
            })
            .collect();
        let records = values.iter().map(|(time, key, value)| (*time, Some(&key[..]), Some(&value[..])));
        pipeline.produce_many("s", 0, records).await.expect("records are taken");
    }
    pipeline.execute(statement).await.expect("the query is made");
    let start = Instant::now();
    pipeline.drive_with(ROUND_ROWS, &mut || true).await.expect("the query runs");
    start.elapsed().as_nanos() as f64 / PLAN_ROWS as f64
}

/// The median cost of one cut of `tasks` tasks with a record each: in the operators, and in the log on this machine's disk.
fn cut(tasks: usize) -> (Duration, Duration) {
    let mut drivers: Vec<Driver> = (0..tasks).map(|_| tree()).collect();
    let (one, mut number) = (rows(1), 0);
    let operators = median(200, || {
        number += 1;
        for driver in &mut drivers {
            driver.round(vec![vec![one.clone()]]).expect("it passes");
            driver.flush(CutId(number)).expect("it flushes");
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    // Not the folder for temporary files, which may lie in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let log = runtime.block_on(async {
        let (client, topics) = log_of(dir.path(), tasks).await;
        let mut generations = Vec::new();
        for task in 0..tasks {
            let group = QueryId(task as u64 + 1).group();
            generations.push(client.join(&group, "f0p0").await.expect("it joins"));
        }
        let mut taken = Vec::new();
        for _ in 0..200 {
            let commits = topics.iter().zip(&generations).enumerate().map(|(task, (topic, generation))| {
                let mut batch = PendingBatch::new();
                batch.append(0, Some(b"key"), Some(b"a value of some length"), &[]);
                let position = CommittedOffset {
                    offset: Offset(0),
                    leader_epoch: LeaderEpoch(0),
                    metadata: "{\"clock\":1}".into(),
                };
                let query = QueryId(task as u64 + 1);
                let (group, member) = (query.group(), "f0p0".to_string());
                QueryCommit {
                    query,
                    group,
                    generation: *generation,
                    member,
                    appends: vec![(*topic, batch.clone()), (TopicPartition::new(topic.topic, 1), batch)],
                    offsets: vec![(*topic, position)],
                }
            });
            let commits: Vec<QueryCommit> = commits.collect();
            let start = Instant::now();
            client.commit("bench", commits).await.expect("it commits");
            taken.push(start.elapsed());
        }
        taken.sort_unstable();
        taken[taken.len() / 2]
    });
    (operators, log)
}

/// A broker in `dir` with a topic per task: its output in partition 0, its changelog in partition 1.
async fn log_of(dir: &Path, tasks: usize) -> (Arc<dyn Client>, Vec<TopicPartition>) {
    let env = Env::real();
    let metadata = MetadataLog::open(&env, &dir.join("metadata"), NodeId(0)).expect("metadata opens");
    let log_dir = dir.join("log");
    env.disk.create_dir_all(&log_dir).expect("a directory");
    let (log, _) = LogDir::open(env.clone(), &log_dir, LogConfig::default()).expect("the log opens");
    let opened = Broker::open(env.clone(), log, Arc::clone(&metadata), BrokerConfig::default()).await;
    let client = opened.expect("the broker opens").client(Principal::server());
    let mut topics = Vec::new();
    for task in 0..tasks {
        let id = TopicId::from_random(env.random.uuid_bytes());
        let (name, config) = (format!("out{task}"), TopicConfig::default());
        let record = MetadataRecord::Topic(TopicRecord { id, name, partitions: 2, config });
        metadata.propose(metadata.snapshot().version, vec![record]).await.expect("the topic is made");
        topics.push(TopicPartition::new(id, 0));
    }
    (client, topics)
}
