//! `EXPLAIN [ANALYZE] [VERBOSE] select | create as | query name`.

use sqlparser::tokenizer::Token;

use super::CreateAs;
use super::Name;
use super::Select;
use super::Statement;
use super::create;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// What EXPLAIN explains.
#[derive(Debug, Clone, PartialEq)]
pub enum ExplainTarget {
    /// A query that would be asked: pull, or push with EMIT.
    Select(Select),
    /// A query that would be kept.
    CreateAs(CreateAs),
    /// A query that is kept, by its name.
    Query(Name),
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let (mut analyze, mut json) = (cursor.word("ANALYZE"), false);
    cursor.word("VERBOSE");
    if cursor.peek().token == Token::LParen && !cursor.is_word_at(1, "SELECT") && !cursor.is_word_at(1, "WITH") {
        let told = options(cursor)?;
        (analyze, json) = (analyze | told.0, told.1);
    }
    let position = cursor.position();
    let target = if cursor.at_query() {
        ExplainTarget::Select(cursor.select()?)
    } else if cursor.word("CREATE") {
        match create::parse(cursor)? {
            Statement::CreateAs(create) => ExplainTarget::CreateAs(create),
            _ => return Err(Error::unsupported("only a query can be explained").at(position)),
        }
    } else if ["INSERT", "UPDATE", "DELETE", "DECLARE", "EXECUTE"].iter().any(|word| cursor.is_word_at(0, word)) {
        return Err(Error::unsupported("only a query can be explained").at(position));
    } else {
        ExplainTarget::Query(cursor.name()?)
    };
    Ok(Statement::Explain { analyze, json, target })
}

/// PostgreSQL's options between parentheses: ANALYZE, and whether the format is JSON. The others change only how much is shown
/// there.
fn options(cursor: &mut Cursor<'_>) -> Result<(bool, bool)> {
    const KNOWN: &[&str] =
        &["ANALYZE", "VERBOSE", "COSTS", "SETTINGS", "BUFFERS", "WAL", "TIMING", "SUMMARY", "FORMAT"];
    let (mut analyze, mut json) = (false, false);
    cursor.expect_symbol(&Token::LParen)?;
    loop {
        let Some(option) = KNOWN.iter().find(|option| cursor.is_word_at(0, option)) else {
            return Err(cursor.unexpected("an option of EXPLAIN"));
        };
        cursor.step();
        let position = cursor.position();
        let value = match cursor.peek().token {
            Token::Comma | Token::RParen => "true".to_string(),
            _ => cursor.literal()?,
        };
        match *option {
            "ANALYZE" => analyze = !matches!(value.to_ascii_lowercase().as_str(), "false" | "off" | "0"),
            "FORMAT" if value.eq_ignore_ascii_case("json") => json = true,
            "FORMAT" if !value.eq_ignore_ascii_case("text") => {
                return Err(Error::unsupported(format!("EXPLAIN in the format {value} is not supported")).at(position));
            }
            _ => {}
        }
        if !cursor.symbol(&Token::Comma) {
            break;
        }
    }
    cursor.expect_symbol(&Token::RParen)?;
    Ok((analyze, json))
}
