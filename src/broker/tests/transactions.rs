//! Transactions of clients over a log: whole or absent, for readers and for groups, whatever crashes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::INPUT;
use super::Node;
use super::OUTPUT;
use super::recovery::damage_last_batch;
use super::recovery::trim_journal;
use super::run;
use crate::broker::Broker;
use crate::broker::BrokerConfig;
use crate::broker::BrokerError;
use crate::broker::CommitOffsets;
use crate::broker::CommittedOffset;
use crate::broker::GroupError;
use crate::broker::Isolation;
use crate::broker::LocalBroker;
use crate::broker::OffsetToCommit;
use crate::broker::TransactionError;
use crate::broker::TransactionVersion;
use crate::broker::conformance::values;
use crate::broker::coordinator::Stamp;
use crate::cluster::TopicConfig;
use crate::env::Env;
use crate::env::Fault;
use crate::env::FaultKind;
use crate::env::Scenario;
use crate::env::Simulation;
use crate::env::for_each_fault;
use crate::log::Append;
use crate::log::Origin;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;
use crate::protocol::ControlMarker;
use crate::protocol::ProducerStamp;
use crate::protocol::Transactional;
use crate::security::Principal;

pub(super) const ID: &str = "client";
pub(super) const TIMEOUT_MS: i32 = 60_000;

pub(super) fn outputs() -> [TopicPartition; 2] {
    [TopicPartition::new(OUTPUT, 0), TopicPartition::new(OUTPUT, 1)]
}

pub(super) fn config() -> BrokerConfig {
    // Gives up on markers soon, since no clock moves here.
    BrokerConfig { marker_tries_max: 1, ..BrokerConfig::default() }
}

async fn open(env: &Env) -> Node {
    Node::open(env, config()).await.expect("opens")
}

pub(super) async fn prepared(env: &Env) -> Node {
    let node = open(env).await;
    node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
    node.create(OUTPUT, "output", 2, TopicConfig::default()).await.expect("created");
    node
}

pub(super) fn local(broker: &Arc<Broker>) -> LocalBroker {
    broker.local(Principal::server())
}

pub(super) async fn init(broker: &Arc<Broker>) -> Result<Stamp, TransactionError> {
    local(broker).init_producer(Some(ID), TIMEOUT_MS, None).await
}

async fn add(broker: &Arc<Broker>, producer: Stamp) -> Result<(), TransactionError> {
    let partitions: BTreeMap<_, _> = outputs().into_iter().map(|it| (it, "output".to_string())).collect();
    local(broker).add_to_transaction(ID, producer, partitions).await
}

async fn end(broker: &Arc<Broker>, producer: Stamp, outcome: ControlMarker) -> Result<(), TransactionError> {
    let ended = local(broker).end_transaction(ID, producer, outcome, TransactionVersion::One).await?;
    assert_eq!(ended, producer, "it keeps its epoch");
    Ok(())
}

/// Appends `value` to both outputs.
pub(super) async fn produce(
    broker: &Arc<Broker>,
    producer: Stamp,
    sequence: i32,
    value: &str,
) -> Result<(), BrokerError> {
    let values = outputs().map(|partition| (partition, value.to_string()));
    append_values(broker, producer, sequence, &values).await.map(|_| ())
}

/// Appends values as the door does, each checked and appended in one step; answers where they are when they are durable.
pub(super) async fn append_values(
    broker: &Arc<Broker>,
    (id, epoch): Stamp,
    sequence: i32,
    values: &[(TopicPartition, String)],
) -> Result<Vec<Offset>, BrokerError> {
    let (mut ends, mut at) = (Vec::new(), Vec::new());
    for (partition, value) in values {
        let partition = *partition;
        broker.ensure(partition).await?;
        let stamp = ProducerStamp { id, epoch, base_sequence: sequence };
        let mut builder = BatchBuilder::new().producer(stamp, Transactional::Yes);
        builder.append(1, None, Some(value.as_bytes()), &[]);
        let (leader_epoch, batches) = (broker.leader_epoch(), vec![builder.finish()]);
        let append = Append { partition, leader_epoch, batches, origin: Origin::Client };
        let appended = broker.append_in_transaction((id, epoch), vec![append])?;
        ends.push((partition, appended[0].next_offset));
        at.push(appended[0].base_offset);
    }
    broker.log.durable_all(ends).await?;
    Ok(at)
}

