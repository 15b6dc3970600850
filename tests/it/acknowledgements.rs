//! Each answer after the fdatasync that covers it, over the whole engine: INSERT, COPY, INSERT .. SELECT, DDL, cuts.
//!
//! An answer stands for what was written since the answer before: each batch in a segment, whatever topic it belongs to,
//! and each entry of the metadata log. At the moment of the answer the simulated disk is asked whether a sync that has
//! ended covers these bytes, in their own file or in the journal.
//!
//! `TIDEMILL_TRACE=1 cargo test --test it acknowledgements -- --nocapture` prints each disk call and each answer.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tidemill::cli::test::Pipeline;
use tidemill::cli::test::PipelineOptions;
use tidemill::cluster::MetadataLog;
use tidemill::engine::Outcome;
use tidemill::engine::Session;
use tidemill::env::CallKind;
use tidemill::env::SimulatedDisk;
use tidemill::env::TraceEvent;
use tidemill::protocol::Batch;
use tidemill::protocol::BatchLimits;

/// The metadata log, whose entries end in a mark that nobody waits for.
const METADATA: &str = "/data/metadata/log";
const MARK_BYTES: u64 = 16;
const COPIED: &[u8] = b"c3\tDE\t30\nc4\tFR\t40\n";
const PAYMENTS: &str = "CREATE STREAM payments (card TEXT KEY, country TEXT, amount BIGINT)
    WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 2)";
const PER_COUNTRY: &str =
    "CREATE TABLE per_country AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM payments GROUP BY country";

/// What was answered, and what it stood for.
#[derive(Debug, Default)]
struct Answer {
    /// The topics that it wrote to, and `metadata`.
    wrote: BTreeSet<String>,
    /// What no sync covers and must.
    uncovered: Vec<String>,
    /// Markers that no sync covers yet: they follow from what is covered.
    markers: Vec<String>,
}

impl Answer {
    /// All of it is covered, and it is what was wanted.
    fn stands_for(&self, wrote: &str) {
        assert_eq!(self.uncovered, [""; 0], "answered before it was durable");
        assert_eq!(self.wrote.iter().map(String::as_str).collect::<Vec<_>>().join(" "), wrote);
    }
}

/// Follows a disk from answer to answer.
struct Watch {
    disk: SimulatedDisk,
    metadata: Arc<MetadataLog>,
    /// Topics by their ids, those that are gone too.
    names: BTreeMap<String, String>,
    /// How far each segment was looked at.
    seen: BTreeMap<PathBuf, usize>,
}

impl Watch {
    fn new(pipeline: &Pipeline) -> Self {
        let disk = pipeline.simulation().disk.clone();
        disk.start_trace();
        Self { disk, metadata: Arc::clone(pipeline.metadata()), names: BTreeMap::new(), seen: BTreeMap::new() }
    }

    /// Runs a statement and looks when it is answered.
    async fn ask(&mut self, session: &mut Session, text: &str) -> Answer {
        for statement in session.parse(text).expect("it can be read") {
            match session.execute(&statement, &[]).await.unwrap_or_else(|error| panic!("{text}: {error:?}")) {
                Outcome::CopyIn(mut copy) => {
                    copy.data(Bytes::from_static(COPIED)).await.expect("rows are taken");
                    copy.finish().await.expect("the rows are written");
                }
                Outcome::Done { .. } => {}
                _ => panic!("{text} writes nothing"),
            }
        }
        self.answered(text)
    }

    /// To be called at the moment of an answer.
    fn answered(&mut self, what: &str) -> Answer {
        let calls = self.take_trace();
        self.names.extend(self.metadata.snapshot().topics().map(|topic| (topic.id.to_string(), topic.name.clone())));
        self.disk.note(what);
        let mut answer = Answer::default();
        for segment in self.disk.files().into_iter().filter(|path| path.starts_with("/data/log")) {
            if segment.extension().is_some_and(|extension| extension == "log") {
                self.batches(&segment, &mut answer);
            }
        }
        self.entries(&calls, &mut answer);
        let answers = self.take_trace();
        if std::env::var_os("TIDEMILL_TRACE").is_some() {
            for event in calls.iter().chain(&answers) {
                let by_name = |text: String, (id, name): (&String, &String)| text.replace(id, name);
                println!("{}", self.names.iter().fold(event.to_string(), by_name));
            }
        }
        answer
    }

