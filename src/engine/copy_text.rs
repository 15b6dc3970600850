//! The lines of COPY: text and csv, both ways.

use std::iter::Peekable;

use arrow::record_batch::RecordBatch;
use memchr::memchr;

use super::text::write_text;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::CopyFormat;
use crate::sql::CopyHeader;
use crate::sql::Forced;
use crate::sql::Quoting;

/// The most bytes that one line may have, so that a client without a newline cannot fill the memory.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Appends one line a row, and tells where each ends: a text may have more of them.
pub(super) fn write_rows(rows: &RecordBatch, format: &CopyFormat, out: &mut Vec<u8>) -> Vec<usize> {
    let mut field = Vec::new();
    let names: Vec<&str> = rows.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    let forced = forced(&format.quoting.force_quote, &names);
    let mut ends = Vec::with_capacity(rows.num_rows());
    for row in 0..rows.num_rows() {
        for (index, column) in rows.columns().iter().enumerate() {
            if 0 < index {
                push_char(out, format.delimiter);
            }
            if column.is_null(row) {
                out.extend_from_slice(format.null.as_bytes());
                continue;
            }
            field.clear();
            write_text(column.as_ref(), row, &mut field);
            match format.csv {
                true => write_csv(&field, rows.num_columns() == 1, forced[index], format, out),
                false => write_escaped(&field, format, out),
            }
        }
        out.push(b'\n');
        ends.push(out.len());
    }
    ends
}

/// Appends the line of names.
pub(super) fn write_header<'a>(names: impl Iterator<Item = &'a str>, format: &CopyFormat, out: &mut Vec<u8>) {
    for (index, name) in names.enumerate() {
        if 0 < index {
            push_char(out, format.delimiter);
        }
        match format.csv {
            true => write_csv(name.as_bytes(), false, false, format, out),
            false => write_escaped(name.as_bytes(), format, out),
        }
    }
    out.push(b'\n');
}

fn push_char(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Whether each of the columns is one that an option names. COPY knew them before.
pub(super) fn forced(option: &Forced, columns: &[&str]) -> Vec<bool> {
    let is_named = |column: &&str| match option {
        Forced::All => true,
        Forced::Columns(names) => names.iter().any(|name| match name.quoted {
            true => name.value == **column,
            false => name.value.eq_ignore_ascii_case(column),
        }),
    };
    columns.iter().map(is_named).collect()
}

fn write_csv(field: &[u8], alone: bool, forced: bool, format: &CopyFormat, out: &mut Vec<u8>) {
    let Quoting { quote, escape, .. } = format.quoting;
    // `\.` alone on a line would end the data.
    let special =
        |byte: &u8| *byte == quote || matches!(byte, b'\n' | b'\r') || u32::from(*byte) == u32::from(format.delimiter);
    let quoted = forced || field.iter().any(special) || field == format.null.as_bytes() || (alone && field == b"\\.");
    if !quoted {
        out.extend_from_slice(field);
        return;
    }
    out.push(quote);
    for byte in field {
        if *byte == quote || *byte == escape {
            out.push(escape);
        }
        out.push(*byte);
    }
    out.push(quote);
}

fn write_escaped(field: &[u8], format: &CopyFormat, out: &mut Vec<u8>) {
    for byte in field {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0b => out.extend_from_slice(b"\\v"),
            0x0c => out.extend_from_slice(b"\\f"),
            byte if u32::from(*byte) == u32::from(format.delimiter) => out.extend_from_slice(&[b'\\', *byte]),
            byte => out.push(*byte),
        }
    }
}

/// Cuts bytes into lines and lines into fields.
pub(super) struct LineReader {
    format: CopyFormat,
    /// What the fields are for: the names that a first line must tell.
    names: Vec<String>,
    pending: Vec<u8>,
    /// Bytes of `pending` that were looked at and hold no end of a line.
    seen: usize,
    in_quotes: bool,
    /// Whether the byte before was an escape that is no quote.
    escaped: bool,
    /// Per field, `FORCE_NOT_NULL` and `FORCE_NULL`.
    not_null: Vec<bool>,
    null_in_quotes: Vec<bool>,
    header_pending: bool,
    line: u64,
    ended: bool,
}

/// The fields of one line; `None` is null.
pub(super) type Fields = Vec<Option<String>>;

