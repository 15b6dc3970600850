//! JSON documents, read once from front to back straight into a row's slots, and written.

mod coerce;
mod decode;
mod encode;
mod nested;
mod scan;

pub(super) use coerce::UTC;
pub(super) use decode::JsonColumns;
pub(super) use encode::JsonWriter;
pub use encode::json_of;
pub(super) use encode::write_value;
pub(super) use nested::read_text;