    fn take_trace(&self) -> Vec<TraceEvent> {
        let events = self.disk.take_trace();
        self.disk.start_trace();
        events
    }

    /// The batches that were appended to a segment since the last look.
    fn batches(&mut self, segment: &Path, answer: &mut Answer) {
        let bytes = Bytes::from(self.disk.contents(segment).expect("the file is there"));
        let seen = self.seen.entry(segment.to_path_buf()).or_default();
        let partition = segment.parent().and_then(Path::file_name).expect("a partition's folder").to_string_lossy();
        let (topic, _) = partition.rsplit_once('-').expect("a topic and the number of a partition");
        for batch in Batch::split(bytes.slice(*seen..), BatchLimits::default()).map_while(Result::ok) {
            *seen += batch.size_in_bytes();
            let kind = if batch.is_control() { "marker" } else { "batch" };
            let told = format!("{kind} at offset {} of {partition}", batch.base_offset());
            if self.disk.acknowledged(&told, batch.bytes()).is_none() {
                if batch.is_control() { &mut answer.markers } else { &mut answer.uncovered }.push(told);
            }
            answer.wrote.insert(self.names[topic].clone());
        }
    }

    /// The entries of the metadata log among these calls.
    fn entries(&self, calls: &[TraceEvent], answer: &mut Answer) {
        for event in calls {
            let TraceEvent::Call(call) = event else { continue };
            if call.kind != CallKind::Write || call.path != Path::new(METADATA) || call.length <= MARK_BYTES {
                continue;
            }
            let bytes = self.disk.contents(&call.path).expect("the file is there");
            let entry = call.byte_offset as usize..(call.byte_offset + call.length - MARK_BYTES) as usize;
            let told = format!("entry at byte {} of the metadata log", entry.start);
            if self.disk.acknowledged(&told, &bytes[entry]).is_none() {
                answer.uncovered.push(told);
            }
            answer.wrote.insert("metadata".to_string());
        }
    }
}

#[tokio::test]
async fn each_answer_comes_after_the_fdatasync_that_covers_what_it_stands_for() {
    let pipeline = Pipeline::open(PipelineOptions::default()).await.expect("a pipeline opens");
    let mut session = pipeline.session().expect("anybody may connect");
    let mut watch = Watch::new(&pipeline);
    for (statement, wrote) in [
        (PAYMENTS, "metadata"),
        (PER_COUNTRY, "__consumer_offsets metadata"),
        ("INSERT INTO payments VALUES ('c1', 'DE', 10), ('c2', 'FR', 20)", "payments"),
        ("COPY payments FROM STDIN", "payments"),
        ("INSERT INTO payments SELECT card, country, amount + 100 FROM payments", "payments"),
    ] {
        watch.ask(&mut session, statement).await.stands_for(wrote);
    }

    let mut cuts = Vec::new();
    // Asked after a round: what the cut before it wrote is looked at before anything else is written.
    let mut cut = || {
        cuts.push(watch.answered("a cut is committed"));
        true
    };
    pipeline.drive_with(2, &mut cut).await.expect("the query runs");
    cuts.push(watch.answered("the last cut is committed"));
    cuts.retain(|answer| !answer.wrote.is_empty());
    // The first commit makes the topic of the transactions and takes a producer id.
    let exchanged = "__consumer_offsets __tidemill.q1.aggregate-exchange0.repartition __transaction_state";
    let first = cuts.remove(0);
    first.stands_for(&format!("{exchanged} metadata"));
    let kept = "__consumer_offsets __tidemill.q1.aggregate.changelog __transaction_state per_country";
    for answer in &cuts {
        let wrote = if answer.wrote.contains("per_country") { kept } else { exchanged };
        answer.stands_for(wrote);
        // Nobody waits for them, which shows that the disk says so of what no sync covers.
        assert_ne!(answer.markers, [""; 0], "a commit's markers follow from what is covered");
    }
    assert!(cuts.iter().any(|answer| answer.wrote.contains("per_country")), "no cut wrote to the view");

    watch.ask(&mut session, "DROP TABLE per_country").await.stands_for("__consumer_offsets metadata");
    watch.ask(&mut session, "DROP STREAM payments DELETE TOPIC").await.stands_for("metadata");
}
