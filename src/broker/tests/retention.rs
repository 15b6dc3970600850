//! Retention on a simulated disk and clock.

use std::time::Duration;

use super::INPUT;
use super::Node;
use super::run;
use crate::broker::Acks;
use crate::broker::BrokerConfig;
use crate::cluster::CleanupPolicy;
use crate::cluster::TopicConfig;
use crate::env::Env;
use crate::env::Simulation;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;

async fn open(env: &Env) -> Node {
    Node::open(env, BrokerConfig::default()).await.expect("opens")
}

/// Appends records of 1970, so that only the time of the append can keep them.
async fn append(node: &Node, count: usize) {
    for _ in 0..count {
        let mut builder = BatchBuilder::new();
        builder.append(1, None, Some(&[0; 900]), &[]);
        node.client.append(partition(), builder.finish(), Acks::All).await.expect("appended");
    }
}

fn partition() -> TopicPartition {
    TopicPartition::new(INPUT, 0)
}

async fn kept(node: &Node) -> (i64, i64) {
    let ends = node.client.ends(partition()).await.expect("there are ends");
    (ends.log_start_offset.0, ends.log_end_offset.0)
}

#[test]
fn what_is_too_old_goes_and_the_topic_goes_on() {
    run(async {
        let simulation = Simulation::new(1);
        let node = open(&simulation.env).await;
        let config = TopicConfig { retention_ms: Some(10_000), segment_bytes: 4_000, ..TopicConfig::default() };
        node.create(INPUT, "input", 1, config).await.expect("created");
        append(&node, 10).await;
        simulation.clock.advance(Duration::from_secs(6));
        append(&node, 1).await;
        node.broker.retain().await.expect("retained");
        assert_eq!(kept(&node).await, (0, 11));
        simulation.clock.advance(Duration::from_secs(5));
        node.broker.retain().await.expect("retained");
        assert_eq!(kept(&node).await, (8, 11), "the segment of the last record holds two older ones");
        simulation.clock.advance(Duration::from_secs(6));
        node.broker.retain().await.expect("retained");
        assert_eq!(kept(&node).await, (11, 11));
        assert_eq!(node.log.size_in_bytes(partition()).expect("it is there"), 0);
        append(&node, 2).await;
        node.broker.close().await.expect("closed");
        drop(node);
        let node = open(&simulation.env).await;
        assert_eq!(kept(&node).await, (11, 13));
        simulation.clock.advance(Duration::from_secs(11));
        node.broker.retain().await.expect("retained");
        assert_eq!(kept(&node).await, (13, 13));
    });
}

#[test]
fn what_is_too_much_goes() {
    run(async {
        let simulation = Simulation::new(2);
        let node = open(&simulation.env).await;
        let config = TopicConfig { retention_bytes: Some(5_000), segment_bytes: 4_000, ..TopicConfig::default() };
        node.create(INPUT, "input", 1, config).await.expect("created");
        append(&node, 20).await;
        node.broker.retain().await.expect("retained");
        let (start, end) = kept(&node).await;
        assert_eq!(end, 20);
        let size = node.log.size_in_bytes(partition()).expect("it is there");
        assert!((5_000..5_000 + 4_000).contains(&size), "{size} bytes from {start}");
    });
}

#[test]
fn nobody_drops_what_is_compacted() {
    run(async {
        let simulation = Simulation::new(3);
        let node = open(&simulation.env).await;
        let config = TopicConfig {
            cleanup_policy: CleanupPolicy::Compact,
            retention_ms: Some(1),
            retention_bytes: Some(1),
            segment_bytes: 1_000,
            ..TopicConfig::default()
        };
        node.create(INPUT, "input", 1, config).await.expect("created");
        append(&node, 5).await;
        simulation.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
        node.broker.retain().await.expect("retained");
        assert_eq!(kept(&node).await, (0, 5));
        let last = *node.log.segments(partition()).expect("it is there").last().expect("there is one");
        assert_eq!((last.base_offset, last.is_empty()), (Offset(5), true), "its last segment was sealed for its age");
    });
}

#[test]
fn a_segment_that_is_open_for_long_enough_is_sealed_between_retentions() {
    run(async {
        let simulation = Simulation::new(4);
        let node = open(&simulation.env).await;
        let config = TopicConfig { segment_ms: Some(100), ..TopicConfig::default() };
        node.create(INPUT, "input", 1, config).await.expect("created");
        append(&node, 5).await;
        node.broker.seal_old().await.expect("it looks");
        assert_eq!(node.log.segments(partition()).expect("it is there").len(), 1);
        simulation.clock.advance(Duration::from_millis(100));
        for _ in 0..2 {
            node.broker.seal_old().await.expect("sealed");
            let segments = node.log.segments(partition()).expect("it is there");
            assert_eq!(segments.len(), 2, "an empty segment is not sealed");
            assert!(segments[0].sealed);
        }
        assert_eq!(kept(&node).await, (0, 5));
    });
}
