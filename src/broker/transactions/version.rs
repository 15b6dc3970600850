//! How a client's transactions are made.

/// The level of Kafka's feature `transaction.version` that a client's call belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransactionVersion {
    /// Levels 0 and 1: the client has partitions added before it writes, and keeps its epoch from one transaction to the next.
    #[default]
    One,
    /// Level 2 (KIP-890): what it writes adds the partition, and the end of every transaction gives it another epoch.
    Two,
}
