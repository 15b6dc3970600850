//! The way in: a text of any number of statements, split at its semicolons.

use sqlparser::ast;
use sqlparser::ast::DataType;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Location;
use sqlparser::tokenizer::Span;
use sqlparser::tokenizer::Token;
use sqlparser::tokenizer::TokenWithSpan;
use sqlparser::tokenizer::Tokenizer;
use sqlparser::tokenizer::Whitespace;

use super::cursor::Cursor;
use super::cursor::slice;
use super::depth;
use super::dialect::TidemillDialect;
use super::error::from_tokenizer;
use super::error::position_of;
use super::lower::Origin;
use super::lower::lower;
use super::misspelt::hinted;
use super::statement;
use super::statement::Select;
use super::statement::Statement;
use crate::error::Position;
use crate::error::Result;

/// One statement of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// Its own text, without the semicolon.
    pub text: String,
    /// Where it starts in the whole text. Positions in the statement count from the start of the whole text.
    pub position: Position,
    /// The same as line and column, both from 1.
    pub place: (usize, usize),
}

/// The line and the column, both from 1, of a character that is counted from 1.
pub fn line_and_column(text: &str, position: Position) -> (usize, usize) {
    let before = usize::try_from(position.0.saturating_sub(1)).unwrap_or(usize::MAX);
    let (mut line, mut column) = (1, 1);
    for character in text.chars().take(before) {
        (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    (line, column)
}

/// All statements of `text`, at least one: a text without any is `Statement::Empty`.
pub fn parse(text: &str) -> Result<Vec<Parsed>> {
    let tokens = lex(text)?;
    let mut all = Vec::new();
    for tokens in tokens.split(|token| token.token == Token::SemiColon) {
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { continue };
        let (start, end) = (position_of(first), end_of(last));
        depth::check(tokens)?;
        let mut cursor = Cursor::new(text, lower(tokens, Origin::User)?, end);
        let parsed = statement::parse(&mut cursor).and_then(|statement| cursor.finish().map(|()| statement));
        let statement = parsed.map_err(|error| hinted(error, tokens))?;
        let place = line_and_column(text, start);
        all.push(Parsed { statement, text: slice(text, start, end).to_string(), position: start, place });
    }
    if all.is_empty() {
        let statement = Statement::Empty;
        all.push(Parsed { statement, text: String::new(), position: Position(1), place: (1, 1) });
    }
    Ok(all)
}

/// One query that was printed from an AST: the slots that `lower` uses may stand in it as they are.
pub fn parse_select(text: &str) -> Result<Select> {
    let tokens = lex(text)?;
    let end = tokens.last().map_or(Position(1), end_of);
    depth::check(&tokens)?;
    let mut cursor = Cursor::new(text, lower(&tokens, Origin::Bound)?, end);
    let select = cursor.select()?;
    cursor.finish()?;
    Ok(select)
}

/// The query of a view, as somebody wrote it for another text: nothing in it has a place in the text that is asked now.
pub fn parse_view_query(text: &str) -> Result<Box<ast::Query>> {
    let tokens = lex(text)?;
    depth::check(&tokens)?;
    let mut lowered = lower(&tokens, Origin::User)?;
    lowered.tokens.iter_mut().for_each(|token| token.span = Span::empty());
    let mut cursor = Cursor::new("", lowered, Position(1));
    let select = cursor.select()?;
    cursor.finish()?;
    Ok(select.ast)
}

/// Refuses a text that is too deep as a tree.
pub fn check_depth(text: &str) -> Result<()> {
    depth::check(&lex(text)?)
}

/// One type, as `SqlType` shows itself.
pub fn parse_type(text: &str) -> Result<DataType> {
    let tokens = lex(text)?;
    let end = tokens.last().map_or(Position(1), end_of);
    depth::check(&tokens)?;
    let mut cursor = Cursor::new(text, lower(&tokens, Origin::Bound)?, end);
    let data_type = cursor.sqlparser(Parser::parse_data_type)?;
    cursor.finish()?;
    Ok(data_type)
}

/// Tokens without white space, their spans in characters of the whole text. `$$text$$` is a text like any other, and a text that goes
/// on in another line is one.
fn lex(text: &str) -> Result<Vec<TokenWithSpan>> {
    let lines = Lines::new(text);
    let tokens = Tokenizer::new(&TidemillDialect, text)
        .tokenize_with_location()
        .map_err(|error| from_tokenizer(&error, |line, column| Position(lines.place(line, column))))?;
    let renumbered =
        |location: Location| Location { line: 1, column: u64::from(lines.place(location.line, location.column)) };
    let tokens: Vec<TokenWithSpan> = joined_lines(tokens)
        .into_iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .map(|TokenWithSpan { token, span }| TokenWithSpan {
            token: match token {
                Token::DollarQuotedString(text) => Token::SingleQuotedString(text.value),
                other => other,
            },
            span: Span::new(renumbered(span.start), renumbered(span.end)),
        })
        .collect();
    Ok(without_only(tokens))
}

/// `FROM ONLY t` is `FROM t`, since no table here has others below it.
fn without_only(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_word = |token: &Token, names: &[&str]| match token {
        Token::Word(word) => {
            word.quote_style.is_none() && names.iter().any(|name| word.value.eq_ignore_ascii_case(name))
        }
        _ => false,
    };
    let mut last = None;
    tokens.retain(|token| {
        let goes = is_word(&token.token, &["ONLY"])
            && last.as_ref().is_some_and(|before| is_word(before, &["FROM", "JOIN", "UPDATE", "TRUNCATE", "TABLE"]));
        last = Some(token.token.clone());
        !goes
    });
    tokens
}

/// SQL's `'one'` and, behind a line break and nothing but white space, `'two'` are `'onetwo'`.
fn joined_lines(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut joined: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let before = joined.iter().rposition(|before| !matches!(before.token, Token::Whitespace(_)));
        if let Token::SingleQuotedString(more) = &token.token
            && let Some(at) = before
            && joined[at + 1..].iter().any(|space| breaks_line(&space.token))
            && let TokenWithSpan { token: Token::SingleQuotedString(text), span } = &mut joined[at]
        {
            text.push_str(more);
            span.end = token.span.end;
            joined.truncate(at + 1);
            continue;
        }
        joined.push(token);
    }
    joined
}

fn breaks_line(token: &Token) -> bool {
    matches!(token, Token::Whitespace(Whitespace::Newline | Whitespace::SingleLineComment { .. }))
}

fn end_of(token: &TokenWithSpan) -> Position {
    Position(u32::try_from(token.span.end.column).unwrap_or(u32::MAX))
}

/// Where each line starts, in characters from 0.
struct Lines(Vec<u32>);

impl Lines {
    fn new(text: &str) -> Self {
        let mut starts = vec![0];
        let mut characters = 0_u32;
        for character in text.chars() {
            characters = characters.saturating_add(1);
            if character == '\n' {
                starts.push(characters);
            }
        }
        Self(starts)
    }

    /// The character's place, from 1, of sqlparser's line and column, both from 1.
    fn place(&self, line: u64, column: u64) -> u32 {
        let line = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let start = self.0.get(line).copied().unwrap_or_default();
        start.saturating_add(u32::try_from(column.max(1)).unwrap_or(u32::MAX))
    }
}
