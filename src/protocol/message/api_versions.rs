//! ApiVersions: which versions of which APIs a broker speaks.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api ApiVersions = 18, versions 0..=4, flexible 3;
    Request {
        client_software_name: String [3..],
        client_software_version: String [3..],
    }
    Response {
        error_code: ErrorCode [0..],
        api_keys: Vec<ApiVersion> [0..],
        throttle_time_ms: i32 [1..],
        supported_features: Vec<SupportedFeature> [tag 0, 3..],
        finalized_features_epoch: i64 [tag 1, 3..] = -1,
        finalized_features: Vec<FinalizedFeature> [tag 2, 3..],
        zk_migration_ready: bool [tag 3, 3..],
    }
    ApiVersion {
        api_key: i16 [0..],
        min_version: i16 [0..],
        max_version: i16 [0..],
    }
    SupportedFeature {
        name: String [3..],
        min_version: i16 [3..],
        max_version: i16 [3..],
    }
    FinalizedFeature {
        name: String [3..],
        max_version_level: i16 [3..],
        min_version_level: i16 [3..],
    }
}
