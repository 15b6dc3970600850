//! DescribeAcls: who may do what.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DescribeAcls = 29, versions 1..=3, flexible 2;
    Request {
        resource_type_filter: i8 [0..],
        resource_name_filter: Option<String> [0..],
        pattern_type_filter: i8 [1..] = 3,
        principal_filter: Option<String> [0..],
        host_filter: Option<String> [0..],
        operation: i8 [0..],
        permission_type: i8 [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        resources: Vec<Resource> [0..],
    }
    Resource {
        resource_type: i8 [0..],
        resource_name: String [0..],
        pattern_type: i8 [1..] = 3,
        acls: Vec<Acl> [0..],
    }
    Acl {
        principal: String [0..],
        host: String [0..],
        operation: i8 [0..],
        permission_type: i8 [0..],
    }
}
