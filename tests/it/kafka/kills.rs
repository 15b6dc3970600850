//! `kill -9` under Kafka clients, with SQL beside them: idempotent producers that send again what was not answered, a worker that
//! consumes, transforms and produces in transactions, a static member of a group that commits as it reads, and INSERTs.
//!
//! Nothing that the server says of itself is trusted. At the end: what producers sent is there once, answered or not; what was
//! inserted and acknowledged is there, once; the worker's output is its input, each record once; no position that was
//! acknowledged went back. `TIDEMILL_KILLS` sets the number of kills (6 if unset), `TIDEMILL_SEED` the seed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use tidemill::broker::TransactionVersion;
use tidemill::env::Random;
use tidemill::env::SeededRandom;
use tidemill::model::ProducerEpoch;
use tidemill::model::ProducerId;
use tidemill::protocol::BatchBuilder;
use tidemill::protocol::ErrorCode;
use tidemill::protocol::ProducerStamp;
use tidemill::protocol::Transactional;
use tidemill::protocol::init_producer_id;
use tidemill::protocol::join_group;
use tidemill::protocol::metadata;
use tidemill::protocol::offset_commit;
use tidemill::protocol::offset_fetch;
use tidemill::protocol::sync_group;

use super::client::KafkaClient;
use super::client::fetch_request;
use super::client::produce_request;
use super::client::records;
use super::worker;
use crate::kill_nine::Server;
use crate::server::rows;

const PARTITIONS: i32 = 4;
const PRODUCERS: usize = 3;
/// Ids of producers and of INSERTs do not meet.
const OF_PRODUCER: i64 = 1_000_000_000;
/// How often it is asked for what the standing query has still to do.
const ASKED_MAX: usize = 5_000;
const ACKNOWLEDGED: &str = "checker: acknowledged";

/// A producer that outlives the server: what was not answered, it sends again under the same sequence number.
#[derive(Default)]
struct Producer {
    number: i64,
    id: Option<i64>,
    next: i64,
    sequences: [i32; PARTITIONS as usize],
    /// Partition and ids of what is on its way.
    pending: Option<(i32, Vec<i64>)>,
    acknowledged: BTreeSet<i64>,
}

/// What was inserted by SQL, which nobody sends again.
#[derive(Default)]
struct Inserted {
    sent: BTreeSet<i64>,
    acknowledged: BTreeSet<i64>,
}

/// Positions of the group: the last that was sent and the last that was acknowledged, by partition.
#[derive(Default)]
struct Positions {
    sent: BTreeMap<i32, i64>,
    acknowledged: BTreeMap<i32, i64>,
}

#[derive(Clone, Default)]
struct Ledger {
    producers: Vec<Arc<tokio::sync::Mutex<Producer>>>,
    inserted: Arc<Mutex<Inserted>>,
    positions: Arc<tokio::sync::Mutex<Positions>>,
}

impl Ledger {
    /// What was acknowledged is there, and nothing that nobody sent.
    fn check_inserted(&self, found: &BTreeSet<i64>) {
        let inserted = self.inserted.lock().expect("no client panicked");
        let lost: Vec<_> = inserted.acknowledged.difference(found).collect();
        assert!(lost.is_empty(), "acknowledged ids are lost: {lost:?}");
        assert!(found.is_subset(&inserted.sent), "ids that nobody sent");
    }
}

#[test]
fn kafka_clients_lose_and_double_nothing_by_kill_nine() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (kills, seed) = (number("TIDEMILL_KILLS", 6), number("TIDEMILL_SEED", 1));
    println!("seed {seed}, {kills} kills");
    let random = SeededRandom::new(seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let producer = |number| Arc::new(tokio::sync::Mutex::new(Producer { number, ..Producer::default() }));
    let ledger = Ledger { producers: (1..=PRODUCERS as i64).map(producer).collect(), ..Ledger::default() };
    let server = Server::start(folder.path());
    runtime.block_on(create(&server));
    server.kill();
    for life in 0..kills {
        runtime.block_on(live(folder.path(), &ledger, life, 1 + random.next_u64() % 400));
    }
    runtime.block_on(check(folder.path(), &ledger));
}

