//! DescribeCluster: the brokers.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::OPERATIONS_NOT_ASKED;
use super::declare::messages;

messages! {
    api DescribeCluster = 60, versions 0..=2, flexible 0;
    Request {
        include_cluster_authorized_operations: bool [0..],
        endpoint_type: i8 [1..] = 1,
        include_fenced_brokers: bool [2..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        endpoint_type: i8 [1..] = 1,
        cluster_id: String [0..],
        controller_id: i32 [0..] = -1,
        brokers: Vec<Broker> [0..],
        cluster_authorized_operations: i32 [0..] = OPERATIONS_NOT_ASKED,
    }
    Broker {
        broker_id: i32 [0..],
        host: String [0..],
        port: i32 [0..],
        rack: Option<String> [0..],
        is_fenced: bool [2..],
    }
}
