//! A broker over a log in which something durable is damaged.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use super::INPUT;
use super::Node;
use super::OUTPUT;
use super::run;
use crate::broker::Acks;
use crate::broker::BrokerConfig;
use crate::broker::BrokerError;
use crate::broker::CONSUMER_OFFSETS;
use crate::broker::CommitOutcome;
use crate::broker::CommittedOffset;
use crate::broker::Isolation;
use crate::broker::Position;
use crate::broker::TRANSACTION_STATE;
use crate::broker::TransactionVersion;
use crate::broker::conformance::share;
use crate::broker::conformance::values;
use crate::broker::coordinator::GroupRecord;
use crate::broker::coordinator::OffsetValue;
use crate::broker::coordinator::Status;
use crate::broker::coordinator::TransactionRecord;
use crate::broker::coordinator::coordinator_partition;
use crate::broker::coordinator::offset_key;
use crate::cluster::FlushPolicy;
use crate::cluster::TopicConfig;
use crate::env::CallKind;
use crate::env::Fault;
use crate::env::FaultKind;
use crate::env::Simulation;
use crate::env::TraceEvent;
use crate::log::Append;
use crate::log::FlushOn;
use crate::log::LogConfig;
use crate::log::LogDir;
use crate::log::LogError;
use crate::log::Origin;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::BatchBuilder;
use crate::protocol::ProducerStamp;
use crate::protocol::Transactional;
use crate::security::Principal;

/// A batch of one record of so many bytes.
fn batch(producer: Option<ProducerStamp>, bytes: usize) -> Batch {
    let mut builder = BatchBuilder::new();
    if let Some(stamp) = producer {
        builder = builder.producer(stamp, Transactional::Yes);
    }
    builder.append(1, None, Some(&vec![b'x'; bytes]), &[]);
    builder.finish()
}

#[test]
fn a_damaged_partition_with_an_open_transaction_does_not_keep_the_others_from_being_served() {
    run(async {
        let simulation = Simulation::new(11);
        let (damaged, sound) = (TopicPartition::new(INPUT, 0), TopicPartition::new(OUTPUT, 0));
        let node = Node::with_topics(&simulation.env).await;
        let stamp = ProducerStamp { id: ProducerId(900), epoch: ProducerEpoch(0), base_sequence: 0 };
        let append = |producer, bytes| Append {
            partition: damaged,
            leader_epoch: node.metadata.snapshot().leader_epoch(),
            batches: vec![batch(producer, bytes)],
            origin: Origin::Coordinator,
        };
        // The second one is too large to ride in the journal, which could repair it.
        node.log.append(vec![append(Some(stamp), 10), append(None, 200_000)]).expect("it appends");
        node.log.durable(damaged, Offset(2)).await.expect("it flushes");
        node.client.append(sound, batch(None, 10), Acks::All).await.expect("it is acknowledged");
        drop(node);
        let path = PathBuf::from(format!("/data/log/{damaged}/00000000000000000000.log"));
        simulation.disk.flip_bit(&path, 100_000, 3).expect("a bit is flipped");
        simulation.disk.kill_process();

        let node =
            Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens with a damaged partition");
        assert!(node.log.corrupt_from(damaged).is_some());
        let appended = node.client.append(sound, batch(None, 10), Acks::All).await.expect("others take records");
        assert_eq!(appended.base_offset, Offset(1));
    });
}

#[test]
fn what_the_leader_acknowledged_outlives_the_end_of_its_process() {
    run(async {
        for (flush, acks) in
            [(FlushPolicy::Ack, Acks::Leader), (FlushPolicy::Ack, Acks::All), (FlushPolicy::Os, Acks::Leader)]
        {
            let simulation = Simulation::new(13);
            let input = TopicPartition::new(INPUT, 0);
            let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
            node.create(INPUT, "input", 1, TopicConfig { flush, ..TopicConfig::default() }).await.expect("created");
            let local = node.broker.local(Principal::server());
            let checked = local.check_batch(input, batch(None, 10).bytes().clone()).await.expect("it is whole");
            let placed = local.produce(checked, acks).expect("it is placed");
            local.wait(placed, Duration::MAX).await.expect("it is acknowledged");
            drop((local, node));
            simulation.disk.kill_process();
            let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens again");
            assert_eq!(
                node.client.ends(input).await.expect("it is there").log_end_offset,
                Offset(1),
                "{flush:?} {acks:?}"
            );
        }
    });
}

