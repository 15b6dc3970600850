//! What a client says: bytes to messages, each bounded by its own frame.
//!
//! Invariant: a reader never looks past its frame, and capacity is taken for bytes that are there, not for counts that
//! a client claims.

use bytes::Buf;
use bytes::Bytes;
use bytes::BytesMut;

use crate::error::Error;
use crate::error::SqlState;

/// The longest packet before a session exists, as in PostgreSQL.
const STARTUP_BYTES_MAX: usize = 10_000;
const PROTOCOL_3: u16 = 3;
/// The major number of SSLRequest, GSSENCRequest and CancelRequest.
const REQUEST: u16 = 1234;

/// The first packet of a connection; it has no type byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Startup {
    /// SSLRequest
    Ssl,
    /// GSSENCRequest
    GssEncryption,
    /// CancelRequest
    Cancel {
        /// The session's number.
        process: i32,
        /// Its key.
        secret: i32,
    },
    /// StartupMessage
    Session {
        /// The minor protocol version that was asked for.
        minor: u16,
        /// `user`, `database`, `application_name` and so on, in the client's order.
        parameters: Vec<(String, String)>,
    },
}

/// What Describe and Close name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A prepared statement.
    Statement(String),
    /// A portal.
    Portal(String),
}

/// A value's representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// As people read it.
    Text,
    /// As PostgreSQL's send functions write it.
    Binary,
}

/// Bind: parameters for a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bind {
    /// The portal to make, empty for the unnamed one.
    pub portal: String,
    /// The statement, empty for the unnamed one.
    pub statement: String,
    /// None for all text, one for all, or one each.
    pub parameter_formats: Vec<Format>,
    /// `None` is NULL.
    pub parameters: Vec<Option<Bytes>>,
    /// None for all text, one for all, or one each.
    pub result_formats: Vec<Format>,
}

/// A message of a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Statements, to be run at once.
    Query(Bytes),
    /// A statement to keep under a name.
    Parse {
        /// Empty for the unnamed statement.
        name: String,
        /// The statement.
        text: Bytes,
        /// Types that the client gives for the first parameters; 0 leaves one to the server.
        parameter_types: Vec<u32>,
    },
    /// Parameters for a statement.
    Bind(Bind),
    /// What are its parameters, its columns?
    Describe(Target),
    /// Run a portal.
    Execute {
        /// Empty for the unnamed portal.
        portal: String,
        /// Rows to send; 0 or less for all.
        rows_max: i32,
    },
    /// Forget it.
    Close(Target),
    /// Send what waits.
    Flush,
    /// The end of a group of messages.
    Sync,
    /// Good bye.
    Terminate,
    /// Bytes of a COPY FROM STDIN.
    CopyData(Bytes),
    /// Its end.
    CopyDone,
    /// The client gives it up, with its reason.
    CopyFail(String),
    /// PostgreSQL's fast-path call, which nothing modern sends.
    FunctionCall,
}

/// Why bytes are not a message. The connection cannot go on: what follows is not known to be a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a message of {length} bytes is outside 4..={max}")]
    Length { length: i64, max: usize },
    #[error("unknown message type {0}")]
    UnknownType(u8),
    #[error("unsupported protocol version {major}.{minor}")]
    Version { major: u16, minor: u16 },
    #[error("malformed {0} message")]
    Malformed(&'static str),
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        let user = Error::new(SqlState::PROTOCOL_VIOLATION, error.to_string());
        match error {
            FrameError::Length { .. } => user.hint("Send less in one message, or raise limits.message_bytes_max."),
            FrameError::Version { .. } => user.hint("Connect with protocol version 3."),
            FrameError::UnknownType(_) | FrameError::Malformed(_) => user,
        }
    }
}

