//! Markers from outside: what hangs is ended, what its coordinator knows is ended as a whole.

use super::INPUT;
use super::Node;
use super::OUTPUT;
use super::recovery::damage_last_batch;
use super::recovery::prepare_without_markers;
use super::recovery::trim_journal;
use super::run;
use super::transactions::ID;
use super::transactions::fill;
use super::transactions::init;
use super::transactions::local;
use super::transactions::outputs;
use super::transactions::position;
use super::transactions::prepared;
use super::transactions::produce;
use super::transactions::read;
use crate::broker::Acks;
use crate::broker::BrokerConfig;
use crate::broker::CONSUMER_OFFSETS;
use crate::broker::Isolation;
use crate::broker::MarkerError;
use crate::broker::OutsideMarker;
use crate::broker::TransactionVersion;
use crate::broker::conformance::share;
use crate::broker::conformance::values;
use crate::broker::coordinator::Stamp;
use crate::broker::coordinator::coordinator_partition;
use crate::env::Simulation;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;
use crate::protocol::ControlMarker;

fn abort(producer: Stamp) -> OutsideMarker {
    OutsideMarker { producer, outcome: ControlMarker::Abort, coordinator_epoch: i32::MAX }
}

fn end_of(node: &Node, partition: TopicPartition) -> Offset {
    node.log.ends(partition).expect("it is there").log_end_offset
}

#[test]
fn an_open_transaction_of_a_client_is_aborted_as_a_whole_and_its_producer_is_fenced() {
    run(async {
        let simulation = Simulation::new(1);
        let node = prepared(&simulation.env).await;
        let [first, second] = outputs();
        let producer = init(&node.broker).await.expect("a stamp");
        assert!(fill(&node.broker, producer, 0, "1").await);
        let commit = OutsideMarker { outcome: ControlMarker::Commit, ..abort(producer) };
        let refused = local(&node.broker).end_from_outside(first, commit).await;
        assert!(matches!(refused, Err(MarkerError::InUse)), "{refused:?}");
        assert!(produce(&node.broker, producer, 1, "2").await.is_ok(), "it goes on");

        local(&node.broker).end_from_outside(first, abort(producer)).await.expect("it is ended");
        assert_eq!(read(&node).await, [Vec::<String>::new(), Vec::new()]);
        for partition in [first, second] {
            let open = node.log.producers(partition).expect("known").into_iter().filter(|it| it.open_from.is_some());
            assert_eq!(open.count(), 0, "{partition}");
        }
        assert_eq!(position(&node.broker, true), Ok(None));
        assert!(produce(&node.broker, producer, 2, "3").await.is_err(), "it is fenced");
        let ends = [first, second].map(|partition| end_of(&node, partition));
        let refused = local(&node.broker).end_from_outside(first, abort(producer)).await;
        assert!(matches!(refused, Err(MarkerError::StaleEpoch)), "{refused:?}");
        assert_eq!([first, second].map(|partition| end_of(&node, partition)), ends);

        let producer = init(&node.broker).await.expect("a stamp");
        assert!(fill(&node.broker, producer, 0, "4").await);
        drop(node);
        simulation.disk.lose_power();
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens");
        local(&node.broker).end_from_outside(second, abort(producer)).await.expect("it is ended");
        assert_eq!(read(&node).await, [Vec::<String>::new(), Vec::new()]);
    });
}

#[test]
fn where_nothing_is_open_nothing_is_written() {
    run(async {
        let simulation = Simulation::new(2);
        let node = prepared(&simulation.env).await;
        let [first, _] = outputs();
        let producer = init(&node.broker).await.expect("a stamp");
        assert!(fill(&node.broker, producer, 0, "1").await);
        let (outcome, version) = (ControlMarker::Commit, TransactionVersion::One);
        local(&node.broker).end_transaction(ID, producer, outcome, version).await.expect("it commits");
        let end = end_of(&node, first);
        local(&node.broker).end_from_outside(first, abort(producer)).await.expect("there is nothing to do");
        let nobody = (ProducerId(12_345), ProducerEpoch(0));
        local(&node.broker).end_from_outside(first, abort(nobody)).await.expect("there is nothing to do");
        let older = OutsideMarker { coordinator_epoch: -1, ..abort(producer) };
        let refused = local(&node.broker).end_from_outside(first, older).await;
        assert!(matches!(refused, Err(MarkerError::CoordinatorFenced)), "{refused:?}");
        let nowhere = TopicPartition::new(OUTPUT, 9);
        let refused = local(&node.broker).end_from_outside(nowhere, abort(producer)).await;
        assert!(matches!(refused, Err(MarkerError::Broker(_))), "{refused:?}");
        assert_eq!(end_of(&node, first), end);
        assert_eq!(read(&node).await, [vec!["1"], vec!["1"]]);
    });
}

#[test]
fn a_transaction_whose_outcome_is_lost_is_decided_from_outside_in_each_partition() {
    for outcome in [ControlMarker::Abort, ControlMarker::Commit] {
        run(async {
            let simulation = Simulation::new(3);
            let (input, output) = (TopicPartition::new(INPUT, 0), TopicPartition::new(OUTPUT, 0));
            let node = Node::with_topics(&simulation.env).await;
            let mut builder = BatchBuilder::new();
            builder.append(1, None, Some(b"row"), &[]);
            node.client.append(input, builder.finish(), Acks::All).await.expect("appended");
            let generation = node.client.join("tidemill.q1", "member").await.expect("joined");
            let first = share(1, generation, &[output], "first", (input, 1));
            node.client.commit("node", vec![first]).await.expect("a commit");
            let state = prepare_without_markers(&node).await;
            let topic = node.metadata.snapshot().topic(CONSUMER_OFFSETS).expect("it is there").id;
            let offsets = TopicPartition::new(topic, coordinator_partition("tidemill.q2", 16));
            drop(node);
            simulation.disk.kill_process();
            trim_journal(&simulation);
            damage_last_batch(&simulation, state);

            let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens");
            let unknown = [state, output, offsets];
            assert!(unknown.iter().all(|it| node.broker.damaged_partitions().contains(it)));
            let marker = OutsideMarker { outcome, ..abort((ProducerId(900), ProducerEpoch(0))) };
            local(&node.broker).end_from_outside(output, marker).await.expect("it is ended");
            assert!(node.client.committed_offsets("tidemill.q2").await.is_err(), "its own partition is undecided");
            local(&node.broker).end_from_outside(offsets, marker).await.expect("it is ended");
            let committed = usize::from(outcome == ControlMarker::Commit);
            assert_decided(&node, state, committed).await;
            drop(node);
            simulation.disk.lose_power();
            let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("it opens");
            assert_decided(&node, state, committed).await;
        });
    }
}

/// Nothing is undecided: of what was, so many records and positions are there.
async fn assert_decided(node: &Node, state: TopicPartition, committed: usize) {
    assert_eq!(node.broker.damaged_partitions(), vec![state]);
    let output = TopicPartition::new(OUTPUT, 0);
    assert_eq!(values(&*node.client, output, Isolation::ReadCommitted).await.len(), 1 + committed);
    let positions = node.client.committed_offsets("tidemill.q2").await.expect("known");
    assert_eq!(positions.len(), committed);
}
