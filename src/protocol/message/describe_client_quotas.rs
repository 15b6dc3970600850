//! DescribeClientQuotas: how much clients may ask for.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api DescribeClientQuotas = 48, versions 0..=1, flexible 1;
    Request {
        components: Vec<Component> [0..],
        strict: bool [0..],
    }
    Component {
        entity_type: String [0..],
        match_type: i8 [0..],
        match_name: Option<String> [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        entries: Option<Vec<Entry>> [0..],
    }
    Entry {
        entity: Vec<Entity> [0..],
        values: Vec<Value> [0..],
    }
    Entity {
        entity_type: String [0..],
        entity_name: Option<String> [0..],
    }
    Value {
        key: String [0..],
        value: f64 [0..],
    }
}
