//! DescribeCluster: this node.

use super::context::Context;
use super::metadata::CLUSTER_BITS;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::OPERATIONS_NOT_ASKED;
use crate::protocol::describe_cluster as message;
use message::Broker;
use message::Request;
use message::Response;

/// The kind of endpoint that clients are given; controllers have none of their own.
const BROKERS: i8 = 1;
/// See `BROKERS`.
const CONTROLLERS: i8 = 2;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let door = context.door();
        if self.endpoint_type != BROKERS {
            let error_message = Some("this door is a broker's".to_string());
            let error_code = match self.endpoint_type {
                CONTROLLERS => ErrorCode::MISMATCHED_ENDPOINT_TYPE,
                _ => ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
            };
            return Response { error_code, error_message, ..Response::default() };
        }
        let broker =
            Broker { broker_id: context.node_id(), host: door.host.clone(), port: door.port, ..Broker::default() };
        Response {
            cluster_id: door.config.cluster_id.clone(),
            controller_id: context.node_id(),
            brokers: vec![broker],
            cluster_authorized_operations: match self.include_cluster_authorized_operations {
                true => CLUSTER_BITS,
                false => OPERATIONS_NOT_ASKED,
            },
            ..Response::default()
        }
    }
}
