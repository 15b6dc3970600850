//! The shell around the groups' state machine: appends what it wants written, tells it what became durable, and answers.
//!
//! Invariants:
//!   * records are appended in the order of the steps that want them, for both happen under one lock
//!   * `Written` follows that order in each partition
//!   * nobody is answered while the lock is held

use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;

use super::GroupError;
use super::refused::reason;
use crate::broker::Broker;
use crate::broker::CONSUMER_OFFSETS;
use crate::broker::GroupConfig;
use crate::broker::PendingBatch;
use crate::broker::TransactionError;
use crate::broker::coordinator::GroupEffect;
use crate::broker::coordinator::GroupEvent;
use crate::broker::coordinator::GroupRecord;
use crate::broker::coordinator::Groups;
use crate::broker::coordinator::Now;
use crate::broker::coordinator::Reply;
use crate::broker::coordinator::Stamp;
use crate::broker::coordinator::Topics;
use crate::broker::coordinator::WriteId;
use crate::broker::coordinator::coordinator_partition;
use crate::broker::core::check_name;
use crate::env::Clock;
use crate::log::Append;
use crate::log::Appended;
use crate::log::Origin;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;
use crate::protocol::ProducerStamp;
use crate::protocol::Transactional;

/// The groups, and what of them is on its way to the disk.
pub(in crate::broker) struct Coordinator {
    pub groups: Groups,
    /// The topics that clients can subscribe to, as they were last asked for.
    topics: Arc<Topics>,
    /// In the order of the log. As long as a partition has an entry, a task waits for its writes.
    under_way: HashMap<TopicPartition, VecDeque<Written>>,
}

/// A write that was appended.
#[derive(Debug, Clone, Copy)]
pub(in crate::broker) struct Written {
    write: WriteId,
    appended: Appended,
}

impl Coordinator {
    /// No groups yet.
    pub(in crate::broker) fn new(config: GroupConfig) -> Self {
        Self { groups: Groups::new(config), topics: Arc::default(), under_way: HashMap::new() }
    }

    /// Notes what was appended; whether a task has to be started that waits for the writes of this partition.
    fn appended(&mut self, partition: TopicPartition, written: Written) -> bool {
        match self.under_way.entry(partition) {
            Entry::Occupied(mut under_way) => {
                under_way.get_mut().push_back(written);
                false
            }
            Entry::Vacant(vacant) => {
                vacant.insert(VecDeque::from([written]));
                true
            }
        }
    }

    /// What becomes of the writes of a partition whose task is gone: of what comes later another one tells.
    fn give_up(&mut self, partition: TopicPartition) -> Vec<GroupEvent> {
        let writes = self.under_way.remove(&partition).unwrap_or_default();
        let refused = |Written { write, .. }| GroupEvent::Refused { write, error: GroupError::Unknown };
        writes.into_iter().map(refused).collect()
    }
}

/// The time, as coordinators want it.
pub(in crate::broker) fn now(clock: &dyn Clock) -> Now {
    Now { monotonic: clock.monotonic(), wall_ms: clock.wall_millis() }
}

