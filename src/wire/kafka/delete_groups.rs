//! DeleteGroups.

use super::context::Context;
use super::error_code::code_of_outcome;
use super::table::Answer;
use crate::protocol::delete_groups;

impl Answer for delete_groups::Request {
    async fn answer(self, context: &Context) -> delete_groups::Response {
        let mut results = Vec::with_capacity(self.groups_names.len());
        for group_id in self.groups_names {
            let outcome = context.broker().delete_empty_group(&group_id).await;
            results.push(delete_groups::Deleted { group_id, error_code: code_of_outcome(&outcome) });
        }
        delete_groups::Response { results, ..delete_groups::Response::default() }
    }
}
