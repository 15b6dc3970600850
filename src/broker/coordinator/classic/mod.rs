//! The classic group protocol: the clients share out the partitions, the coordinator says who is in which generation.
//!
//! Members join; when all known ones have, or time is up, a generation begins: it has one leader, who is told all members
//! and brings the shares; they are written before anybody gets one. A member that is silent for its session timeout, or
//! leaves, starts the next generation, and so does one that joins.
//!
//! Invariants:
//!   * the join answers of one generation name one leader and one protocol, which all its members know
//!   * a share is handed out only after the record that holds it is durable
//!   * a waiting join or sync is answered: by the next generation, the shares, or the reason why there are none

mod group;
mod join;
mod leave;
mod member;
mod rebalance;
mod static_member;
mod sync;

#[cfg(test)]
mod tests;

pub(super) use group::ClassicGroup;
