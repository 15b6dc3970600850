//! Coordinators as pure state: what a group or a transaction may do next, and the records that say so.
//!
//! `step(now, event)` decides and returns what is to be written; `replay` applies what was written. Neither does I/O, so
//! state after a restart is the replay of the two internal topics, in Kafka's own record formats.

mod classic;
mod client_transaction;
mod consumer;
mod consumer_record;
mod event;
#[cfg(test)]
mod fuzz_tests;
mod group_record;
mod groups;
mod offset_record;
mod tags;
mod transaction;
mod transaction_record;

pub(super) use client_transaction::{ClientEffect, ClientEvent, ClientTransaction, Stamp};
pub(super) use consumer::Topics;
pub(super) use event::{GroupEffect, GroupEvent, Now, Reply, WriteId};
pub(super) use groups::{Groups, offset_key};
pub(super) use offset_record::{GroupRecord, OffsetValue};
pub(super) use transaction::{Effect, Event, Transaction};
pub(super) use transaction_record::{Status, TransactionRecord};

use crate::protocol::java_string_hash;

/// The partition of a coordinator's topic that holds `name`, as Kafka's coordinators compute it.
pub(super) fn coordinator_partition(name: &str, partitions: i32) -> i32 {
    // Java's Math.abs with the one value that has no positive counterpart sent to 0.
    java_string_hash(name).checked_abs().unwrap_or(0) % partitions
}

/// The text of a random UUID, of 16 random bytes.
pub(super) fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

/// One record of a coordinator's topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CoordinatorRecord {
    pub key: Vec<u8>,
    /// `None` deletes the key.
    pub value: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_is_that_of_kafkas_coordinators() {
        // "polygenelubricants".hashCode() == Integer.MIN_VALUE, the case that Math.abs gets wrong.
        assert_eq!(coordinator_partition("polygenelubricants", 50), 0);
        assert_eq!(coordinator_partition("a", 50), 97 % 50);
    }
}
