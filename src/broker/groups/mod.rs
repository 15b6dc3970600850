//! Groups of Kafka clients, as doors use them: what they ask, what they are told, and the shell around the state machine.
//!
//! Each request is one event of `coordinator::Groups`; what it wants written is appended in that order, and what waits for
//! it to be durable goes on when it is.

mod consumer;
mod error;
mod refused;
mod request;
mod shell;
mod timers;
mod use_groups;

pub use consumer::{
    ConsumerHeartbeat, ConsumerHeartbeatAnswer, DescribedConsumerGroup, DescribedConsumerMember, partitions_by_topic,
};
pub use error::GroupError;
pub use request::{
    CommitOffsets, DescribedGroup, DescribedMember, FetchedOffset, GroupConfig, GroupKind, GroupListing, GroupProtocol,
    GroupState, Heartbeat, JoinGroup, JoinedGroup, JoinedMember, LeaveGroup, LeavingMember, OffsetToCommit, SyncGroup,
    SyncedGroup,
};
pub(super) use shell::{Coordinator, now};
pub(super) use use_groups::check_not_a_querys;
