//! SaslHandshake: how a client wants to prove who it is.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api SaslHandshake = 17, versions 0..=1, flexible none;
    Request {
        mechanism: String [0..],
    }
    Response {
        error_code: ErrorCode [0..],
        mechanisms: Vec<String> [0..],
    }
}