/// A commit of a group's position in the input, by nobody in particular.
pub(super) fn offset_request(group: &str, offset: i64) -> CommitOffsets {
    let committed = CommittedOffset { offset: Offset(offset), leader_epoch: LeaderEpoch(0), metadata: String::new() };
    let partition = TopicPartition::new(INPUT, 0);
    CommitOffsets {
        group: group.to_string(),
        member: String::new(),
        instance: None,
        generation: -1,
        knows_member_epochs: false,
        retention: None,
        offsets: vec![OffsetToCommit { topic: "input".to_string(), partition, committed }],
    }
}

pub(super) async fn commit_offset(broker: &Arc<Broker>, producer: Stamp, offset: i64) -> Result<(), GroupError> {
    local(broker).commit_offsets_in_transaction(producer, offset_request("g", offset)).await?.remove(0)
}

/// A transaction of one record to both outputs and a position.
pub(super) async fn fill(broker: &Arc<Broker>, producer: Stamp, sequence: i32, value: &str) -> bool {
    let offset = value.parse().expect("a number");
    add(broker, producer).await.is_ok()
        && produce(broker, producer, sequence, value).await.is_ok()
        && local(broker).add_offsets_to_transaction(ID, producer, "g", TransactionVersion::One).await.is_ok()
        && commit_offset(broker, producer, offset).await.is_ok()
}

pub(super) fn position(broker: &Arc<Broker>, only_stable: bool) -> Result<Option<i64>, GroupError> {
    let fetched = local(broker).fetch_offsets("g", Some(&[TopicPartition::new(INPUT, 0)]), only_stable).expect("known");
    fetched[0].1.clone().map(|committed| committed.map(|committed| committed.offset.0))
}

pub(super) async fn read(node: &Node) -> [Vec<String>; 2] {
    let [first, second] = outputs();
    [
        values(&*node.client, first, Isolation::ReadCommitted).await,
        values(&*node.client, second, Isolation::ReadCommitted).await,
    ]
}

#[test]
fn a_transaction_is_seen_with_its_positions_when_its_commit_is_answered_and_never_when_it_is_aborted() {
    run(async {
        let simulation = Simulation::new(1);
        let node = prepared(&simulation.env).await;
        let producer = init(&node.broker).await.expect("a stamp");
        assert!(fill(&node.broker, producer, 0, "1").await);
        assert_eq!(read(&node).await, [Vec::<String>::new(), Vec::new()]);
        assert_eq!(
            (position(&node.broker, true), position(&node.broker, false)),
            (Err(GroupError::UnstableOffset), Ok(None))
        );
        end(&node.broker, producer, ControlMarker::Commit).await.expect("committed");
        assert_eq!(read(&node).await, [vec!["1"], vec!["1"]]);
        assert_eq!(position(&node.broker, true), Ok(Some(1)));
        assert!(fill(&node.broker, producer, 1, "2").await);
        end(&node.broker, producer, ControlMarker::Abort).await.expect("aborted");
        assert_eq!(read(&node).await, [vec!["1"], vec!["1"]]);
        assert_eq!(position(&node.broker, true), Ok(Some(1)));
        drop(node);
        simulation.disk.lose_power();
        let node = open(&simulation.env).await;
        assert_eq!(read(&node).await, [vec!["1"], vec!["1"]]);
        assert_eq!(position(&node.broker, true), Ok(Some(1)));
    });
}

#[test]
fn nothing_is_taken_into_a_transaction_that_is_not_open_or_does_not_hold_the_partition() {
    run(async {
        let simulation = Simulation::new(2);
        let node = prepared(&simulation.env).await;
        let producer = init(&node.broker).await.expect("a stamp");
        let refused = produce(&node.broker, producer, 0, "1").await;
        assert!(matches!(refused, Err(BrokerError::NotInTransaction { .. })), "{refused:?}");
        assert_eq!(commit_offset(&node.broker, producer, 1).await, Err(GroupError::NotInTransaction));
        assert!(fill(&node.broker, producer, 0, "1").await);
        end(&node.broker, producer, ControlMarker::Commit).await.expect("committed");
        // Late, after the marker: it would hang for ever.
        assert!(produce(&node.broker, producer, 1, "2").await.is_err());
        assert_eq!(commit_offset(&node.broker, producer, 2).await, Err(GroupError::NotInTransaction));
        let ends = node.client.ends(outputs()[0]).await.expect("it is there");
        assert_eq!(ends.last_stable_offset, ends.high_watermark);
    });
}

