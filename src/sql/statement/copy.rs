//! `COPY .. TO STDOUT` and `COPY .. FROM STDIN`, with options in PostgreSQL's new and old spelling.

use sqlparser::tokenizer::Token;

use super::Name;
use super::Select;
use super::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::cursor::Cursor;

/// The format of a COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFormat {
    /// CSV rather than text.
    pub csv: bool,
    /// One byte between fields: tab for text, comma for csv, unless told.
    pub delimiter: char,
    /// The text of NULL: `\N` for text, empty for csv, unless told.
    pub null: String,
    /// Whether a first line has names.
    pub header: CopyHeader,
}

/// What a first line with names is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CopyHeader {
    /// There is none.
    #[default]
    Absent,
    /// It is written, or passed over.
    Told,
    /// Its names must be those of the columns.
    Matched,
}

/// What COPY reads.
#[derive(Debug, Clone, PartialEq)]
pub enum CopySource {
    /// A relation, with the named columns (empty: all).
    Relation(Name, Vec<Name>),
    /// A query.
    Select(Select),
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.peek().token == Token::LParen {
        let select = cursor.select_in_parentheses()?;
        cursor.expect_word("TO")?;
        expect_stream(cursor, "STDOUT")?;
        return Ok(Statement::CopyTo { source: CopySource::Select(select), format: format_out(cursor)? });
    }
    let relation = cursor.relation_name()?;
    let columns = match cursor.peek().token {
        Token::LParen => cursor.names()?,
        _ => Vec::new(),
    };
    if cursor.word("FROM") {
        expect_stream(cursor, "STDIN")?;
        return Ok(Statement::CopyFrom { target: relation, columns, format: format(cursor)? });
    }
    if !cursor.word("TO") {
        return Err(cursor.unexpected("FROM or TO"));
    }
    expect_stream(cursor, "STDOUT")?;
    Ok(Statement::CopyTo { source: CopySource::Relation(relation, columns), format: format_out(cursor)? })
}

/// The format of what is written.
fn format_out(cursor: &mut Cursor<'_>) -> Result<CopyFormat> {
    let position = cursor.position();
    let format = format(cursor)?;
    match format.header {
        CopyHeader::Matched => Err(Error::unsupported("cannot use \"match\" with HEADER in COPY TO").at(position)),
        CopyHeader::Absent | CopyHeader::Told => Ok(format),
    }
}

fn expect_stream(cursor: &mut Cursor<'_>, stream: &str) -> Result<()> {
    let position = cursor.position();
    if cursor.string_if_there().is_some() || cursor.is_word_at(0, "PROGRAM") {
        return Err(Error::unsupported("COPY with a file or a program of the server is not supported")
            .at(position)
            .hint(format!("Use {stream}; psql's \\copy reads and writes the client's own files.")));
    }
    cursor.expect_word(stream)
}

#[derive(Default)]
struct Options {
    csv: bool,
    delimiter: Option<char>,
    null: Option<String>,
    header: CopyHeader,
}

fn format(cursor: &mut Cursor<'_>) -> Result<CopyFormat> {
    cursor.word("WITH");
    let mut options = Options::default();
    if cursor.symbol(&Token::LParen) {
        loop {
            option(cursor, &mut options)?;
            if !cursor.symbol(&Token::Comma) {
                break;
            }
        }
        cursor.expect_symbol(&Token::RParen)?;
    } else {
        while !cursor.at_end() {
            old_option(cursor, &mut options)?;
        }
    }
    let (delimiter, null) = if options.csv { (',', "") } else { ('\t', "\\N") };
    Ok(CopyFormat {
        csv: options.csv,
        delimiter: options.delimiter.unwrap_or(delimiter),
        null: options.null.unwrap_or_else(|| null.to_string()),
        header: options.header,
    })
}

fn option(cursor: &mut Cursor<'_>, options: &mut Options) -> Result<()> {
    let position = cursor.position();
    if cursor.word("FORMAT") {
        let name = cursor.literal()?.to_ascii_lowercase();
        options.csv = match name.as_str() {
            "csv" => true,
            "text" => false,
            "binary" => return Err(no_binary().at(position)),
            _ => {
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("COPY format \"{name}\" not recognized"),
                )
                .at(position)
                .hint("The server reads and writes csv and text; `tidemill sql` converts Parquet in the client."));
            }
        };
        return Ok(());
    }
    if cursor.word("HEADER") {
        let value = match cursor.peek().token {
            Token::Comma | Token::RParen => "true".to_string(),
            _ => cursor.literal()?.to_ascii_lowercase(),
        };
        options.header = match value.as_str() {
            "true" | "on" | "1" => CopyHeader::Told,
            "false" | "off" | "0" => CopyHeader::Absent,
            "match" => CopyHeader::Matched,
            _ => {
                return Err(
                    Error::new(SqlState::INVALID_PARAMETER_VALUE, "HEADER is true, false or match").at(position)
                );
            }
        };
        return Ok(());
    }
    value_option(cursor, options)
}

fn old_option(cursor: &mut Cursor<'_>, options: &mut Options) -> Result<()> {
    let position = cursor.position();
    if cursor.word("CSV") {
        options.csv = true;
        return Ok(());
    }
    if cursor.word("HEADER") {
        options.header = CopyHeader::Told;
        return Ok(());
    }
    if cursor.word("BINARY") {
        return Err(no_binary().at(position));
    }
    value_option(cursor, options)
}

fn no_binary() -> Error {
    Error::unsupported("COPY in binary format is not supported").hint("Use FORMAT text or FORMAT csv.")
}

/// The options that are spelled alike in both ways.
fn value_option(cursor: &mut Cursor<'_>, options: &mut Options) -> Result<()> {
    let position = cursor.position();
    let known = ["DELIMITER", "DELIMITERS", "NULL", "QUOTE", "ESCAPE", "ENCODING"];
    let Some(name) = known.into_iter().find(|name| cursor.word(name)) else {
        return Err(cursor.unexpected("an option of COPY"));
    };
    cursor.word("AS");
    let value = cursor.string()?;
    match name {
        "DELIMITER" | "DELIMITERS" => options.delimiter = Some(single_byte(&value, position)?),
        "NULL" => options.null = Some(value),
        "ENCODING" if matches!(value.to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "unicode") => {}
        "QUOTE" | "ESCAPE" if value == "\"" => {}
        _ => {
            return Err(Error::unsupported(format!("{name} '{value}' is not supported by COPY")).at(position));
        }
    }
    Ok(())
}

fn single_byte(value: &str, position: crate::error::Position) -> Result<char> {
    let mut characters = value.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) if only.is_ascii() && !matches!(only, '\n' | '\r' | '\\' | '"') => Ok(only),
        _ => Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, "COPY delimiter must be a single one-byte character")
            .at(position)),
    }
}
