//! The primitive types of Kafka's messages and of the records in its internal topics.
//!
//! A reader never reserves memory for a claimed length; an array's claimed count is refused unless each
//! element could have at least one byte.

use super::varint;
use super::varint::VarintError;

/// Why bytes are not the value that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrimitiveError {
    /// The bytes end before the value does.
    #[error("the bytes end before the value does")]
    Truncated,
    /// A variable-length number has more bits than its type.
    #[error("a variable-length number is too long")]
    TooLong,
    /// A negative length where null is not allowed, or below -1.
    #[error("a length is negative")]
    NegativeLength,
    /// A string that is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// More array elements than a message may have.
    #[error("a message has too many elements")]
    TooMany,
}

/// Reads value after value from bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes not read yet.
    pub fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    /// A signed byte.
    pub fn i8(&mut self) -> Result<i8, PrimitiveError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// A big-endian i16.
    pub fn i16(&mut self) -> Result<i16, PrimitiveError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// A big-endian i32.
    pub fn i32(&mut self) -> Result<i32, PrimitiveError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A big-endian u32.
    pub fn u32(&mut self) -> Result<u32, PrimitiveError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A big-endian i64.
    pub fn i64(&mut self) -> Result<i64, PrimitiveError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self) -> Result<[u8; 16], PrimitiveError> {
        self.array()
    }

    /// A byte, of which any but 0 is true.
    pub fn boolean(&mut self) -> Result<bool, PrimitiveError> {
        Ok(self.i8()? != 0)
    }

    /// An unsigned number of variable length.
    pub fn unsigned_varint(&mut self) -> Result<u32, PrimitiveError> {
        Ok(varint::read_u32(&mut self.rest)?)
    }

    /// A string with an i16 length.
    pub fn string(&mut self) -> Result<&'a str, PrimitiveError> {
        self.nullable_string()?.ok_or(PrimitiveError::NegativeLength)
    }

    /// A string with an i16 length, -1 for null.
    pub fn nullable_string(&mut self) -> Result<Option<&'a str>, PrimitiveError> {
        let length = i32::from(self.i16()?);
        self.nullable(length)?.map(text).transpose()
    }

    /// A string with its length plus one as an unsigned varint.
    pub fn compact_string(&mut self) -> Result<&'a str, PrimitiveError> {
        self.compact_nullable_string()?.ok_or(PrimitiveError::NegativeLength)
    }

    /// A string with its length plus one as an unsigned varint, 0 for null.
    pub fn compact_nullable_string(&mut self) -> Result<Option<&'a str>, PrimitiveError> {
        self.compact_nullable_bytes()?.map(text).transpose()
    }

    /// Bytes with an i32 length.
    pub fn bytes(&mut self) -> Result<&'a [u8], PrimitiveError> {
        self.nullable_bytes()?.ok_or(PrimitiveError::NegativeLength)
    }

    /// Bytes with an i32 length, -1 for null.
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, PrimitiveError> {
        let length = self.i32()?;
        self.nullable(length)
    }

    /// Bytes with their length plus one as an unsigned varint, 0 for null.
    pub fn compact_nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, PrimitiveError> {
        match self.unsigned_varint()?.checked_sub(1) {
            None => Ok(None),
            Some(length) => self.take(length as usize).map(Some),
        }
    }

    /// An array's count as an i32; null counts as none.
    pub fn array_count(&mut self) -> Result<usize, PrimitiveError> {
        match self.i32()? {
            -1 => Ok(0),
            count => self.plausible(usize::try_from(count).map_err(|_| PrimitiveError::NegativeLength)?),
        }
    }

    /// An array's count plus one as an unsigned varint; null counts as none.
    pub fn compact_array_count(&mut self) -> Result<usize, PrimitiveError> {
        let count = self.unsigned_varint()?.saturating_sub(1);
        self.plausible(count as usize)
    }

    /// Passes over tagged fields that are not known here.
    pub fn skip_tagged_fields(&mut self) -> Result<(), PrimitiveError> {
        let count = self.unsigned_varint()? as usize;
        for _ in 0..self.plausible(count)? {
            self.unsigned_varint()?;
            let length = self.unsigned_varint()?;
            self.take(length as usize)?;
        }
        Ok(())
    }

    fn plausible(&self, count: usize) -> Result<usize, PrimitiveError> {
        if count <= self.rest.len() { Ok(count) } else { Err(PrimitiveError::Truncated) }
    }

    fn nullable(&mut self, length: i32) -> Result<Option<&'a [u8]>, PrimitiveError> {
        match length {
            -1 => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| PrimitiveError::NegativeLength)?).map(Some),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PrimitiveError> {
        self.rest.split_off(..length).ok_or(PrimitiveError::Truncated)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PrimitiveError> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(PrimitiveError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }
}

