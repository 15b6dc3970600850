//! Heartbeat.

use super::context::Context;
use super::error_code::code_of_outcome;
use super::table::Answer;
use crate::broker::Heartbeat;
use crate::protocol::heartbeat;

impl Answer for heartbeat::Request {
    async fn answer(self, context: &Context) -> heartbeat::Response {
        let request = Heartbeat {
            group: self.group_id,
            member: self.member_id,
            instance: self.group_instance_id,
            generation: self.generation_id,
        };
        let outcome = context.broker().heartbeat(request).await;
        heartbeat::Response { error_code: code_of_outcome(&outcome), ..heartbeat::Response::default() }
    }
}
