//! COPY in binary: a signature, then rows of fields with their lengths, then the end.

use arrow::array::Array;
use arrow::array::timezone::Tz;
use bytes::Buf;
use bytes::BufMut;
use bytes::Bytes;
use bytes::BytesMut;

use super::frontend::Format;
use super::parameter::INVALID_BINARY_REPRESENTATION;
use super::parameter::ParameterType;
use super::parameter::decode;
use super::pg_type::PgType;
use crate::engine::OutputField;
use crate::engine::write_text;
use crate::error::Error;
use crate::error::SqlState;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// The bit that said that each row has an OID.
const HAS_OIDS: i32 = 1 << 16;
/// The number of fields that ends the data.
const END: i16 = -1;
const BAD_COPY_FILE_FORMAT: SqlState = SqlState("22P04");
/// The most bytes that one row may have, as a line of the other formats.
const ROW_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What stands before the rows: no flags, no extension.
pub(super) fn header() -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.put_i32(0);
    header.put_i32(0);
    header
}

/// What stands behind them.
pub(super) fn trailer() -> [u8; 2] {
    END.to_be_bytes()
}

/// The texts of one row's fields; `None` is null.
pub(super) type Texts = Vec<Option<String>>;

/// Cuts bytes into rows, and reads their fields as the types of the columns they are for.
pub(super) struct RowReader {
    wanted: Vec<ParameterType>,
    zone: Tz,
    pending: BytesMut,
    place: Place,
    rows: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Signature,
    /// Bytes of an extension that are passed over.
    Extension(usize),
    Rows,
    Ended,
}

impl RowReader {
    pub fn new(fields: &[OutputField], zone: Tz) -> Self {
        let wanted =
            |field: &OutputField| ParameterType { oid: PgType::of_field(field).oid, sql_type: field.sql_type.clone() };
        Self {
            wanted: fields.iter().map(wanted).collect(),
            zone,
            pending: BytesMut::new(),
            place: Place::Signature,
            rows: 0,
        }
    }

    /// Takes bytes, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next row, `None` until more bytes come.
    pub fn next(&mut self) -> Result<Option<Texts>, Error> {
        loop {
            match self.place {
                Place::Signature => {
                    if self.pending.len() < SIGNATURE.len() + 8 {
                        return Ok(None);
                    }
                    let signature = self.pending.split_to(SIGNATURE.len());
                    let (flags, extension) = (self.pending.get_i32(), self.pending.get_i32());
                    self.place = match (&signature[..] == SIGNATURE, usize::try_from(extension)) {
                        (false, _) => return Err(bad("COPY file signature not recognized")),
                        (true, _) if flags & HAS_OIDS != 0 => return Err(bad("invalid COPY file header (WITH OIDS)")),
                        (true, _) if flags >> 16 != 0 => {
                            return Err(bad("unrecognized critical flags in COPY file header"));
                        }
                        (true, Ok(length)) => Place::Extension(length),
                        (true, Err(_)) => return Err(bad("invalid COPY file header (missing length)")),
                    };
                }
                Place::Extension(length) => {
                    let passed = length.min(self.pending.len());
                    self.pending.advance(passed);
                    if passed < length {
                        self.place = Place::Extension(length - passed);
                        return Ok(None);
                    }
                    self.place = Place::Rows;
                }
                Place::Rows => return self.row(),
                Place::Ended if self.pending.is_empty() => return Ok(None),
                Place::Ended => return Err(bad("received copy data after EOF marker")),
            }
        }
    }

    /// Told that no more bytes come. As PostgreSQL does, the end need not be marked.
    pub fn finish(&self) -> Result<(), Error> {
        match self.place {
            Place::Signature => Err(bad("COPY file signature not recognized")),
            Place::Extension(_) => Err(bad("invalid COPY file header (wrong length)")),
            Place::Rows if !self.pending.is_empty() => Err(bad("unexpected EOF in COPY data")),
            Place::Rows | Place::Ended => Ok(()),
        }
    }

    fn row(&mut self) -> Result<Option<Texts>, Error> {
        let Some(length) = self.whole_row()? else { return Ok(None) };
        let mut bytes = self.pending.split_to(length).freeze();
        if bytes.get_i16() == END {
            self.place = Place::Ended;
            return self.next();
        }
        self.rows += 1;
        let mut texts = Vec::with_capacity(self.wanted.len());
        for (index, wanted) in self.wanted.iter().enumerate() {
            let field = usize::try_from(bytes.get_i32()).ok().map(|length| bytes.split_to(length));
            let text = field.map(|field| text_of(&field, wanted, self.zone)).transpose();
            texts.push(text.map_err(|error| placed(error, self.rows, index))?);
        }
        Ok(Some(texts))
    }

    /// How many bytes the row that begins `pending` has, `None` if they are not all there.
    fn whole_row(&self) -> Result<Option<usize>, Error> {
        let length = self.row_length()?;
        match ROW_BYTES_MAX < length.unwrap_or(self.pending.len()) {
            true => Err(too_long()),
            false => Ok(length),
        }
    }