/// Takes the first packet out of `buffer`, `None` while it is not whole.
pub(super) fn take_startup(buffer: &mut BytesMut) -> Result<Option<Startup>, FrameError> {
    let Some(mut body) = take_frame(buffer, 0, STARTUP_BYTES_MAX)? else { return Ok(None) };
    let malformed = FrameError::Malformed("startup");
    if body.len() < 4 {
        return Err(malformed);
    }
    let (major, minor) = (body.get_u16(), body.get_u16());
    match (major, minor) {
        (REQUEST, 5678) => match body.len() {
            // Later versions of the protocol allow longer keys; ours has four bytes, so a longer one is nobody's.
            8 => Ok(Some(Startup::Cancel { process: body.get_i32(), secret: body.get_i32() })),
            _ => Err(malformed),
        },
        (REQUEST, 5679) => Ok(Some(Startup::Ssl)),
        (REQUEST, 5680) => Ok(Some(Startup::GssEncryption)),
        (PROTOCOL_3, minor) => {
            let mut fields = Fields { body, message: "startup" };
            let mut parameters = Vec::new();
            loop {
                let name = fields.text()?;
                if name.is_empty() {
                    return Ok(Some(Startup::Session { minor, parameters }));
                }
                parameters.push((name, fields.text()?));
            }
        }
        (major, minor) => Err(FrameError::Version { major, minor }),
    }
}

/// Takes the next message out of `buffer`, `None` while it is not whole.
pub(super) fn take_message(buffer: &mut BytesMut, bytes_max: usize) -> Result<Option<Message>, FrameError> {
    let Some(&kind) = buffer.first() else { return Ok(None) };
    let Some(message) = name_of(kind) else { return Err(FrameError::UnknownType(kind)) };
    let Some(body) = take_frame(buffer, 1, bytes_max)? else { return Ok(None) };
    let mut fields = Fields { body, message };
    let message = match kind {
        b'Q' => Message::Query(fields.cstring()?),
        b'P' => {
            let (name, text) = (fields.text()?, fields.cstring()?);
            let count = fields.count(4)?;
            let parameter_types = (0..count).map(|_| fields.u32()).collect::<Result<_, _>>()?;
            Message::Parse { name, text, parameter_types }
        }
        b'B' => Message::Bind(bind(&mut fields)?),
        b'D' => Message::Describe(fields.target()?),
        b'E' => Message::Execute { portal: fields.text()?, rows_max: fields.u32()? as i32 },
        b'C' => Message::Close(fields.target()?),
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        b'X' => Message::Terminate,
        b'd' => Message::CopyData(std::mem::take(&mut fields.body)),
        b'c' => Message::CopyDone,
        b'f' => Message::CopyFail(fields.text()?),
        b'F' => {
            fields.body.clear();
            Message::FunctionCall
        }
        _ => return Err(FrameError::UnknownType(kind)),
    };
    if !fields.body.is_empty() {
        return Err(fields.malformed());
    }
    Ok(Some(message))
}

fn name_of(kind: u8) -> Option<&'static str> {
    Some(match kind {
        b'Q' => "Query",
        b'P' => "Parse",
        b'B' => "Bind",
        b'D' => "Describe",
        b'E' => "Execute",
        b'C' => "Close",
        b'H' => "Flush",
        b'S' => "Sync",
        b'X' => "Terminate",
        b'd' => "CopyData",
        b'c' => "CopyDone",
        b'f' => "CopyFail",
        b'F' => "FunctionCall",
        _ => return None,
    })
}

fn bind(fields: &mut Fields) -> Result<Bind, FrameError> {
    let (portal, statement) = (fields.text()?, fields.text()?);
    let parameter_formats = fields.formats()?;
    let count = fields.count(4)?;
    let mut parameters = Vec::with_capacity(count);
    for _ in 0..count {
        let length = fields.u32()? as i32;
        let value = match usize::try_from(length) {
            Ok(length) => Some(fields.bytes(length)?),
            Err(_) if length == -1 => None,
            Err(_) => return Err(fields.malformed()),
        };
        parameters.push(value);
    }
    Ok(Bind { portal, statement, parameter_formats, parameters, result_formats: fields.formats()? })
}

