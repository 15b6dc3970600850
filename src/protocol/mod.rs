//! Kafka's bytes: the record batch v2 codec, its messages and their primitive types, its hashes.
//!
//! Everything here is bounded: a length or count that a sender claims is compared with the bytes that are
//! there before anything is reserved for it, what unpacks is counted while it does, and malformed input is an error,
//! never a panic.
//!
//! Invariants:
//!   * a `Batch` has a whole header, the length it claims, magic 2, a right CRC and a plausible record count
//!   * nothing but base offset and leader epoch of a checked batch is ever changed, and both lie outside the CRC
//!
//! Not here: what a batch means for a partition (`log`), who answers a message (`wire`).

mod batch;
mod builder;
mod compression;
mod consumer;
mod control;
mod error;
mod hash;
mod header;
mod message;
mod primitive;
mod record;
mod retain;
mod varint;

#[cfg(test)]
mod tests;

pub use batch::{Batch, BatchLimits, Payload, Split, TimestampRange};
pub use builder::{BatchBuilder, ProducerStamp, Transactional};
pub use compression::{CompressionError, DECOMPRESSED_BYTES_MAX, Packing};
pub use consumer::assigned_partitions;
pub use control::{Control, ControlMarker, control_batch, mark_batch};
pub use error::{BatchError, RecordError};
pub use hash::{java_string_hash, murmur2, partition_for_key};
pub use header::{Attributes, BatchHeader, Codec, HEADER_SIZE, TimestampType};
pub use message::{
    Api, CurrentLeader, Decoder, Encoder, ErrorCode, NodeEndpoint, OPERATIONS_NOT_ASKED, Pieces, RequestHead,
    RequestHeader, Wire, frame, request_frame,
};
pub use message::{
    add_offsets_to_txn, add_partitions_to_txn, alter_client_quotas, alter_configs, alter_partition_reassignments,
    alter_replica_log_dirs, alter_user_scram_credentials, api_versions, consumer_group_describe,
    consumer_group_heartbeat, create_acls, create_partitions, create_topics, delete_acls, delete_groups,
    delete_records, delete_topics, describe_acls, describe_client_quotas, describe_cluster, describe_configs,
    describe_groups, describe_log_dirs, describe_producers, describe_quorum, describe_topic_partitions,
    describe_transactions, describe_user_scram_credentials, elect_leaders, end_txn, fetch, find_coordinator, heartbeat,
    incremental_alter_configs, init_producer_id, join_group, leave_group, list_config_resources, list_groups,
    list_offsets, list_partition_reassignments, list_transactions, metadata, offset_commit, offset_delete,
    offset_fetch, offset_for_leader_epoch, produce, sasl_authenticate, sasl_handshake, sync_group, txn_offset_commit,
    write_txn_markers,
};
pub use primitive::{PrimitiveError, Reader, Writer};
pub use record::{Headers, OwnedHeaders, Record, Records};
pub use retain::Retain;
pub use varint::{VarintError, read_i64 as read_varint, write_i64 as write_varint};
