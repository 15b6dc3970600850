//! Members of the classic protocol in a group of the consumer protocol, as a group has them whose clients go from one to the
//! other one by one. Such a member is told that it is to join again where another one would be told its next step; its
//! generation is its epoch, nobody is leader, and what it gets by SyncGroup is what it may read.

use std::time::Duration;

use super::embedded;
use super::embedded::Subscribed;
use super::group::Changes;
use super::group::ConsumerGroup;
use super::heartbeat::Coming;
use super::heartbeat::JOIN;
use super::member::Member;
use super::topics::Topics;
use crate::broker::ConsumerHeartbeat;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::GroupProtocol;
use crate::broker::Heartbeat;
use crate::broker::JoinGroup;
use crate::broker::JoinedGroup;
use crate::broker::SyncGroup;
use crate::broker::SyncedGroup;
use crate::broker::coordinator::consumer_record::ClassicProtocols;
use crate::broker::coordinator::consumer_record::ConsumerRecord;
use crate::broker::coordinator::consumer_record::Current;
use crate::broker::coordinator::consumer_record::GroupEpoch;
use crate::broker::coordinator::consumer_record::Progress;
use crate::broker::coordinator::consumer_record::Subscription;
use crate::broker::coordinator::event::Now;
use crate::broker::coordinator::group_record::GroupMetadata;
use crate::broker::coordinator::group_record::MemberMetadata;
use crate::broker::coordinator::uuid;

/// The protocol type of consumers.
pub(in crate::broker::coordinator) const CONSUMER: &str = "consumer";

impl ConsumerGroup {
    /// A stable group of the classic protocol, with the records that make it one of this; `None` if its members are no
    /// consumers, or their shares say more than partitions.
    pub(in crate::broker::coordinator) fn of_classic(
        classic: &GroupMetadata,
        topics: &Topics,
        now: Now,
        config: &GroupConfig,
    ) -> Option<(Self, Vec<ConsumerRecord>)> {
        let protocol = classic.protocol.as_ref().filter(|_| classic.protocol_type == CONSUMER)?;
        let (mut group, mut changes) = (Self::new(now.wall_ms), Changes::default());
        for member in &classic.members {
            let name = || member.member.clone();
            let subscription = subscription_of(protocol, member)?;
            let share = embedded::read_share(&member.assignment).ok().flatten()?;
            let share = embedded::partitions(&share, topics);
            if share.iter().any(|partition| group.is_taken(partition, &member.member)) {
                return None;
            }
            let epoch = classic.generation;
            let (member_epoch, previous_member_epoch) = (epoch, epoch);
            let current =
                Current { member_epoch, previous_member_epoch, assigned: share.clone(), ..Current::default() };
            for record in [
                ConsumerRecord::Member { member: name(), value: Some(subscription) },
                ConsumerRecord::Target { member: name(), value: Some(share) },
                ConsumerRecord::Current { member: name(), value: Some(current) },
            ] {
                group.change(&mut changes, record, now, config);
            }
        }
        let epoch = GroupEpoch { group_epoch: classic.generation, metadata_hash: 0 };
        for record in [ConsumerRecord::Epoch(Some(epoch)), ConsumerRecord::TargetEpoch(Some(classic.generation))] {
            group.change(&mut changes, record, now, config);
        }
        Some((group, changes.records))
    }

