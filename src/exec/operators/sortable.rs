//! Numbers in the keys of state: 8 bytes, big endian, the sign bit turned over, so that bytes sort as numbers do.

/// Bytes of a number.
pub const NUMBER_BYTES: usize = 8;

/// A number's bytes.
pub fn sortable(number: i64) -> [u8; NUMBER_BYTES] {
    (number.cast_unsigned() ^ 1 << 63).to_be_bytes()
}

/// The number of bytes that `sortable` made.
pub fn number(bytes: [u8; NUMBER_BYTES]) -> i64 {
    (u64::from_be_bytes(bytes) ^ 1 << 63).cast_signed()
}
