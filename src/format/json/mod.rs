//! JSON documents, read once from front to back into columns, or into a row's slots where that is not enough; and written.

mod coerce;
mod decode;
mod direct;
mod encode;
mod nested;
mod quick;
mod scan;

pub(super) use coerce::UTC;
pub(super) use decode::JsonColumns;
pub(super) use direct::DirectReader;
pub(super) use encode::JsonWriter;
pub use encode::json_of;
pub(super) use encode::write_value;
pub(super) use nested::read_text;
