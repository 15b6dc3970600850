//! Which APIs are answered, in which versions, by what.
//!
//! Adding one is its file, with an `Answer` for its request, and a line in `APIS`.

use std::future::Future;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use super::context::Context;
use super::fetch;
use super::produce;
use crate::protocol::Api;
use crate::protocol::Decoder;
use crate::protocol::Encoder;
use crate::protocol::PrimitiveError;
use crate::protocol::RequestHead;
use crate::protocol::add_offsets_to_txn;
use crate::protocol::add_partitions_to_txn;
use crate::protocol::alter_client_quotas;
use crate::protocol::alter_configs;
use crate::protocol::alter_partition_reassignments;
use crate::protocol::alter_replica_log_dirs;
use crate::protocol::alter_user_scram_credentials;
use crate::protocol::api_versions;
use crate::protocol::consumer_group_describe;
use crate::protocol::consumer_group_heartbeat;
use crate::protocol::create_acls;
use crate::protocol::create_partitions;
use crate::protocol::create_topics;
use crate::protocol::delete_acls;
use crate::protocol::delete_groups;
use crate::protocol::delete_records;
use crate::protocol::delete_topics;
use crate::protocol::describe_acls;
use crate::protocol::describe_client_quotas;
use crate::protocol::describe_cluster;
use crate::protocol::describe_configs;
use crate::protocol::describe_groups;
use crate::protocol::describe_log_dirs;
use crate::protocol::describe_producers;
use crate::protocol::describe_quorum;
use crate::protocol::describe_topic_partitions;
use crate::protocol::describe_transactions;
use crate::protocol::describe_user_scram_credentials;
use crate::protocol::elect_leaders;
use crate::protocol::end_txn;
use crate::protocol::find_coordinator;
use crate::protocol::frame;
use crate::protocol::heartbeat;
use crate::protocol::incremental_alter_configs;
use crate::protocol::init_producer_id;
use crate::protocol::join_group;
use crate::protocol::leave_group;
use crate::protocol::list_config_resources;
use crate::protocol::list_groups;
use crate::protocol::list_offsets;
use crate::protocol::list_partition_reassignments;
use crate::protocol::list_transactions;
use crate::protocol::metadata;
use crate::protocol::offset_commit;
use crate::protocol::offset_delete;
use crate::protocol::offset_fetch;
use crate::protocol::offset_for_leader_epoch;
use crate::protocol::sasl_authenticate;
use crate::protocol::sasl_handshake;
use crate::protocol::sync_group;
use crate::protocol::txn_offset_commit;
use crate::protocol::write_txn_markers;

/// All APIs, by their number.
pub(super) const APIS: &[ApiEntry] = &[
    produce::ENTRY,
    fetch::ENTRY,
    answered::<list_offsets::Request>(),
    answered::<metadata::Request>(),
    answered::<offset_commit::Request>(),
    answered::<offset_fetch::Request>(),
    answered::<find_coordinator::Request>(),
    answered::<join_group::Request>(),
    answered::<heartbeat::Request>(),
    answered::<leave_group::Request>(),
    answered::<sync_group::Request>(),
    answered::<describe_groups::Request>(),
    answered::<list_groups::Request>(),
    answered::<sasl_handshake::Request>(),
    answered::<api_versions::Request>(),
    answered::<create_topics::Request>(),
    answered::<delete_topics::Request>(),
    answered::<delete_records::Request>(),
    answered::<init_producer_id::Request>(),
    answered::<offset_for_leader_epoch::Request>(),
    answered::<add_partitions_to_txn::Request>(),
    answered::<add_offsets_to_txn::Request>(),
    answered::<end_txn::Request>(),
    answered::<write_txn_markers::Request>(),
    answered::<txn_offset_commit::Request>(),
    answered::<describe_acls::Request>(),
    answered::<create_acls::Request>(),
    answered::<delete_acls::Request>(),
    answered::<describe_configs::Request>(),
    answered::<alter_configs::Request>(),
    answered::<alter_replica_log_dirs::Request>(),
    answered::<describe_log_dirs::Request>(),
    answered::<sasl_authenticate::Request>(),
    answered::<create_partitions::Request>(),
    answered::<delete_groups::Request>(),
    answered::<elect_leaders::Request>(),
    answered::<incremental_alter_configs::Request>(),
    answered::<alter_partition_reassignments::Request>(),
    answered::<list_partition_reassignments::Request>(),
    answered::<offset_delete::Request>(),
    answered::<describe_client_quotas::Request>(),
    answered::<alter_client_quotas::Request>(),
    answered::<describe_user_scram_credentials::Request>(),
    answered::<alter_user_scram_credentials::Request>(),
    answered::<describe_quorum::Request>(),
    answered::<describe_cluster::Request>(),
    answered::<describe_producers::Request>(),
    answered::<describe_transactions::Request>(),
    answered::<list_transactions::Request>(),
    answered::<consumer_group_heartbeat::Request>(),
    answered::<consumer_group_describe::Request>(),
    answered::<list_config_resources::Request>(),
    answered::<describe_topic_partitions::Request>(),
];

