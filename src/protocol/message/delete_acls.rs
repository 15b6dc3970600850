//! DeleteAcls: takes back what CreateAcls said.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DeleteAcls = 31, versions 1..=3, flexible 2;
    Request {
        filters: Vec<Filter> [0..],
    }
    Filter {
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
        filter_results: Vec<FilterResult> [0..],
    }
    FilterResult {
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        matching_acls: Vec<MatchingAcl> [0..],
    }
    MatchingAcl {
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        resource_type: i8 [0..],
        resource_name: String [0..],
        pattern_type: i8 [1..] = 3,
        principal: String [0..],
        host: String [0..],
        operation: i8 [0..],
        permission_type: i8 [0..],
    }
}
