//! What a start could not find out, because a coordinator's partition is damaged.
//!
//! The outcome of a transaction is never invented: one that may have been committed keeps its records unread until it is
//! known. Positions are not invented either: a group whose newest offsets may be lost is refused, since older ones
//! would have its work done twice. Everything else is served.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::Broker;
use super::BrokerError;
use super::CONSUMER_OFFSETS;
use super::coordinator::coordinator_partition;
use crate::log::LogError;
use crate::model::Offset;
use crate::model::TopicPartition;

/// What is not known.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Partitions of the coordinators' topics, and from where on they cannot be read.
    pub coordinators: BTreeMap<TopicPartition, Offset>,
    /// Partitions with transactions whose outcome is not known, and their first offsets.
    pub undecided: BTreeMap<TopicPartition, BTreeSet<Offset>>,
    /// Groups with offsets in such a transaction, and where its partition has the first.
    pub groups: BTreeMap<String, (TopicPartition, Offset)>,
}

impl Damage {
    /// Where the first transaction of the partition begins whose outcome is not known.
    pub(super) fn first_undecided(&self, partition: TopicPartition) -> Option<Offset> {
        self.undecided.get(&partition).and_then(BTreeSet::first).copied()
    }
}

impl Broker {
    /// The transaction that began at `first` has its marker: somebody decided.
    pub(super) fn forget_undecided(&self, partition: TopicPartition, first: Offset) {
        let mut damage = self.damage.write();
        let Some(undecided) = damage.undecided.get_mut(&partition) else { return };
        undecided.remove(&first);
        if undecided.is_empty() {
            damage.undecided.remove(&partition);
            // What else they hold is in transactions that go on.
            damage.groups.retain(|_, (held, _)| *held != partition);
        }
    }

    /// Every partition of which something cannot be read: damaged, not to be opened, or with an undecided transaction.
    pub fn damaged_partitions(&self) -> Vec<TopicPartition> {
        let damage = self.damage.read();
        let mut partitions = self.log.unreadable();
        partitions.extend(self.log.partitions().into_iter().filter(|id| self.log.corrupt_from(*id).is_some()));
        partitions.extend(damage.coordinators.keys().chain(damage.undecided.keys()));
        partitions.sort();
        partitions.dedup();
        partitions
    }

    /// Refuses a name whose coordinator's partition is damaged.
    pub(super) fn check_coordinator(&self, topic: &'static str, name: &str) -> Result<(), BrokerError> {
        let metadata = self.metadata.snapshot();
        let Some(found) = metadata.topic(topic) else { return Ok(()) };
        let partition = TopicPartition::new(found.id, coordinator_partition(name, found.partitions));
        match self.damage.read().coordinators.get(&partition) {
            Some(&offset) => Err(BrokerError::CoordinatorDamaged { topic, name: name.to_string(), partition, offset }),
            None => Ok(()),
        }
    }

    /// Refuses a group whose offsets are not known.
    pub(super) fn check_group(&self, group: &str) -> Result<(), BrokerError> {
        self.check_coordinator(CONSUMER_OFFSETS, group)?;
        match self.damage.read().groups.get(group) {
            Some(&(partition, offset)) => Err(BrokerError::Undecided { partition, offset }),
            None => Ok(()),
        }
    }

    /// Refuses to wait at `position` for what nobody will ever be able to read.
    pub(super) fn check_readable_beyond(&self, partition: TopicPartition, end: Offset) -> Result<(), BrokerError> {
        if let Some(offset) = self.log.corrupt_from(partition) {
            return Err(LogError::Corrupt { partition, offset }.into());
        }
        match self.damage.read().first_undecided(partition) {
            Some(offset) if offset <= end => Err(BrokerError::Undecided { partition, offset }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether `error` is about what stands on the disk, and not about the log as a whole.
pub(super) fn is_damage(error: &BrokerError) -> bool {
    match error {
        BrokerError::CoordinatorRecord { .. } | BrokerError::Batch { .. } => true,
        BrokerError::Log(error) => {
            matches!(error, LogError::Corrupt { .. } | LogError::Unreadable { .. } | LogError::Io { .. })
        }
        _ => false,
    }
}