/// A request that is answered.
pub(super) trait Answer: Api {
    /// Makes the answer.
    fn answer(self, context: &Context) -> impl Future<Output = Self::Response> + Send;
}

/// One API.
pub(super) struct ApiEntry {
    pub key: i16,
    pub name: &'static str,
    pub version_min: i16,
    pub version_max: i16,
    pub flexible_from: i16,
    /// Whether the next request may begin before this one is answered.
    pub overlaps: bool,
    /// Reads the request and begins it.
    pub call: fn(Context, RequestHead, Decoder) -> Begun,
    /// Only reads it.
    pub check: fn(&mut Decoder) -> Result<(), PrimitiveError>,
    /// Reads it and writes it again.
    pub rewrite: fn(Decoder) -> Result<Vec<u8>, PrimitiveError>,
}

/// A request that is being begun: an error if its bytes are no such request, else its answer, to be waited for.
pub(super) type Begun = BoxFuture<'static, Result<Pending, PrimitiveError>>;
/// An answer that is waited for.
pub(super) type Pending = BoxFuture<'static, Reply>;

/// What goes back to the client.
pub(super) enum Reply {
    /// A frame, and the room that it takes until it is sent.
    Frame { pieces: Vec<Bytes>, room: Option<OwnedSemaphorePermit> },
    /// Nothing: the client wants no answer.
    Nothing,
    /// The connection ends, in place of an answer that the client does not want.
    Close,
}

impl ApiEntry {
    pub(super) fn find(key: i16) -> Option<(usize, &'static ApiEntry)> {
        APIS.iter().enumerate().find(|(_, api)| api.key == key)
    }

    pub(super) fn takes(&self, version: i16) -> bool {
        (self.version_min..=self.version_max).contains(&version)
    }

    pub(super) fn is_flexible(&self, version: i16) -> bool {
        self.flexible_from <= version
    }

    pub(super) const fn of<A: Api>(overlaps: bool, call: fn(Context, RequestHead, Decoder) -> Begun) -> Self {
        Self {
            key: A::KEY,
            name: A::NAME,
            version_min: A::VERSION_MIN,
            version_max: A::VERSION_MAX,
            flexible_from: A::FLEXIBLE_FROM,
            overlaps,
            call,
            check: |decoder| A::decode(decoder).map(drop),
            rewrite: rewrite::<A>,
        }
    }
}

/// The request. As Kafka does it, bytes behind it are passed over: librdkafka leaves three in a Metadata of all topics.
pub(super) fn read<A: Api>(mut decoder: Decoder) -> Result<A, PrimitiveError> {
    A::decode(&mut decoder)
}

fn rewrite<A: Api>(decoder: Decoder) -> Result<Vec<u8>, PrimitiveError> {
    let mut encoder = Encoder::new(decoder.version(), decoder.flexible());
    read::<A>(decoder)?.encode(&mut encoder);
    Ok(encoder.finish().concat())
}

/// The frame of an answer.
pub(super) fn framed<A: Api>(head: RequestHead, response: &A::Response) -> Vec<Bytes> {
    frame(head, A::FLEXIBLE_FROM <= head.api_version, response)
}

const fn answered<A: Answer>() -> ApiEntry {
    ApiEntry::of::<A>(false, |context, head, decoder| {
        async move {
            let request = read::<A>(decoder)?;
            let response = request.answer(&context).await;
            let pieces = framed::<A>(head, &response);
            Ok(std::future::ready(Reply::Frame { pieces, room: None }).boxed())
        }
        .boxed()
    })
}

/// An API as the reference page lists it.
#[derive(Debug, Clone, Copy)]
pub struct ApiDescription {
    /// Its number.
    pub key: i16,
    /// Kafka's name of it.
    pub name: &'static str,
    /// The oldest version that is advertised.
    pub version_min: i16,
    /// The newest.
    pub version_max: i16,
    /// The first version with compact lengths; `i16::MAX` if there is none.
    pub flexible_from: i16,
    /// Reads the bytes of a request, as a connection does; an error if they are none.
    pub check: fn(&mut Decoder) -> Result<(), PrimitiveError>,
    /// Reads the bytes of a request and writes it again.
    pub rewrite: fn(Decoder) -> Result<Vec<u8>, PrimitiveError>,
}

/// The APIs that this door answers, by their number.
pub fn apis() -> Vec<ApiDescription> {
    let describe = |api: &ApiEntry| ApiDescription {
        key: api.key,
        name: api.name,
        version_min: api.version_min,
        version_max: api.version_max,
        flexible_from: api.flexible_from,
        check: api.check,
        rewrite: api.rewrite,
    };
    APIS.iter().map(describe).collect()
}
