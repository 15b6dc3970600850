//! ListConfigResources: topics and this node have settings of their own.

use super::config_value::BROKER;
use super::config_value::BROKER_LOGGER;
use super::config_value::CLIENT_METRICS;
use super::config_value::GROUP;
use super::config_value::TOPIC;
use super::context::Context;
use super::table::Answer;
use crate::protocol::ErrorCode;
use crate::protocol::list_config_resources as message;
use crate::security::Operation;
use message::ConfigResource;
use message::Request;
use message::Response;

/// Before, client metrics were asked for, of which there are none.
const TYPES_FROM: i16 = 1;
/// What Kafka lists.
const KNOWN: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        if context.version < TYPES_FROM {
            return Response::default();
        }
        if self.resource_types.iter().any(|kind| !KNOWN.contains(kind)) {
            return Response { error_code: ErrorCode::UNSUPPORTED_VERSION, ..Response::default() };
        }
        let is_wanted = |kind: i8| self.resource_types.is_empty() || self.resource_types.contains(&kind);
        let mut config_resources = Vec::new();
        if is_wanted(TOPIC) {
            let metadata = context.broker().metadata();
            let names = metadata.topics().map(|topic| topic.name.clone());
            let names = names.filter(|name| context.broker().may(Operation::Read, name));
            config_resources.extend(names.map(|resource_name| ConfigResource { resource_name, resource_type: TOPIC }));
        }
        if is_wanted(BROKER) {
            let resource_name = context.node_id().to_string();
            config_resources.push(ConfigResource { resource_name, resource_type: BROKER });
        }
        Response { config_resources, ..Response::default() }
    }
}
