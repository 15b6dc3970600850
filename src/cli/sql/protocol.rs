//! The client's half of PostgreSQL's simple protocol: requests to bytes, bytes to events.

use bytes::Buf;
use bytes::BufMut;
use bytes::Bytes;
use bytes::BytesMut;

use super::error::SqlError;

/// The longest answer that is taken; a longer one is no answer of a server.
const MESSAGE_BYTES_MAX: i32 = 1 << 30;

/// A result's column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct ResultColumn {
    /// Its name.
    pub name: String,
    /// PostgreSQL's oid of its type.
    pub oid: u32,
    /// The type's modifier, -1 if it has none.
    pub modifier: i32,
}

/// An error or a notice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Report {
    /// `ERROR`, `NOTICE` ...
    pub severity: String,
    /// SQLSTATE
    pub state: String,
    /// One line.
    pub message: String,
    /// A sentence that explains.
    pub detail: Option<String>,
    /// A sentence that says what to type.
    pub hint: Option<String>,
    /// The character of the statement, from 1.
    pub position: Option<usize>,
}

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum Event {
    /// The session is open.
    Authenticated,
    /// The key for a CancelRequest.
    Key {
        /// The session's number.
        process: i32,
        /// Its key.
        secret: i32,
    },
    /// A setting's value.
    Setting(String, String),
    /// A result begins.
    Columns(Vec<ResultColumn>),
    /// A row; `None` is NULL.
    Row(Vec<Option<String>>),
    /// A statement is done; its tag.
    Done(String),
    /// There was no statement.
    Empty,
    /// Something to know.
    Notice(Report),
    /// The statement failed.
    Failed(Box<Report>),
    /// The server waits for data.
    CopyIn,
    /// Data follows.
    CopyOut,
    /// Data.
    CopyData(Bytes),
    /// No more data.
    CopyDone,
    /// The next statement may come.
    Ready,
}

/// Takes the next event out of `buffer`, `None` while it is not whole.
pub(super) fn take_event(buffer: &mut BytesMut) -> Result<Option<Event>, SqlError> {
    if buffer.len() < 5 {
        return Ok(None);
    }
    let length = (&buffer[1..5]).get_i32();
    if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
        return Err(SqlError::Protocol("a message has an impossible length"));
    }
    let whole = length as usize + 1;
    if buffer.len() < whole {
        return Ok(None);
    }
    let kind = buffer[0];
    let mut body = Fields(buffer.split_to(whole).freeze().slice(5..));
    Ok(Some(match kind {
        b'R' => match body.i32()? {
            0 => Event::Authenticated,
            _ => return Err(SqlError::Protocol("it asks for a password, and passwords are not supported yet")),
        },
        b'K' => Event::Key { process: body.i32()?, secret: body.i32()? },
        b'S' => Event::Setting(body.text()?, body.text()?),
        b'T' => Event::Columns((0..body.count()?).map(|_| body.column()).collect::<Result<_, _>>()?),
        b'D' => Event::Row((0..body.count()?).map(|_| body.cell()).collect::<Result<_, _>>()?),
        b'C' => Event::Done(body.text()?),
        b'I' => Event::Empty,
        b'N' => Event::Notice(body.report()?),
        b'E' => Event::Failed(Box::new(body.report()?)),
        b'G' => Event::CopyIn,
        b'H' => Event::CopyOut,
        b'd' => Event::CopyData(body.0),
        b'c' => Event::CopyDone,
        b'Z' => Event::Ready,
        _ => return Err(SqlError::Protocol("a message of an unknown type came")),
    }))
}

struct Fields(Bytes);

impl Fields {
    fn bytes(&mut self, length: usize) -> Result<Bytes, SqlError> {
        if self.0.len() < length {
            return Err(SqlError::Protocol("a message is cut short"));
        }
        Ok(self.0.split_to(length))
    }

    fn i32(&mut self) -> Result<i32, SqlError> {
        Ok(self.bytes(4)?.get_i32())
    }

    fn count(&mut self) -> Result<u16, SqlError> {
        Ok(self.bytes(2)?.get_u16())
    }