async fn create(server: &Server) {
    let client = crate::kill_nine::connect(server.ready()).await;
    for statement in [
        "CREATE STREAM numbers (id BIGINT) WITH (kafka_topic = 'numbers', value_format = 'JSON', partitions = 4)",
        "CREATE STREAM results (id BIGINT) WITH (kafka_topic = 'results', value_format = 'JSON', partitions = 4)",
        "CREATE STREAM copies AS SELECT id FROM numbers",
    ] {
        client.batch_execute(statement).await.expect("the checker's relations are made");
    }
}

/// One life of the server, until so many answers came.
async fn live(data: &Path, ledger: &Ledger, life: u64, answers: u64) {
    let server = Server::start(data);
    let (pg, kafka) = server.ports();
    let (told, answered) = mpsc::channel::<&'static str>();
    let mut tasks = Vec::new();
    for producer in &ledger.producers {
        tasks.push(tokio::spawn(produce(kafka.clone(), Arc::clone(producer), told.clone())));
    }
    tasks.push(tokio::spawn(insert(pg, life as i64 * 1_000_000, Arc::clone(&ledger.inserted), told.clone())));
    tasks.push(tokio::spawn(consume(kafka.clone(), Arc::clone(&ledger.positions), told.clone())));
    // Older and newer clients take turns with one transactional id.
    let version = if life.is_multiple_of(2) { TransactionVersion::Two } else { TransactionVersion::One };
    tasks
        .push(tokio::spawn(async move { worker::run(&kafka, version, worker::Until::Disconnected, Some(told)).await }));
    tokio::task::block_in_place(|| {
        for _ in 0..answers {
            let answer = answered.recv_timeout(Duration::from_secs(60));
            answer.unwrap_or_else(|_| panic!("nobody was answered for a minute: {}", server.tail()));
        }
    });
    server.kill();
    for task in tasks {
        // It ends when its connection breaks.
        let _ = task.await.expect("a client does not panic");
    }
}

/// Sends batch after batch, each until it is answered, until the connection breaks.
async fn produce(
    address: String,
    producer: Arc<tokio::sync::Mutex<Producer>>,
    told: mpsc::Sender<&'static str>,
) -> Option<()> {
    let mut producer = producer.lock().await;
    let mut client = KafkaClient::connect_to(&address).await?;
    let topic = client.try_topic("numbers").await?;
    loop {
        send(&mut client, &topic, &mut producer).await?;
        told.send(ACKNOWLEDGED).ok()?;
    }
}

/// Has one batch answered: that which is on its way, or the next.
async fn send(client: &mut KafkaClient, topic: &metadata::Topic, producer: &mut Producer) -> Option<()> {
    if producer.id.is_none() {
        producer.id = Some(client.try_ask(4, init_producer_id::Request::default()).await?.producer_id);
    }
    let first = producer.number * OF_PRODUCER + producer.next;
    let next = producer.next;
    let (partition, ids) = producer
        .pending
        .get_or_insert_with(|| ((next % i64::from(PARTITIONS)) as i32, (first..first + 1 + next % 5).collect()))
        .clone();
    producer.next = producer.next.max(ids.last().expect("a batch has records") + 1 - producer.number * OF_PRODUCER);
    let stamp = ProducerStamp {
        id: ProducerId(producer.id.expect("it was given")),
        epoch: ProducerEpoch(0),
        base_sequence: producer.sequences[partition as usize],
    };
    let batch = numbers(&ids, Some((stamp, Transactional::No)));
    let answered = client.try_ask(9, produce_request(-1, topic, vec![(partition, &batch)])).await?;
    let code = answered.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::NONE, "an idempotent producer that sends again is not refused: {}", code.name());
    producer.sequences[partition as usize] += ids.len() as i32;
    producer.acknowledged.extend(ids);
    producer.pending = None;
    Some(())
}

