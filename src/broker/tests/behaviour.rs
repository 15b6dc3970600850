//! What the broker does when nothing fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::INPUT;
use super::Node;
use super::OUTPUT;
use super::run;
use crate::broker::Acks;
use crate::broker::BrokerConfig;
use crate::broker::BrokerError;
use crate::broker::CommitOutcome;
use crate::broker::Isolation;
use crate::broker::LeftOutReason;
use crate::broker::Position;
use crate::broker::conformance::conforms;
use crate::broker::conformance::fetch;
use crate::broker::conformance::share;
use crate::broker::conformance::values;
use crate::cluster::FlushPolicy;
use crate::cluster::MetadataRecord;
use crate::cluster::TopicConfig;
use crate::env::Simulation;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::BatchBuilder;
use crate::protocol::ProducerStamp;
use crate::protocol::Transactional;
use crate::security::Principal;

fn record(value: &str) -> Batch {
    let mut builder = BatchBuilder::new();
    builder.append(1, None, Some(value.as_bytes()), &[]);
    builder.finish()
}

#[test]
fn local_client_conforms() {
    for flush in [FlushPolicy::Ack, FlushPolicy::Os] {
        run(async {
            let simulation = Simulation::new(1);
            let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
            let config = TopicConfig { flush, ..TopicConfig::default() };
            node.create(INPUT, "input", 2, config).await.expect("created");
            node.create(OUTPUT, "output", 2, config).await.expect("created");
            conforms(Arc::clone(&node.client), INPUT, OUTPUT).await;
        });
    }
}

#[test]
fn producer_epochs_roll_over_to_new_producer_ids_and_commit_numbers_rise_over_restarts() {
    run(async {
        let simulation = Simulation::new(2);
        let config = BrokerConfig { producer_epoch_max: 2, producer_ids_block: 2, ..BrokerConfig::default() };
        let outputs = [TopicPartition::new(OUTPUT, 0), TopicPartition::new(OUTPUT, 1)];
        let input = TopicPartition::new(INPUT, 0);
        let mut expected = Vec::new();
        let mut last = 0;
        for restart in 0..3 {
            let node = Node::open(&simulation.env, config).await.expect("opens");
            if restart == 0 {
                node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
                node.create(OUTPUT, "output", 2, TopicConfig::default()).await.expect("created");
            }
            let generation = node.client.join("tidemill.q1", "member").await.expect("joined");
            for number in 0..10 {
                let value = format!("{restart}.{number}");
                let query = share(1, generation, &outputs, &value, (input, 0));
                let committed = node.client.commit("node", vec![query]).await.expect("a commit");
                assert_eq!(committed.commit_number, last + 1);
                last = committed.commit_number;
                expected.push(value);
            }
            for partition in outputs {
                assert_eq!(values(&*node.client, partition, Isolation::ReadCommitted).await, expected);
            }
            if restart == 2 {
                let fetched = fetch(&*node.client, outputs[0], Offset(0), Isolation::ReadUncommitted).await;
                let producers: BTreeSet<_> =
                    fetched.batches.iter().filter_map(|tail| tail.batch.producer()).map(|(id, _)| id.0).collect();
                // Three epochs each: ten commits take four producer ids, in each of three processes.
                assert_eq!(producers.len(), 12);
            }
        }
    });
}

#[test]
fn one_failing_query_is_left_out_and_the_others_commit() {
    run(async {
        let simulation = Simulation::new(3);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        let small = TopicConfig { batch_bytes_max: 200, ..TopicConfig::default() };
        node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
        node.create(OUTPUT, "output", 1, small).await.expect("created");
        let (input, output) = (TopicPartition::new(INPUT, 0), TopicPartition::new(OUTPUT, 0));
        let gone = TopicPartition::new(TopicId([9; 16]), 0);
        let mut queries = Vec::new();
        for (query, partition, value) in [(1, output, "x".repeat(300)), (2, gone, "b".into()), (3, output, "c".into())]
        {
            let generation = node.client.join(&format!("tidemill.q{query}"), "member").await.expect("joined");
            queries.push(share(query, generation, &[partition], &value, (input, 0)));
        }
        let committed = node.client.commit("node", queries).await.expect("a commit");
        let CommitOutcome::LeftOut(LeftOutReason::Append(first)) = &committed.outcomes[0].1 else { panic!("left out") };
        assert!(matches!(**first, BrokerError::MessageTooLarge { limit: 200, .. }));
        let CommitOutcome::LeftOut(LeftOutReason::Append(second)) = &committed.outcomes[1].1 else {
            panic!("left out")
        };
        assert!(matches!(**second, BrokerError::UnknownPartition { .. }));
        assert!(matches!(committed.outcomes[2].1, CommitOutcome::Committed { .. }));
        assert_eq!(values(&*node.client, output, Isolation::ReadCommitted).await, ["c"]);
    });
}