/// Writes value after value. Strings and counts past their length field are our own bugs and panic.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer without bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// A signed byte.
    pub fn i8(&mut self, value: i8) {
        self.bytes.extend(value.to_be_bytes());
    }

    /// A big-endian i16.
    pub fn i16(&mut self, value: i16) {
        self.bytes.extend(value.to_be_bytes());
    }

    /// A big-endian i32.
    pub fn i32(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }

    /// A big-endian u32.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_be_bytes());
    }

    /// A big-endian i64.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend(value.to_be_bytes());
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self, value: &[u8; 16]) {
        self.bytes.extend(value);
    }

    /// A byte, 0 or 1.
    pub fn boolean(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// An unsigned number of variable length.
    pub fn unsigned_varint(&mut self, value: u32) {
        varint::write_u64(&mut self.bytes, u64::from(value));
    }

    /// A string with an i16 length.
    pub fn string(&mut self, value: &str) {
        self.i16(i16::try_from(value.len()).expect("a string of a message is shorter than 32 KiB"));
        self.bytes.extend(value.as_bytes());
    }

    /// A string with an i16 length, -1 for null.
    pub fn nullable_string(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.string(value),
            None => self.i16(-1),
        }
    }

    /// A string with its length plus one as an unsigned varint.
    pub fn compact_string(&mut self, value: &str) {
        self.compact_nullable_bytes(Some(value.as_bytes()));
    }

    /// A string with its length plus one as an unsigned varint, 0 for null.
    pub fn compact_nullable_string(&mut self, value: Option<&str>) {
        self.compact_nullable_bytes(value.map(str::as_bytes));
    }

    /// Bytes with an i32 length.
    pub fn bytes(&mut self, value: &[u8]) {
        self.array_count(value.len());
        self.bytes.extend(value);
    }

    /// Bytes with an i32 length, -1 for null.
    pub fn nullable_bytes(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.bytes(value),
            None => self.i32(-1),
        }
    }

    /// Bytes with their length plus one as an unsigned varint, 0 for null.
    pub fn compact_nullable_bytes(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.unsigned_varint(0),
            Some(value) => {
                self.compact_array_count(value.len());
                self.bytes.extend(value);
            }
        }
    }

    /// An array's count as an i32.
    pub fn array_count(&mut self, count: usize) {
        self.i32(i32::try_from(count).expect("a count of a message fits 31 bits"));
    }

    /// An array's count plus one as an unsigned varint.
    pub fn compact_array_count(&mut self, count: usize) {
        self.unsigned_varint(u32::try_from(count + 1).expect("a count of a message fits 32 bits"));
    }

    /// No tagged fields.
    pub fn no_tagged_fields(&mut self) {
        self.unsigned_varint(0);
    }
}

impl From<VarintError> for PrimitiveError {
    fn from(error: VarintError) -> Self {
        match error {
            VarintError::Truncated => PrimitiveError::Truncated,
            VarintError::TooLong => PrimitiveError::TooLong,
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, PrimitiveError> {
    std::str::from_utf8(bytes).map_err(|_| PrimitiveError::NotUtf8)
}