    /// A member of the classic protocol joins, or joins again. An error changes nothing.
    pub(in crate::broker::coordinator) fn join_classic(
        &mut self,
        now: Now,
        config: &GroupConfig,
        request: &JoinGroup,
        entropy: [u8; 16],
        topics: &Topics,
    ) -> Result<(Changes, JoinedGroup), GroupError> {
        if self.is_dead() {
            return Err(GroupError::CoordinatorUnavailable);
        }
        if !(config.session_timeout_min..=config.session_timeout_max).contains(&request.session_timeout) {
            return Err(GroupError::InvalidSessionTimeout);
        }
        let (protocol, said) = self.check_protocols(request)?;
        let (member, coming) = self.classic_coming(config, request, entropy)?;
        let classic = ClassicProtocols {
            session_timeout_ms: millis(request.session_timeout),
            protocols: request.protocols.clone(),
        };
        let heartbeat = ConsumerHeartbeat {
            group: request.group.clone(),
            member: member.clone(),
            member_epoch: JOIN,
            instance: request.instance.clone(),
            rack: said.rack,
            client_id: request.client_id.clone(),
            client_host: request.client_host.clone(),
            rebalance_timeout: Some(request.rebalance_timeout),
            owned: Some(embedded::partitions(&said.owned, topics)),
            topics: Some(said.topics),
            pattern: None,
            assignor: None,
        };
        let (changes, answer) = self.beat(now, config, &heartbeat, coming, Some(classic), topics);
        if let Some(member) = self.members.get_mut(&member) {
            member.asked_to_join = None;
        }
        let joined = JoinedGroup {
            generation: answer.member_epoch,
            protocol_type: Some(CONSUMER.to_string()),
            protocol: Some(protocol),
            leader: String::new(),
            member,
            skip_assignment: false,
            members: Vec::new(),
        };
        Ok((changes, joined))
    }

    /// The protocol that the member goes by, and what it says under it.
    fn check_protocols(&self, request: &JoinGroup) -> Result<(String, Subscribed), GroupError> {
        let before = request.instance.as_ref().and_then(|instance| self.instances.get(instance));
        let is_itself = |name: &String| *name == request.member || Some(name) == before;
        let others = || self.members.iter().filter(|(name, _)| !is_itself(name));
        let classics = || others().filter_map(|(_, member)| member.subscription.classic.as_ref());
        let is_shared = |name: &str| classics().all(|classic| classic.protocols.iter().any(|one| one.name == name));
        let first = request.protocols.first().filter(|_| request.protocol_type == CONSUMER);
        let (Some(first), true) = (first, request.protocols.iter().any(|protocol| is_shared(&protocol.name))) else {
            return Err(GroupError::InconsistentProtocol);
        };
        let said = Subscribed::read(&first.metadata).map_err(|_| GroupError::InconsistentProtocol)?;
        Ok((first.name.clone(), said))
    }

    /// The name that the member has from now on, and in what way it comes.
    fn classic_coming(
        &self,
        config: &GroupConfig,
        request: &JoinGroup,
        entropy: [u8; 16],
    ) -> Result<(String, Coming), GroupError> {
        let new_name = || format!("{}-{}", request.instance.as_deref().unwrap_or(&request.client_id), uuid(entropy));
        let of_instance = request.instance.as_ref().and_then(|instance| self.instances.get(instance));
        match (request.member.is_empty(), of_instance) {
            // It was started anew: what it was before is over.
            (true, Some(other)) => return Ok((new_name(), Coming::InPlaceOf(other.clone()))),
            (false, Some(other)) if *other != request.member => return Err(GroupError::FencedInstance),
            (false, None) if request.instance.is_some() => return Err(GroupError::UnknownMember),
            (_, _) => {}
        }
        match self.members.get(&request.member) {
            Some(member) if member.subscription.classic.is_some() => Ok((request.member.clone(), Coming::Again)),
            Some(_) => Err(GroupError::UnknownMember),
            None if config.members_max <= self.members.len() => Err(GroupError::GroupFull),
            None if !request.member.is_empty() => Ok((request.member.clone(), Coming::New)),
            None if request.instance.is_none() && request.joins_in_two_steps => {
                Err(GroupError::MemberIdRequired { member: new_name() })
            }
            None => Ok((new_name(), Coming::New)),
        }
    }

