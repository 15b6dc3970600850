//! A group as its records tell it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::time::Duration;

use super::member::Member;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::NamePattern;
use crate::broker::coordinator::consumer_record::ConsumerRecord;
use crate::broker::coordinator::consumer_record::Current;
use crate::broker::coordinator::consumer_record::GroupEpoch;
use crate::broker::coordinator::consumer_record::Partitions;
use crate::broker::coordinator::consumer_record::Progress;
use crate::broker::coordinator::event::Now;
use crate::model::TopicPartition;

/// A group of the consumer protocol.
#[derive(Debug)]
pub(in crate::broker::coordinator) struct ConsumerGroup {
    pub(super) epoch: GroupEpoch,
    /// The group's epoch when the targets were computed.
    pub(super) assignment_epoch: i32,
    pub(super) targets: BTreeMap<String, Partitions>,
    pub(super) members: BTreeMap<String, Member>,
    /// Member by instance.
    pub(super) instances: BTreeMap<String, String>,
    /// Who has a partition, or has yet to give it back.
    owners: HashMap<TopicPartition, String>,
    /// The version of the topics that the subscriptions were last held against; `None` if they changed since.
    pub(super) checked: Option<u64>,
    /// The names that members read, those that patterns fit included; `None` before the first check.
    pub(super) topics: Option<BTreeSet<String>>,
    /// The patterns of members, compiled.
    pub(super) patterns: BTreeMap<String, NamePattern>,
    /// Since when it has no members, as far as this process knows.
    since_ms: i64,
    is_dead: bool,
}

/// The records of a step, which are applied already.
#[derive(Debug, Default)]
pub(in crate::broker::coordinator) struct Changes {
    pub records: Vec<ConsumerRecord>,
    /// What takes them back; the last one is to be applied first.
    pub undo: Vec<ConsumerRecord>,
}

impl ConsumerGroup {
    /// A group that nobody joined yet.
    pub(in crate::broker::coordinator) fn new(now_ms: i64) -> Self {
        Self {
            epoch: GroupEpoch::default(),
            assignment_epoch: 0,
            targets: BTreeMap::new(),
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            owners: HashMap::new(),
            checked: None,
            topics: None,
            patterns: BTreeMap::new(),
            since_ms: now_ms,
            is_dead: false,
        }
    }

    pub(in crate::broker::coordinator) fn group_epoch(&self) -> i32 {
        self.epoch.group_epoch
    }

    /// Whether it has no members.
    pub(in crate::broker::coordinator) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether it is on its way out.
    pub(in crate::broker::coordinator) fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// Since when it has no members, if it has none.
    pub(in crate::broker::coordinator) fn empty_since_ms(&self) -> Option<i64> {
        self.is_empty().then_some(self.since_ms)
    }

    /// The topics that members read; `None` if that is not known.
    pub(in crate::broker::coordinator) fn topics(&self) -> Option<&BTreeSet<String>> {
        self.topics.as_ref()
    }

    /// From here on it answers nobody; `revive` if its end cannot be written.
    pub(in crate::broker::coordinator) fn end(&mut self) {
        assert!(self.is_empty(), "only an empty group is deleted");
        self.is_dead = true;
    }

    pub(in crate::broker::coordinator) fn revive(&mut self) {
        self.is_dead = false;
    }

    /// What forgets an empty group.
    pub(in crate::broker::coordinator) fn end_records(&self) -> Vec<ConsumerRecord> {
        let targets = self.targets.keys().cloned().map(|member| ConsumerRecord::Target { member, value: None });
        targets.chain([ConsumerRecord::TargetEpoch(None), ConsumerRecord::Epoch(None)]).collect()
    }

    /// Whether another than `member` has a partition, or has yet to give it back.
    pub(super) fn is_taken(&self, partition: &TopicPartition, member: &str) -> bool {
        self.owners.get(partition).is_some_and(|owner| owner != member)
    }

    /// Whether this member speaks the classic protocol.
    pub(super) fn is_classic(&self, member: &str) -> bool {
        self.members.get(member).is_some_and(|member| member.subscription.classic.is_some())
    }

    /// Applies a record, and keeps it to be written.
    pub(super) fn change(&mut self, changes: &mut Changes, record: ConsumerRecord, now: Now, config: &GroupConfig) {
        changes.undo.push(self.before(&record));
        self.apply(&record, now, config.consumer_session_timeout);
        changes.records.push(record);
    }

    /// The record of the same key that says what holds now.
    fn before(&self, record: &ConsumerRecord) -> ConsumerRecord {
        let member_of = |member: &String| self.members.get(member);
        match record {
            ConsumerRecord::Epoch(_) => ConsumerRecord::Epoch(Some(self.epoch).filter(|epoch| 0 < epoch.group_epoch)),
            ConsumerRecord::TargetEpoch(_) => {
                ConsumerRecord::TargetEpoch(Some(self.assignment_epoch).filter(|epoch| 0 < *epoch))
            }
            ConsumerRecord::Member { member, .. } => {
                let value = member_of(member).map(|member| member.subscription.clone());
                ConsumerRecord::Member { member: member.clone(), value }
            }
            ConsumerRecord::Target { member, .. } => {
                ConsumerRecord::Target { member: member.clone(), value: self.targets.get(member).cloned() }
            }
            ConsumerRecord::Current { member, .. } => {
                let value = member_of(member).and_then(|member| member.current.clone());
                ConsumerRecord::Current { member: member.clone(), value }
            }
        }
    }

