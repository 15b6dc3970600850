//! Members go: for good, for a while, or because time is up.

use std::collections::BTreeSet;

use super::group::Changes;
use super::group::ConsumerGroup;
use super::heartbeat::AWAY;
use super::heartbeat::LEAVE;
use super::heartbeat::forgotten;
use crate::broker::ConsumerHeartbeat;
use crate::broker::ConsumerHeartbeatAnswer;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::LeavingMember;
use crate::broker::coordinator::consumer_record::ConsumerRecord;
use crate::broker::coordinator::consumer_record::Current;
use crate::broker::coordinator::consumer_record::GroupEpoch;
use crate::broker::coordinator::consumer_record::Partitions;
use crate::broker::coordinator::consumer_record::Progress;
use crate::broker::coordinator::event::Now;

impl ConsumerGroup {
    pub(super) fn leave(
        &mut self,
        now: Now,
        config: &GroupConfig,
        request: &ConsumerHeartbeat,
    ) -> Result<(Changes, ConsumerHeartbeatAnswer), GroupError> {
        self.known(request)?;
        let mut changes = Changes::default();
        self.remove(&mut changes, std::slice::from_ref(&request.member), now, config);
        Ok((changes, gone(config, request, LEAVE)))
    }

    /// The member's share is kept for who comes under its instance before its session ends.
    pub(super) fn go_away(
        &mut self,
        now: Now,
        config: &GroupConfig,
        request: &ConsumerHeartbeat,
    ) -> Result<(Changes, ConsumerHeartbeatAnswer), GroupError> {
        let current = self.known(request)?.current.clone().unwrap_or_default();
        let mut changes = Changes::default();
        let away = Current {
            member_epoch: AWAY,
            previous_member_epoch: current.member_epoch,
            progress: Progress::Stable,
            assigned: current.assigned,
            revoking: Partitions::new(),
        };
        let record = ConsumerRecord::Current { member: request.member.clone(), value: Some(away) };
        self.change(&mut changes, record, now, config);
        if let Some(member) = self.members.get_mut(&request.member) {
            member.deadline = now.monotonic + config.consumer_session_timeout;
        }
        Ok((changes, gone(config, request, AWAY)))
    }

    /// An administrator removes members, each by its name, its instance or both: also one that is away, whose share would be
    /// kept until its session ends.
    pub(in crate::broker::coordinator) fn dismiss(
        &mut self,
        now: Now,
        config: &GroupConfig,
        leaving: &[LeavingMember],
    ) -> (Changes, Vec<Result<(), GroupError>>) {
        let mut dismissed = BTreeSet::new();
        let mut dismiss = |leaving: &LeavingMember| {
            let name = self.leaving(leaving)?;
            if dismissed.insert(name.to_string()) { Ok(()) } else { Err(GroupError::UnknownMember) }
        };
        let outcomes = leaving.iter().map(&mut dismiss).collect();
        let (mut changes, dismissed) = (Changes::default(), Vec::from_iter(dismissed));
        if !dismissed.is_empty() {
            self.remove(&mut changes, &dismissed, now, config);
        }
        (changes, outcomes)
    }

    fn leaving<'a>(&'a self, leaving: &'a LeavingMember) -> Result<&'a str, GroupError> {
        let name = match &leaving.instance {
            None => &leaving.member,
            Some(instance) => self.instances.get(instance).ok_or(GroupError::UnknownMember)?,
        };
        if leaving.instance.is_some() && !leaving.member.is_empty() && leaving.member != *name {
            return Err(GroupError::FencedInstance);
        }
        if self.members.contains_key(name) { Ok(name) } else { Err(GroupError::UnknownMember) }
    }

    /// Drops members whose time is up.
    pub(in crate::broker::coordinator) fn tick(&mut self, now: Now, config: &GroupConfig, group: &str) -> Changes {
        let due = self.members.iter().filter(|(_, member)| member.expires() <= now.monotonic);
        let due: Vec<_> = due.map(|(name, _)| name.clone()).collect();
        let mut changes = Changes::default();
        if due.is_empty() {
            return changes;
        }
        for member in &due {
            tracing::info!(group, member, "a member went silent, or keeps what it is to give back: it is dropped");
        }
        self.remove(&mut changes, &due, now, config);
        changes
    }

    /// Those that are left get new targets when the next of them comes.
    fn remove(&mut self, changes: &mut Changes, members: &[String], now: Now, config: &GroupConfig) {
        for record in members.iter().flat_map(|member| forgotten(member)) {
            self.change(changes, record, now, config);
        }
        let epoch = GroupEpoch { group_epoch: self.epoch.group_epoch + 1, ..self.epoch };
        self.change(changes, ConsumerRecord::Epoch(Some(epoch)), now, config);
    }
}

fn gone(config: &GroupConfig, request: &ConsumerHeartbeat, member_epoch: i32) -> ConsumerHeartbeatAnswer {
    let heartbeat_interval = config.consumer_heartbeat_interval;
    ConsumerHeartbeatAnswer { member: request.member.clone(), member_epoch, heartbeat_interval, assignment: None }
}