impl Broker {
    /// Has the coordinator of `group` take an event, and waits for its answer. Who goes away before leaves nothing half.
    pub(in crate::broker) async fn coordinate<T: Send + 'static>(
        self: &Arc<Self>,
        group: &str,
        event: impl FnOnce(Reply<Result<T, GroupError>>) -> GroupEvent,
    ) -> Result<T, GroupError> {
        check_name("group", group).and_then(|()| self.check_group(group)).map_err(|error| reason(&error))?;
        self.coordinator(CONSUMER_OFFSETS, group).await.map_err(|error| reason(&error))?;
        let (reply, answer) = Reply::new();
        self.step(event(reply));
        // Whoever has the reply answers it, unless the process ends.
        answer.await.unwrap_or(Err(GroupError::Unknown))
    }

    /// Has the groups take an event.
    pub(in crate::broker) fn step(self: &Arc<Self>, event: GroupEvent) {
        self.follow(|broker, coordinator| coordinator.groups.step(now(&*broker.env.clock), event));
    }

    /// The topics that clients can subscribe to.
    pub(super) fn topics(&self) -> Arc<Topics> {
        let metadata = self.metadata.snapshot();
        let mut coordinator = self.groups.lock();
        if coordinator.topics.version != metadata.version {
            let of_clients = metadata.topics().filter(|topic| !topic.config.internal);
            let by_name = of_clients.map(|topic| (topic.name.clone(), (topic.id, topic.partitions))).collect();
            coordinator.topics = Arc::new(Topics { version: metadata.version, by_name });
        }
        Arc::clone(&coordinator.topics)
    }

    /// Does what `steps` wants done.
    pub(super) fn follow(self: &Arc<Self>, steps: impl FnOnce(&Self, &mut Coordinator) -> Vec<GroupEffect>) {
        let mut answers = Vec::new();
        {
            let mut coordinator = self.groups.lock();
            let mut effects = VecDeque::from(steps(self, &mut coordinator));
            while let Some(effect) = effects.pop_front() {
                match effect {
                    GroupEffect::Answer(answer) => answers.push(answer),
                    GroupEffect::Write { write, group, records, producer } => {
                        match self.append_records(&group, &records, producer) {
                            Ok((partition, appended)) => {
                                if coordinator.appended(partition, Written { write, appended }) {
                                    self.tell_what_is_written(partition);
                                }
                            }
                            Err(error) => {
                                tracing::warn!(group, %error, "a group's records could not be written");
                                let refused = GroupEvent::Refused { write, error };
                                effects.extend(coordinator.groups.step(now(&*self.env.clock), refused));
                            }
                        }
                    }
                }
            }
            let deadline = coordinator.groups.deadline();
            self.groups_deadline.send_if_modified(|known| std::mem::replace(known, deadline) != deadline);
        }
        answers.into_iter().for_each(|answer| answer.tell());
    }

    /// Appends group records, in the transaction of `producer` if there is one.
    fn append_records(
        &self,
        group: &str,
        records: &[GroupRecord],
        producer: Option<Stamp>,
    ) -> Result<(TopicPartition, Appended), GroupError> {
        let metadata = self.metadata.snapshot();
        let topic = metadata.topic(CONSUMER_OFFSETS).expect("the topic is made before a group writes");
        let partition = TopicPartition::new(topic.id, coordinator_partition(group, topic.partitions));
        let limit = topic.config.batch_bytes_max as usize;
        let now = self.env.clock.wall_millis();
        let mut pending = PendingBatch::new();
        for record in records {
            let bytes = record.encode();
            pending.append(now, Some(&bytes.key), bytes.value.as_deref(), &[]);
        }
        let batches = pending.batches(limit, now).map_err(|over| reason(&over.refused(partition, limit)))?;
        // The coordinator's own batches have no sequence: it does not send anything twice.
        let stamp = producer.map(|(id, epoch)| ProducerStamp { id, epoch, base_sequence: -1 });
        let batch = |batch: BatchBuilder| match stamp {
            None => batch.finish(),
            Some(stamp) => batch.producer(stamp, Transactional::Yes).finish(),
        };
        let batches = batches.into_iter().map(batch).collect();
        let append = Append { partition, leader_epoch: metadata.leader_epoch(), batches, origin: Origin::Coordinator };
        // Whoever closes the transaction waits for the append, or the append finds it closed.
        let producers = self.clients.producers.read();
        if let Some(producer) = producer {
            producers.check(producer, partition).map_err(|error| match error {
                TransactionError::Fenced => GroupError::FencedProducer,
                _ => GroupError::NotInTransaction,
            })?;
        }
        let appended = self.log.append_in_reserve(vec![append]).map_err(|error| reason(&error.into()))?;
        Ok((partition, appended[0]))
    }

    /// Starts telling the groups what becomes durable.
    fn tell_what_is_written(self: &Arc<Self>, partition: TopicPartition) {
        let broker = Arc::clone(self);
        tokio::spawn(async move {
            let waiting = AssertUnwindSafe(Arc::clone(&broker).wait_for_writes(partition));
            if waiting.catch_unwind().await.is_err() {
                // A panic between an append and its flush leaves it open what is durable.
                broker.give_up(partition);
            }
        });
    }

    /// Answers who waits for a write of `partition`. What the groups want written for that is not.
    fn give_up(&self, partition: TopicPartition) {
        let mut effects = Vec::new();
        {
            let mut coordinator = self.groups.lock();
            for event in coordinator.give_up(partition) {
                effects.extend(coordinator.groups.step(now(&*self.env.clock), event));
            }
        }
        for effect in effects {
            if let GroupEffect::Answer(answer) = effect {
                answer.tell();
            }
        }
    }

    /// Tells the groups of what is durable in `partition`.
    pub(in crate::broker) fn tell_durable(self: &Arc<Self>, partition: TopicPartition) {
        let Ok(ends) = self.log.ends(partition) else { return };
        self.tell_outcome(partition, &Ok(ends.durable_offset));
    }

    fn tell_outcome(self: &Arc<Self>, partition: TopicPartition, outcome: &Result<Offset, GroupError>) {
        self.follow(|broker, coordinator| {
            let now = now(&*broker.env.clock);
            let mut effects = Vec::new();
            while let Some(event) = next_event(coordinator, partition, outcome) {
                effects.extend(coordinator.groups.step(now, event));
            }
            effects
        });
    }

    /// Tells the groups what became durable, until nothing is under way.
    async fn wait_for_writes(self: Arc<Self>, partition: TopicPartition) {
        loop {
            let first = {
                let mut coordinator = self.groups.lock();
                let first = coordinator.under_way.get(&partition).and_then(|writes| writes.front().copied());
                if first.is_none() {
                    coordinator.under_way.remove(&partition);
                }
                first
            };
            let Some(first) = first else { return };
            let durable = self.log.durable(partition, first.appended.next_offset).await;
            let outcome = match durable.and_then(|()| self.log.ends(partition)) {
                Ok(ends) => Ok(ends.durable_offset.max(first.appended.next_offset)),
                Err(error) => Err(reason(&error.into())),
            };
            self.tell_outcome(partition, &outcome);
        }
    }
}

