//! Compaction of topics on a simulated disk and clock.

use std::sync::Arc;
use std::time::Duration;

use super::INPUT;
use super::Node;
use super::OUTPUT;
use super::run;
use crate::broker::Acks;
use crate::broker::BrokerConfig;
use crate::broker::Isolation;
use crate::broker::Position;
use crate::broker::compaction::Pace;
use crate::cluster::CleanupPolicy;
use crate::cluster::MetadataRecord;
use crate::cluster::TopicConfig;
use crate::env::Simulation;
use crate::model::Offset;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;

async fn fill(node: &Node, topic: TopicId) {
    for number in 0..30 {
        let mut builder = BatchBuilder::new();
        builder.append(1, Some(&[b'a' + number % 3]), Some(&[number; 200]), &[]);
        let partition = TopicPartition::new(topic, 0);
        node.client.append(partition, builder.finish(), Acks::All).await.expect("appended");
    }
}

/// The offsets of all records.
async fn offsets(node: &Node, topic: TopicId) -> Vec<i64> {
    let partition = TopicPartition::new(topic, 0);
    let end = node.client.ends(partition).await.expect("there are ends").readable_end();
    let mut position = Position { partition, offset: Offset(0), leader_epoch: None };
    let mut found = Vec::new();
    while position.offset < end {
        let fetched = node.client.fetch(position, Isolation::ReadCommitted, 1 << 16, Duration::ZERO).await;
        let fetched = fetched.expect("fetched");
        for tail in &fetched.batches {
            found.extend(tail.batch.payload().expect("whole").records().map(|record| record.expect("whole").offset.0));
        }
        position.offset = fetched.next;
    }
    found
}

#[test]
fn topics_are_compacted_as_they_ask() {
    run(async {
        let simulation = Simulation::new(1);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        let config =
            TopicConfig { segment_bytes: 1_000, cleanup_policy: CleanupPolicy::Compact, ..TopicConfig::default() };
        node.create(INPUT, "input", 1, config).await.expect("created");
        let kept = TopicConfig { cleanup_policy: CleanupPolicy::Delete, ..config };
        node.create(OUTPUT, "output", 1, kept).await.expect("created");
        fill(&node, INPUT).await;
        fill(&node, OUTPUT).await;
        let pace = Pace::new(Arc::clone(&simulation.env.clock), u64::MAX);
        node.broker.compact(&pace).await.expect("compacted");
        let left = offsets(&node, INPUT).await;
        assert!(left.len() < 10 && left.ends_with(&[27, 28, 29]), "{left:?}");
        assert_eq!(offsets(&node, OUTPUT).await, (0..30).collect::<Vec<_>>());
        assert_eq!(node.client.compaction_error(TopicPartition::new(INPUT, 0)), None);
        node.broker.compact(&pace).await.expect("compacted");
        assert_eq!(offsets(&node, INPUT).await, left, "nothing is new");
    });
}

#[test]
fn a_compaction_that_fails_is_told_and_keeps_no_other_from_it() {
    run(async {
        let simulation = Simulation::new(2);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        let config =
            TopicConfig { segment_bytes: 1_000, cleanup_policy: CleanupPolicy::Compact, ..TopicConfig::default() };
        for (topic, name) in [(INPUT, "input"), (OUTPUT, "output")] {
            node.create(topic, name, 1, config).await.expect("created");
            fill(&node, topic).await;
        }
        let damaged = TopicPartition::new(INPUT, 0);
        let path = format!("/data/log/{damaged}/{:020}.log", 0);
        simulation.disk.flip_bit(std::path::Path::new(&path), 100, 0).expect("it is there");
        let pace = Pace::new(Arc::clone(&simulation.env.clock), u64::MAX);
        node.broker.compact(&pace).await.expect_err("one of them is damaged");
        assert!(node.client.compaction_error(damaged).is_some());
        assert!(offsets(&node, OUTPUT).await.len() < 10);
    });
}

#[test]
fn a_topic_that_is_told_otherwise_is_compacted_otherwise_at_once() {
    run(async {
        let simulation = Simulation::new(3);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        let mut config =
            TopicConfig { segment_bytes: 1_000, cleanup_policy: CleanupPolicy::Compact, ..TopicConfig::default() };
        config.compaction.lag_min_ms = 3_600_000;
        node.create(INPUT, "input", 1, config).await.expect("created");
        fill(&node, INPUT).await;
        let pace = Pace::new(Arc::clone(&simulation.env.clock), u64::MAX);
        node.broker.compact(&pace).await.expect("it looks");
        assert_eq!(offsets(&node, INPUT).await.len(), 30, "all is too young");
        config.compaction.lag_min_ms = 0;
        let told = MetadataRecord::ConfigureTopic(INPUT, config);
        node.metadata.propose(node.metadata.snapshot().version, vec![told]).await.expect("told");
        node.broker.compact(&pace).await.expect("compacted");
        assert!(offsets(&node, INPUT).await.len() < 10);
    });
}

#[test]
fn a_segment_that_is_open_for_long_enough_is_sealed_and_compacted_at_once() {
    run(async {
        let simulation = Simulation::new(4);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        let config =
            TopicConfig { segment_ms: Some(100), cleanup_policy: CleanupPolicy::Compact, ..TopicConfig::default() };
        node.create(INPUT, "input", 1, config).await.expect("created");
        fill(&node, INPUT).await;
        let pace = Pace::new(Arc::clone(&simulation.env.clock), u64::MAX);
        node.broker.compact(&pace).await.expect("it looks");
        assert_eq!(offsets(&node, INPUT).await.len(), 30, "all is in the last segment");
        simulation.clock.advance(Duration::from_millis(100));
        node.broker.compact(&pace).await.expect("compacted");
        assert_eq!(offsets(&node, INPUT).await, [27, 28, 29]);
        simulation.clock.advance(Duration::from_millis(100));
        node.broker.compact(&pace).await.expect("there is nothing to do");
        let segments = node.client.segments(TopicPartition::new(INPUT, 0)).await.expect("there are segments");
        assert_eq!(segments.len(), 2, "an empty segment is not sealed");
    });
}