/// A batch of numbers.
pub(super) fn numbers(ids: &[i64], stamp: Option<(ProducerStamp, Transactional)>) -> Bytes {
    let mut builder = BatchBuilder::new();
    for id in ids {
        builder.append(1_700_000_000_000, None, Some(format!("{{\"id\":{id}}}").as_bytes()), &[]);
    }
    match stamp {
        Some((stamp, transactional)) => builder.producer(stamp, transactional).finish().bytes().clone(),
        None => builder.finish().bytes().clone(),
    }
}

/// Inserts until the connection breaks, and never again what failed.
async fn insert(port: u16, first: i64, inserted: Arc<Mutex<Inserted>>, told: mpsc::Sender<&'static str>) -> Option<()> {
    let (client, connection) =
        tokio_postgres::connect(&crate::kill_nine::address(port), tokio_postgres::NoTls).await.ok()?;
    let connection = tokio::spawn(connection);
    for id in first.. {
        inserted.lock().expect("no client panicked").sent.insert(id);
        if client.batch_execute(&format!("INSERT INTO numbers VALUES ({id})")).await.is_err() {
            break;
        }
        inserted.lock().expect("no client panicked").acknowledged.insert(id);
        if told.send(ACKNOWLEDGED).is_err() {
            break;
        }
    }
    connection.abort();
    Some(())
}

/// A static member that reads and commits until the connection breaks.
async fn consume(
    address: String,
    positions: Arc<tokio::sync::Mutex<Positions>>,
    told: mpsc::Sender<&'static str>,
) -> Option<()> {
    let mut positions = positions.lock().await;
    let mut client = KafkaClient::connect_to(&address).await?;
    let topic = client.try_topic("numbers").await?;
    let found = positions_of(&mut client, "readers").await?;
    check_positions(&positions, &found);
    let joined = join(&mut client).await?;
    let mut next = found;
    for partition in (0..PARTITIONS).cycle() {
        let from = next.get(&partition).copied().unwrap_or(0);
        let mut request = fetch_request(&topic, from);
        request.topics[0].partitions[0].partition = partition;
        (request.max_wait_ms, request.isolation_level) = (20, 1);
        let fetched = client.try_ask(11, request).await?;
        let Some((last, _)) = records(&fetched.responses[0].partitions[0]).pop() else { continue };
        next.insert(partition, last + 1);
        positions.sent.insert(partition, last + 1);
        let answered = client.try_ask(8, commit(&joined, partition, last + 1)).await?;
        let code = answered.topics[0].partitions[0].error_code;
        assert_eq!(code, ErrorCode::NONE, "the only member commits: {}", code.name());
        positions.acknowledged.insert(partition, last + 1);
        told.send(ACKNOWLEDGED).ok()?;
    }
    Some(())
}

fn check_positions(known: &Positions, found: &BTreeMap<i32, i64>) {
    for (partition, acknowledged) in &known.acknowledged {
        let found = found.get(partition).copied().unwrap_or(-1);
        let sent = known.sent[partition];
        assert!((*acknowledged..=sent).contains(&found), "partition {partition}: {acknowledged} <= {found} <= {sent}");
    }
}

/// Where a group stands in the numbers, once that is stable.
pub(super) async fn positions_of(client: &mut KafkaClient, group: &str) -> Option<BTreeMap<i32, i64>> {
    let topic = offset_fetch::Topic {
        name: "numbers".to_string(),
        partition_indexes: (0..PARTITIONS).collect(),
        ..Default::default()
    };
    let request = offset_fetch::Request {
        group_id: group.to_string(),
        topics: Some(vec![topic]),
        require_stable: true,
        ..Default::default()
    };
    loop {
        let fetched = client.try_ask(7, request.clone()).await?;
        let partitions = &fetched.topics[0].partitions;
        if partitions.iter().all(|partition| partition.error_code == ErrorCode::NONE) {
            let committed = partitions.iter().filter(|partition| 0 <= partition.committed_offset);
            return Some(committed.map(|partition| (partition.partition_index, partition.committed_offset)).collect());
        }
        let is_unstable = |partition: &offset_fetch::FetchedPartition| {
            matches!(partition.error_code, ErrorCode::NONE | ErrorCode::UNSTABLE_OFFSET_COMMIT)
        };
        assert!(partitions.iter().all(is_unstable), "{partitions:?}");
        tokio::task::yield_now().await;
    }
}

