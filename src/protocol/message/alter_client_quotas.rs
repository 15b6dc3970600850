//! AlterClientQuotas: how much clients may ask for is changed.

#![expect(missing_docs, reason = "the fields are those of Kafka's message definitions, under their names")]

use super::ErrorCode;
use super::declare::messages;

messages! {
    api AlterClientQuotas = 49, versions 0..=1, flexible 1;
    Request {
        entries: Vec<Entry> [0..],
        validate_only: bool [0..],
    }
    Entry {
        entity: Vec<Entity> [0..],
        ops: Vec<Op> [0..],
    }
    Entity {
        entity_type: String [0..],
        entity_name: Option<String> [0..],
    }
    Op {
        key: String [0..],
        value: f64 [0..],
        remove: bool [0..],
    }
    Response {
        throttle_time_ms: i32 [0..],
        entries: Vec<EntryResult> [0..],
    }
    EntryResult {
        error_code: ErrorCode [0..],
        error_message: Option<String> [0..],
        entity: Vec<Entity> [0..],
    }
}