    /// The share of a member that joined.
    pub(in crate::broker::coordinator) fn sync_classic(
        &mut self,
        now: Now,
        config: &GroupConfig,
        request: &SyncGroup,
        topics: &Topics,
    ) -> Result<SyncedGroup, GroupError> {
        let group_epoch = self.epoch.group_epoch;
        let member = self.classic_member(&request.member, request.instance.as_deref(), request.generation)?;
        let classic = member.subscription.classic.as_ref().and_then(|classic| classic.protocols.first());
        let first = classic.cloned().ok_or(GroupError::UnknownMember)?;
        let is_other_type = request.protocol_type.as_deref().is_some_and(|kind| kind != CONSUMER);
        if is_other_type || request.protocol.as_ref().is_some_and(|protocol| *protocol != first.name) {
            return Err(GroupError::InconsistentProtocol);
        }
        let version = Subscribed::read(&first.metadata).map_or(0, |said| said.version);
        let current = member.current.clone().unwrap_or_default();
        member.live(now, config);
        // Who is to give partitions back learns here which, and joins again by itself.
        if current.member_epoch < group_epoch && current.progress != Progress::Revoking {
            member.asked_to_join.get_or_insert(now.monotonic);
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(SyncedGroup {
            protocol_type: Some(CONSUMER.to_string()),
            protocol: Some(first.name),
            assignment: embedded::write_share(version, &current.assigned, topics),
        })
    }

    /// A member of the classic protocol says that it lives; `RebalanceInProgress` tells it to join again.
    pub(in crate::broker::coordinator) fn heartbeat_classic(
        &mut self,
        now: Now,
        config: &GroupConfig,
        request: &Heartbeat,
        topics: &Topics,
    ) -> (Changes, Result<(), GroupError>) {
        let mut changes = Changes::default();
        match self.classic_member(&request.member, request.instance.as_deref(), request.generation) {
            Ok(member) => member.live(now, config),
            Err(error) => return (changes, Err(error)),
        }
        self.refresh(&mut changes, false, topics, now, config);
        let is_to_join = self.is_to_join(&request.member);
        let outcome = match self.members.get_mut(&request.member) {
            Some(member) if is_to_join => {
                member.asked_to_join.get_or_insert(now.monotonic);
                Err(GroupError::RebalanceInProgress)
            }
            Some(_) => Ok(()),
            None => Err(GroupError::UnknownMember),
        };
        (changes, outcome)
    }

    /// Whether it would get another share, or is on the way to it.
    fn is_to_join(&self, name: &str) -> bool {
        let Some(current) = self.members.get(name).and_then(|member| member.current.as_ref()) else { return true };
        let is_pending = || {
            let target = self.targets.get(name).into_iter().flatten();
            target.filter(|partition| !current.assigned.contains(partition))
        };
        current.member_epoch < self.epoch.group_epoch
            || match current.progress {
                Progress::Stable => false,
                Progress::Revoking => true,
                Progress::Waiting => !is_pending().any(|partition| self.is_taken(partition, name)),
            }
    }

    /// A member of the classic protocol that is there, has its instance, and is in this generation.
    fn classic_member(
        &mut self,
        name: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<&mut Member, GroupError> {
        if self.is_dead() {
            return Err(GroupError::CoordinatorUnavailable);
        }
        match instance.map(|instance| self.instances.get(instance)) {
            Some(None) => return Err(GroupError::UnknownMember),
            Some(Some(other)) if other != name => return Err(GroupError::FencedInstance),
            Some(Some(_)) | None => {}
        }
        let member = self.members.get_mut(name).filter(|member| member.subscription.classic.is_some());
        let member = member.ok_or(GroupError::UnknownMember)?;
        if generation == member.member_epoch() { Ok(member) } else { Err(GroupError::IllegalGeneration) }
    }
}

/// What a member's record of the classic protocol says; `None` if it is no consumer's.
fn subscription_of(protocol: &str, member: &MemberMetadata) -> Option<Subscription> {
    let said = Subscribed::read(&member.subscription).ok()?;
    let protocols = vec![GroupProtocol { name: protocol.to_string(), metadata: member.subscription.clone() }];
    Some(Subscription {
        instance: member.instance.clone(),
        rack: said.rack,
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        topics: said.topics.into_iter().collect(),
        pattern: None,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        assignor: None,
        classic: Some(ClassicProtocols { session_timeout_ms: member.session_timeout_ms, protocols }),
    })
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
