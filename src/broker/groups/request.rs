//! What clients ask of a group's coordinator, and what it tells them; no versions, no bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;

use super::GroupError;
use crate::broker::CommittedOffset;
use crate::model::TopicPartition;

/// The coordinator's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupConfig {
    /// The shortest session timeout of a member.
    pub session_timeout_min: Duration,
    /// The longest session timeout of a member.
    pub session_timeout_max: Duration,
    /// How long the first rebalance of an empty group waits for further members.
    pub initial_rebalance_delay: Duration,
    /// Silence after which a member of the consumer protocol is taken for dead.
    pub consumer_session_timeout: Duration,
    /// How often a member of the consumer protocol is to say that it lives.
    pub consumer_heartbeat_interval: Duration,
    /// Members of one group, those included that were only given a name.
    pub members_max: usize,
    /// Groups that may be there when a client makes a new one.
    pub groups_max: usize,
    /// Bytes of what a client keeps with an offset.
    pub offset_metadata_bytes_max: usize,
    /// How long offsets are kept after their group became empty.
    pub offsets_retention: Duration,
    /// How often it is looked for offsets that are to be forgotten.
    pub offsets_check_interval: Duration,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_mins(30),
            initial_rebalance_delay: Duration::from_secs(3),
            consumer_session_timeout: Duration::from_secs(45),
            consumer_heartbeat_interval: Duration::from_secs(5),
            members_max: 4096,
            groups_max: 100_000,
            offset_metadata_bytes_max: 4096,
            offsets_retention: Duration::from_hours(7 * 24),
            offsets_check_interval: Duration::from_mins(10),
        }
    }
}

/// A way to share out partitions, and what the member wants under it; the bytes are the clients' own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupProtocol {
    /// The assignor.
    pub name: String,
    /// The member's subscription.
    pub metadata: Bytes,
}

/// A member asks to be in the next generation.
#[derive(Debug, Clone)]
pub struct JoinGroup {
    /// The group.
    pub group: String,
    /// The member; empty for who has no name yet.
    pub member: String,
    /// The name that stays over restarts of a static member.
    pub instance: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// Silence after which the member is taken for dead.
    pub session_timeout: Duration,
    /// How long it may take to join again.
    pub rebalance_timeout: Duration,
    /// What kind of group it is.
    pub protocol_type: String,
    /// In the order of the member's preference.
    pub protocols: Vec<GroupProtocol>,
    /// Whether the client understands `MemberIdRequired`.
    pub joins_in_two_steps: bool,
    /// Whether the client can be leader without sharing out.
    pub can_skip_assignment: bool,
}

/// The generation that a member is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedGroup {
    /// Its number.
    pub generation: i32,
    /// What kind of group it is.
    pub protocol_type: Option<String>,
    /// The assignor that all members know.
    pub protocol: Option<String>,
    /// Who shares out.
    pub leader: String,
    /// The member's name.
    pub member: String,
    /// Whether the leader is to leave the assignment as it is.
    pub skip_assignment: bool,
    /// All members, for the leader; empty for the others.
    pub members: Vec<JoinedMember>,
}

/// What the leader is told of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its name.
    pub member: String,
    /// The instance of a static member.
    pub instance: Option<String>,
    /// Its subscription.
    pub metadata: Bytes,
}

/// A member asks for its share; the leader brings all.
#[derive(Debug, Clone)]
pub struct SyncGroup {
    /// The group.
    pub group: String,
    /// The member.
    pub member: String,
    /// The instance of a static member.
    pub instance: Option<String>,
    /// The generation it joined.
    pub generation: i32,
    /// As `JoinedGroup` had it, if the client says it.
    pub protocol_type: Option<String>,
    /// As `JoinedGroup` had it, if the client says it.
    pub protocol: Option<String>,
    /// The shares by member; of the leader only.
    pub assignments: BTreeMap<String, Bytes>,
}

