//! A broker over a log in which something durable is damaged.

use std::path::PathBuf;

use super::INPUT;
use super::Node;
use super::OUTPUT;
use super::run;
use crate::broker::Acks;
use crate::broker::BrokerConfig;
use crate::cluster::TopicConfig;
use crate::env::Simulation;
use crate::log::Append;
use crate::log::Origin;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::protocol::BatchBuilder;
use crate::protocol::ProducerStamp;
use crate::protocol::Transactional;

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
        let node = Node::open(&simulation.env, BrokerConfig::default()).await.expect("opens");
        node.create(INPUT, "input", 1, TopicConfig::default()).await.expect("created");
        node.create(OUTPUT, "output", 1, TopicConfig::default()).await.expect("created");
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
