//! How the fields of Kafka's messages are read and written.
//!
//! Invariants:
//!   * nothing is reserved for a claimed length or count; an array grows with the elements that are really there
//!   * a message has at most `ELEMENTS_MAX` array elements, so that what it takes in memory is a small multiple of its bytes
//!   * bytes fields of a decoded message share the frame's memory; bytes fields of an encoded one are not copied

use bytes::Buf;
use bytes::BufMut;
use bytes::Bytes;
use bytes::BytesMut;

use crate::protocol::PrimitiveError;
use crate::protocol::varint;

/// Elements of all arrays of a message together; Kafka's own limit.
const ELEMENTS_MAX: usize = 1_000_000;
/// Bytes fields from this size on are handed over as they are, shorter ones are copied.
const SHARED_BYTES_MIN: usize = 4 << 10;
/// The longest text with a length of 16 bits.
const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// A type that can stand in a message.
pub trait Wire: Sized {
    /// Reads a value.
    fn decode(decoder: &mut Decoder) -> Result<Self, PrimitiveError>;
    /// Writes the value.
    fn encode(&self, encoder: &mut Encoder);
}

/// One of Kafka's APIs, by its request.
pub trait Api: Wire + Default + Send + 'static {
    /// As Kafka names it.
    const NAME: &'static str;
    /// Its number.
    const KEY: i16;
    /// The oldest version that can be read and written.
    const VERSION_MIN: i16;
    /// The newest.
    const VERSION_MAX: i16;
    /// The first version with compact lengths and tagged fields; `i16::MAX` if there is none.
    const FLEXIBLE_FROM: i16;
    /// What answers it.
    type Response: Wire + Default + Send + 'static;
}

/// Reads a message from a frame.
#[derive(Debug, Clone)]
pub struct Decoder {
    rest: Bytes,
    version: i16,
    flexible: bool,
    elements_left: usize,
}

impl Decoder {
    /// Reads `bytes` as `version`, which is a flexible one or not.
    pub fn new(bytes: Bytes, version: i16, flexible: bool) -> Self {
        Self { rest: bytes, version, flexible, elements_left: ELEMENTS_MAX }
    }

