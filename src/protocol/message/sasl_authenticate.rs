//! SaslAuthenticate: a client proves who it is.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use bytes::Bytes;

use super::ErrorCode;
use super::declare::messages;

messages! {
    api SaslAuthenticate = 36, versions 0..=2, flexible 2;
    Request {
        auth_bytes: Bytes [0..],
    }
    Response {
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        auth_bytes: Bytes [0..],
        session_lifetime_ms: i64 [1..],
    }
}