#[test]
fn a_second_producer_of_the_id_fences_the_first_and_aborts_what_it_left() {
    run(async {
        let simulation = Simulation::new(3);
        let node = prepared(&simulation.env).await;
        let first = init(&node.broker).await.expect("a stamp");
        assert!(fill(&node.broker, first, 0, "1").await);
        let second = init(&node.broker).await.expect("a stamp");
        assert_eq!((second.0, second.1.0), (first.0, first.1.0 + 2));
        assert_eq!(position(&node.broker, true), Ok(None));
        assert!(produce(&node.broker, first, 1, "2").await.is_err());
        assert_eq!(add(&node.broker, first).await, Err(TransactionError::Fenced));
        let ended = end(&node.broker, first, ControlMarker::Commit).await;
        assert_eq!(ended, Err(TransactionError::Fenced));
        assert!(fill(&node.broker, second, 0, "3").await);
        end(&node.broker, second, ControlMarker::Commit).await.expect("committed");
        assert_eq!(read(&node).await, [vec!["3"], vec!["3"]]);
        assert_eq!(position(&node.broker, true), Ok(Some(3)));
    });
}

#[test]
fn an_open_transaction_goes_on_after_a_restart_and_ends_in_time_if_nobody_ends_it() {
    run(async {
        let simulation = Simulation::new(4);
        let node = prepared(&simulation.env).await;
        let producer = init(&node.broker).await.expect("a stamp");
        assert!(fill(&node.broker, producer, 0, "1").await);
        drop(node);
        simulation.disk.kill_process();
        let node = open(&simulation.env).await;
        assert_eq!(position(&node.broker, true), Err(GroupError::UnstableOffset));
        produce(&node.broker, producer, 1, "2").await.expect("it goes on");
        end(&node.broker, producer, ControlMarker::Commit).await.expect("committed");
        assert_eq!(read(&node).await, [vec!["1", "2"], vec!["1", "2"]]);
        assert_eq!(position(&node.broker, true), Ok(Some(1)));
        assert!(fill(&node.broker, producer, 2, "3").await);
        drop(node);
        simulation.disk.kill_process();
        let node = open(&simulation.env).await;
        simulation.clock.advance(Duration::from_millis(TIMEOUT_MS as u64));
        while position(&node.broker, true) == Err(GroupError::UnstableOffset) {
            node.broker.end_overdue_transactions().await.expect("ended");
            tokio::task::yield_now().await;
        }
        assert_eq!(read(&node).await, [vec!["1", "2"], vec!["1", "2"]]);
        assert_eq!(position(&node.broker, true), Ok(Some(1)));
        let late = end(&node.broker, producer, ControlMarker::Commit).await;
        assert_eq!(late, Err(TransactionError::Fenced));
        assert!(produce(&node.broker, producer, 3, "4").await.is_err());
    });
}

#[test]
fn what_is_no_transactional_id_is_refused_and_what_nobody_uses_is_forgotten() {
    run(async {
        let simulation = Simulation::new(5);
        let node = prepared(&simulation.env).await;
        let door = local(&node.broker);
        let ask = |id: &'static str, timeout_ms| door.init_producer(Some(id), timeout_ms, None);
        assert_eq!(ask("", 1000).await, Err(TransactionError::InvalidId));
        assert_eq!(ask("tidemill.node0", 1000).await, Err(TransactionError::InvalidId));
        assert_eq!(ask("a", 0).await, Err(TransactionError::InvalidTimeout));
        assert_eq!(ask("a", i32::MAX).await, Err(TransactionError::InvalidTimeout));
        let nobody = (crate::model::ProducerId(5), ProducerEpoch(0));
        assert_eq!(add(&node.broker, nobody).await, Err(TransactionError::InvalidProducerIdMapping));
        let without = local(&node.broker).init_producer(None, 0, None).await.expect("an idempotent producer");
        assert_ne!(local(&node.broker).init_producer(None, 0, None).await.expect("another").0, without.0);
        let first = init(&node.broker).await.expect("a stamp");
        simulation.clock.advance(Duration::from_hours(8 * 24));
        node.broker.end_overdue_transactions().await.expect("forgotten");
        let again = init(&node.broker).await.expect("a stamp");
        assert_ne!(first.0, again.0, "nothing was known of it");
    });
}

