//! The leader brings the shares; each member gets its own.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::group::ClassicGroup;
use super::group::Phase;
use crate::broker::GroupError;
use crate::broker::SyncGroup;
use crate::broker::SyncedGroup;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::Pending;
use crate::broker::coordinator::event::SyncReply;

impl ClassicGroup {
    pub(in crate::broker::coordinator) fn sync(&mut self, cx: &mut Cx<'_>, request: SyncGroup, reply: SyncReply) {
        if let Err(error) = self.check_sync(&request) {
            return cx.answer(reply, Err(error));
        }
        let member = self.members.get_mut(&request.member).expect("a checked member is there");
        member.has_synced = true;
        match self.phase {
            Phase::Empty | Phase::Dead => cx.answer(reply, Err(GroupError::UnknownMember)),
            Phase::Preparing { .. } => cx.answer(reply, Err(GroupError::RebalanceInProgress)),
            Phase::Stable { sync_until } => {
                member.touch(cx.now.monotonic);
                let assignment = member.assignment.clone();
                let answer = self.synced(assignment);
                cx.answer(reply, Ok(answer));
                self.phase = Phase::Stable { sync_until: sync_until.filter(|_| !self.all_synced()) };
            }
            Phase::Completing { sync_until, is_written } => {
                if let Some(before) = member.syncing.replace(reply) {
                    cx.answer(before, Err(GroupError::RebalanceInProgress));
                }
                if self.leader.as_ref() == Some(&request.member) && !is_written {
                    self.phase = Phase::Completing { sync_until, is_written: true };
                    self.write_shares(cx, request.assignments);
                }
            }
        }
    }

    fn check_sync(&self, request: &SyncGroup) -> Result<(), GroupError> {
        if self.is_dead() {
            return Err(GroupError::CoordinatorUnavailable);
        }
        self.check_member(&request.member, request.instance.as_deref())?;
        if request.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        let differs = |said: &Option<String>, known: &Option<String>| said.is_some() && said != known;
        let is_other =
            differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol, &self.protocol);
        if is_other { Err(GroupError::InconsistentProtocol) } else { Ok(()) }
    }

    /// A member that the leader forgot gets an empty share; what it brings for others is not kept.
    fn write_shares(&mut self, cx: &mut Cx<'_>, mut shares: BTreeMap<String, Bytes>) {
        shares.retain(|name, _| self.members.contains_key(name));
        let record = self.record(cx.group, |name, _| shares.get(name).cloned().unwrap_or_default());
        cx.write(vec![record], Pending::Shares { generation: self.generation, shares });
    }

    /// The shares are durable: who waits for its own gets it.
    pub(in crate::broker::coordinator) fn shares_written(
        &mut self,
        cx: &mut Cx<'_>,
        generation: i32,
        mut shares: BTreeMap<String, Bytes>,
    ) {
        let Phase::Completing { sync_until, .. } = self.phase else { return };
        if self.generation != generation {
            return;
        }
        self.phase = Phase::Stable { sync_until: Some(sync_until).filter(|_| !self.all_synced()) };
        let names: Vec<_> = self.members.keys().cloned().collect();
        for name in names {
            let share = shares.remove(&name).unwrap_or_default();
            let answer = self.synced(share.clone());
            let member = self.members.get_mut(&name).expect("a name of the members is there");
            member.assignment = share;
            if let Some(reply) = member.syncing.take() {
                member.touch(cx.now.monotonic);
                cx.answer(reply, Ok(answer));
            }
        }
    }

    /// The shares could not be written: members join again.
    pub(in crate::broker::coordinator) fn shares_refused(
        &mut self,
        cx: &mut Cx<'_>,
        generation: i32,
        error: &GroupError,
    ) {
        if matches!(self.phase, Phase::Completing { .. }) && self.generation == generation {
            self.refuse_syncs(cx, error);
            self.rebalance(cx);
        }
    }

    /// No share will come for who waits.
    pub(super) fn refuse_syncs(&mut self, cx: &mut Cx<'_>, error: &GroupError) {
        for member in self.members.values_mut() {
            if let Some(reply) = member.syncing.take() {
                member.touch(cx.now.monotonic);
                cx.answer(reply, Err(error.clone()));
            }
        }
    }

    fn all_synced(&self) -> bool {
        self.members.values().all(|member| member.has_synced)
    }

    fn synced(&self, assignment: Bytes) -> SyncedGroup {
        SyncedGroup { protocol_type: self.protocol_type.clone(), protocol: self.protocol.clone(), assignment }
    }
}
