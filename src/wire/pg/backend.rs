//! What the server says: messages into a buffer that waits to be sent.

use std::io::Cursor;

use bytes::Buf;
use bytes::BufMut;

use super::frontend::Format;
use super::pg_type::PgType;
use crate::engine::Notice;
use crate::engine::OutputField;
use crate::engine::TransactionStatus;
use crate::error::Error;
use crate::error::Position;
use crate::error::Rule;

/// Bytes that wait to be sent; the cursor stands behind those that the socket took.
#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Cursor<Vec<u8>>,
}

impl Outgoing {
    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.bytes.remaining()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        !self.bytes.has_remaining()
    }

    /// The bytes, for the socket to take from the front.
    pub fn unsent(&mut self) -> &mut Cursor<Vec<u8>> {
        &mut self.bytes
    }

    /// The end of the bytes, where messages are written.
    fn end(&mut self) -> &mut Vec<u8> {
        if !self.bytes.has_remaining() {
            self.bytes.set_position(0);
            self.bytes.get_mut().clear();
        }
        self.bytes.get_mut()
    }

    /// One byte without a frame: the answer to SSLRequest and GSSENCRequest.
    pub fn bare(&mut self, byte: u8) {
        self.end().put_u8(byte);
    }

    /// AuthenticationOk
    pub fn authentication_ok(&mut self) {
        self.frame(b'R', |body| body.put_i32(0));
    }

    /// NegotiateProtocolVersion: 3.0, and none of the options that begin with `_pq_.`
    pub fn negotiate_version(&mut self, unknown_options: &[&str]) {
        self.frame(b'v', |body| {
            body.put_i32(0);
            body.put_i32(unknown_options.len() as i32);
            unknown_options.iter().for_each(|option| put_cstring(body, option));
        });
    }

    /// BackendKeyData
    pub fn backend_key(&mut self, process: i32, secret: i32) {
        self.frame(b'K', |body| {
            body.put_i32(process);
            body.put_i32(secret);
        });
    }

    /// ParameterStatus
    pub fn parameter_status(&mut self, name: &str, value: &str) {
        self.frame(b'S', |body| {
            put_cstring(body, name);
            put_cstring(body, value);
        });
    }

    /// ReadyForQuery
    pub fn ready(&mut self, status: TransactionStatus) {
        let letter = match status {
            TransactionStatus::Idle => b'I',
            TransactionStatus::Open => b'T',
            TransactionStatus::Failed => b'E',
        };
        self.frame(b'Z', |body| body.put_u8(letter));
    }

    /// RowDescription; `format` tells each column's.
    pub fn row_description(&mut self, fields: &[OutputField], format: impl Fn(usize) -> Format) {
        self.frame(b'T', |body| {
            body.put_i16(fields.len() as i16);
            for (index, field) in fields.iter().enumerate() {
                let pg_type = PgType::of_field(field);
                put_cstring(body, &field.name);
                body.put_u32(field.origin.map_or(0, |origin| origin.table_oid));
                body.put_i16(field.origin.map_or(0, |origin| origin.column));
                body.put_u32(pg_type.oid);
                body.put_i16(pg_type.size);
                body.put_i32(pg_type.modifier);
                body.put_i16(i16::from(format(index) == Format::Binary));
            }
        });
    }

    /// ParameterDescription
    pub fn parameter_description(&mut self, oids: &[u32]) {
        self.frame(b't', |body| {
            body.put_u16(oids.len() as u16);
            oids.iter().for_each(|oid| body.put_u32(*oid));
        });
    }

    /// DataRow; `cells` writes `count` cells, each with its length before it.
    pub fn data_row(&mut self, count: usize, cells: impl FnOnce(&mut Vec<u8>)) {
        self.frame(b'D', |body| {
            body.put_i16(count as i16);
            cells(body);
        });
    }

    /// NoData
    pub fn no_data(&mut self) {
        self.frame(b'n', |_| ());
    }

    /// ParseComplete
    pub fn parse_complete(&mut self) {
        self.frame(b'1', |_| ());
    }

    /// BindComplete
    pub fn bind_complete(&mut self) {
        self.frame(b'2', |_| ());
    }

    /// CloseComplete
    pub fn close_complete(&mut self) {
        self.frame(b'3', |_| ());
    }

    /// PortalSuspended
    pub fn portal_suspended(&mut self) {
        self.frame(b's', |_| ());
    }

    /// EmptyQueryResponse
    pub fn empty_query(&mut self) {
        self.frame(b'I', |_| ());
    }

    /// CommandComplete
    pub fn command_complete(&mut self, tag: &str) {
        self.frame(b'C', |body| put_cstring(body, tag));
    }

    /// CopyInResponse
    pub fn copy_in(&mut self, columns: usize, format: Format) {
        self.copy_response(b'G', columns, format);
    }

    /// CopyOutResponse
    pub fn copy_out(&mut self, columns: usize, format: Format) {
        self.copy_response(b'H', columns, format);
    }

    fn copy_response(&mut self, kind: u8, columns: usize, format: Format) {
        let is_binary = format == Format::Binary;
        self.frame(kind, |body| {
            body.put_i8(i8::from(is_binary));
            body.put_i16(columns as i16);
            (0..columns).for_each(|_| body.put_i16(i16::from(is_binary)));
        });
    }

    /// CopyData
    pub fn copy_data(&mut self, bytes: &[u8]) {
        self.frame(b'd', |body| body.put_slice(bytes));
    }

    /// CopyDone
    pub fn copy_done(&mut self) {
        self.frame(b'c', |_| ());
    }

    /// ErrorResponse of a statement.
    pub fn error(&mut self, error: &Error) {
        self.report(b'E', "ERROR", &Report::of_error(error));
    }

    /// ErrorResponse that ends the connection.
    pub fn fatal(&mut self, error: &Error) {
        self.report(b'E', "FATAL", &Report::of_error(error));
    }

    /// NoticeResponse
    pub fn notice(&mut self, notice: &Notice) {
        let report = Report {
            state: notice.state.0,
            message: &notice.message,
            detail: notice.detail.as_deref(),
            hint: notice.hint.as_deref(),
            position: None,
            rule: None,
        };
        self.report(b'N', notice.severity, &report);
    }

    fn report(&mut self, kind: u8, severity: &str, report: &Report<'_>) {
        self.frame(kind, |body| {
            let mut field = |letter: u8, text: &str| {
                body.put_u8(letter);
                put_cstring(body, text);
            };
            field(b'S', severity);
            field(b'V', severity);
            field(b'C', report.state);
            field(b'M', report.message);
            if let Some(detail) = report.detail {
                field(b'D', detail);
            }
            if let Some(hint) = report.hint {
                field(b'H', hint);
            }
            if let Some(Position(position)) = report.position {
                field(b'P', &position.to_string());
            }
            if let Some(rule) = report.rule {
                field(b's', "public");
                field(b't', &rule.table);
                rule.column.iter().for_each(|column| field(b'c', column));
                rule.constraint.iter().for_each(|constraint| field(b'n', constraint));
            }
            body.put_u8(0);
        });
    }

    fn frame(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
        let bytes = self.end();
        bytes.put_u8(kind);
        let start = bytes.len();
        bytes.put_i32(0);
        body(bytes);
        let length = i32::try_from(bytes.len() - start).expect("a message of ours is far below 2 GiB");
        bytes[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

struct Report<'a> {
    state: &'a str,
    message: &'a str,
    detail: Option<&'a str>,
    hint: Option<&'a str>,
    position: Option<Position>,
    rule: Option<&'a Rule>,
}

impl<'a> Report<'a> {
    fn of_error(error: &'a Error) -> Self {
        Self {
            state: error.state().0,
            message: error.message(),
            detail: error.detail_text(),
            hint: error.hint_text(),
            position: error.position(),
            rule: error.rule(),
        }
    }
}

/// Text up to its first zero byte, which the protocol cannot carry, and the zero that ends it.
fn put_cstring(body: &mut Vec<u8>, text: &str) {
    body.put_slice(text.split('\0').next().unwrap_or_default().as_bytes());
    body.put_u8(0);
}
