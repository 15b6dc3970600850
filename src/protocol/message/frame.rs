//! What stands around a message: a frame's length, the headers of requests and answers.

use bytes::BufMut;
use bytes::Bytes;
use bytes::BytesMut;

use super::Api;
use super::Decoder;
use super::Encoder;
use super::Wire;
use crate::protocol::PrimitiveError;

/// The number of ApiVersions, whose answers never have a flexible header: who asks does not know the versions yet.
const API_VERSIONS: i16 = 18;

/// The start of every request, in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHead {
    /// Which API.
    pub api_key: i16,
    /// In which version.
    pub api_version: i16,
    /// Comes back with the answer.
    pub correlation_id: i32,
}

/// A whole header of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// Its start.
    pub head: RequestHead,
    /// What the client calls itself.
    pub client_id: Option<String>,
}

impl RequestHead {
    /// Reads the start of a request's frame.
    pub fn read(decoder: &mut Decoder) -> Result<Self, PrimitiveError> {
        let api_key = i16::decode(decoder)?;
        let api_version = i16::decode(decoder)?;
        let correlation_id = i32::decode(decoder)?;
        Ok(Self { api_key, api_version, correlation_id })
    }

    /// Reads the rest of the header; afterwards `decoder` stands at the message, `flexible` or not.
    pub fn read_rest(self, decoder: &mut Decoder, flexible: bool) -> Result<RequestHeader, PrimitiveError> {
        // The client's name has a plain length in every version.
        let client_id = Option::<String>::decode(decoder)?;
        decoder.continue_as(self.api_version, flexible);
        if flexible {
            decoder.tagged_fields(|_, _| Ok(()))?;
        }
        Ok(RequestHeader { head: self, client_id })
    }
}

/// The frame of an answer to the request `head`, in pieces.
pub fn frame(head: RequestHead, flexible: bool, body: &impl Wire) -> Vec<Bytes> {
    let mut encoder = Encoder::new(head.api_version, flexible);
    head.correlation_id.encode(&mut encoder);
    if flexible && head.api_key != API_VERSIONS {
        encoder.tagged_fields(Vec::new());
    }
    body.encode(&mut encoder);
    with_length(encoder)
}

/// The frame of a request, for clients.
pub fn request_frame<A: Api>(version: i16, correlation_id: i32, client_id: Option<&str>, request: &A) -> Vec<Bytes> {
    let flexible = A::FLEXIBLE_FROM <= version;
    let mut encoder = Encoder::new(version, false);
    A::KEY.encode(&mut encoder);
    version.encode(&mut encoder);
    correlation_id.encode(&mut encoder);
    client_id.map(str::to_string).encode(&mut encoder);
    encoder.continue_as(version, flexible);
    if flexible {
        encoder.tagged_fields(Vec::new());
    }
    request.encode(&mut encoder);
    with_length(encoder)
}

fn with_length(encoder: Encoder) -> Vec<Bytes> {
    let mut pieces = encoder.finish();
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let mut first = BytesMut::new();
    first.put_u32(u32::try_from(length).expect("an answer is below 4 GiB"));
    // A second write for four bytes would be a packet of its own.
    if let Some(piece) = pieces.first_mut() {
        first.put_slice(piece);
        *piece = first.freeze();
    }
    pieces
}