/// What became of the oldest write under way; `None` if that is not known yet.
fn next_event(
    coordinator: &mut Coordinator,
    partition: TopicPartition,
    outcome: &Result<Offset, GroupError>,
) -> Option<GroupEvent> {
    let under_way = coordinator.under_way.get_mut(&partition)?;
    let Written { write, appended } = *under_way.front()?;
    let event = match outcome {
        Ok(durable) if appended.next_offset <= *durable => GroupEvent::Written { write, at: appended.base_offset },
        Ok(_) => return None,
        Err(error) => GroupEvent::Refused { write, error: error.clone() },
    };
    under_way.pop_front();
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TopicId;

    #[test]
    fn after_a_partition_was_given_up_another_task_tells_of_its_writes() {
        let mut coordinator = Coordinator::new(GroupConfig::default());
        let partition = TopicPartition::new(TopicId([1; 16]), 0);
        let appended =
            Appended { base_offset: Offset(0), next_offset: Offset(1), append_time_ms: None, duplicate: false };
        let written = |write: u64| Written { write: WriteId(write), appended };
        assert!(coordinator.appended(partition, written(1)), "the first one needs a task");
        assert!(!coordinator.appended(partition, written(2)), "which waits for the second one too");
        let refused: Vec<WriteId> = coordinator
            .give_up(partition)
            .into_iter()
            .filter_map(|event| match event {
                GroupEvent::Refused { write, error: GroupError::Unknown } => Some(write),
                _ => None,
            })
            .collect();
        assert_eq!(refused, [WriteId(1), WriteId(2)]);
        assert!(coordinator.appended(partition, written(3)), "the task is gone");
    }
}
