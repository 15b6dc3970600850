//! AlterUserScramCredentials: how users prove who they are is changed.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use bytes::Bytes;

use super::ErrorCode;
use super::declare::messages;

messages! {
    api AlterUserScramCredentials = 51, versions 0..=0, flexible 0;
    Request {
        deletions: Vec<Deletion> [0..],
        upsertions: Vec<Upsertion> [0..],
    }
    Deletion {
        name: String [0..],
        mechanism: i8 [0..],
    }
    Upsertion {
        name: String [0..],
        mechanism: i8 [0..],
        iterations: i32 [0..],
        salt: Bytes [0..],
        salted_password: Bytes [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        results: Vec<UserResult> [0..],
    }
    UserResult {
        user: String [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
    }
}
