//! What is told of a group.

use super::group::ConsumerGroup;
use super::member::Member;
use crate::broker::DescribedConsumerGroup;
use crate::broker::DescribedConsumerMember;
use crate::broker::GroupState;
use crate::broker::coordinator::consumer_record::Progress;

impl ConsumerGroup {
    pub(in crate::broker::coordinator) fn state(&self) -> GroupState {
        let has_its_share = |member: &Member| {
            let current = member.current.as_ref();
            let is_there = |epoch: i32| epoch == self.assignment_epoch;
            current.is_some_and(|current| current.progress == Progress::Stable && is_there(current.member_epoch))
        };
        if self.is_dead() {
            GroupState::Dead
        } else if self.members.is_empty() {
            GroupState::Empty
        } else if self.assignment_epoch < self.epoch.group_epoch {
            GroupState::Assigning
        } else if self.members.values().all(has_its_share) {
            GroupState::Stable
        } else {
            GroupState::Reconciling
        }
    }

    pub(in crate::broker::coordinator) fn describe(&self) -> DescribedConsumerGroup {
        let member = |(name, member): (&String, &Member)| {
            let subscription = &member.subscription;
            DescribedConsumerMember {
                member: name.clone(),
                instance: subscription.instance.clone(),
                is_classic: subscription.classic.is_some(),
                rack: subscription.rack.clone(),
                member_epoch: member.member_epoch(),
                client_id: subscription.client_id.clone(),
                client_host: subscription.client_host.clone(),
                topics: subscription.topics.iter().cloned().collect(),
                pattern: subscription.pattern.clone(),
                assignment: member.current.as_ref().map(|current| current.assigned.clone()).unwrap_or_default(),
                revoking: member.current.as_ref().map(|current| current.revoking.clone()).unwrap_or_default(),
                target: self.targets.get(name).cloned().unwrap_or_default(),
            }
        };
        DescribedConsumerGroup {
            state: self.state(),
            group_epoch: self.epoch.group_epoch,
            assignment_epoch: self.assignment_epoch,
            assignor: self.assignor().name().to_string(),
            members: self.members.iter().map(member).collect(),
        }
    }
}