impl LineReader {
    /// The fields are those of these columns.
    pub(super) fn new(format: CopyFormat, names: Vec<String>) -> Self {
        let header_pending = format.header != CopyHeader::Absent;
        let columns: Vec<&str> = names.iter().map(String::as_str).collect();
        let not_null = forced(&format.quoting.force_not_null, &columns);
        let null_in_quotes = forced(&format.quoting.force_null, &columns);
        Self {
            format,
            names,
            pending: Vec::new(),
            seen: 0,
            in_quotes: false,
            escaped: false,
            not_null,
            null_in_quotes,
            header_pending,
            line: 0,
            ended: false,
        }
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Adds bytes and hands each whole line's fields to `take`.
    pub(super) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(u64, Fields) -> Result<()>) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        self.pending.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(end) = self.end_of_line() {
            let line = self.pending[start..end].to_vec();
            start = end + 1;
            self.seen = start;
            if let Some(fields) = self.fields(&line)? {
                take(self.line, fields)?;
            }
            if self.ended {
                break;
            }
        }
        self.pending.drain(..start);
        self.seen -= start;
        if LINE_BYTES_MAX < self.pending.len() {
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "a line of COPY is too long"));
        }
        Ok(())
    }

    /// Hands a last line without a newline to `take`.
    pub(super) fn finish(&mut self, mut take: impl FnMut(u64, Fields) -> Result<()>) -> Result<()> {
        if self.in_quotes {
            return Err(bad("unterminated CSV quoted field", self.line + 1));
        }
        let line = std::mem::take(&mut self.pending);
        if self.ended || line.is_empty() {
            return Ok(());
        }
        match self.fields(&line)? {
            Some(fields) => take(self.line, fields),
            None => Ok(()),
        }
    }

    /// Where the next newline outside of quotes is; remembers how far it looked.
    fn end_of_line(&mut self) -> Option<usize> {
        if !self.format.csv {
            let found = memchr(b'\n', &self.pending[self.seen..]).map(|at| self.seen + at);
            self.seen = found.unwrap_or(self.pending.len());
            return found;
        }
        while self.seen < self.pending.len() {
            let Quoting { quote, escape, .. } = self.format.quoting;
            let byte = self.pending[self.seen];
            let is_escape = byte == escape && escape != quote && self.in_quotes;
            match byte {
                byte if byte == quote && !self.escaped => self.in_quotes = !self.in_quotes,
                b'\n' if !self.in_quotes => return Some(self.seen),
                _ => {}
            }
            self.escaped = is_escape && !self.escaped;
            self.seen += 1;
        }
        None
    }

    fn fields(&mut self, line: &[u8]) -> Result<Option<Fields>> {
        self.line += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line == b"\\." {
            self.ended = true;
            return Ok(None);
        }
        let is_header = std::mem::take(&mut self.header_pending);
        if is_header && self.format.header == CopyHeader::Told {
            return Ok(None);
        }
        let fields = match self.format.csv {
            true => self.csv_fields(line),
            false => self.text_fields(line),
        }?;
        if is_header {
            return self.match_names(&fields).map(|()| None);
        }
        Ok(Some(fields))
    }

    /// Refuses a first line that does not tell the columns.
    fn match_names(&self, fields: &Fields) -> Result<()> {
        if fields.len() != self.names.len() {
            let counts = format!("got {}, expected {}", fields.len(), self.names.len());
            return Err(bad(&format!("wrong number of fields in header line: {counts}"), self.line));
        }
        let wrong = fields.iter().zip(&self.names).position(|(field, name)| field.as_ref() != Some(name));
        let Some(at) = wrong else { return Ok(()) };
        let found = match &fields[at] {
            Some(found) => format!("\"{found}\""),
            None => format!("null value (\"{}\")", self.format.null),
        };
        let message = format!(
            "column name mismatch in header line field {}: got {found}, expected \"{}\"",
            at + 1,
            self.names[at]
        );
        Err(bad(&message, self.line))
    }

    fn text_fields(&self, line: &[u8]) -> Result<Fields> {
        if memchr(b'\\', line).is_none() {
            return self.plain_fields(line);
        }
        let delimiter = self.format.delimiter as u32;
        let mut fields = Vec::new();
        let (mut field, mut raw) = (Vec::new(), Vec::new());
        let mut bytes = line.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            if u32::from(byte) == delimiter {
                fields.push(self.text_field(&mut field, &mut raw)?);
                continue;
            }
            raw.push(byte);
            if byte != b'\\' {
                field.push(byte);
                continue;
            }
            let Some(escaped) = bytes.next() else {
                field.push(b'\\');
                break;
            };
            raw.push(escaped);
            match escaped {
                b'b' => field.push(0x08),
                b'f' => field.push(0x0c),
                b'n' => field.push(b'\n'),
                b'r' => field.push(b'\r'),
                b't' => field.push(b'\t'),
                b'v' => field.push(0x0b),
                b'x' => field.push(digits(&mut bytes, 16, 2, 0, &mut raw).unwrap_or(b'x')),
                b'0'..=b'7' => {
                    let first = u32::from(escaped - b'0');
                    field.push(digits(&mut bytes, 8, 2, first, &mut raw).unwrap_or(escaped - b'0'));
                }
                other => field.push(other),
            }
        }
        fields.push(self.text_field(&mut field, &mut raw)?);
        Ok(fields)
    }

    /// The fields of a line without a backslash, which is most of them.
    fn plain_fields(&self, line: &[u8]) -> Result<Fields> {
        let line = self.text(line)?;
        let field = |field: &str| (field != self.format.null).then(|| field.to_string());
        Ok(line.split(self.format.delimiter).map(field).collect())
    }

    /// NULL is told by the bytes as they came, before escapes are read.
    fn text_field(&self, field: &mut Vec<u8>, raw: &mut Vec<u8>) -> Result<Option<String>> {
        let null = raw.as_slice() == self.format.null.as_bytes();
        raw.clear();
        let bytes = std::mem::take(field);
        if null { Ok(None) } else { self.utf8(bytes).map(Some) }
    }

    fn csv_fields(&self, line: &[u8]) -> Result<Fields> {
        let delimiter = self.format.delimiter as u32;
        let Quoting { quote, escape, .. } = self.format.quoting;
        let mut fields = Vec::new();
        let (mut field, mut quoted, mut in_quotes) = (Vec::new(), false, false);
        let mut bytes = line.iter().copied().peekable();
        let is_on = |options: &[bool], at: usize| options.get(at).copied().unwrap_or(false);
        loop {
            let byte = bytes.next();
            match byte {
                Some(byte)
                    if in_quotes
                        && byte == escape
                        && let Some(next) = bytes.next_if(|next| *next == quote || *next == escape) =>
                {
                    field.push(next);
                }
                Some(byte) if byte == quote => {
                    in_quotes = !in_quotes;
                    quoted = true;
                }
                Some(byte) if in_quotes || u32::from(byte) != delimiter => field.push(byte),
                // The end of a field: a delimiter, or the end of the line.
                _ => {
                    let text = self.utf8(std::mem::take(&mut field))?;
                    let (at, is_quoted) = (fields.len(), std::mem::take(&mut quoted));
                    let may_be = if is_quoted { is_on(&self.null_in_quotes, at) } else { !is_on(&self.not_null, at) };
                    let null = may_be && text == self.format.null;
                    fields.push((!null).then_some(text));
                    if byte.is_none() {
                        return Ok(fields);
                    }
                }
            }
        }
    }

    fn utf8(&self, bytes: Vec<u8>) -> Result<String> {
        self.text(&bytes)?;
        String::from_utf8(bytes).map_err(|_| self.not_text(""))
    }

    /// Bytes as text, which has no zero byte.
    fn text<'a>(&self, bytes: &'a [u8]) -> Result<&'a str> {
        match memchr(0, bytes) {
            Some(_) => Err(self.not_text(": 0x00")),
            None => std::str::from_utf8(bytes).map_err(|_| self.not_text("")),
        }
    }

    fn not_text(&self, which: &str) -> Error {
        Error::new(SqlState("22021"), format!("invalid byte sequence for encoding \"UTF8\"{which}"))
            .detail(format!("COPY, line {}.", self.line))
    }
}