/// Splits off a frame's body: `skip` bytes, a length that counts itself, the body.
fn take_frame(buffer: &mut BytesMut, skip: usize, bytes_max: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(mut length) = buffer.get(skip..skip + 4) else { return Ok(None) };
    let length = length.get_i32();
    let whole = usize::try_from(length).ok().filter(|length| (4..=bytes_max).contains(length));
    let Some(whole) = whole else { return Err(FrameError::Length { length: i64::from(length), max: bytes_max }) };
    if buffer.len() < skip + whole {
        return Ok(None);
    }
    let mut frame = buffer.split_to(skip + whole);
    frame.advance(skip + 4);
    Ok(Some(frame.freeze()))
}

/// Reads the fields of one frame.
struct Fields {
    body: Bytes,
    message: &'static str,
}

impl Fields {
    fn malformed(&self) -> FrameError {
        FrameError::Malformed(self.message)
    }

    fn bytes(&mut self, length: usize) -> Result<Bytes, FrameError> {
        if self.body.len() < length {
            return Err(self.malformed());
        }
        Ok(self.body.split_to(length))
    }

    fn u16(&mut self) -> Result<u16, FrameError> {
        Ok(self.bytes(2)?.get_u16())
    }

    fn u32(&mut self) -> Result<u32, FrameError> {
        Ok(self.bytes(4)?.get_u32())
    }

    /// A count of things that take at least `size` bytes each.
    fn count(&mut self, size: usize) -> Result<usize, FrameError> {
        let count = usize::from(self.u16()?);
        if self.body.len() < count * size {
            return Err(self.malformed());
        }
        Ok(count)
    }

    fn formats(&mut self) -> Result<Vec<Format>, FrameError> {
        let count = self.count(2)?;
        let format = |code| match code {
            0 => Some(Format::Text),
            1 => Some(Format::Binary),
            _ => None,
        };
        (0..count).map(|_| format(self.u16()?).ok_or_else(|| self.malformed())).collect()
    }

    /// Bytes up to a zero byte, which is taken too.
    fn cstring(&mut self) -> Result<Bytes, FrameError> {
        let Some(end) = self.body.iter().position(|byte| *byte == 0) else { return Err(self.malformed()) };
        let text = self.body.split_to(end);
        self.body.advance(1);
        Ok(text)
    }

    /// A name; bytes that are no UTF-8 are replaced, so that such a name is only ever unknown.
    fn text(&mut self) -> Result<String, FrameError> {
        Ok(String::from_utf8_lossy(&self.cstring()?).into_owned())
    }

    fn target(&mut self) -> Result<Target, FrameError> {
        let kind = self.bytes(1)?[0];
        let name = self.text()?;
        match kind {
            b'S' => Ok(Target::Statement(name)),
            b'P' => Ok(Target::Portal(name)),
            _ => Err(self.malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Random;
    use crate::env::SeededRandom;

    const MAX: usize = 1 << 20;

    fn frame(kind: Option<u8>, body: &[u8]) -> BytesMut {
        let mut bytes: Vec<u8> = kind.into_iter().collect();
        bytes.extend((body.len() as i32 + 4).to_be_bytes());
        bytes.extend(body);
        BytesMut::from(&bytes[..])
    }

    #[test]
    fn a_message_is_taken_only_when_whole() {
        let whole = frame(Some(b'Q'), b"SELECT 1\0");
        for length in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..length]);
            assert_eq!(take_message(&mut part, MAX), Ok(None));
            assert_eq!(part.len(), length);
        }
        let mut two = whole.clone();
        two.extend_from_slice(&frame(Some(b'S'), b""));
        assert_eq!(take_message(&mut two, MAX), Ok(Some(Message::Query(Bytes::from_static(b"SELECT 1")))));
        assert_eq!(take_message(&mut two, MAX), Ok(Some(Message::Sync)));
        assert!(two.is_empty());
    }

