//! SaslHandshake, SaslAuthenticate: no client has to prove who it is, so there is nothing to begin. A Kafka broker's listener
//! without SASL says the same, and the connection goes on.

use super::context::Context;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::sasl_authenticate;
use crate::protocol::sasl_handshake;

const ERROR: ErrorCode = ErrorCode::ILLEGAL_SASL_STATE;

impl Answer for sasl_handshake::Request {
    async fn answer(self, _: &Context) -> sasl_handshake::Response {
        sasl_handshake::Response { error_code: ERROR, mechanisms: Vec::new() }
    }
}

impl Answer for sasl_authenticate::Request {
    async fn answer(self, _: &Context) -> sasl_authenticate::Response {
        let error_message = Some("clients of this listener do not authenticate".to_string());
        sasl_authenticate::Response { error_code: ERROR, error_message, ..Default::default() }
    }
}
