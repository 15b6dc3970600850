//! DescribeUserScramCredentials: how users prove who they are.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DescribeUserScramCredentials = 50, versions 0..=0, flexible 0;
    Request {
        users: Option<Vec<UserName>> [0..],
    }
    UserName {
        name: String [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        results: Vec<UserResult> [0..],
    }
    UserResult {
        user: String [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        credential_infos: Vec<CredentialInfo> [0..],
    }
    CredentialInfo {
        mechanism: i8 [0..],
        iterations: i32 [0..],
    }
}
