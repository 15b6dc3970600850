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
/// What the brokers agreed on, with the levels that are understood and the one that counts: groups of the consumer protocol
/// (KIP-848), and transactions that have an epoch each (KIP-890).
const FEATURES: [Feature; 2] = [
    Feature { name: "group.version", level_max: 1, level: 1 },
    Feature { name: "transaction.version", level_max: 2, level: 2 },
];
/// How often the levels changed from release to release. A client that stays while a server is exchanged for a newer one takes
/// over what has a greater number.
const FEATURES_EPOCH: i64 = 1;

struct Feature {
    name: &'static str,
    level_max: i16,
    level: i16,
}

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

/// The features. That one could also be off (its level 0) is told to those only who do not take it for an error.
fn features(version: i16) -> Response {
    let supported = FEATURES.map(|Feature { name, level_max, .. }| SupportedFeature {
        name: name.to_string(),
        min_version: 0,
        max_version: level_max,
    });
    let finalized = FEATURES.map(|Feature { name, level, .. }| FinalizedFeature {
        name: name.to_string(),
        max_version_level: level,
        min_version_level: level,
    });
    Response {
        supported_features: if LEVEL_0_FROM <= version { supported.to_vec() } else { Vec::new() },
        finalized_features_epoch: FEATURES_EPOCH,
        finalized_features: finalized.to_vec(),
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
