//! The consumer group protocol (KIP-848): the coordinator shares out the partitions, and each member goes from what it has
//! to its target by itself, while the others read on.
//!
//! The group's epoch rises with each change of its members, their subscriptions, or the topics these name; then a target
//! for every member is computed. A member that is to give partitions back stays in its epoch until it says that it did; one
//! that is to get partitions gets those that nobody has.
//!
//! State is what the records say: a step makes records, they are applied at once, and members are answered when they are
//! durable. What the log refuses is undone by the records of before.
//!
//! Invariants:
//!   * what members were told that they may read, and what they have yet to give back, is of one member each
//!   * a member's epoch never goes back while it is a member, and is at most the group's
//!   * an answer is given when all that it builds on is durable

mod assign;
mod classic_member;
mod describe;
mod embedded;
mod group;
mod heartbeat;
mod leave;
mod member;
mod reconcile;
mod refresh;
mod topics;

#[cfg(test)]
mod assign_tests;
#[cfg(test)]
mod classic_member_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub(super) use classic_member::CONSUMER;
pub(super) use group::Changes;
pub(super) use group::ConsumerGroup;
pub(in crate::broker) use topics::Topics;
