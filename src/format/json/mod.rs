//! JSON documents, read once from front to back into columns, or into a row's slots where that is not enough; and written.

mod coerce;
mod decode;
mod direct;
mod document;
mod encode;
mod nested;
mod normal;
mod quick;
mod scan;

pub(super) use coerce::UTC;
pub(super) use decode::JsonColumns;
pub(super) use direct::DirectReader;
pub use document::Document;
pub use document::DocumentKind;
pub(super) use encode::JsonWriter;
pub use encode::json_of;
pub use encode::write_string;
pub(super) use encode::write_value;
pub(super) use nested::read_text;
pub use normal::check;
pub use normal::normal;
pub use normal::text_of;
