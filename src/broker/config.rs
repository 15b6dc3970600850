//! The broker's limits.

use std::time::Duration;

use super::GroupConfig;

/// What a broker is opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Partitions of `__consumer_offsets` and `__transaction_state`, when they are made.
    pub coordinator_partitions: i32,
    /// The greatest producer epoch used; after it comes a new producer id.
    pub producer_epoch_max: i16,
    /// How many producer ids are taken from the metadata at once.
    pub producer_ids_block: u16,
    /// Commits of one transactional id that may wait or run.
    pub commits_waiting_max: usize,
    /// How often markers of a durable commit are tried before the process is told to end.
    pub marker_tries_max: u32,
    /// The longest timeout that a client may have for its transactions, in ms.
    pub transaction_timeout_max_ms: i32,
    /// Transactional ids of clients that may be there.
    pub transactional_ids_max: usize,
    /// How long a transactional id that nobody uses is kept.
    pub transactional_id_retention: Duration,
    /// Limits of groups.
    pub groups: GroupConfig,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            coordinator_partitions: 16,
            producer_epoch_max: i16::MAX - 1,
            producer_ids_block: 1000,
            commits_waiting_max: 64,
            marker_tries_max: 100,
            transaction_timeout_max_ms: 15 * 60 * 1000,
            transactional_ids_max: 100_000,
            transactional_id_retention: Duration::from_hours(7 * 24),
            groups: GroupConfig::default(),
        }
    }
}
