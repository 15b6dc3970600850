//! What a fetch of many partitions reads.

use std::time::Duration;

use super::INPUT;
use super::Node;
use super::run;
use crate::broker::Acks;
use crate::broker::BrokerConfig;
use crate::broker::FetchLimits;
use crate::broker::FetchPartition;
use crate::broker::Isolation;
use crate::cluster::TopicConfig;
use crate::env::CallKind;
use crate::env::Simulation;
use crate::env::TraceEvent;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;
use crate::security::Principal;

const PARTITIONS: i32 = 32;

#[test]
fn a_full_answer_reads_nothing_of_the_partitions_that_are_left() {
    run(async {
        let simulation = Simulation::new(1);
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        node.create(INPUT, "input", PARTITIONS, TopicConfig::default()).await.expect("created");
        for number in 0..8 {
            for partition in 0..PARTITIONS {
                let mut builder = BatchBuilder::new();
                builder.append(number, None, Some(&[7; 16_000]), &[]);
                let partition = TopicPartition::new(INPUT, partition);
                node.client.append(partition, builder.finish(), Acks::All).await.expect("appended");
            }
        }
        node.broker.close().await.expect("closed");
        drop(node);
        // After a start nothing is in memory.
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        let wanted = (0..PARTITIONS).map(|partition| FetchPartition {
            partition: TopicPartition::new(INPUT, partition),
            offset: Offset(0),
            current_leader_epoch: None,
            last_fetched_epoch: None,
            bytes_max: 70_000,
        });
        let limits = FetchLimits {
            bytes_min: 1,
            bytes_max: 100_000,
            wait_max: Duration::ZERO,
            isolation: Isolation::ReadUncommitted,
        };
        let mut fetching = node.broker.local(Principal::server()).begin_fetch(wanted.collect(), limits).await;
        simulation.disk.start_trace();
        let found = fetching.read();
        let batches: Vec<usize> = found
            .into_iter()
            .map(|found| found.expect("all are there").batches.len())
            .take_while(|count| 0 < *count)
            .collect();
        assert_eq!(batches, [4, 2], "four of the first, and what fits of the second");
        let read = |event| match event {
            TraceEvent::Call(call) if call.kind == CallKind::Read => Some(call.length),
            _ => None,
        };
        let read: u64 = simulation.disk.take_trace().into_iter().filter_map(read).sum();
        assert!(read < 500_000, "{read} bytes are read for an answer of 100,000");
    });
}