    fn text(&mut self) -> Result<String, SqlError> {
        let Some(end) = self.0.iter().position(|byte| *byte == 0) else {
            return Err(SqlError::Protocol("a text has no end"));
        };
        let text = self.0.split_to(end);
        self.0.advance(1);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn column(&mut self) -> Result<ResultColumn, SqlError> {
        let name = self.text()?;
        let mut rest = self.bytes(18)?;
        rest.advance(6);
        let oid = rest.get_u32();
        rest.advance(2);
        Ok(ResultColumn { name, oid, modifier: rest.get_i32() })
    }

    fn cell(&mut self) -> Result<Option<String>, SqlError> {
        let length = self.i32()?;
        match usize::try_from(length) {
            Ok(length) => Ok(Some(String::from_utf8_lossy(&self.bytes(length)?).into_owned())),
            Err(_) => Ok(None),
        }
    }

    fn report(&mut self) -> Result<Report, SqlError> {
        let mut report = Report::default();
        loop {
            let letter = self.bytes(1)?[0];
            if letter == 0 {
                return Ok(report);
            }
            let text = self.text()?;
            match letter {
                b'S' => report.severity = text,
                b'C' => report.state = text,
                b'M' => report.message = text,
                b'D' => report.detail = Some(text),
                b'H' => report.hint = Some(text),
                b'P' => report.position = text.parse().ok(),
                _ => {}
            }
        }
    }
}

/// StartupMessage
pub(super) fn put_startup(buffer: &mut BytesMut, parameters: &[(&str, &str)]) {
    frame(buffer, None, |body| {
        body.put_i32(3 << 16);
        for (name, value) in parameters {
            put_text(body, name);
            put_text(body, value);
        }
        body.put_u8(0);
    });
}

/// CancelRequest
pub(super) fn put_cancel(buffer: &mut BytesMut, process: i32, secret: i32) {
    frame(buffer, None, |body| {
        body.put_i32(1234 << 16 | 5678);
        body.put_i32(process);
        body.put_i32(secret);
    });
}

/// Query
pub(super) fn put_query(buffer: &mut BytesMut, text: &str) {
    frame(buffer, Some(b'Q'), |body| put_text(body, text));
}

/// CopyData
pub(super) fn put_copy_data(buffer: &mut BytesMut, bytes: &[u8]) {
    frame(buffer, Some(b'd'), |body| body.put_slice(bytes));
}

/// CopyDone
pub(super) fn put_copy_done(buffer: &mut BytesMut) {
    frame(buffer, Some(b'c'), |_| ());
}

/// CopyFail
pub(super) fn put_copy_fail(buffer: &mut BytesMut, reason: &str) {
    frame(buffer, Some(b'f'), |body| put_text(body, reason));
}

/// Terminate
pub(super) fn put_terminate(buffer: &mut BytesMut) {
    frame(buffer, Some(b'X'), |_| ());
}

fn frame(buffer: &mut BytesMut, kind: Option<u8>, body: impl FnOnce(&mut BytesMut)) {
    buffer.extend(kind);
    let start = buffer.len();
    buffer.put_i32(0);
    body(buffer);
    let length = i32::try_from(buffer.len() - start).expect("a request is far below 2 GiB");
    buffer[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn put_text(buffer: &mut BytesMut, text: &str) {
    buffer.put_slice(text.split('\0').next().unwrap_or_default().as_bytes());
    buffer.put_u8(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_whole_and_cut_messages_are_errors() {
        let mut row = BytesMut::from(&b"D\0\0\0\x0f\0\x02\0\0\0\x01x\xff\xff\xff\xff"[..]);
        for length in 0..row.len() {
            assert_eq!(take_event(&mut BytesMut::from(&row[..length])).ok(), Some(None));
        }
        assert_eq!(take_event(&mut row).ok(), Some(Some(Event::Row(vec![Some("x".to_string()), None]))));
        let mut failed = BytesMut::from(&b"E\0\0\0\x14SERROR\0P7\0Mno\0\0"[..]);
        let length = failed.len() as u8 - 1;
        failed[4] = length;
        let report =
            Report { severity: "ERROR".to_string(), message: "no".to_string(), position: Some(7), ..Report::default() };
        assert_eq!(take_event(&mut failed).ok(), Some(Some(Event::Failed(Box::new(report)))));
        assert!(take_event(&mut BytesMut::from(&b"D\0\0\0\x06\0\x02"[..])).is_err());
        assert!(take_event(&mut BytesMut::from(&b"D\0\0\0\0"[..])).is_err());
    }
}
