//! FindCoordinator: a node alone keeps every group and every transactional id.

use super::context::Context;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::find_coordinator as message;
use message::Coordinator;
use message::Request;
use message::Response;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// From here on a request may ask for several.
const MANY_FROM: i16 = 4;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let is_known = matches!(self.key_type, GROUP | TRANSACTION);
        let error_code = if is_known { ErrorCode::NONE } else { ErrorCode::INVALID_REQUEST };
        let (node_id, host, port) = match is_known {
            true => (context.node_id(), context.door().host.clone(), context.door().port),
            false => (-1, String::new(), -1),
        };
        if context.version < MANY_FROM {
            return Response { error_code, node_id, host, port, ..Response::default() };
        }
        let coordinator = |key| Coordinator { key, node_id, host: host.clone(), port, error_code, error_message: None };
        Response { coordinators: self.coordinator_keys.into_iter().map(coordinator).collect(), ..Response::default() }
    }
}
