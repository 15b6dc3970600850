//! A group of clients: its members, its generation, and how far it is.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::member::Member;
use crate::broker::DescribedGroup;
use crate::broker::GroupError;
use crate::broker::GroupState;
use crate::broker::Heartbeat;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::Now;
use crate::broker::coordinator::event::UnitReply;
use crate::broker::coordinator::group_record::GroupMetadata;
use crate::broker::coordinator::offset_record::GroupRecord;

/// How far the group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Empty,
    /// Ends when all joined, at the latest at `until`.
    Preparing {
        until: Duration,
        first: Option<FirstWait>,
    },
    /// The leader's shares are waited for; `is_written` once they are on their way to the disk.
    Completing {
        sync_until: Duration,
        is_written: bool,
    },
    /// Who has not asked for its share at `sync_until` is dropped.
    Stable {
        sync_until: Option<Duration>,
    },
    /// Its end is on its way to the disk.
    Dead,
}

/// The first rebalance of an empty group waits for further members, as long as some come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FirstWait {
    pub until_max: Duration,
    pub somebody_joined: bool,
}

/// A group of the classic protocol.
#[derive(Debug)]
pub(in crate::broker::coordinator) struct ClassicGroup {
    pub(super) phase: Phase,
    /// Since when it has, or has no, members.
    pub(super) since_ms: i64,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    /// Member by instance.
    pub(super) instances: BTreeMap<String, String>,
    /// Names that were given and not used yet, each until when it may be.
    pub(super) named: BTreeMap<String, Duration>,
}

impl ClassicGroup {
    /// A group that nobody joined yet.
    pub(in crate::broker::coordinator) fn new(now_ms: i64) -> Self {
        Self {
            phase: Phase::Empty,
            since_ms: now_ms,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            named: BTreeMap::new(),
        }
    }

    /// The group that a record tells of. Its members' sessions begin anew.
    pub(in crate::broker::coordinator) fn restored(metadata: &GroupMetadata, now: Now) -> Self {
        let protocol = metadata.protocol.as_deref();
        let members = metadata.members.iter();
        let members: BTreeMap<_, _> =
            members.map(|member| (member.member.clone(), Member::restored(member, protocol, now.monotonic))).collect();
        let instances = members.iter().filter_map(|(name, member)| Some((member.instance.clone()?, name.clone())));
        Self {
            phase: if members.is_empty() { Phase::Empty } else { Phase::Stable { sync_until: None } },
            since_ms: if metadata.since_ms < 0 { now.wall_ms } else { metadata.since_ms },
            generation: metadata.generation,
            protocol_type: Some(metadata.protocol_type.clone()).filter(|name| !name.is_empty()),
            protocol: metadata.protocol.clone(),
            leader: metadata.leader.clone(),
            instances: instances.collect(),
            members,
            named: BTreeMap::new(),
        }
    }

    pub(in crate::broker::coordinator) fn state(&self) -> GroupState {
        match self.phase {
            Phase::Empty => GroupState::Empty,
            Phase::Preparing { .. } => GroupState::PreparingRebalance,
            Phase::Completing { .. } => GroupState::CompletingRebalance,
            Phase::Stable { .. } => GroupState::Stable,
            Phase::Dead => GroupState::Dead,
        }
    }

    pub(in crate::broker::coordinator) fn generation(&self) -> i32 {
        self.generation
    }

    pub(in crate::broker::coordinator) fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// Since when it is empty, if it is.
    pub(in crate::broker::coordinator) fn empty_since_ms(&self) -> Option<i64> {
        (self.phase == Phase::Empty).then_some(self.since_ms)
    }

    /// Whether nobody is in it or about to be.
    pub(in crate::broker::coordinator) fn is_abandoned(&self) -> bool {
        self.phase == Phase::Empty && self.named.is_empty()
    }

    /// Whether it is on its way out.
    pub(in crate::broker::coordinator) fn is_dead(&self) -> bool {
        self.phase == Phase::Dead
    }

    /// What members subscribed to, as each says it under the group's protocol; `None` while they are not agreed.
    pub(in crate::broker::coordinator) fn subscriptions(&self) -> Option<impl Iterator<Item = Bytes>> {
        let protocol = self.protocol.as_deref().filter(|_| matches!(self.phase, Phase::Stable { .. }))?;
        Some(self.members.values().map(|member| member.metadata(protocol)))
    }

    /// From here on it answers nobody; `revive` if its end cannot be written.
    pub(in crate::broker::coordinator) fn end(&mut self) {
        assert_eq!(self.phase, Phase::Empty, "only an empty group is deleted");
        self.phase = Phase::Dead;
    }

