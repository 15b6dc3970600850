//! DeleteGroups.

use super::context::Context;
use super::error_code::code_of_outcome;
use super::table::Answer;
use crate::protocol::delete_groups::Deleted;
use crate::protocol::delete_groups::Request;
use crate::protocol::delete_groups::Response;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let mut results = Vec::with_capacity(self.groups_names.len());
        for group_id in self.groups_names {
            let outcome = context.broker().delete_empty_group(&group_id).await;
            results.push(Deleted { group_id, error_code: code_of_outcome(&outcome) });
        }
        Response { results, ..Response::default() }
    }
}