#[test]
fn inputs_that_nobody_flushed_are_durable_before_what_was_made_of_them() {
    run(async {
        let simulation = Simulation::new(4);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        let config = TopicConfig { flush: FlushPolicy::Os, ..TopicConfig::default() };
        node.create(INPUT, "input", 1, config).await.expect("created");
        node.create(OUTPUT, "output", 1, TopicConfig::default()).await.expect("created");
        let (input, output) = (TopicPartition::new(INPUT, 0), TopicPartition::new(OUTPUT, 0));
        node.client.append(input, record("in"), Acks::All).await.expect("appended");
        assert_eq!(node.client.ends(input).await.expect("there").durable_offset, Offset(0));
        let generation = node.client.join("tidemill.q1", "member").await.expect("joined");
        let query = share(1, generation, &[output], "out", (input, 1));
        node.client.commit("node", vec![query]).await.expect("a commit");
        assert_eq!(node.client.ends(input).await.expect("there").durable_offset, Offset(1));
    });
}

#[test]
fn open_transaction_is_aborted_at_restart_and_passed_by_readers() {
    run(async {
        let simulation = Simulation::new(5);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
        let input = TopicPartition::new(INPUT, 0);
        let stamp = ProducerStamp { id: ProducerId(900), epoch: ProducerEpoch(3), base_sequence: 0 };
        let mut open = BatchBuilder::new().producer(stamp, Transactional::Yes);
        open.append(1, None, Some(b"never"), &[]);
        node.client.append(input, record("before"), Acks::All).await.expect("appended");
        node.client.append(input, open.finish(), Acks::All).await.expect("appended");
        node.client.append(input, record("after"), Acks::All).await.expect("appended");
        assert_eq!(values(&*node.client, input, Isolation::ReadCommitted).await, ["before"]);
        drop(node);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        assert_eq!(values(&*node.client, input, Isolation::ReadCommitted).await, ["before", "after"]);
        let ends = node.client.ends(input).await.expect("there");
        assert_eq!(ends.readable_end(), ends.log_end_offset);
        let passed = fetch(&*node.client, input, Offset(3), Isolation::ReadCommitted).await;
        assert!(passed.batches.is_empty() && passed.next == ends.log_end_offset);
    });
}

#[test]
fn long_poll_ends_with_the_append_or_with_its_time() {
    run(async {
        let simulation = Simulation::new(6);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
        let input = TopicPartition::new(INPUT, 0);
        let position = Position { partition: input, offset: Offset(0), leader_epoch: None };
        let wait = Duration::from_secs(5);
        let poll = node.client.fetch(position, Isolation::ReadCommitted, 1, wait);
        let (fetched, appended) = tokio::join!(poll, node.client.append(input, record("x"), Acks::All));
        assert_eq!(fetched.expect("fetched").next, appended.expect("appended").next_offset);
        let position = Position { offset: Offset(1), ..position };
        let poll = node.client.fetch(position, Isolation::ReadCommitted, 1, wait);
        let (fetched, ()) = tokio::join!(poll, async { simulation.clock.advance(wait) });
        assert!(fetched.expect("nothing came").batches.is_empty());
    });
}

#[test]
fn dropped_topic_is_removed_and_unknown_partition_is_set_aside() {
    run(async {
        let simulation = Simulation::new(7);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        node.create(INPUT, "input", 2, TopicConfig::default()).await.expect("created");
        let stray = TopicPartition::new(TopicId([7; 16]), 0);
        node.log.create(stray, crate::log::PartitionConfig::default()).expect("made behind the broker's back");
        let version = node.metadata.snapshot().version;
        node.metadata.propose(version, vec![MetadataRecord::DropTopic(INPUT)]).await.expect("dropped");
        assert_eq!(node.log.partitions(), [stray]);
        let answer = node.client.ends(TopicPartition::new(INPUT, 0)).await;
        assert!(matches!(answer, Err(BrokerError::UnknownPartition { .. })));
        drop(node);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        assert!(node.log.partitions().is_empty());
        let kept = simulation.disk.files().iter().any(|path| path.to_string_lossy().contains("-stray"));
        assert!(kept, "a stray partition is kept");
    });
}

#[test]
fn only_the_server_writes_internal_topics_and_anonymous_nothing() {
    run(async {
        let simulation = Simulation::new(8);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        let internal = TopicConfig::internal(crate::cluster::CleanupPolicy::Delete);
        node.create(INPUT, "__internal", 1, internal).await.expect("created");
        let input = TopicPartition::new(INPUT, 0);
        let person = node.broker.client(Principal::loopback("ann"));
        let answer = person.append(input, record("x"), Acks::All).await;
        assert!(matches!(answer, Err(BrokerError::InternalTopic { .. })));
        let anonymous = node.broker.client(Principal::anonymous("eve"));
        assert!(matches!(anonymous.ends(input).await, Err(BrokerError::NotAuthorized(_))));
        node.client.append(input, record("x"), Acks::All).await.expect("the server may");
    });
}