#[test]
fn a_start_does_not_wait_for_what_a_power_loss_took_from_a_lazy_topic() {
    run(async {
        let simulation = Simulation::new(12);
        let lazy = TopicPartition::new(INPUT, 0);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        let config = TopicConfig { flush: FlushPolicy::Os, ..TopicConfig::default() };
        node.create(INPUT, "input", 1, config).await.expect("created");
        for _ in 0..20 {
            node.client.append(lazy, batch(None, 10), Acks::All).await.expect("taken");
        }
        node.client.advance_log_start(lazy, Offset(19)).await.expect("it moves");
        node.log.flush_once().expect("it flushes");
        let mut lost = 0;
        for seed in 0..20 {
            let disk = simulation.disk.fork(seed);
            disk.lose_power();
            let simulation = Simulation::with_disk(seed, disk);
            let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens");
            let ends = node.client.ends(lazy).await.expect("it is there");
            assert_eq!((ends.log_start_offset, ends.readable_end()), (Offset(19), ends.log_end_offset));
            lost += i32::from(ends.log_end_offset == Offset(19));
            let appended = node.client.append(lazy, batch(None, 10), Acks::All).await.expect("it goes on");
            assert_eq!(appended.base_offset, ends.log_end_offset);
            let stored = values(&*node.client, lazy, Isolation::ReadCommitted).await.len() as i64;
            assert_eq!(stored, appended.next_offset.0 - 19);
        }
        assert!(0 < lost, "some power losses took the tail");
    });
}

/// Has the next start fail to read a partition.
async fn fail_to_open(simulation: &Simulation, partition: TopicPartition) {
    let counted = Simulation::with_disk(13, simulation.disk.fork(13));
    counted.disk.start_trace();
    drop(Node::open(&counted.env, BrokerConfig::default()).await.expect("it opens"));
    let file = PathBuf::from(format!("/data/log/{partition}/partition"));
    let call = counted.disk.take_trace().into_iter().find_map(|event| match event {
        TraceEvent::Call(call) if call.kind == CallKind::Open && call.path == file => Some(call.number),
        _ => None,
    });
    simulation.disk.reset_calls();
    simulation.disk.inject(Fault { call: call.expect("its file is opened"), kind: FaultKind::IoError });
}

#[test]
fn a_partition_that_cannot_be_read_is_refused_and_never_made_anew() {
    run(async {
        let simulation = Simulation::new(13);
        let (unreadable, sound) = (TopicPartition::new(INPUT, 0), TopicPartition::new(OUTPUT, 0));
        let node = Node::with_topics(&simulation.env).await;
        for partition in [unreadable, sound] {
            node.client.append(partition, batch(None, 10), Acks::All).await.expect("it is acknowledged");
        }
        drop(node);
        simulation.disk.kill_process();
        fail_to_open(&simulation, unreadable).await;
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens without it");
        let refused = node.client.append(unreadable, batch(None, 10), Acks::All).await;
        assert!(matches!(refused, Err(BrokerError::Log(LogError::Unreadable { .. }))), "{refused:?}");
        let refused = node.client.ends(unreadable).await;
        assert!(matches!(refused, Err(BrokerError::Log(LogError::Unreadable { .. }))), "{refused:?}");
        assert_eq!(node.broker.damaged_partitions(), vec![unreadable]);
        node.client.append(sound, batch(None, 10), Acks::All).await.expect("others take records");
        drop(node);
        simulation.disk.lose_power();
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens");
        assert_eq!(node.broker.damaged_partitions(), vec![]);
        for (partition, count) in [(unreadable, 1), (sound, 2)] {
            assert_eq!(values(&*node.client, partition, Isolation::ReadCommitted).await.len(), count);
        }
    });
}

/// Flips a bit in the last batch of a partition, after the journal has forgotten it.
pub(super) fn damage_last_batch(simulation: &Simulation, partition: TopicPartition) {
    let path = PathBuf::from(format!("/data/log/{partition}/00000000000000000000.log"));
    let bytes = simulation.disk.contents(&path).expect("it is there");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("there are batches");
    simulation.disk.flip_bit(&path, last as u64, 0).expect("it is there");
}

