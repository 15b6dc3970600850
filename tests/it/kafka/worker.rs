//! A worker that consumes, transforms and produces in transactions, as older or as newer clients do: its output is its input, each
//! record once.

use std::collections::BTreeMap;
use std::sync::mpsc;

use tidemill::broker::TransactionVersion;
use tidemill::model::ProducerEpoch;
use tidemill::model::ProducerId;
use tidemill::protocol::ErrorCode;
use tidemill::protocol::ProducerStamp;
use tidemill::protocol::Transactional;
use tidemill::protocol::add_offsets_to_txn;
use tidemill::protocol::add_partitions_to_txn;
use tidemill::protocol::end_txn;
use tidemill::protocol::init_producer_id;
use tidemill::protocol::metadata;
use tidemill::protocol::txn_offset_commit;

use super::client::KafkaClient;
use super::client::fetch_request;
use super::client::produce_request;
use super::client::records;
use super::kills::numbers;
use super::kills::positions_of;

const PARTITIONS: i32 = 4;
const ID: &str = "worker";
const GROUP: &str = "workers";
/// Every so many transactions one is aborted.
const ABORTED: u32 = 5;

/// When the worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The connection breaks.
    Disconnected,
    /// There is nothing more to read.
    CaughtUp,
}

struct Worker {
    client: KafkaClient,
    source: metadata::Topic,
    sink: metadata::Topic,
    version: TransactionVersion,
    producer_id: i64,
    producer_epoch: i16,
    sequences: BTreeMap<i32, i32>,
    positions: BTreeMap<i32, i64>,
    transactions: u32,
}

/// Works from where its group stands; `None` if the connection broke.
pub(super) async fn run(
    address: &str,
    version: TransactionVersion,
    until: Until,
    told: Option<mpsc::Sender<&'static str>>,
) -> Option<()> {
    let mut worker = Worker::start(address, version).await?;
    let mut idle = 0;
    for partition in (0..PARTITIONS).cycle() {
        let ids = worker.read(partition).await?;
        if ids.is_empty() {
            idle += 1;
            if until == Until::CaughtUp && idle == 2 * PARTITIONS {
                return Some(());
            }
            continue;
        }
        idle = 0;
        worker.pass_on(partition, &ids).await?;
        if let Some(told) = &told {
            told.send("checker: a transaction ended").ok()?;
        }
    }
    Some(())
}

impl Worker {
    async fn start(address: &str, version: TransactionVersion) -> Option<Self> {
        let mut client = KafkaClient::connect_to(address).await?;
        let (source, sink) = (client.try_topic("numbers").await?, client.try_topic("results").await?);
        let request = init_producer_id::Request {
            transactional_id: Some(ID.to_string()),
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let given = client.try_ask(4, request).await?;
        assert_eq!(given.error_code, ErrorCode::NONE, "{}", given.error_code.name());
        // What an earlier life left open was aborted: the positions are stable.
        let positions = positions_of(&mut client, GROUP).await?;
        Some(Self {
            client,
            source,
            sink,
            version,
            producer_id: given.producer_id,
            producer_epoch: given.producer_epoch,
            sequences: BTreeMap::new(),
            positions,
            transactions: 0,
        })
    }

    /// Numbers of a partition with their offsets, from its position on.
    async fn read(&mut self, partition: i32) -> Option<Vec<(i64, i64)>> {
        let mut request = fetch_request(&self.source, self.positions.get(&partition).copied().unwrap_or(0));
        request.topics[0].partitions[0].partition = partition;
        (request.max_wait_ms, request.isolation_level) = (20, 1);
        let fetched = self.client.try_ask(11, request).await?;
        let position = self.positions.get(&partition).copied().unwrap_or(0);
        let number = |(offset, text): (i64, String)| {
            let value: serde_json::Value = serde_json::from_str(&text).expect("a number's JSON");
            (offset, value["id"].as_i64().expect("an id"))
        };
        let read = records(&fetched.responses[0].partitions[0]).into_iter().filter(|(offset, _)| position <= *offset);
        Some(read.map(number).take(50).collect())
    }

    /// A transaction with these numbers and the position behind them.
    async fn pass_on(&mut self, partition: i32, read: &[(i64, i64)]) -> Option<()> {
        self.transactions += 1;
        let committed = !self.transactions.is_multiple_of(ABORTED);
        if self.version == TransactionVersion::One {
            self.add(partition).await?;
        }
        let ids: Vec<i64> = read.iter().map(|(_, id)| *id).collect();
        self.produce(partition, &ids).await?;
        let next = read.last().expect("there are numbers").0 + 1;
        self.commit_offset(partition, next).await?;
        self.end(committed).await?;
        if committed {
            self.positions.insert(partition, next);
        }
        Some(())
    }

    /// The version of a request of an older client, or of a newer one.
    fn either(&self, older: i16, newer: i16) -> i16 {
        if self.version == TransactionVersion::One { older } else { newer }
    }

    async fn produce(&mut self, partition: i32, ids: &[i64]) -> Option<()> {
        let (id, epoch) = (ProducerId(self.producer_id), ProducerEpoch(self.producer_epoch));
        let sequence = self.sequences.entry(partition).or_default();
        let stamp = ProducerStamp { id, epoch, base_sequence: *sequence };
        *sequence += ids.len() as i32;
        let batch = numbers(ids, Some((stamp, Transactional::Yes)));
        let mut request = produce_request(-1, &self.sink, vec![(partition, &batch)]);
        request.transactional_id = Some(ID.to_string());
        let answered = self.client.try_ask(self.either(9, 12), request).await?;
        fine(answered.responses[0].partition_responses[0].error_code);
        Some(())
    }

    async fn end(&mut self, committed: bool) -> Option<()> {
        let request = end_txn::Request {
            transactional_id: ID.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            committed,
        };
        let answered = self.client.try_ask(self.either(3, 5), request).await?;
        fine(answered.error_code);
        if self.version == TransactionVersion::Two {
            (self.producer_id, self.producer_epoch) = (answered.producer_id, answered.producer_epoch);
            self.sequences.clear();
        }
        Some(())
    }

    async fn add(&mut self, partition: i32) -> Option<()> {
        let topic = add_partitions_to_txn::Topic { name: "results".to_string(), partitions: vec![partition] };
        let request = add_partitions_to_txn::Request {
            transactional_id: ID.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            topics: vec![topic],
        };
        let added = self.client.try_ask(3, request).await?;
        fine(added.results_by_topic[0].results_by_partition[0].partition_error_code);
        let request = add_offsets_to_txn::Request {
            transactional_id: ID.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            group_id: GROUP.to_string(),
        };
        fine(self.client.try_ask(3, request).await?.error_code);
        Some(())
    }

    async fn commit_offset(&mut self, partition_index: i32, committed_offset: i64) -> Option<()> {
        let partition = txn_offset_commit::Partition { partition_index, committed_offset, ..Default::default() };
        let request = txn_offset_commit::Request {
            transactional_id: ID.to_string(),
            group_id: GROUP.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            topics: vec![txn_offset_commit::Topic { name: "numbers".to_string(), partitions: vec![partition] }],
            ..Default::default()
        };
        let answered = self.client.try_ask(self.either(3, 5), request).await?;
        fine(answered.topics[0].partitions[0].error_code);
        Some(())
    }
}

fn fine(code: ErrorCode) {
    assert_eq!(code, ErrorCode::NONE, "the only producer of an id is not refused: {}", code.name());
}
