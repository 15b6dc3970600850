//! One member of a group.

use std::time::Duration;

use bytes::Bytes;

use crate::broker::DescribedMember;
use crate::broker::GroupProtocol;
use crate::broker::JoinGroup;
use crate::broker::JoinedMember;
use crate::broker::coordinator::event::JoinReply;
use crate::broker::coordinator::event::SyncReply;
use crate::broker::coordinator::group_record::MemberMetadata;

/// A member that joined for the first time and is still waiting is dropped after this time: its client may have given up
/// and come again under another name.
pub(super) const NEW_MEMBER_WAIT_MAX: Duration = Duration::from_mins(5);

#[derive(Debug)]
pub(super) struct Member {
    pub instance: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    pub protocols: Vec<GroupProtocol>,
    pub assignment: Bytes,
    /// Waits for the next generation.
    pub joining: Option<JoinReply>,
    /// Waits for its share.
    pub syncing: Option<SyncReply>,
    /// Never was in a generation.
    pub is_new: bool,
    /// Asked for its share of this generation.
    pub has_synced: bool,
    /// When its silence is its end.
    pub deadline: Duration,
}

impl Member {
    pub(super) fn new(request: &JoinGroup, now: Duration, reply: JoinReply) -> Self {
        Self {
            instance: request.instance.clone(),
            client_id: request.client_id.clone(),
            client_host: request.client_host.clone(),
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            protocols: request.protocols.clone(),
            assignment: Bytes::new(),
            joining: Some(reply),
            syncing: None,
            is_new: true,
            has_synced: false,
            deadline: now + NEW_MEMBER_WAIT_MAX,
        }
    }

    /// A member that a record tells of; its session begins anew.
    pub(super) fn restored(metadata: &MemberMetadata, protocol: Option<&str>, now: Duration) -> Self {
        let millis = |millis: i32| Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        let session_timeout = millis(metadata.session_timeout_ms);
        let known =
            protocol.map(|name| GroupProtocol { name: name.to_string(), metadata: metadata.subscription.clone() });
        Self {
            instance: metadata.instance.clone(),
            client_id: metadata.client_id.clone(),
            client_host: metadata.client_host.clone(),
            session_timeout,
            rebalance_timeout: millis(metadata.rebalance_timeout_ms),
            protocols: known.into_iter().collect(),
            assignment: metadata.assignment.clone(),
            joining: None,
            syncing: None,
            is_new: false,
            has_synced: true,
            deadline: now + session_timeout,
        }
    }

    /// The member lives.
    pub(super) fn touch(&mut self, now: Duration) {
        self.deadline = now + self.session_timeout;
    }

    /// When it is to be dropped; `None` while it waits for the coordinator, which is not its fault.
    pub(super) fn expires(&self) -> Option<Duration> {
        let waits = self.syncing.is_some() || (self.joining.is_some() && !self.is_new);
        (!waits).then_some(self.deadline)
    }

    /// Takes over what the member says of itself when it joins again.
    pub(super) fn update(&mut self, request: &JoinGroup) {
        self.client_id.clone_from(&request.client_id);
        self.client_host.clone_from(&request.client_host);
        self.session_timeout = request.session_timeout;
        self.rebalance_timeout = request.rebalance_timeout;
        self.protocols.clone_from(&request.protocols);
    }

    pub(super) fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|known| known.name == protocol)
    }

    /// Its subscription under `protocol`.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let known = self.protocols.iter().find(|known| known.name == protocol);
        known.map(|known| known.metadata.clone()).unwrap_or_default()
    }

    pub(super) fn told_to_leader(&self, name: &str, protocol: &str) -> JoinedMember {
        JoinedMember { member: name.to_string(), instance: self.instance.clone(), metadata: self.metadata(protocol) }
    }

    /// `protocol` is that of a stable group.
    pub(super) fn describe(&self, name: &str, protocol: Option<&str>) -> DescribedMember {
        DescribedMember {
            member: name.to_string(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            metadata: protocol.map(|protocol| self.metadata(protocol)).unwrap_or_default(),
            assignment: protocol.map(|_| self.assignment.clone()).unwrap_or_default(),
        }
    }

    pub(super) fn record(&self, name: &str, protocol: &str, assignment: Bytes) -> MemberMetadata {
        let millis = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
        MemberMetadata {
            member: name.to_string(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: millis(self.rebalance_timeout),
            session_timeout_ms: millis(self.session_timeout),
            subscription: self.metadata(protocol),
            assignment,
        }
    }
}