/// A transaction of the id "node" that was prepared and not marked: a record of the output, a position of group q2. The
/// partition that holds its state.
pub(super) async fn prepare_without_markers(node: &Node) -> TopicPartition {
    let (input, output) = (TopicPartition::new(INPUT, 0), TopicPartition::new(OUTPUT, 0));
    let topic = |name: &str| node.metadata.snapshot().topic(name).expect("it is there").id;
    let state = TopicPartition::new(topic(TRANSACTION_STATE), coordinator_partition("node", 16));
    let groups = TopicPartition::new(topic(CONSUMER_OFFSETS), coordinator_partition("tidemill.q2", 16));
    node.broker.ensure(groups).await.expect("made");
    let stamp = ProducerStamp { id: ProducerId(900), epoch: ProducerEpoch(0), base_sequence: 0 };
    let committed = CommittedOffset { offset: Offset(1), leader_epoch: LeaderEpoch(0), metadata: String::new() };
    let key = offset_key("tidemill.q2", input, |_| Some("input".to_string()));
    let value = OffsetValue { topic: Some(INPUT), committed, committed_ms: 1, expires_ms: None };
    let record = GroupRecord::Offset { key, value: Some(value) }.encode();
    let mut offsets = BatchBuilder::new().producer(stamp, Transactional::Yes);
    offsets.append(1, Some(&record.key), record.value.as_deref(), &[]);
    let leader_epoch = node.metadata.snapshot().leader_epoch();
    let append =
        |partition, batch| Append { partition, leader_epoch, batches: vec![batch], origin: Origin::Coordinator };
    let prepared = TransactionRecord {
        producer_id: ProducerId(900),
        producer_epoch: ProducerEpoch(0),
        timeout_ms: i32::MAX,
        status: Status::PrepareCommit,
        partitions: BTreeMap::new(),
        commit_number: 2,
        updated_ms: 1,
        started_ms: 1,
        ended: None,
        next_producer_id: None,
        version: TransactionVersion::One,
    };
    let prepare = node.broker.records_append("node", state, [&prepared].into_iter());
    let data = append(output, batch(Some(stamp), 10));
    node.log.append(vec![data, append(groups, offsets.finish()), prepare]).expect("it appends");
    node.log.flush_once().expect("it flushes");
    state
}

/// Opens the log alone: its journal is trimmed, and no broker decides anything.
pub(super) fn trim_journal(simulation: &Simulation) {
    let config = LogConfig { flush_on: FlushOn::Wait, ..LogConfig::default() };
    drop(LogDir::open(simulation.env.clone(), Path::new("/data/log"), config).expect("opens"));
}

#[test]
fn a_damaged_transaction_state_refuses_what_needs_it_and_invents_no_outcome() {
    run(async {
        let simulation = Simulation::new(14);
        let (input, output) = (TopicPartition::new(INPUT, 0), TopicPartition::new(OUTPUT, 0));
        let node = Node::with_topics(&simulation.env).await;
        let generation = node.client.join("tidemill.q1", "member").await.expect("joined");
        node.client.append(input, batch(None, 10), Acks::All).await.expect("appended");
        let first = share(1, generation, &[output], "first", (input, 1));
        node.client.commit("node", vec![first]).await.expect("a commit");
        let state = prepare_without_markers(&node).await;
        drop(node);
        simulation.disk.kill_process();
        trim_journal(&simulation);
        damage_last_batch(&simulation, state);

        for _ in 0..2 {
            let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens");
            assert!(node.broker.damaged_partitions().contains(&state));
            node.client.append(input, batch(None, 10), Acks::All).await.expect("others take records");
            let position = |offset| Position { partition: output, offset, leader_epoch: None };
            let fetch = |offset| {
                node.client.fetch(
                    position(Offset(offset)),
                    Isolation::ReadCommitted,
                    1 << 20,
                    Duration::from_secs(3600),
                )
            };
            let fetched = fetch(0).await.expect("what was decided is served");
            assert_eq!((fetched.batches.len(), fetched.next), (1, Offset(2)));
            let refused = fetch(2).await;
            assert!(matches!(refused, Err(BrokerError::Undecided { offset: Offset(2), .. })), "{refused:?}");
            let refused = node.client.commit("node", Vec::new()).await;
            assert!(matches!(refused, Err(BrokerError::CoordinatorDamaged { .. })), "{refused:?}");
            let refused = node.client.committed_offsets("tidemill.q2").await;
            assert!(matches!(refused, Err(BrokerError::Undecided { .. })), "{refused:?}");
            // Another id of another partition of the same topic commits.
            assert_ne!(coordinator_partition("other", 16), coordinator_partition("node", 16));
            let sound = TopicPartition::new(INPUT, 0);
            let generation = node.client.join("tidemill.q1", "member").await.expect("joined");
            let again = share(1, generation, &[sound], "again", (input, 1));
            let committed = node.client.commit("other", vec![again]).await.expect("a commit");
            assert!(matches!(committed.outcomes[0].1, CommitOutcome::Committed { .. }), "{committed:?}");
            drop(node);
            simulation.disk.kill_process();
        }

        // The disk has the bytes again: the transaction is committed, as it was prepared.
        damage_last_batch(&simulation, state);
        let mark = PathBuf::from(format!("/data/log/{state}/damaged"));
        simulation.env.disk.remove_file(&mark).expect("it was marked");
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens");
        assert_eq!(node.broker.damaged_partitions(), vec![]);
        assert_eq!(values(&*node.client, output, Isolation::ReadCommitted).await.len(), 2);
        let offsets = node.client.committed_offsets("tidemill.q2").await.expect("known");
        assert_eq!(offsets[&input].offset, Offset(1));
        node.client.commit("node", Vec::new()).await.expect("it commits again");
    });
}