    pub(in crate::broker::coordinator) fn revive(&mut self) {
        if self.phase == Phase::Dead {
            self.phase = Phase::Empty;
        }
    }

    pub(in crate::broker::coordinator) fn describe(&self) -> DescribedGroup {
        let protocol = self.protocol.as_deref().filter(|_| matches!(self.phase, Phase::Stable { .. }));
        DescribedGroup {
            state: self.state(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: self.protocol.clone().unwrap_or_default(),
            generation: self.generation,
            members: self.members.iter().map(|(name, member)| member.describe(name, protocol)).collect(),
        }
    }

    /// The record of this generation with these shares.
    pub(super) fn record(&self, group: &str, shares: impl Fn(&str, &Member) -> Bytes) -> GroupRecord {
        GroupRecord::Group { group: group.to_string(), value: Some(self.metadata(shares)) }
    }

    fn metadata(&self, shares: impl Fn(&str, &Member) -> Bytes) -> GroupMetadata {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = self.members.iter();
        GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            since_ms: self.since_ms,
            members: members.map(|(name, member)| member.record(name, protocol, shares(name, member))).collect(),
        }
    }

    /// Refuses who is not in the group, or no longer has its instance.
    pub(super) fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), GroupError> {
        match instance.map(|instance| self.instances.get(instance)) {
            Some(None) => Err(GroupError::UnknownMember),
            Some(Some(current)) if current != member => Err(GroupError::FencedInstance),
            Some(Some(_)) => Ok(()),
            None if self.members.contains_key(member) => Ok(()),
            None => Err(GroupError::UnknownMember),
        }
    }

    pub(in crate::broker::coordinator) fn heartbeat(&mut self, cx: &mut Cx<'_>, request: &Heartbeat, reply: UnitReply) {
        let outcome = self.heard(cx.now, request);
        cx.answer(reply, outcome);
    }

    fn heard(&mut self, now: Now, request: &Heartbeat) -> Result<(), GroupError> {
        if self.is_dead() {
            return Err(GroupError::CoordinatorUnavailable);
        }
        self.check_member(&request.member, request.instance.as_deref())?;
        if request.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.touch(&request.member, now);
        match self.phase {
            Phase::Preparing { .. } => Err(GroupError::RebalanceInProgress),
            Phase::Completing { .. } | Phase::Stable { .. } => Ok(()),
            Phase::Empty | Phase::Dead => Err(GroupError::UnknownMember),
        }
    }

    /// What its last record says, once it is stable or empty; `None` if there never was one.
    pub(in crate::broker::coordinator) fn last_record(&self) -> Option<GroupMetadata> {
        (0 < self.generation).then(|| self.metadata(|_, member| member.assignment.clone()))
    }

    /// The same of a stable group, unless somebody waits for an answer.
    pub(in crate::broker::coordinator) fn settled_record(&self) -> Option<GroupMetadata> {
        let waits = |member: &Member| member.joining.is_some() || member.syncing.is_some();
        let is_settled = matches!(self.phase, Phase::Stable { .. }) && !self.members.values().any(waits);
        self.last_record().filter(|_| is_settled)
    }

    /// Whether who says this of itself may commit offsets in a transaction. Who says nothing of itself is fenced by its
    /// producer's epoch alone, as before KIP-447.
    pub(in crate::broker::coordinator) fn check_commit_in_transaction(
        &mut self,
        now: Now,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        if self.is_dead() {
            return Err(GroupError::CoordinatorUnavailable);
        }
        if generation < 0 && member.is_empty() && instance.is_none() {
            return Ok(());
        }
        self.check_member(member, instance)?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.touch(member, now);
        Ok(())
    }

    /// Whether who says this of itself may commit offsets. It lives, if it may.
    pub(in crate::broker::coordinator) fn check_commit(
        &mut self,
        now: Now,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        if self.is_dead() {
            return Err(GroupError::CoordinatorUnavailable);
        }
        // Who manages its partitions by itself, or an administrator: only while nobody else does.
        if generation < 0 && self.phase == Phase::Empty {
            return Ok(());
        }
        if generation < 0 && member.is_empty() && instance.is_none() {
            return Err(GroupError::UnknownMember);
        }
        self.check_member(member, instance)?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        // Its generation has no shares yet, so what it commits is of no partition that it has.
        if matches!(self.phase, Phase::Completing { .. }) {
            return Err(GroupError::RebalanceInProgress);
        }
        self.touch(member, now);
        Ok(())
    }

    fn touch(&mut self, member: &str, now: Now) {
        if let Some(member) = self.members.get_mut(member) {
            member.touch(now.monotonic);
        }
    }
}
