//! The broker's limits.

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
            groups: GroupConfig::default(),
        }
    }
}