    #[test]
    fn bind_reads_nulls_and_formats() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x02hi\0\0";
        let expected = Bind {
            portal: "p".to_string(),
            statement: "s".to_string(),
            parameter_formats: vec![Format::Binary],
            parameters: vec![None, Some(Bytes::from_static(b"hi"))],
            result_formats: vec![],
        };
        assert_eq!(take_message(&mut frame(Some(b'B'), body), MAX), Ok(Some(Message::Bind(expected))));
    }

    #[test]
    fn what_is_claimed_but_not_there_is_malformed() {
        let too_many_types = frame(Some(b'P'), b"\0SELECT 1\0\xff\xff");
        let long_parameter = frame(Some(b'B'), b"\0\0\0\0\0\x01\x7f\xff\xff\xffx\0\0");
        let negative_parameter = frame(Some(b'B'), b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0");
        let no_end = frame(Some(b'Q'), b"SELECT 1");
        let more_behind = frame(Some(b'S'), b"x");
        for mut bad in [too_many_types, long_parameter, negative_parameter, no_end, more_behind] {
            assert!(matches!(take_message(&mut bad, MAX), Err(FrameError::Malformed(_))), "{bad:?}");
        }
        assert_eq!(take_message(&mut BytesMut::from("Y"), MAX), Err(FrameError::UnknownType(b'Y')));
        for length in [0, 3, -1, i32::MIN, MAX as i32 + 1] {
            let mut bad = BytesMut::from("Q");
            bad.extend_from_slice(&length.to_be_bytes());
            let expected = FrameError::Length { length: i64::from(length), max: MAX };
            assert_eq!(take_message(&mut bad, MAX), Err(expected));
        }
    }

    #[test]
    fn startup_packets_are_told_apart() {
        let request = |minor: u16, rest: &[u8]| frame(None, &[&[4, 210], &minor.to_be_bytes()[..], rest].concat());
        assert_eq!(take_startup(&mut request(5679, b"")), Ok(Some(Startup::Ssl)));
        assert_eq!(take_startup(&mut request(5680, b"")), Ok(Some(Startup::GssEncryption)));
        let cancel = take_startup(&mut request(5678, &[0, 0, 0, 7, 0, 0, 0, 9]));
        assert_eq!(cancel, Ok(Some(Startup::Cancel { process: 7, secret: 9 })));
        assert!(take_startup(&mut request(5678, &[0, 0, 0, 7])).is_err());
        let session = take_startup(&mut frame(None, b"\0\x03\0\x02user\0ann\0\0"));
        let parameters = vec![("user".to_string(), "ann".to_string())];
        assert_eq!(session, Ok(Some(Startup::Session { minor: 2, parameters })));
        let old = take_startup(&mut frame(None, b"\0\x02\0\0"));
        assert_eq!(old, Err(FrameError::Version { major: 2, minor: 0 }));
    }

    #[test]
    fn random_bytes_never_panic_and_never_read_past_their_frame() {
        for seed in 0..20_000 {
            let random = SeededRandom::new(seed);
            let mut body = vec![0; (random.next_u64() % 40) as usize];
            random.fill(&mut body);
            // Small numbers make counts and lengths that nearly fit.
            body.iter_mut().for_each(|byte| *byte = if *byte < 200 { *byte % 4 } else { *byte });
            let kind = b"QPBDECHSXdcfF"[(random.next_u64() % 13) as usize];
            let mut buffer = frame(Some(kind), &body);
            buffer.extend_from_slice(b"next");
            let taken = take_message(&mut buffer, MAX);
            assert!(!matches!(taken, Ok(None)), "seed {seed}");
            assert_eq!(&buffer[..], b"next", "seed {seed}");
            let _ = take_startup(&mut frame(None, &body));
        }
    }
}