/// The low byte of a number whose first digit was `first` and that has up to `digits_max` more; `None` without more.
fn digits(
    bytes: &mut Peekable<impl Iterator<Item = u8>>,
    radix: u32,
    digits_max: usize,
    first: u32,
    raw: &mut Vec<u8>,
) -> Option<u8> {
    let (mut value, mut count) = (first, 0);
    while let Some(digit) = bytes.peek().and_then(|byte| char::from(*byte).to_digit(radix)) {
        if count == digits_max {
            break;
        }
        raw.extend(bytes.next());
        value = value * radix + digit;
        count += 1;
    }
    u8::try_from(value & 0xff).ok().filter(|_| 0 < count)
}

/// 22P04 with the line.
pub(super) fn bad(message: &str, line: u64) -> Error {
    Error::new(SqlState::BAD_COPY_FILE_FORMAT, message).detail(format!("COPY, line {line}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Position;
    use crate::sql::Name;

    fn read(format: &CopyFormat, chunks: &[&str]) -> Vec<Fields> {
        let mut reader = LineReader::new(format.clone(), Vec::new());
        let mut lines = Vec::new();
        for chunk in chunks {
            let take = |_, fields| {
                lines.push(fields);
                Ok(())
            };
            reader.push(chunk.as_bytes(), take).expect("it is right");
        }
        let take = |_, fields| {
            lines.push(fields);
            Ok(())
        };
        reader.finish(take).expect("it is right");
        lines
    }

    fn some(texts: &[&str]) -> Fields {
        texts.iter().map(|text| Some((*text).to_string())).collect()
    }

    fn text() -> CopyFormat {
        let quoting = Quoting::default();
        CopyFormat {
            binary: false,
            csv: false,
            delimiter: '\t',
            null: "\\N".to_string(),
            header: CopyHeader::Absent,
            quoting,
        }
    }

    fn csv() -> CopyFormat {
        CopyFormat {
            binary: false,
            csv: true,
            delimiter: ',',
            null: String::new(),
            header: CopyHeader::Told,
            quoting: Quoting::default(),
        }
    }

    #[test]
    fn text_lines_are_cut_wherever_the_chunks_end() {
        let whole = "a\\tb\t\\N\tx\\\\y\n\\x41\\101\\7\t\tz\n\\.\nignored\n";
        let expected = vec![
            vec![Some("a\tb".to_string()), None, Some("x\\y".to_string())],
            vec![Some("AA\u{7}".to_string()), Some(String::new()), Some("z".to_string())],
        ];
        for cut in 0..whole.len() {
            assert_eq!(read(&text(), &[&whole[..cut], &whole[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn csv_quotes_hold_newlines_and_tell_empty_from_null() {
        let whole = "h1,h2\n\"a \"\"b\"\",\nc\",\r\n,\"\"\nlast,line";
        let expected =
            vec![vec![Some("a \"b\",\nc".to_string()), None], vec![None, Some(String::new())], some(&["last", "line"])];
        for cut in 0..whole.len() {
            assert_eq!(read(&csv(), &[&whole[..cut], &whole[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn quotes_and_escapes_are_those_that_are_told() {
        let names = |names: &[&str]| {
            let name =
                |name: &&str| Name { value: (*name).to_string(), quoted: false, position: Position(1), schema: None };
            Forced::Columns(names.iter().map(name).collect())
        };
        let quoting = Quoting {
            quote: b'\'',
            escape: b'\\',
            force_not_null: names(&["A"]),
            force_null: names(&["b"]),
            ..Quoting::default()
        };
        let format = CopyFormat { header: CopyHeader::Absent, quoting, ..csv() };
        let whole = "'it\\'s\n\\\\', x\"y\n,''\n";
        let expected =
            vec![vec![Some("it's\n\\".to_string()), Some(" x\"y".to_string())], vec![Some(String::new()), None]];
        for cut in 0..whole.len() {
            let mut reader = LineReader::new(format.clone(), vec!["a".to_string(), "b".to_string()]);
            let mut lines = Vec::new();
            for chunk in [&whole[..cut], &whole[cut..]] {
                let take = |_, fields| {
                    lines.push(fields);
                    Ok(())
                };
                reader.push(chunk.as_bytes(), take).expect("it is right");
            }
            assert_eq!(lines, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_first_line_that_must_match_tells_the_columns() {
        let names = || vec!["id".to_string(), "b c".to_string()];
        let format = CopyFormat { header: CopyHeader::Matched, ..csv() };
        for (line, wrong) in [
            ("id,\"b c\"\n", None),
            ("id\n", Some("wrong number of fields in header line: got 1, expected 2")),
            ("id,b\n", Some("column name mismatch in header line field 2: got \"b\", expected \"b c\"")),
            ("ID,b c\n", Some("column name mismatch in header line field 1: got \"ID\", expected \"id\"")),
            ("id,\n", Some("column name mismatch in header line field 2: got null value (\"\"), expected \"b c\"")),
        ] {
            let found = LineReader::new(format.clone(), names()).push(line.as_bytes(), |_, _| panic!("no row"));
            assert_eq!(found.err().map(|error| error.message().to_string()).as_deref(), wrong, "{line}");
        }
    }

    #[test]
    fn no_text_has_a_zero_byte() {
        for (format, line) in [(text(), "a\\0b\n"), (text(), "a\0b\n"), (text(), "a\\x00b\n"), (csv(), "h\n\"a\0\"\n")]
        {
            let found = LineReader::new(format, Vec::new()).push(line.as_bytes(), |_, _| Ok(()));
            assert_eq!(found.expect_err("a zero byte").state(), SqlState("22021"), "{line:?}");
        }
    }

    #[test]
    fn an_open_quote_at_the_end_is_an_error() {
        let mut reader = LineReader::new(CopyFormat { header: CopyHeader::Absent, ..csv() }, Vec::new());
        reader.push(b"\"abc\n", |_, _| Ok(())).expect("no line yet");
        assert_eq!(reader.finish(|_, _| Ok(())).expect_err("open").state(), SqlState::BAD_COPY_FILE_FORMAT);
    }
}
