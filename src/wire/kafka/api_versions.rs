//! ApiVersions: the table of what this door answers.

use super::context::Context;
use super::table::APIS;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::api_versions as message;
use message::ApiVersion;
use message::FinalizedFeature;
use message::Request;
use message::Response;
use message::SupportedFeature;

/// From here on a client tells its name and version.
const NAMES_FROM: i16 = 3;
/// From here on a supported feature may have the level 0.
const LEVEL_0_FROM: i16 = 4;
/// The feature of the consumer protocol.
const GROUP_VERSION: &str = "group.version";

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let named = is_name(&self.client_software_name) && is_name(&self.client_software_version);
        if NAMES_FROM <= context.version && !named {
            return Response { error_code: ErrorCode::INVALID_REQUEST, ..Response::default() };
        }
        tracing::debug!(
            name = self.client_software_name,
            version = self.client_software_version,
            "a client said hello"
        );
        Response { api_keys: versions(), ..features(context.version) }
    }
}

/// What the brokers agreed on: groups of the consumer protocol (KIP-848). That a feature could also be off (its level 0)
/// is told to those only who do not take it for an error.
fn features(version: i16) -> Response {
    let supported = SupportedFeature { name: GROUP_VERSION.to_string(), min_version: 0, max_version: 1 };
    let finalized = FinalizedFeature { name: GROUP_VERSION.to_string(), max_version_level: 1, min_version_level: 1 };
    Response {
        supported_features: if LEVEL_0_FROM <= version { vec![supported] } else { Vec::new() },
        finalized_features_epoch: 0,
        finalized_features: vec![finalized],
        ..Response::default()
    }
}

/// What a client is told whose version of the question is not known: the versions, in the oldest form (KIP-511).
pub(super) fn of_unknown_version() -> Response {
    Response { error_code: ErrorCode::UNSUPPORTED_VERSION, api_keys: versions(), ..Response::default() }
}

fn versions() -> Vec<ApiVersion> {
    let version = |api: &super::table::ApiEntry| ApiVersion {
        api_key: api.key,
        min_version: api.version_min,
        max_version: api.version_max,
    };
    APIS.iter().map(version).collect()
}

/// Kafka's rule: letters and digits at both ends, dots and dashes between.
fn is_name(text: &str) -> bool {
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    is_end(text.bytes().next()) && is_end(text.bytes().next_back()) && text.bytes().all(is_inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kafka_takes() {
        for name in ["librdkafka", "2.0.2", "a", "apache-kafka-java"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", "a-", "a b", "a_b", "é"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn keys_rise_and_each_is_there_once() {
        let versions = versions();
        assert!(versions.windows(2).all(|pair| pair[0].api_key < pair[1].api_key));
        assert!(versions.iter().all(|api| api.min_version <= api.max_version));
        let produce = versions.iter().find(|api| api.api_key == 0).expect("Produce is there");
        assert_eq!(produce.min_version, 0, "older librdkafka stops compressing without it");
    }
}