async fn join(client: &mut KafkaClient) -> Option<join_group::Response> {
    let request = join_group::Request {
        group_id: "readers".to_string(),
        session_timeout_ms: 60_000,
        rebalance_timeout_ms: 60_000,
        group_instance_id: Some("reader".to_string()),
        protocol_type: "consumer".to_string(),
        protocols: vec![join_group::Protocol { name: "range".to_string(), metadata: Bytes::from_static(b"numbers") }],
        ..Default::default()
    };
    let joined = client.try_ask(5, request).await?;
    assert_eq!(joined.error_code, ErrorCode::NONE, "{}", joined.error_code.name());
    let assignment =
        sync_group::Assignment { member_id: joined.member_id.clone(), assignment: Bytes::from_static(b"all") };
    let request = sync_group::Request {
        group_id: "readers".to_string(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: Some("reader".to_string()),
        assignments: vec![assignment],
        ..Default::default()
    };
    let synced = client.try_ask(3, request).await?;
    assert_eq!(synced.error_code, ErrorCode::NONE, "{}", synced.error_code.name());
    Some(joined)
}

fn commit(joined: &join_group::Response, partition_index: i32, offset: i64) -> offset_commit::Request {
    let partition =
        offset_commit::Partition { partition_index, committed_offset: offset, ..offset_commit::Partition::default() };
    offset_commit::Request {
        group_id: "readers".to_string(),
        generation_id_or_member_epoch: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: Some("reader".to_string()),
        topics: vec![offset_commit::Topic {
            name: "numbers".to_string(),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// What the server holds after all, against what was sent and acknowledged.
async fn check(data: &Path, ledger: &Ledger) {
    let server = Server::start(data);
    let (pg, kafka) = server.ports();
    let mut client = KafkaClient::connect_to(&kafka).await.expect("the server takes a connection");
    let topic = client.try_topic("numbers").await.expect("it is there");
    let mut of_producers = BTreeSet::new();
    for producer in &ledger.producers {
        let mut producer = producer.lock().await;
        if producer.pending.is_some() {
            send(&mut client, &topic, &mut producer).await.expect("it is answered at last");
        }
        of_producers.extend(producer.acknowledged.iter().copied());
    }
    check_positions(&*ledger.positions.lock().await, &positions_of(&mut client, "readers").await.expect("known"));
    let last = worker::run(&kafka, TransactionVersion::Two, worker::Until::CaughtUp, None).await;
    last.expect("the worker comes to the end");

    let sql = crate::kill_nine::connect(pg).await;
    let stored = rows(&sql, "SELECT id, count(*) FROM numbers GROUP BY id ORDER BY id").await;
    let doubled: Vec<_> = stored.iter().filter(|row| row[1] != "1").collect();
    assert!(doubled.is_empty(), "numbers that are there more than once: {doubled:?}");
    let ids: BTreeSet<i64> = stored.iter().map(|row| row[0].parse().expect("an id")).collect();
    let (of_clients, of_sql): (BTreeSet<_>, BTreeSet<_>) = ids.iter().partition(|id| OF_PRODUCER <= **id);
    assert_eq!(of_clients, of_producers, "what producers sent is there, and nothing else");
    ledger.check_inserted(&of_sql);
    println!("{} of producers, {} of INSERT", of_clients.len(), of_sql.len());
    assert!(!of_clients.is_empty() && !of_sql.is_empty(), "the checker checked nothing");

    let results = rows(&sql, "SELECT id, count(*) FROM results GROUP BY id ORDER BY id").await;
    assert_eq!(results, stored, "the worker's output is its input, each record once");
    // It is asked until the query has read all: reading one's own writes says nothing of the other partitions.
    let mut copied = Vec::new();
    for _ in 0..ASKED_MAX {
        copied = rows(&sql, "SELECT id, count(*) FROM copies GROUP BY id ORDER BY id").await;
        if stored.len() <= copied.len() {
            break;
        }
    }
    assert_eq!(copied, stored, "the standing query has each record once");
    server.kill();
}
