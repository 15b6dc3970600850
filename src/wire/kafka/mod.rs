//! The Kafka door: frames in, answers out in the order of their requests.
//!
//! One file per API, and one line in `table`. What a message looks like is `protocol`'s; what it does is `broker`'s.
//!
//! Invariants:
//!   * a frame is read only as far as its bytes come; large ones wait for room that all connections share
//!   * requests of a connection are done one after the other, as Kafka does them; only appends overlap: they are made in
//!     order, and wait for their flushes together
//!   * a client that sends what is no request, or does not take its answers, loses its connection and harms nobody else

mod acls;
mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod api_versions;
mod client_limits;
mod config_value;
mod connection;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod context;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod end_txn;
mod error_code;
mod fetch;
mod fetch_session;
mod find_coordinator;
mod frame;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod placement;
mod produce;
mod sasl;
mod server;
mod sync_group;
mod table;
mod txn_offset_commit;
mod write_txn_markers;

pub use server::KafkaServer;
pub use server::KafkaServerConfig;
pub use table::ApiDescription;
pub use table::apis;
