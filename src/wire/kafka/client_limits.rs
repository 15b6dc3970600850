//! DescribeClientQuotas, AlterClientQuotas, DescribeUserScramCredentials, AlterUserScramCredentials: no client has a quota, and none
//! has to prove who it is. There is nothing to tell and nothing to take away, and nothing can be given.

use std::collections::BTreeMap;

use super::context::Context;
use super::error_code::Refusal;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::alter_client_quotas;
use crate::protocol::alter_user_scram_credentials;
use crate::protocol::describe_client_quotas;
use crate::protocol::describe_user_scram_credentials;

/// The numbers of SCRAM-SHA-256 and SCRAM-SHA-512.
const SCRAM_MECHANISMS: std::ops::RangeInclusive<i8> = 1..=2;

impl Answer for describe_client_quotas::Request {
    async fn answer(self, _: &Context) -> describe_client_quotas::Response {
        describe_client_quotas::Response { entries: Some(Vec::new()), ..Default::default() }
    }
}

impl Answer for alter_client_quotas::Request {
    async fn answer(self, _: &Context) -> alter_client_quotas::Response {
        let altered = |entry: alter_client_quotas::Entry| {
            let message = match entry.entity.is_empty() {
                true => Some("the entity is empty"),
                false => entry.ops.iter().any(|op| !op.remove).then_some("there are no quotas on this server"),
            };
            alter_client_quotas::EntryResult {
                error_code: if message.is_some() { ErrorCode::INVALID_REQUEST } else { ErrorCode::NONE },
                error_message: message.map(str::to_string),
                entity: entry.entity,
            }
        };
        let entries = self.entries.into_iter().map(altered).collect();
        alter_client_quotas::Response { entries, ..Default::default() }
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

impl Answer for alter_user_scram_credentials::Request {
    async fn answer(self, _: &Context) -> alter_user_scram_credentials::Response {
        // A user is told once, of what is refused first.
        let mut refused: BTreeMap<String, Refusal> = BTreeMap::new();
        for deletion in self.deletions {
            let refusal = match () {
                () if deletion.name.is_empty() => no_name(),
                () if !SCRAM_MECHANISMS.contains(&deletion.mechanism) => no_mechanism(),
                () => Refusal::new(ErrorCode::RESOURCE_NOT_FOUND, "the user has no credentials"),
            };
            refused.entry(deletion.name).or_insert(refusal);
        }
        for upsertion in self.upsertions {
            let refusal = if upsertion.name.is_empty() { no_name() } else { no_mechanism() };
            refused.entry(upsertion.name).or_insert(refusal);
        }
        let result = |(user, Refusal { code: error_code, message })| alter_user_scram_credentials::UserResult {
            user,
            error_code,
            error_message: Some(message),
        };
        alter_user_scram_credentials::Response {
            results: refused.into_iter().map(result).collect(),
            ..Default::default()
        }
    }
}

fn no_name() -> Refusal {
    Refusal::new(ErrorCode::UNACCEPTABLE_CREDENTIAL, "the user's name is empty")
}

fn no_mechanism() -> Refusal {
    Refusal::new(ErrorCode::UNSUPPORTED_SASL_MECHANISM, "clients of this server do not authenticate with SCRAM")
}
