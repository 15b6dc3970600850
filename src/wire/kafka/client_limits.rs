//! DescribeClientQuotas, DescribeUserScramCredentials: no client has a quota, and none has to prove who it is, so there is nothing
//! to tell. What would give one is not answered, and clients say that the server does not support it.

use super::context::Context;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::describe_client_quotas;
use crate::protocol::describe_user_scram_credentials;

impl Answer for describe_client_quotas::Request {
    async fn answer(self, _: &Context) -> describe_client_quotas::Response {
        describe_client_quotas::Response { entries: Some(Vec::new()), ..Default::default() }
    }
}

impl Answer for describe_user_scram_credentials::Request {
    async fn answer(self, _: &Context) -> describe_user_scram_credentials::Response {
        let unknown = |user: describe_user_scram_credentials::UserName| describe_user_scram_credentials::UserResult {
            user: user.name,
            error_code: ErrorCode::RESOURCE_NOT_FOUND,
            error_message: Some("the user has no credentials".to_string()),
            ..Default::default()
        };
        let results = self.users.unwrap_or_default().into_iter().map(unknown).collect();
        describe_user_scram_credentials::Response { results, ..Default::default() }
    }
}
