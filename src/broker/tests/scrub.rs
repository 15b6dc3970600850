//! The scrub of topics on a simulated disk and clock.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::INPUT;
use super::Node;
use super::OUTPUT;
use super::run;
use crate::broker::Acks;
use crate::broker::SegmentDamage;
use crate::broker::compaction::Pace;
use crate::env::Simulation;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn one() -> crate::protocol::Batch {
    let mut builder = BatchBuilder::new();
    builder.append(1_000, None, Some(b"value"), &[]);
    builder.finish()
}

#[test]
fn damage_is_told_and_everything_goes_on() {
    run(async {
        let simulation = Simulation::new(1);
        let node = Node::with_topics(&simulation.env).await;
        let (damaged, whole) = (TopicPartition::new(INPUT, 0), TopicPartition::new(OUTPUT, 0));
        for partition in [damaged, whole] {
            node.client.append(partition, one(), Acks::All).await.expect("appended");
            node.log.roll(partition).expect("rolled");
        }
        let path = format!("/data/log/{damaged}/{:020}.log", 0);
        let pace = Pace::new(Arc::clone(&simulation.env.clock), u64::MAX);
        node.broker.scrub(WEEK, &pace).await.expect("scrubbed");
        simulation.disk.flip_bit(Path::new(&path), 70, 0).expect("it is there");
        node.broker.scrub(WEEK, &pace).await.expect("nothing is due");
        let health = node.client.health(damaged).await.expect("it is there");
        assert_eq!(health.damaged_segments, 0, "it was checked a moment ago");
        simulation.clock.advance(WEEK + Duration::from_secs(1));
        node.broker.scrub(WEEK, &pace).await.expect("damage ends nothing");
        let segments = node.client.segments(damaged).await.expect("it is there");
        let check = segments[0].check.expect("it was checked");
        assert_eq!(check.damage, Some(SegmentDamage::Bytes(Offset(0))));
        assert_eq!(check.checked_at_ms, simulation.env.clock.wall_millis());
        assert_eq!(node.client.health(damaged).await.expect("it is there").damaged_segments, 1);
        assert_eq!(node.client.health(whole).await.expect("it is there").damaged_segments, 0);
        for partition in [damaged, whole] {
            node.client.append(partition, one(), Acks::All).await.expect("it goes on");
        }
    });
}