    /// The same, however many they are.
    fn row_length(&self) -> Result<Option<usize>, Error> {
        let mut rest = &self.pending[..];
        if rest.len() < 2 {
            return Ok(None);
        }
        match rest.get_i16() {
            END => return Ok(Some(2)),
            count if usize::try_from(count) == Ok(self.wanted.len()) => {}
            count => {
                let message = format!("row field count is {count}, expected {}", self.wanted.len());
                return Err(bad(&message));
            }
        }
        for _ in &self.wanted {
            if rest.len() < 4 {
                return Ok(None);
            }
            let length = match rest.get_i32() {
                -1 => 0,
                length => usize::try_from(length).map_err(|_| bad("invalid field size"))?,
            };
            if ROW_BYTES_MAX < length {
                return Err(too_long());
            }
            if rest.len() < length {
                return Ok(None);
            }
            rest.advance(length);
        }
        Ok(Some(self.pending.len() - rest.len()))
    }
}

fn too_long() -> Error {
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, format!("a row of COPY has more than {ROW_BYTES_MAX} bytes"))
}

fn bad(message: &str) -> Error {
    Error::new(BAD_COPY_FILE_FORMAT, message)
}

/// A parameter's error in words of COPY.
fn placed(error: Error, row: u64, index: usize) -> Error {
    let error = match error.state() {
        INVALID_BINARY_REPRESENTATION => Error::new(INVALID_BINARY_REPRESENTATION, "incorrect binary data format"),
        _ => error,
    };
    error.detail(format!("COPY, row {row}, field {}.", index + 1))
}

fn text_of(field: &Bytes, wanted: &ParameterType, zone: Tz) -> Result<String, Error> {
    let value = decode(1, Some(field), Format::Binary, wanted, zone)?;
    let value = value.to_array().map_err(|error| Error::internal("a value of COPY").caused_by(error))?;
    let mut text = Vec::new();
    write_text(value.as_ref() as &dyn Array, 0, &mut text);
    String::from_utf8(text).map_err(|error| Error::internal("a text of COPY").caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SqlType;

    fn reader() -> RowReader {
        let fields = [OutputField::new("id", SqlType::Int), OutputField::new("name", SqlType::Text)];
        RowReader::new(&fields, "UTC".parse().expect("a zone"))
    }

    fn row(id: i32, name: Option<&str>) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_i16(2);
        bytes.put_i32(4);
        bytes.put_i32(id);
        match name {
            Some(name) => {
                bytes.put_i32(i32::try_from(name.len()).expect("short"));
                bytes.put_slice(name.as_bytes());
            }
            None => bytes.put_i32(-1),
        }
        bytes
    }

    #[test]
    fn rows_are_read_wherever_the_bytes_are_cut() {
        let whole = [header(), row(1, Some("é")), row(-2, None), trailer().to_vec()].concat();
        for cut in 0..whole.len() {
            let (mut reader, mut rows) = (reader(), Vec::new());
            for part in [&whole[..cut], &whole[cut..]] {
                reader.push(part);
                while let Some(row) = reader.next().expect("rows") {
                    rows.push(row);
                }
            }
            reader.finish().expect("the end");
            let expected = [("1", Some("é")), ("-2", None)];
            let expected = expected.map(|(id, name)| vec![Some(id.to_string()), name.map(str::to_string)]);
            assert_eq!(rows, expected, "cut at {cut}");
        }
    }

    /// Each field may have as many bytes as a row; all of them together may not, nor is a row waited for that has too many.
    #[test]
    fn a_row_is_no_longer_than_it_may_be() {
        let fields = [OutputField::new("one", SqlType::Text), OutputField::new("other", SqlType::Text)];
        let mut bytes = header();
        bytes.put_i16(2);
        bytes.put_i32(ROW_BYTES_MAX as i32);
        bytes.extend(vec![b'x'; ROW_BYTES_MAX]);
        bytes.put_i32(8);
        for end in [bytes.len(), bytes.len() + 8] {
            bytes.resize(end, b'x');
            let mut reader = RowReader::new(&fields, "UTC".parse().expect("a zone"));
            reader.push(&bytes);
            assert_eq!(reader.next().expect_err("too long").state(), SqlState::PROGRAM_LIMIT_EXCEEDED, "{end} bytes");
        }
    }

    #[test]
    fn what_is_no_binary_copy_is_refused() {
        let with_header = |rest: &[u8]| [header(), rest.to_vec()].concat();
        for (bytes, state) in [
            (b"1\tone\n2\ttwo\n3\tthree\n".to_vec(), "22P04"),
            (with_header(&[0, 3]), "22P04"),
            (with_header(&[0, 2, 0, 0, 0, 2, 0, 0, 255, 255, 255, 255]), "22P03"),
            (with_header(&[0, 2, 128, 0, 0, 0]), "22P04"),
            (with_header(&[0, 2, 127, 0, 0, 0]), "54000"),
            (with_header(&[255, 255, 0]), "22P04"),
        ] {
            let mut reader = reader();
            reader.push(&bytes);
            let mut read = reader.next();
            while let Ok(Some(_)) = read {
                read = reader.next();
            }
            let error = read.and_then(|_| reader.finish()).expect_err("no rows");
            assert_eq!(error.state().0, state, "{bytes:?}");
        }
        let mut cut = reader();
        cut.push(&with_header(&row(1, Some("one"))[..9]));
        assert_eq!(cut.next().expect("not yet"), None);
        assert_eq!(cut.finish().expect_err("a row is missing").state().0, "22P04");
    }
}
