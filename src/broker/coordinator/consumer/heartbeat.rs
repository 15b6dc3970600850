//! A member joins, says that it lives, and is told what it may read.

use super::assign::Assignor;
use super::group::Changes;
use super::group::ConsumerGroup;
use super::member::Member;
use super::reconcile::reconcile;
use super::topics::Topics;
use crate::broker::ConsumerHeartbeat;
use crate::broker::ConsumerHeartbeatAnswer;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::coordinator::consumer_record::ClassicProtocols;
use crate::broker::coordinator::consumer_record::ConsumerRecord;
use crate::broker::coordinator::consumer_record::Current;
use crate::broker::coordinator::consumer_record::Partitions;
use crate::broker::coordinator::event::Now;
use crate::model::TopicPartition;

/// In place of an epoch: the member joins.
pub(super) const JOIN: i32 = 0;
/// In place of an epoch: the member leaves.
pub(super) const LEAVE: i32 = -1;
/// In place of an epoch: the static member will be back.
pub(super) const AWAY: i32 = -2;

/// In what way a member that is not refused comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Coming {
    /// For the first time.
    New,
    /// Another time, and has nothing any more.
    Anew,
    /// In place of the static member that went away under this name.
    InPlaceOf(String),
    /// In the course of things.
    Again,
}

impl ConsumerGroup {
    /// What is to be written, and then answered. An error changes nothing.
    pub(in crate::broker::coordinator) fn heartbeat(
        &mut self,
        now: Now,
        config: &GroupConfig,
        request: &ConsumerHeartbeat,
        topics: &Topics,
    ) -> Result<(Changes, ConsumerHeartbeatAnswer), GroupError> {
        if self.is_dead() {
            return Err(GroupError::CoordinatorUnavailable);
        }
        check_shape(request)?;
        match request.member_epoch {
            LEAVE => self.leave(now, config, request),
            AWAY => self.go_away(now, config, request),
            _ => {
                let coming = self.check(config, request)?;
                Ok(self.beat(now, config, request, coming, None, topics))
            }
        }
    }

    fn check(&mut self, config: &GroupConfig, request: &ConsumerHeartbeat) -> Result<Coming, GroupError> {
        if let Some(assignor) = &request.assignor
            && assignor.parse::<Assignor>().is_err()
        {
            return Err(GroupError::UnsupportedAssignor { assignor: assignor.clone() });
        }
        let coming = self.coming(request)?;
        if coming == Coming::New && config.members_max <= self.members.len() {
            return Err(GroupError::GroupFull);
        }
        if let Some(text) = request.pattern.as_ref().filter(|text| !text.is_empty())
            && !self.patterns.contains_key(text)
        {
            self.add_pattern(text)?;
        }
        Ok(coming)
    }

    fn coming(&self, request: &ConsumerHeartbeat) -> Result<Coming, GroupError> {
        let name = &request.member;
        let of_instance = request.instance.as_ref().map(|instance| self.instances.get(instance));
        match (request.member_epoch == JOIN, of_instance) {
            (true, Some(Some(other))) if other != name => match self.members.get(other).map(Member::member_epoch) {
                Some(AWAY) | None => Ok(Coming::InPlaceOf(other.clone())),
                // One of the classic protocol never says that it goes.
                Some(_) if self.is_classic(other) => Ok(Coming::InPlaceOf(other.clone())),
                Some(_) => Err(GroupError::UnreleasedInstance),
            },
            (true, _) if self.members.contains_key(name) => Ok(Coming::Anew),
            (true, _) => Ok(Coming::New),
            (false, _) if self.is_classic(name) => Err(GroupError::UnknownMember),
            (false, _) => {
                let member = self.known(request)?;
                check_epoch(member, request)?;
                Ok(Coming::Again)
            }
        }
    }

    /// A member that is there, and has its instance.
    pub(super) fn known(&self, request: &ConsumerHeartbeat) -> Result<&Member, GroupError> {
        match request.instance.as_ref().map(|instance| self.instances.get(instance)) {
            Some(None) => return Err(GroupError::UnknownMember),
            Some(Some(other)) if *other != request.member => return Err(GroupError::FencedInstance),
            Some(Some(_)) | None => {}
        }
        self.members.get(&request.member).ok_or(GroupError::UnknownMember)
    }

