//! DescribeAcls, CreateAcls, DeleteAcls: nobody has to prove who they are yet, so there is nothing to list, and a rule would
//! guard nothing. A Kafka broker without an authorizer says the same, and clients know what to make of it.

use super::context::Context;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::create_acls;
use crate::protocol::delete_acls;
use crate::protocol::describe_acls;

const ERROR: ErrorCode = ErrorCode::SECURITY_DISABLED;

fn message() -> Option<String> {
    Some("there are no access rules on this server".to_string())
}

impl Answer for describe_acls::Request {
    async fn answer(self, _: &Context) -> describe_acls::Response {
        describe_acls::Response { error_code: ERROR, error_message: message(), ..Default::default() }
    }
}

impl Answer for create_acls::Request {
    async fn answer(self, _: &Context) -> create_acls::Response {
        let refused = |_| create_acls::CreationResult { error_code: ERROR, error_message: message() };
        create_acls::Response { results: self.creations.into_iter().map(refused).collect(), ..Default::default() }
    }
}

impl Answer for delete_acls::Request {
    async fn answer(self, _: &Context) -> delete_acls::Response {
        let refused =
            |_| delete_acls::FilterResult { error_code: ERROR, error_message: message(), ..Default::default() };
        delete_acls::Response { filter_results: self.filters.into_iter().map(refused).collect(), ..Default::default() }
    }
}
