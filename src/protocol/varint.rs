//! Numbers of variable length: seven bits a byte, least significant first; signed ones in zigzag.

use bytes::BufMut;

/// Why bytes are not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarintError {
    /// The bytes end before the number does.
    Truncated,
    /// More bits than the type has.
    TooLong,
}

/// Reads an unsigned number of at most 32 bits.
pub(super) fn read_u32(rest: &mut &[u8]) -> Result<u32, VarintError> {
    u32::try_from(read(rest, 5)?).map_err(|_| VarintError::TooLong)
}

/// Reads a signed number of 32 bits.
pub(super) fn read_i32(rest: &mut &[u8]) -> Result<i32, VarintError> {
    let raw = read_u32(rest)?;
    Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Reads a signed number of 64 bits.
pub fn read_i64(rest: &mut &[u8]) -> Result<i64, VarintError> {
    let raw = read(rest, 10)?;
    Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

/// Writes an unsigned number.
pub(super) fn write_u64(out: &mut impl BufMut, mut value: u64) {
    while 0x80 <= value {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Writes a signed number; 32-bit ones have the same bytes.
pub fn write_i64(out: &mut impl BufMut, value: i64) {
    write_u64(out, zigzag(value));
}

/// Bytes of a signed number.
pub(super) fn size_of_i64(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn read(rest: &mut &[u8], bytes_max: usize) -> Result<u64, VarintError> {
    let mut value = 0u64;
    for index in 0..bytes_max {
        let byte = *rest.split_off_first().ok_or(VarintError::Truncated)?;
        let bits = u64::from(byte & 0x7f);
        let shift = index * 7;
        if shift == 63 && 1 < bits {
            return Err(VarintError::TooLong);
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(VarintError::TooLong)
}