    /// The member's next step; `classic` is what a member of the classic protocol says of itself besides.
    pub(super) fn beat(
        &mut self,
        now: Now,
        config: &GroupConfig,
        request: &ConsumerHeartbeat,
        coming: Coming,
        classic: Option<ClassicProtocols>,
        topics: &Topics,
    ) -> (Changes, ConsumerHeartbeatAnswer) {
        let (name, mut changes) = (&request.member, Changes::default());
        let before = match &coming {
            Coming::InPlaceOf(other) => self.members.get(other),
            Coming::New | Coming::Anew | Coming::Again => self.members.get(name),
        };
        // Who joins says everything anew.
        let said = before.filter(|_| coming == Coming::Again).map(|member| member.subscription.clone());
        let mut subscription = said.unwrap_or_default();
        let had = before.and_then(|member| member.current.clone()).unwrap_or_default();
        subscription.update(request);
        subscription.classic = classic;
        let is_changed = before.is_none_or(|member| !member.subscription.wants_the_same(&subscription));
        let mut current = had.clone();
        match coming {
            Coming::New | Coming::Again => {}
            Coming::Anew => current = Current::default(),
            Coming::InPlaceOf(other) => {
                current = Current { assigned: current.assigned, ..Current::default() };
                self.rename(&mut changes, &other, name, now, config);
            }
        }
        if self.members.get(name).is_none_or(|member| member.subscription != subscription) {
            let record = ConsumerRecord::Member { member: name.clone(), value: Some(subscription) };
            self.change(&mut changes, record, now, config);
        }
        self.refresh(&mut changes, is_changed, topics, now, config);
        let target = self.targets.get(name).cloned().unwrap_or_default();
        let is_taken = |partition: &TopicPartition| self.is_taken(partition, name);
        let next = reconcile(&current, &target, self.assignment_epoch, request.owned.as_ref(), is_taken);
        if self.members.get(name).and_then(|member| member.current.as_ref()) != Some(&next) {
            let record = ConsumerRecord::Current { member: name.clone(), value: Some(next.clone()) };
            self.change(&mut changes, record, now, config);
        }
        if let Some(member) = self.members.get_mut(name) {
            member.live(now, config);
        }
        let is_told = says_all(request) || request.member_epoch != had.member_epoch || next.assigned != had.assigned;
        let answer = ConsumerHeartbeatAnswer {
            member: name.clone(),
            member_epoch: next.member_epoch,
            heartbeat_interval: config.consumer_heartbeat_interval,
            assignment: is_told.then_some(next.assigned),
        };
        (changes, answer)
    }

    /// `name` gets what `other` was to have. Of what `other` is itself nothing is left.
    fn rename(&mut self, changes: &mut Changes, other: &str, name: &str, now: Now, config: &GroupConfig) {
        let target = self.targets.get(other).cloned();
        for record in forgotten(other) {
            self.change(changes, record, now, config);
        }
        let record = ConsumerRecord::Target { member: name.to_string(), value: target };
        self.change(changes, record, now, config);
    }
}

/// What forgets a member.
pub(super) fn forgotten(member: &str) -> [ConsumerRecord; 3] {
    let name = || member.to_string();
    [
        ConsumerRecord::Current { member: name(), value: None },
        ConsumerRecord::Target { member: name(), value: None },
        ConsumerRecord::Member { member: name(), value: None },
    ]
}

/// Whether the member says everything, and so wants to be told everything.
fn says_all(request: &ConsumerHeartbeat) -> bool {
    let subscribes = request.topics.is_some() || request.pattern.is_some();
    request.member_epoch == JOIN || (request.rebalance_timeout.is_some() && subscribes && request.owned.is_some())
}

/// A member whose last answer was lost comes with the epoch before, and with no more than it has.
fn check_epoch(member: &Member, request: &ConsumerHeartbeat) -> Result<(), GroupError> {
    let Some(current) = &member.current else { return Err(GroupError::FencedMemberEpoch) };
    if request.member_epoch == current.member_epoch {
        return Ok(());
    }
    let has_no_more = |owned: &Partitions| owned.is_subset(&current.assigned);
    let was_lost = request.member_epoch < current.member_epoch
        && request.member_epoch == current.previous_member_epoch
        && request.owned.as_ref().is_some_and(has_no_more);
    if was_lost { Ok(()) } else { Err(GroupError::FencedMemberEpoch) }
}

/// What a request must say, whatever the group.
fn check_shape(request: &ConsumerHeartbeat) -> Result<(), GroupError> {
    let is_blank = |text: &Option<String>| text.as_ref().is_some_and(String::is_empty);
    let reason = if request.member.is_empty() {
        "the member id is empty"
    } else if is_blank(&request.instance) {
        "the instance id is empty"
    } else if is_blank(&request.rack) {
        "the rack id is empty"
    } else if request.member_epoch < AWAY {
        "the member epoch is below -2"
    } else if request.member_epoch == AWAY && request.instance.is_none() {
        "only a static member can be away for a while"
    } else if request.member_epoch == JOIN {
        return check_join(request);
    } else {
        return Ok(());
    };
    Err(GroupError::InvalidRequest { reason })
}

fn check_join(request: &ConsumerHeartbeat) -> Result<(), GroupError> {
    let has_topics = request.topics.as_ref().is_some_and(|topics| !topics.is_empty());
    let has_pattern = request.pattern.as_ref().is_some_and(|pattern| !pattern.is_empty());
    let reason = if request.rebalance_timeout.is_none() {
        "who joins must say its rebalance timeout"
    } else if !request.owned.as_ref().is_some_and(Partitions::is_empty) {
        "who joins has no partitions, and must say so"
    } else if !has_topics && !has_pattern {
        "who joins must name topics, or a pattern of them"
    } else {
        return Ok(());
    };
    Err(GroupError::InvalidRequest { reason })
}
