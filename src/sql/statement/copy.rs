//! `COPY .. TO STDOUT` and `COPY .. FROM STDIN`, with options in PostgreSQL's new and old spelling.

use sqlparser::tokenizer::Token;

use super::Name;
use super::Select;
use super::Statement;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::cursor::Cursor;

/// The format of a COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFormat {
    /// Binary, which has none of the others.
    pub binary: bool,
    /// CSV rather than text.
    pub csv: bool,
    /// One byte between fields: tab for text, comma for csv, unless told.
    pub delimiter: char,
    /// The text of NULL: `\N` for text, empty for csv, unless told.
    pub null: String,
    /// Whether a first line has names.
    pub header: CopyHeader,
    /// Quotes of csv.
    pub quoting: Quoting,
}

/// Which fields of csv stand in quotes, and in which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoting {
    /// `QUOTE`: a double quote, unless told.
    pub quote: u8,
    /// `ESCAPE`: what stands before it in quotes, itself unless told.
    pub escape: u8,
    /// `FORCE_QUOTE`: written in quotes whatever they hold.
    pub force_quote: Forced,
    /// `FORCE_NOT_NULL`: read as texts even where they are as NULL is written.
    pub force_not_null: Forced,
    /// `FORCE_NULL`: read as NULL even where that stands in quotes.
    pub force_null: Forced,
}

impl Default for Quoting {
    fn default() -> Self {
        let force = Forced::default;
        Self { quote: b'"', escape: b'"', force_quote: force(), force_not_null: force(), force_null: force() }
    }
}

/// The columns of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forced {
    /// `*`
    All,
    /// These, or none.
    Columns(Vec<Name>),
}

impl Default for Forced {
    fn default() -> Self {
        Self::Columns(Vec::new())
    }
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
    binary: bool,
    csv: bool,
    delimiter: Option<char>,
    null: Option<String>,
    header: CopyHeader,
    quote: Option<u8>,
    escape: Option<u8>,
    force_quote: Forced,
    force_not_null: Forced,
    force_null: Forced,
    /// The first option that is for csv alone, and where it stands.
    of_csv: Option<(&'static str, Position)>,
}

impl Options {
    fn force(&mut self, option: &'static str, columns: Forced, position: Position) {
        self.of_csv.get_or_insert((option, position));
        match option {
            "FORCE_QUOTE" => self.force_quote = columns,
            "FORCE_NOT_NULL" => self.force_not_null = columns,
            _ => self.force_null = columns,
        }
    }
}

fn format(cursor: &mut Cursor<'_>) -> Result<CopyFormat> {
    cursor.word("WITH");
    let position = cursor.position();
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
    if let Some((name, position)) = options.of_csv.filter(|_| !options.csv) {
        return Err(Error::unsupported(format!("COPY {name} available only in CSV mode")).at(position));
    }
    let of_texts = [("DELIMITER", options.delimiter.is_some()), ("NULL", options.null.is_some())];
    if let Some((name, _)) = of_texts.into_iter().find(|(_, is_told)| *is_told && options.binary) {
        return Err(Error::new(SqlState::SYNTAX_ERROR, format!("cannot specify {name} in BINARY mode")).at(position));
    }
    if options.binary && options.header != CopyHeader::Absent {
        return Err(Error::unsupported("cannot specify HEADER in BINARY mode").at(position));
    }
    let quote = options.quote.unwrap_or(b'"');
    let (delimiter, null) = if options.csv { (',', "") } else { ('\t', "\\N") };
    Ok(CopyFormat {
        binary: options.binary,
        csv: options.csv,
        delimiter: options.delimiter.unwrap_or(delimiter),
        null: options.null.unwrap_or_else(|| null.to_string()),
        header: options.header,
        quoting: Quoting {
            quote,
            escape: options.escape.unwrap_or(quote),
            force_quote: options.force_quote,
            force_not_null: options.force_not_null,
            force_null: options.force_null,
        },
    })
}

fn option(cursor: &mut Cursor<'_>, options: &mut Options) -> Result<()> {
    let position = cursor.position();
    if cursor.word("FORMAT") {
        let name = cursor.literal()?.to_ascii_lowercase();
        match name.as_str() {
            "csv" => options.csv = true,
            "text" => {}
            "binary" => options.binary = true,
            _ => {
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("COPY format \"{name}\" not recognized"),
                )
                .at(position)
                .hint(
                    "The server reads and writes csv, text and binary; `tidemill sql` converts Parquet in the client.",
                ));
            }
        }
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
    if let Some(forced) = ["FORCE_QUOTE", "FORCE_NOT_NULL", "FORCE_NULL"].into_iter().find(|name| cursor.word(name)) {
        let columns = match forced == "FORCE_QUOTE" && cursor.symbol(&Token::Mul) {
            true => Forced::All,
            false => Forced::Columns(cursor.names()?),
        };
        options.force(forced, columns, position);
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
    let forced = [&["FORCE", "QUOTE"][..], &["FORCE", "NOT", "NULL"], &["FORCE", "NULL"]];
    if let Some(words) = forced.into_iter().find(|words| cursor.words(words)) {
        let name = match words {
            [_, "QUOTE"] => "FORCE_QUOTE",
            [_, "NULL"] => "FORCE_NULL",
            _ => "FORCE_NOT_NULL",
        };
        let columns = match name == "FORCE_QUOTE" && cursor.symbol(&Token::Mul) {
            true => Forced::All,
            false => Forced::Columns(listed(cursor)?),
        };
        options.force(name, columns, position);
        return Ok(());
    }
    if cursor.word("BINARY") {
        options.binary = true;
        return Ok(());
    }
    value_option(cursor, options)
}

/// Names with commas between.
fn listed(cursor: &mut Cursor<'_>) -> Result<Vec<Name>> {
    let mut names = vec![cursor.name()?];
    while cursor.symbol(&Token::Comma) {
        names.push(cursor.name()?);
    }
    Ok(names)
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
        "QUOTE" => {
            options.of_csv.get_or_insert(("quote", position));
            options.quote = Some(one_byte(&value, "quote", position)?);
        }
        "ESCAPE" => {
            options.of_csv.get_or_insert(("escape", position));
            options.escape = Some(one_byte(&value, "escape", position)?);
        }
        _ => {
            return Err(Error::unsupported(format!("{name} '{value}' is not supported by COPY")).at(position));
        }
    }
    Ok(())
}

fn one_byte(value: &str, name: &str, position: Position) -> Result<u8> {
    match value.as_bytes() {
        [only] if only.is_ascii() && !matches!(only, b'\n' | b'\r') => Ok(*only),
        _ => {
            let message = format!("COPY {name} must be a single one-byte character");
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(position))
        }
    }
}

fn single_byte(value: &str, position: Position) -> Result<char> {
    let mut characters = value.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) if only.is_ascii() && !matches!(only, '\n' | '\r' | '\\' | '"') => Ok(only),
        _ => Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, "COPY delimiter must be a single one-byte character")
            .at(position)),
    }
}
