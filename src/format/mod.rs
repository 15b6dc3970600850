//! Bytes to Arrow and back: the formats of records, our own codecs of state, and PostgreSQL's text of values.
//!
//! A batch of records becomes columns in one go; a record that cannot be read is reported alone and never
//! touches its neighbours. Pure functions over values: no I/O, no catalog, no clock.

mod cells;
mod codec;
mod column_builder;
mod decoder;
mod delimited;
#[cfg(test)]
mod direct_tests;
mod encoder;
mod error;
mod event_time;
mod half;
mod ipc;
mod json;
mod kafka;
mod named_zone;
mod nested;
#[cfg(test)]
mod nested_tests;
mod number;
mod options;
mod partial_time;
mod pattern;
mod pattern_field;
mod pattern_read;
mod pattern_write;
mod record;
#[cfg(test)]
mod tests;
pub mod text;
mod times;
mod uuid;
mod value;

pub use codec::KeyWriter;
pub use codec::RowKeys;
pub use codec::RowValues;
pub use decoder::Decoder;
pub use encoder::Encoder;
pub use error::FormatError;
pub use event_time::EventTimeColumn;
pub use ipc::decode_slice;
pub use ipc::encode_slice;
pub use ipc::schema_id;
pub use json::Document;
pub use json::DocumentKind;
pub use json::check as check_document;
pub use json::json_of;
pub use json::normal as normal_document;
pub use json::text_of as text_of_document;
pub use json::write_string as write_json_string;
pub use named_zone::NamedZone;
pub use number::DecimalFault;
pub use number::decimal_of_text;
pub use number::java_double;
pub use options::CodecOptions;
pub use options::FormatSpec;
pub use options::NameMatch;
pub use options::TimeStyle;
pub use options::WindowKeySize;
pub use options::WrapSingle;
pub use partial_time::days_of_partial_date;
pub use partial_time::micros_of_clock;
pub use partial_time::micros_of_partial_time;
pub use partial_time::millis_of_partial_time;
pub use pattern::Pattern;
pub use pattern_field::DAYS;
pub use pattern_field::MONTHS;
pub use record::BadRecord;
pub use record::Decoded;
pub use record::EncodedRows;
pub use record::RawRecord;
pub use record::RowOp;
pub use times::Twice;
pub use uuid::canonical_uuid;
pub use uuid::uuid_bytes;
pub use uuid::uuid_text;
