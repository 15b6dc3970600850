//! Kafka's messages, one module per API: `Request`, `Response` and what stands in them, with Kafka's own names.
//!
//! Adding an API is one file with a table of its fields and a line here. Who answers which API, and in which versions, is
//! `wire`'s to say.

mod codec;
mod declare;
mod error_code;
mod frame;

pub mod add_offsets_to_txn;
pub mod add_partitions_to_txn;
pub mod alter_client_quotas;
pub mod alter_configs;
pub mod alter_partition_reassignments;
pub mod alter_replica_log_dirs;
pub mod alter_user_scram_credentials;
pub mod api_versions;
pub mod consumer_group_describe;
pub mod consumer_group_heartbeat;
pub mod create_acls;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_acls;
pub mod delete_groups;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_acls;
pub mod describe_client_quotas;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod describe_producers;
pub mod describe_quorum;
pub mod describe_topic_partitions;
pub mod describe_transactions;
pub mod describe_user_scram_credentials;
pub mod elect_leaders;
pub mod end_txn;
pub mod fetch;
pub mod find_coordinator;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
pub mod leave_group;
pub mod list_config_resources;
pub mod list_groups;
pub mod list_offsets;
pub mod list_partition_reassignments;
pub mod list_transactions;
pub mod metadata;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod sasl_authenticate;
pub mod sasl_handshake;
pub mod sync_group;
pub mod txn_offset_commit;
pub mod write_txn_markers;

#[cfg(test)]
mod tests;

pub use codec::{Api, Decoder, Encoder, Pieces, Wire};
pub use error_code::ErrorCode;
pub use frame::{RequestHead, RequestHeader, frame, request_frame};

use declare::messages;

/// In place of a bit field of operations that the principal may do: they were not asked for.
pub const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

messages! {
    /// Who leads a partition, told with an error that says that it moved (KIP-951).
    CurrentLeader {
        /// The node; -1 if it is not known.
        leader_id: i32 [0..] = -1,
        /// Its epoch; -1 if it is not known.
        leader_epoch: i32 [0..] = -1,
    }
    /// Where a node listens.
    NodeEndpoint {
        /// The node.
        node_id: i32 [0..],
        /// Its host.
        host: String [0..],
        /// Its port.
        port: i32 [0..],
        /// Its rack.
        rack: Option<String> [0..],
    }
}
