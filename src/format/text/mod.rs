//! Values as PostgreSQL prints them and reads them: COPY, text parameters, text results.

mod array;
mod fields;
mod interval;
mod interval_in;
mod parse;
mod rows;
#[cfg(test)]
mod tests;
mod write;

pub use fields::datetime_error;
pub use interval::interval_text;
pub use interval_in::Span;
pub use parse::instant_of_local;
pub use parse::parse_bytes;
pub use parse::parse_date;
pub(super) use parse::parse_slot;
pub use parse::parse_time;
pub use parse::parse_timestamp;
pub use parse::parse_timestamp_tz;
pub use parse::read;
pub use parse::read_double;
pub use rows::RowError;
pub use rows::RowsBuilder;
pub use write::write;