#[test]
fn a_commit_whose_markers_cannot_be_written_stays_decided_and_is_finished_by_whoever_comes_next() {
    let mut decided = 0;
    for (call, asks_again) in (1..20).flat_map(|call| [(call, true), (call, false)]) {
        run(async {
            let simulation = Simulation::new(6);
            let node = prepared(&simulation.env).await;
            let producer = init(&node.broker).await.expect("a stamp");
            assert!(fill(&node.broker, producer, 0, "1").await);
            simulation.disk.reset_calls();
            simulation.disk.inject(Fault { call, kind: FaultKind::IoError });
            let again = || async { end(&node.broker, producer, ControlMarker::Commit).await };
            if again().await != Err(TransactionError::Concurrent) {
                return;
            }
            decided += 1;
            assert_eq!(read(&node).await, [Vec::<String>::new(), Vec::new()]);
            assert_eq!(position(&node.broker, true), Err(GroupError::UnstableOffset));
            assert!(produce(&node.broker, producer, 1, "2").await.is_err(), "nothing is taken into it");
            // However long it takes, it is not aborted.
            simulation.clock.advance(Duration::from_millis(2 * TIMEOUT_MS as u64));
            match asks_again {
                true => assert_eq!(again().await, Ok(())),
                false => node.broker.end_overdue_transactions().await.expect("it goes over all"),
            }
            assert_eq!(read(&node).await, [vec!["1"], vec!["1"]]);
            assert_eq!(position(&node.broker, true), Ok(Some(1)));
            assert!(fill(&node.broker, producer, 1, "3").await, "it goes on");
        });
    }
    assert!(0 < decided, "no call was the one between the decision and the markers");
}

#[test]
fn a_damaged_partition_keeps_no_transaction_of_others_from_ending() {
    run(async {
        let simulation = Simulation::new(7);
        let node = prepared(&simulation.env).await;
        let producer = init(&node.broker).await.expect("a stamp");
        assert!(fill(&node.broker, producer, 0, "1").await);
        let [damaged, sound] = outputs();
        drop(node);
        simulation.disk.kill_process();
        trim_journal(&simulation);
        damage_last_batch(&simulation, damaged);
        let node = open(&simulation.env).await;
        assert_eq!(node.broker.damaged_partitions(), vec![damaged]);
        let committed = end(&node.broker, producer, ControlMarker::Commit).await;
        assert_eq!(committed, Err(TransactionError::Damaged), "what it wrote cannot all be read");
        end(&node.broker, producer, ControlMarker::Abort).await.expect("aborted");
        let ends = node.client.ends(sound).await.expect("it is there");
        assert_eq!(ends.last_stable_offset, ends.high_watermark);
        assert_eq!(position(&node.broker, true), Ok(None));
    });
}

/// Two transactions that commit and one that aborts; those whose commit was answered.
async fn three_transactions(env: &Env) -> Vec<String> {
    let mut told = vec!["1".to_string()];
    let Ok(node) = Node::open(env, config()).await else { return told };
    let Ok(producer) = init(&node.broker).await else { return told };
    for (sequence, (value, outcome)) in
        [("2", ControlMarker::Commit), ("3", ControlMarker::Abort), ("4", ControlMarker::Commit)]
            .into_iter()
            .enumerate()
    {
        if !fill(&node.broker, producer, sequence as i32, value).await {
            break;
        }
        match end(&node.broker, producer, outcome).await {
            Ok(()) if outcome == ControlMarker::Commit => told.push(value.to_string()),
            Ok(()) => {}
            Err(_) => break,
        }
    }
    told
}

#[test]
fn a_clients_transaction_is_whole_or_absent_after_each_fault_at_each_disk_call() {
    let scenario = Scenario {
        name: "two transactions of a client, and one that is aborted",
        seed: 44,
        prepare: &|env| {
            run(async {
                let node = prepared(env).await;
                let producer = init(&node.broker).await.expect("a stamp");
                assert!(fill(&node.broker, producer, 0, "1").await);
                end(&node.broker, producer, ControlMarker::Commit).await.expect("committed");
                node.broker.close().await.expect("closed");
            });
        },
        run: &|env| run(three_transactions(env)),
        check: &|env, told: &Vec<String>, _| {
            run(async {
                let node = open(env).await;
                // The client comes back, and with it whatever it left open ends.
                let producer = init(&node.broker).await.expect("a stamp after any fault");
                let [first, second] = read(&node).await;
                assert_eq!(first, second, "in both partitions or in none");
                assert!(told.iter().all(|value| first.contains(value)), "told {told:?}, found {first:?}");
                assert!(!first.contains(&"3".to_string()), "it was aborted");
                let last: i64 = first.last().expect("one was there before").parse().expect("a number");
                assert_eq!(
                    position(&node.broker, true),
                    Ok(Some(last)),
                    "the position is that of the last transaction"
                );
                assert!(fill(&node.broker, producer, 0, "9").await);
                end(&node.broker, producer, ControlMarker::Commit).await.expect("it goes on");
                assert_eq!(read(&node).await[1].last().map(String::as_str), Some("9"));
            });
        },
    };
    let report = for_each_fault(&scenario);
    eprintln!("{report}");
    assert!(report.is_complete(), "{report}");
}