    /// The version of the message.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// Whether lengths are compact and fields may be tagged.
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// From here on the bytes are of `version`, which is a flexible one or not.
    pub fn continue_as(&mut self, version: i16, flexible: bool) {
        (self.version, self.flexible) = (version, flexible);
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Reads the tagged fields, each by `field` from its own bytes; what that does not read is passed over.
    pub fn tagged_fields(
        &mut self,
        mut field: impl FnMut(u32, &mut Decoder) -> Result<(), PrimitiveError>,
    ) -> Result<(), PrimitiveError> {
        let count = self.unsigned_varint()? as usize;
        for _ in 0..self.elements(count)? {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()? as usize;
            let mut inside = Decoder { rest: self.take(size)?, elements_left: self.elements_left, ..*self };
            field(tag, &mut inside)?;
            self.elements_left = inside.elements_left;
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PrimitiveError> {
        let array = *self.rest.first_chunk::<N>().ok_or(PrimitiveError::Truncated)?;
        self.rest.advance(N);
        Ok(array)
    }

    fn unsigned_varint(&mut self) -> Result<u32, PrimitiveError> {
        let mut rest = &self.rest[..];
        let value = varint::read_u32(&mut rest)?;
        let read = self.rest.len() - rest.len();
        self.rest.advance(read);
        Ok(value)
    }

    fn take(&mut self, size: usize) -> Result<Bytes, PrimitiveError> {
        if self.rest.len() < size {
            return Err(PrimitiveError::Truncated);
        }
        Ok(self.rest.split_to(size))
    }

    /// Takes `count` elements from what a message may have. Each has a byte at least.
    fn elements(&mut self, count: usize) -> Result<usize, PrimitiveError> {
        if self.rest.len() < count {
            return Err(PrimitiveError::Truncated);
        }
        self.elements_left = self.elements_left.checked_sub(count).ok_or(PrimitiveError::TooMany)?;
        Ok(count)
    }

    /// A length or count, `None` for null; `wide` for those of 32 bits where they are not compact.
    fn length(&mut self, wide: bool) -> Result<Option<usize>, PrimitiveError> {
        if self.flexible {
            return Ok(self.unsigned_varint()?.checked_sub(1).map(|length| length as usize));
        }
        let length = if wide { i32::decode(self)? } else { i32::from(i16::decode(self)?) };
        match length {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| PrimitiveError::NegativeLength),
        }
    }
}

/// Writes a message as pieces that follow each other.
#[derive(Debug)]
pub struct Encoder {
    done: Vec<Bytes>,
    buffer: BytesMut,
    version: i16,
    flexible: bool,
}

impl Encoder {
    /// Writes as `version`, which is a flexible one or not.
    pub fn new(version: i16, flexible: bool) -> Self {
        Self { done: Vec::new(), buffer: BytesMut::new(), version, flexible }
    }

    /// The version of the message.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// Whether lengths are compact and fields may be tagged.
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// From here on the bytes are of `version`, which is a flexible one or not.
    pub fn continue_as(&mut self, version: i16, flexible: bool) {
        (self.version, self.flexible) = (version, flexible);
    }

    /// What was written, in order.
    pub fn finish(mut self) -> Vec<Bytes> {
        if !self.buffer.is_empty() {
            self.done.push(self.buffer.freeze());
        }
        self.done
    }

    /// The value of a tagged field, apart.
    pub fn tagged(&self, value: &impl Wire) -> Vec<u8> {
        let mut inside = Encoder::new(self.version, self.flexible);
        value.encode(&mut inside);
        inside.finish().concat()
    }

    /// Writes tagged fields, which come with rising tags.
    pub fn tagged_fields(&mut self, fields: Vec<(u32, Vec<u8>)>) {
        varint::write_u64(&mut self.buffer, fields.len() as u64);
        for (tag, value) in fields {
            varint::write_u64(&mut self.buffer, u64::from(tag));
            varint::write_u64(&mut self.buffer, value.len() as u64);
            self.buffer.put_slice(&value);
        }
    }

    fn length(&mut self, length: Option<usize>, wide: bool) {
        match length {
            length if self.flexible => {
                varint::write_u64(&mut self.buffer, length.map_or(0, |length| length as u64 + 1));
            }
            Some(length) if wide => {
                self.buffer.put_i32(i32::try_from(length).expect("a length of a message fits 31 bits"));
            }
            Some(length) => self.buffer.put_i16(i16::try_from(length).expect("texts were cut to fit")),
            None if wide => self.buffer.put_i32(-1),
            None => self.buffer.put_i16(-1),
        }
    }

    fn text(&mut self, text: Option<&str>) {
        // Only a message for people can be longer, where lengths have 16 bits.
        let text =
            text.map(|text| if self.flexible { text } else { &text[..text.floor_char_boundary(STRING_BYTES_MAX)] });
        self.length(text.map(str::len), false);
        self.buffer.put_slice(text.unwrap_or_default().as_bytes());
    }

    fn piece(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            self.buffer.put_slice(bytes);
            return;
        }
        if !self.buffer.is_empty() {
            self.done.push(self.buffer.split().freeze());
        }
        self.done.push(bytes.clone());
    }
}

macro_rules! numbers {
    ($($type:ty)*) => { $(
        impl Wire for $type {
            fn decode(decoder: &mut Decoder) -> Result<Self, PrimitiveError> {
                decoder.array().map(<$type>::from_be_bytes)
            }
            fn encode(&self, encoder: &mut Encoder) {
                encoder.buffer.put_slice(&self.to_be_bytes());
            }
        }
    )* };
}

numbers!(i8 i16 u16 i32 i64 f64);

impl Wire for bool {
    fn decode(decoder: &mut Decoder) -> Result<Self, PrimitiveError> {
        Ok(i8::decode(decoder)? != 0)
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.buffer.put_u8(u8::from(*self));
    }
}

/// A UUID; all zero for none.
impl Wire for [u8; 16] {
    fn decode(decoder: &mut Decoder) -> Result<Self, PrimitiveError> {
        decoder.array()
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.buffer.put_slice(self);
    }
}

impl Wire for Option<String> {
    fn decode(decoder: &mut Decoder) -> Result<Self, PrimitiveError> {
        let Some(length) = decoder.length(false)? else { return Ok(None) };
        let bytes = decoder.rest.get(..length).ok_or(PrimitiveError::Truncated)?;
        let text = std::str::from_utf8(bytes).map_err(|_| PrimitiveError::NotUtf8)?.to_string();
        decoder.rest.advance(length);
        Ok(Some(text))
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.text(self.as_deref());
    }
}

impl Wire for String {
    fn decode(decoder: &mut Decoder) -> Result<Self, PrimitiveError> {
        Option::decode(decoder)?.ok_or(PrimitiveError::NegativeLength)
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.text(Some(self));
    }
}

impl Wire for Option<Bytes> {
    fn decode(decoder: &mut Decoder) -> Result<Self, PrimitiveError> {
        let length = decoder.length(true)?;
        length.map(|length| decoder.take(length)).transpose()
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.length(self.as_ref().map(Bytes::len), true);
        self.iter().for_each(|bytes| encoder.piece(bytes));
    }
}

impl Wire for Bytes {
    fn decode(decoder: &mut Decoder) -> Result<Self, PrimitiveError> {
        Option::decode(decoder)?.ok_or(PrimitiveError::NegativeLength)
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.length(Some(self.len()), true);
        encoder.piece(self);
    }
}

/// One bytes field, made of pieces that are not joined: record batches as they lie in the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pieces(pub Vec<Bytes>);

impl Wire for Pieces {
    fn decode(decoder: &mut Decoder) -> Result<Self, PrimitiveError> {
        Ok(Self(Option::<Bytes>::decode(decoder)?.into_iter().filter(|bytes| !bytes.is_empty()).collect()))
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.length(Some(self.0.iter().map(Bytes::len).sum()), true);
        self.0.iter().for_each(|bytes| encoder.piece(bytes));
    }
}

impl<T: Wire> Wire for Option<Vec<T>> {
    fn decode(decoder: &mut Decoder) -> Result<Self, PrimitiveError> {
        let Some(count) = decoder.length(true)? else { return Ok(None) };
        let mut elements = Vec::new();
        for _ in 0..decoder.elements(count)? {
            elements.push(T::decode(decoder)?);
        }
        Ok(Some(elements))
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.length(self.as_ref().map(Vec::len), true);
        self.iter().flatten().for_each(|element| element.encode(encoder));
    }
}

/// Null is read as none.
impl<T: Wire> Wire for Vec<T> {
    fn decode(decoder: &mut Decoder) -> Result<Self, PrimitiveError> {
        Option::decode(decoder).map(Option::unwrap_or_default)
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.length(Some(self.len()), true);
        self.iter().for_each(|element| element.encode(encoder));
    }
}
