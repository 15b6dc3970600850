//! Our own bytes of keys and rows, stable on disk: `docs/design/0003-row-and-key-codecs.md` draws them.
//!
//! Invariants:
//!   * the bytes of two keys compare as the keys do, column by column, nulls first
//!   * keys that are equal as SQL values have equal bytes (`-0.0` is `0.0`, every NaN is one NaN)
//!   * no bytes make a decoder panic or allocate more than a small multiple of their length

mod key;
mod nested;
mod row;
#[cfg(test)]
mod tests;

pub use key::KeyWriter;
pub use key::RowKeys;
pub use row::RowValues;
