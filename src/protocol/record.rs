//! The records of a batch, read in place once they are unpacked.
//!
//! ```text
//! length varint | attributes i8 | timestamp delta varlong | offset delta varint
//! | key length varint, -1 = null | key | value length varint, -1 = null | value
//! | header count varint | per header: key length varint, key, value length varint or -1, value
//! ```

use crate::model::Offset;

use super::BatchError;
use super::BatchHeader;
use super::RecordError;
use super::TimestampType;
use super::varint;

/// One record; keys and values are slices of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: Offset,
    /// Its time in ms since 1970-01-01 UTC.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order, duplicates kept.
    pub headers: Headers<'a>,
}

/// Decodes record after record; after an error it ends.
pub struct Records<'a> {
    header: BatchHeader,
    rest: &'a [u8],
    index: i32,
}

impl<'a> Records<'a> {
    pub(super) fn new(header: &BatchHeader, payload: &'a [u8]) -> Self {
        Self { header: *header, rest: payload, index: 0 }
    }

    fn decode(&mut self) -> Result<Record<'a>, RecordError> {
        let length = take_length(&mut self.rest)?.ok_or(RecordError::NegativeLength)?;
        let mut body = take(&mut self.rest, length)?;
        take(&mut body, 1)?; // attributes, unused
        let timestamp_delta = varint::read_i64(&mut body).map_err(from_varint)?;
        let offset_delta = varint::read_i32(&mut body).map_err(from_varint)?;
        let key = take_nullable(&mut body)?;
        let value = take_nullable(&mut body)?;
        let count = varint::read_i32(&mut body).map_err(from_varint)?;
        let headers = Headers::check(count, body)?;
        if offset_delta < 0 || self.header.last_offset_delta < offset_delta {
            return Err(RecordError::OutOfRange);
        }
        let timestamp = match self.header.attributes.timestamp_type() {
            TimestampType::Append => self.header.max_timestamp,
            TimestampType::Create => {
                self.header.base_timestamp.checked_add(timestamp_delta).ok_or(RecordError::OutOfRange)?
            }
        };
        let offset = Offset(self.header.base_offset).plus(i64::from(offset_delta));
        Ok(Record { offset, timestamp, key, value, headers })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.index;
        if index == self.header.record_count {
            if self.rest.is_empty() {
                return None;
            }
            self.rest = &[];
            return Some(Err(BatchError::Record { index, problem: RecordError::TrailingBytes }));
        }
        self.index += 1;
        Some(self.decode().map_err(|problem| {
            self.index = self.header.record_count;
            self.rest = &[];
            BatchError::Record { index, problem }
        }))
    }
}

/// The headers of a record, checked when the record was decoded. The default has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headers<'a> {
    remaining: usize,
    rest: &'a [u8],
}

/// Headers that outlive their record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedHeaders {
    count: usize,
    bytes: Vec<u8>,
}

impl OwnedHeaders {
    /// As those of a record.
    pub fn as_headers(&self) -> Headers<'_> {
        Headers { remaining: self.count, rest: &self.bytes }
    }
}

impl<'a> Headers<'a> {
    /// Those that are left, as they stand in a record.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.rest
    }

    /// A copy of those that are left.
    pub fn to_owned(self) -> OwnedHeaders {
        OwnedHeaders { count: self.remaining, bytes: self.rest.to_vec() }
    }

    /// As many as `count` in these bytes, as they stand in a record.
    pub fn check(count: i32, bytes: &'a [u8]) -> Result<Self, RecordError> {
        let remaining = usize::try_from(count).map_err(|_| RecordError::NegativeLength)?;
        // Two lengths of at least one byte each; a claimed count costs nothing.
        if bytes.len() / 2 < remaining {
            return Err(RecordError::Truncated);
        }
        let headers = Self { remaining, rest: bytes };
        let mut rest = bytes;
        for _ in 0..remaining {
            take_header(&mut rest)?;
        }
        if rest.is_empty() { Ok(headers) } else { Err(RecordError::TrailingBytes) }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        Some(take_header(&mut self.rest).expect("headers were checked with their record"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Headers<'_> {}

fn take_header<'a>(rest: &mut &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>), RecordError> {
    let key = take_nullable(rest)?.ok_or(RecordError::NegativeLength)?;
    Ok((key, take_nullable(rest)?))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], RecordError> {
    rest.split_off(..length).ok_or(RecordError::Truncated)
}

fn take_nullable<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordError> {
    match take_length(rest)? {
        Some(length) => take(rest, length).map(Some),
        None => Ok(None),
    }
}

/// A length; `None` for -1, which stands for null.
fn take_length(rest: &mut &[u8]) -> Result<Option<usize>, RecordError> {
    match varint::read_i32(rest).map_err(from_varint)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| RecordError::NegativeLength),
    }
}

fn from_varint(error: varint::VarintError) -> RecordError {
    match error {
        varint::VarintError::Truncated => RecordError::Truncated,
        varint::VarintError::TooLong => RecordError::Varint,
    }
}