/// A member's share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncedGroup {
    /// What kind of group it is.
    pub protocol_type: Option<String>,
    /// The assignor.
    pub protocol: Option<String>,
    /// The clients' own bytes.
    pub assignment: Bytes,
}

/// A member says that it lives.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// The group.
    pub group: String,
    /// The member.
    pub member: String,
    /// The instance of a static member.
    pub instance: Option<String>,
    /// The generation it is in.
    pub generation: i32,
}

/// Members leave, by themselves or removed by an administrator.
#[derive(Debug, Clone)]
pub struct LeaveGroup {
    /// The group.
    pub group: String,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// Who leaves: by member, by instance, or both.
#[derive(Debug, Clone)]
pub struct LeavingMember {
    /// The member; may be empty where the instance says who.
    pub member: String,
    /// The instance of a static member.
    pub instance: Option<String>,
}

/// Positions to keep.
#[derive(Debug, Clone)]
pub struct CommitOffsets {
    /// The group.
    pub group: String,
    /// The member; empty for who manages partitions by itself.
    pub member: String,
    /// The instance of a static member.
    pub instance: Option<String>,
    /// The member's generation, or its epoch in the consumer protocol; negative for who manages partitions by itself.
    pub generation: i32,
    /// Whether the client knows that the consumer protocol has epochs of members.
    pub knows_member_epochs: bool,
    /// How long to keep them; `None` for as long as the server does.
    pub retention: Option<Duration>,
    /// The positions.
    pub offsets: Vec<OffsetToCommit>,
}

/// One position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetToCommit {
    /// The topic's name, for the record's key.
    pub topic: String,
    /// Where.
    pub partition: TopicPartition,
    /// The position and what comes with it.
    pub committed: CommittedOffset,
}

/// One partition's answer of a fetch of offsets: `None` where nothing was committed.
pub type FetchedOffset = (TopicPartition, Result<Option<CommittedOffset>, GroupError>);

/// How far a group is with sharing out its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupState {
    /// No members; there may be offsets.
    Empty,
    /// Members join the next generation.
    PreparingRebalance,
    /// The leader shares out.
    CompletingRebalance,
    /// Of the consumer protocol: partitions are to be shared out anew when the next member comes.
    Assigning,
    /// Of the consumer protocol: members give partitions back, and get others.
    Reconciling,
    /// Every member has, or can get, its share.
    Stable,
    /// It is being deleted, or is not there.
    Dead,
}

impl GroupState {
    const ALL: [Self; 7] = [
        Self::Empty,
        Self::PreparingRebalance,
        Self::CompletingRebalance,
        Self::Assigning,
        Self::Reconciling,
        Self::Stable,
        Self::Dead,
    ];
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        })
    }
}

impl FromStr for GroupState {
    type Err = ();

    /// Kafka's name of it, in any case.
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.to_string().eq_ignore_ascii_case(name)).ok_or(())
    }
}

/// The protocol of a group's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupKind {
    /// The members share out partitions themselves; those of standing queries count as such.
    Classic,
    /// The coordinator does (KIP-848).
    Consumer,
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        })
    }
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// The group.
    pub group: String,
    /// The protocol of its members.
    pub kind: GroupKind,
    /// What kind of group it is; empty if only offsets were committed.
    pub protocol_type: String,
    /// How far it is.
    pub state: GroupState,
}

/// A group and its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedGroup {
    /// How far it is.
    pub state: GroupState,
    /// What kind of group it is; empty if only offsets were committed.
    pub protocol_type: String,
    /// The assignor; empty while there is none.
    pub protocol: String,
    /// The number of its generation.
    pub generation: i32,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member of a described group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its name.
    pub member: String,
    /// The instance of a static member.
    pub instance: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// Its subscription; empty unless the group is stable.
    pub metadata: Bytes,
    /// Its share; empty unless the group is stable.
    pub assignment: Bytes,
}