    /// Makes a record state. A member's session begins when its first record is applied.
    pub(in crate::broker::coordinator) fn apply(
        &mut self,
        record: &ConsumerRecord,
        now: Now,
        session_timeout: Duration,
    ) {
        match record {
            ConsumerRecord::Epoch(value) => {
                self.epoch = value.unwrap_or_default();
                self.checked = None;
            }
            ConsumerRecord::TargetEpoch(value) => self.assignment_epoch = value.unwrap_or_default(),
            ConsumerRecord::Target { member, value: Some(target) } => {
                self.targets.insert(member.clone(), target.clone());
            }
            ConsumerRecord::Target { member, value: None } => drop(self.targets.remove(member)),
            ConsumerRecord::Member { member, value: Some(subscription) } => {
                self.drop_instance(member);
                if let Some(instance) = &subscription.instance {
                    self.instances.insert(instance.clone(), member.clone());
                }
                let session_timeout = subscription.session_timeout(session_timeout);
                self.member(member, now, session_timeout).subscription = subscription.clone();
                self.checked = None;
            }
            ConsumerRecord::Member { member, value: None } => {
                self.set_current(member, None, now);
                self.drop_instance(member);
                self.members.remove(member);
                self.checked = None;
                if self.members.is_empty() {
                    self.since_ms = now.wall_ms;
                }
            }
            ConsumerRecord::Current { member, value } => {
                if value.is_some() {
                    self.member(member, now, session_timeout);
                }
                self.set_current(member, value.clone(), now);
            }
        }
    }

    fn member(&mut self, name: &str, now: Now, session_timeout: Duration) -> &mut Member {
        self.members.entry(name.to_string()).or_insert_with(|| Member::new(now.monotonic, session_timeout))
    }

    fn drop_instance(&mut self, member: &str) {
        let instance = self.members.get(member).and_then(|known| known.subscription.instance.as_ref());
        if let Some(instance) = instance
            && self.instances.get(instance).is_some_and(|name| name == member)
        {
            self.instances.remove(instance);
        }
    }

    fn set_current(&mut self, name: &str, current: Option<Current>, now: Now) {
        let Some(member) = self.members.get_mut(name) else { return };
        if let Some(before) = &member.current {
            for partition in before.assigned.union(&before.revoking) {
                if self.owners.get(partition).is_some_and(|owner| owner == name) {
                    self.owners.remove(partition);
                }
            }
        }
        if let Some(current) = &current {
            let owned = current.assigned.union(&current.revoking);
            self.owners.extend(owned.map(|partition| (*partition, name.to_string())));
            if current.progress == Progress::Revoking {
                member.revoking_since = now.monotonic;
            }
        }
        member.current = current;
    }

    /// When time does something next.
    pub(in crate::broker::coordinator) fn deadline(&self) -> Option<Duration> {
        self.members.values().map(Member::expires).min()
    }

    /// Whether who says this of itself may commit positions.
    pub(in crate::broker::coordinator) fn check_commit(
        &self,
        member: &str,
        member_epoch: i32,
        knows_member_epochs: bool,
    ) -> Result<(), GroupError> {
        if self.is_dead {
            return Err(GroupError::CoordinatorUnavailable);
        }
        // Who manages its partitions by itself, or an administrator: only while nobody else does.
        if member_epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        let known = self.members.get(member).ok_or(GroupError::UnknownMember)?;
        if known.subscription.classic.is_some() {
            let is_its = member_epoch == known.member_epoch();
            return if is_its { Ok(()) } else { Err(GroupError::IllegalGeneration) };
        }
        if !knows_member_epochs {
            return Err(GroupError::UnsupportedVersion);
        }
        if member_epoch == known.member_epoch() { Ok(()) } else { Err(GroupError::StaleMemberEpoch) }
    }

    /// Whether who says this of itself may commit positions in a transaction. Who says nothing of itself is fenced by its
    /// producer's epoch alone.
    pub(in crate::broker::coordinator) fn check_commit_in_transaction(
        &self,
        member: &str,
        instance: Option<&str>,
        member_epoch: i32,
    ) -> Result<(), GroupError> {
        if !self.is_dead && member_epoch < 0 && member.is_empty() && instance.is_none() {
            return Ok(());
        }
        match self.check_commit(member, member_epoch, true) {
            // TxnOffsetCommit knows no other word for it.
            Err(GroupError::StaleMemberEpoch) => Err(GroupError::IllegalGeneration),
            outcome => outcome,
        }
    }

    /// Whether who says this of itself may read positions. Who says nothing may.
    pub(in crate::broker::coordinator) fn check_fetch(
        &self,
        member: Option<&str>,
        member_epoch: i32,
    ) -> Result<(), GroupError> {
        let Some(member) = member.filter(|_| 0 <= member_epoch) else { return Ok(()) };
        let known = self.members.get(member).ok_or(GroupError::UnknownMember)?;
        if member_epoch == known.member_epoch() { Ok(()) } else { Err(GroupError::StaleMemberEpoch) }
    }
}
