//! What a door can ask of the groups.
//!
//! Every call is cancel-safe: a request whose caller goes away is done or not done, never half.

use super::CommitOffsets;
use super::ConsumerHeartbeat;
use super::ConsumerHeartbeatAnswer;
use super::DescribedConsumerGroup;
use super::DescribedGroup;
use super::FetchedOffset;
use super::GroupConfig;
use super::GroupError;
use super::GroupListing;
use super::Heartbeat;
use super::JoinGroup;
use super::JoinedGroup;
use super::LeaveGroup;
use super::SyncGroup;
use super::SyncedGroup;
use super::refused::reason;
use crate::broker::LocalBroker;
use crate::broker::coordinator::GroupEvent;
use crate::broker::coordinator::uuid;
use crate::broker::core::check_name;
use crate::model::TopicPartition;

/// Groups that begin so are those of standing queries, whether or not the query is there yet.
const QUERY_PREFIX: &str = "tidemill.q";

impl LocalBroker {
    /// Joins a group: answers when the generation that the member is in begins.
    pub async fn join_group(&self, request: JoinGroup) -> Result<JoinedGroup, GroupError> {
        let (group, entropy) = (request.group.clone(), self.broker.env.random.uuid_bytes());
        let topics = self.broker.topics();
        check_not_a_querys(&group)?;
        self.broker.coordinate(&group, |reply| GroupEvent::Join(request, entropy, topics, reply)).await
    }

    /// Brings the shares, as leader, or waits for one's own.
    pub async fn sync_group(&self, request: SyncGroup) -> Result<SyncedGroup, GroupError> {
        let (group, topics) = (request.group.clone(), self.broker.topics());
        self.broker.coordinate(&group, |reply| GroupEvent::Sync(request, topics, reply)).await
    }

    /// Says that a member lives; `RebalanceInProgress` tells it to join again.
    pub async fn heartbeat(&self, request: Heartbeat) -> Result<(), GroupError> {
        let (group, topics) = (request.group.clone(), self.broker.topics());
        self.broker.coordinate(&group, |reply| GroupEvent::Heartbeat(request, topics, reply)).await
    }

    /// A member of the consumer protocol joins, lives, or leaves. Who has no name gets one.
    pub async fn consumer_heartbeat(
        &self,
        mut request: ConsumerHeartbeat,
    ) -> Result<ConsumerHeartbeatAnswer, GroupError> {
        let (group, topics) = (request.group.clone(), self.broker.topics());
        check_not_a_querys(&group)?;
        if request.member.is_empty() && request.member_epoch == 0 {
            request.member = uuid(self.broker.env.random.uuid_bytes());
        }
        self.broker.coordinate(&group, |reply| GroupEvent::ConsumerHeartbeat(request, topics, reply)).await
    }

    /// One group of the consumer protocol and its members.
    pub fn describe_consumer_group(&self, group: &str) -> Result<DescribedConsumerGroup, GroupError> {
        check_name("group", group).and_then(|()| self.broker.check_group(group)).map_err(|error| reason(&error))?;
        let groups = &self.broker.groups.lock().groups;
        groups.describe_consumer(group).ok_or_else(|| groups.why_not(group))
    }

    /// Whether a member of the consumer protocol may read its group's positions; who says nothing of itself may.
    pub fn check_fetch_offsets(&self, group: &str, member: Option<&str>, member_epoch: i32) -> Result<(), GroupError> {
        self.broker.groups.lock().groups.check_fetch(group, member, member_epoch)
    }

    /// Takes members out of a group; one outcome each, in their order.
    pub async fn leave_group(&self, request: LeaveGroup) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let group = request.group.clone();
        self.broker.coordinate(&group, |reply| GroupEvent::Leave(request, reply)).await
    }

    /// Commits positions: durable when it answers; one outcome each, in their order.
    pub async fn commit_offsets(&self, request: CommitOffsets) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let group = request.group.clone();
        check_not_a_querys(&group)?;
        self.broker.coordinate(&group, |reply| GroupEvent::Commit(request, reply)).await
    }

    /// Where a group stands in `partitions`, or wherever it stands. With `only_stable`, what a transaction may yet replace is
    /// refused.
    pub fn fetch_offsets(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
        only_stable: bool,
    ) -> Result<Vec<FetchedOffset>, GroupError> {
        self.broker.check_group(group).map_err(|error| reason(&error))?;
        self.broker.groups.lock().groups.fetch(group, partitions, only_stable)
    }

    /// Forgets a group that has no members, and where it stood.
    pub async fn delete_empty_group(&self, group: &str) -> Result<(), GroupError> {
        self.broker.coordinate(group, |reply| GroupEvent::Delete(group.to_string(), reply)).await
    }

    /// Forgets where a group stood in partitions that no member of it reads; one outcome each, in their order.
    pub async fn delete_offsets(
        &self,
        group: &str,
        partitions: Vec<TopicPartition>,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        self.broker.coordinate(group, |reply| GroupEvent::DeleteOffsets(group.to_string(), partitions, reply)).await
    }

    /// The limits of groups.
    pub fn group_config(&self) -> &GroupConfig {
        &self.broker.config.groups
    }

    /// All groups, those of standing queries too.
    pub fn list_groups(&self) -> Vec<GroupListing> {
        self.broker.groups.lock().groups.list()
    }

    /// One group of the classic protocol, or of a standing query, and its members.
    pub fn describe_group(&self, group: &str) -> Result<DescribedGroup, GroupError> {
        check_name("group", group).and_then(|()| self.broker.check_group(group)).map_err(|error| reason(&error))?;
        let groups = &self.broker.groups.lock().groups;
        groups.describe(group).ok_or_else(|| groups.why_not(group))
    }
}

/// A client cannot make, or be in, the group of a standing query.
pub(in crate::broker) fn check_not_a_querys(group: &str) -> Result<(), GroupError> {
    if group.starts_with(QUERY_PREFIX) { Err(GroupError::QueryGroup) } else { Ok(()) }
}