#[test]
fn damaged_offsets_refuse_their_groups_and_no_other() {
    run(async {
        let simulation = Simulation::new(15);
        let (input, output) = (TopicPartition::new(INPUT, 0), TopicPartition::new(OUTPUT, 0));
        let node = Node::with_topics(&simulation.env).await;
        for _ in 0..3 {
            node.client.append(input, batch(None, 10), Acks::All).await.expect("appended");
        }
        for round in 1..3 {
            for query in [1, 2] {
                let generation = node.client.join(&format!("tidemill.q{query}"), "member").await.expect("joined");
                let share = share(query, generation, &[output], "value", (input, round));
                node.client.commit("node", vec![share]).await.expect("a commit");
            }
        }
        let topic = node.metadata.snapshot().topic(CONSUMER_OFFSETS).expect("it is there").id;
        let of = |group| TopicPartition::new(topic, coordinator_partition(group, 16));
        assert_ne!(of("tidemill.q1"), of("tidemill.q2"));
        node.broker.close().await.expect("closed");
        drop(node);
        drop(Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens, and trims the journal"));
        simulation.disk.kill_process();
        damage_last_batch(&simulation, of("tidemill.q1"));

        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens");
        assert_eq!(node.broker.damaged_partitions(), vec![of("tidemill.q1")]);
        let refused = [
            node.client.committed_offsets("tidemill.q1").await.err(),
            node.client.join("tidemill.q1", "member").await.err(),
            node.client.delete_group("tidemill.q1").await.err(),
        ];
        for error in refused {
            assert!(matches!(error, Some(BrokerError::CoordinatorDamaged { .. })), "{error:?}");
        }
        let offsets = node.client.committed_offsets("tidemill.q2").await.expect("known");
        assert_eq!(offsets[&input].offset, Offset(2));
        let generation = node.client.join("tidemill.q2", "member").await.expect("joined");
        let last = share(2, generation, &[output], "last", (input, 3));
        let committed = node.client.commit("node", vec![last]).await.expect("a commit");
        assert!(matches!(committed.outcomes[0].1, CommitOutcome::Committed { .. }));
        let groups = node.client.groups().await.expect("groups");
        assert_eq!(groups.iter().map(|group| group.group.as_str()).collect::<Vec<_>>(), ["tidemill.q2"]);
    });
}

#[test]
fn a_partition_that_missed_the_end_of_a_transaction_gets_its_marker_from_the_history() {
    run(async {
        let simulation = Simulation::new(16);
        let (input, output) = (TopicPartition::new(INPUT, 0), TopicPartition::new(OUTPUT, 0));
        let node = Node::with_topics(&simulation.env).await;
        let generation = node.client.join("tidemill.q1", "member").await.expect("joined");
        node.client.append(input, batch(None, 10), Acks::All).await.expect("appended");
        let first = share(1, generation, &[output], "first", (input, 1));
        node.client.commit("node", vec![first]).await.expect("a commit");
        prepare_without_markers(&node).await;
        drop(node);
        simulation.disk.kill_process();

        fail_to_open(&simulation, output).await;
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens without it");
        assert_eq!(node.broker.damaged_partitions(), vec![output]);
        for _ in 0..3 {
            let generation = node.client.join("tidemill.q1", "member").await.expect("joined");
            let later = share(1, generation, &[input], "later", (input, 1));
            let committed = node.client.commit("node", vec![later]).await.expect("a commit");
            assert!(matches!(committed.outcomes[0].1, CommitOutcome::Committed { .. }), "{committed:?}");
        }
        drop(node);
        simulation.disk.kill_process();
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens");
        assert_eq!(values(&*node.client, output, Isolation::ReadCommitted).await.len(), 2, "it was committed");
    });
}
