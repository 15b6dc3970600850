//! Where a statement's parser stands: words, names and literals for our own statements, sqlparser for the rest.

use sqlparser::ast;
use sqlparser::ast::ArrayElemTypeDef;
use sqlparser::ast::DataType;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;
use sqlparser::tokenizer::TokenWithSpan;

use super::dialect;
use super::dialect::TidemillDialect;
use super::duration::is_word;
use super::error::from_parser;
use super::error::position_of;
use super::error::unexpected;
use super::fetch_first;
use super::lower::Lowered;
use super::lower::LoweredEmit;
use super::statement::Name;
use super::statement::NamedSchema;
use super::statement::Select;
use super::statement::temporary_schema;
use super::well_formed;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;

/// The one database that there is.
pub const DATABASE: &str = "tidemill";

static DIALECT: TidemillDialect = TidemillDialect;

/// A parser in the middle of one statement.
pub(super) struct Cursor<'a> {
    parser: Parser<'a>,
    text: &'a str,
    end: Position,
    emit: Option<LoweredEmit>,
}

impl<'a> Cursor<'a> {
    /// A cursor before the first of a statement's tokens. `text` is the whole text, `end` where the statement ends.
    pub(super) fn new(text: &'a str, lowered: Lowered, end: Position) -> Self {
        let parser = Parser::new(&DIALECT).with_tokens_with_locations(lowered.tokens);
        Self { parser, text, end, emit: lowered.emit }
    }

    /// The next token.
    pub(super) fn peek(&self) -> &TokenWithSpan {
        self.parser.peek_token_ref()
    }

    /// Where the next token stands.
    pub(super) fn position(&self) -> Position {
        match self.peek().token {
            Token::EOF => self.end,
            _ => position_of(self.peek()),
        }
    }

    /// Whether the token `ahead` (0 is the next) is an unquoted word.
    pub(super) fn is_word_at(&self, ahead: usize, wanted: &str) -> bool {
        is_word(&self.parser.peek_nth_token_ref(ahead).token, wanted)
    }

    /// Whether a symbol stands `ahead` tokens behind the next.
    pub(super) fn is_symbol_at(&self, ahead: usize, wanted: &Token) -> bool {
        self.parser.peek_nth_token_ref(ahead).token == *wanted
    }

    /// Whether the statement is over.
    pub(super) fn at_end(&self) -> bool {
        self.peek().token == Token::EOF
    }

    /// Whether the next word is followed by more, so that it is not itself the last name of the statement.
    pub(super) fn more_follows(&self) -> bool {
        self.parser.peek_nth_token_ref(1).token != Token::EOF
    }

    /// Steps over the next token and gives it.
    pub(super) fn step(&mut self) -> TokenWithSpan {
        self.parser.next_token()
    }

    /// Takes unquoted words, all of them or none.
    pub(super) fn words(&mut self, wanted: &[&str]) -> bool {
        let there = wanted.iter().enumerate().all(|(ahead, word)| self.is_word_at(ahead, word));
        if there {
            for _ in wanted {
                self.parser.advance_token();
            }
        }
        there
    }

    /// Takes one unquoted word.
    pub(super) fn word(&mut self, wanted: &str) -> bool {
        self.words(&[wanted])
    }

    /// Takes one unquoted word or says that it is missing.
    pub(super) fn expect_word(&mut self, wanted: &str) -> Result<()> {
        if self.word(wanted) { Ok(()) } else { Err(self.unexpected(wanted)) }
    }

    /// Takes a symbol.
    pub(super) fn symbol(&mut self, wanted: &Token) -> bool {
        self.parser.consume_token(wanted)
    }

    /// Takes a symbol or says that it is missing.
    pub(super) fn expect_symbol(&mut self, wanted: &Token) -> Result<()> {
        if self.symbol(wanted) { Ok(()) } else { Err(self.unexpected(&format!("\"{wanted}\""))) }
    }

    /// The error for the next token, with what would have fitted.
    pub(super) fn unexpected(&self, expected: &str) -> Error {
        match self.peek().token {
            // The token that stands for the end has no place of its own.
            Token::EOF => Error::new(SqlState::SYNTAX_ERROR, "syntax error at end of input")
                .at(self.end)
                .detail(format!("Expected {expected}.")),
            _ => unexpected(self.peek(), expected),
        }
    }

    /// Runs one of sqlparser's own parsers.
    pub(super) fn sqlparser<T>(
        &mut self,
        parse: impl FnOnce(&mut Parser<'a>) -> Result<T, sqlparser::parser::ParserError>,
    ) -> Result<T> {
        parse(&mut self.parser).map_err(|error| from_parser(error, self.end))
    }

    /// A type. ksqlDB also writes an array behind what it holds (`INT ARRAY`), and `VARCHAR(STRING)` for a text.
    pub(super) fn data_type(&mut self) -> Result<DataType> {
        let is_text = |ahead| self.is_word_at(ahead, "VARCHAR") || self.is_word_at(ahead, "STRING");
        let is_text_of_text =
            is_text(0) && self.is_symbol_at(1, &Token::LParen) && is_text(2) && self.is_symbol_at(3, &Token::RParen);
        let mut data_type = if is_text_of_text {
            for _ in 0..4 {
                self.step();
            }
            DataType::String(None)
        } else {
            self.sqlparser(Parser::parse_data_type)?
        };
        while self.word("ARRAY") {
            data_type = DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(data_type), None));
        }
        Ok(data_type)
    }

    /// An identifier.
    pub(super) fn name(&mut self) -> Result<Name> {
        let position = self.position();
        match &self.peek().token {
            Token::Word(word) => {
                let name =
                    Name { value: word.value.clone(), quoted: word.quote_style.is_some(), position, schema: None };
                self.parser.advance_token();
                Ok(name)
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// The name of a relation. Its schema may stand before it, and the database before that.
    pub(super) fn relation_name(&mut self) -> Result<Name> {
        let mut name = self.name()?;
        if !self.symbol(&Token::Period) {
            return Ok(name);
        }
        if name.value.eq_ignore_ascii_case(DATABASE) && self.is_symbol_at(1, &Token::Period) {
            name = self.name()?;
            self.expect_symbol(&Token::Period)?;
        }
        if let Some(schema) = schema_named(&name) {
            return Ok(Name { schema: Some(schema), ..self.name()? });
        }
        Err(Error::unsupported(format!("schema \"{}\" cannot be used here", name.value))
            .at(name.position)
            .hint("Streams, tables and views live in the schema public."))
    }

    /// Names between parentheses.
    pub(super) fn names(&mut self) -> Result<Vec<Name>> {
        self.expect_symbol(&Token::LParen)?;
        let mut names = vec![self.name()?];
        while self.symbol(&Token::Comma) {
            names.push(self.name()?);
        }
        self.expect_symbol(&Token::RParen)?;
        Ok(names)
    }

    /// A text between single quotes.
    pub(super) fn string(&mut self) -> Result<String> {
        self.string_if_there().ok_or_else(|| self.unexpected("a text in single quotes"))
    }

    /// A text between single quotes, if that is next.
    pub(super) fn string_if_there(&mut self) -> Option<String> {
        let text = match &self.peek().token {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text.clone(),
            _ => return None,
        };
        self.parser.advance_token();
        Some(text)
    }

    /// A text, a number, or a bare word, as its text.
    pub(super) fn literal(&mut self) -> Result<String> {
        if let Some(text) = self.string_if_there() {
            return Ok(text);
        }
        let sign = if self.symbol(&Token::Minus) { "-" } else { "" };
        let text = match &self.peek().token {
            Token::Number(digits, _) => format!("{sign}{digits}"),
            Token::Word(word) if sign.is_empty() => word.value.clone(),
            _ => return Err(self.unexpected("a value")),
        };
        self.parser.advance_token();
        Ok(text)
    }

    /// A count: digits only.
    pub(super) fn count(&mut self) -> Result<u64> {
        let count = match &self.peek().token {
            Token::Number(digits, _) => digits.parse().ok(),
            _ => None,
        };
        let count = count.ok_or_else(|| self.unexpected("a whole number"))?;
        self.parser.advance_token();
        Ok(count)
    }

    /// An expression.
    pub(super) fn expression(&mut self) -> Result<ast::Expr> {
        let expression = self.sqlparser(Parser::parse_expr)?;
        well_formed::check(&expression)?;
        Ok(expression)
    }

    /// An expression that ends before a NOT NULL behind it, as PostgreSQL's do where both may follow a column's type.
    pub(super) fn expression_of_column(&mut self) -> Result<ast::Expr> {
        let expression = self.sqlparser(|parser| parser.parse_subexpr(dialect::precedence_of_is()))?;
        well_formed::check(&expression)?;
        Ok(expression)
    }

    /// Whether a query starts here.
    pub(super) fn at_query(&self) -> bool {
        ["SELECT", "WITH", "VALUES", "TABLE"].iter().any(|word| self.is_word_at(0, word))
            || self.peek().token == Token::LParen
    }

    /// A query that reaches to the statement's end.
    pub(super) fn select(&mut self) -> Result<Select> {
        self.select_at_depth(0, Refused::Changes)
    }

    /// A query, or INSERT, UPDATE or DELETE behind WITH, which sqlparser takes for queries.
    pub(super) fn select_or_change(&mut self) -> Result<Select> {
        self.select_at_depth(0, Refused::Nothing)
    }

    /// A query within parentheses, which are taken too.
    pub(super) fn select_in_parentheses(&mut self) -> Result<Select> {
        self.expect_symbol(&Token::LParen)?;
        let select = self.select_at_depth(1, Refused::Changes)?;
        self.expect_symbol(&Token::RParen)?;
        Ok(select)
    }

    fn select_at_depth(&mut self, depth: usize, refused: Refused) -> Result<Select> {
        if !self.at_query() {
            return Err(self.unexpected("SELECT, WITH or VALUES"));
        }
        let start = self.position();
        let mut ast = self.sqlparser(Parser::parse_query)?;
        fetch_first::as_limit(&mut ast).map_err(|error| error.at(start))?;
        if let (Refused::Changes, Some(error)) = (refused, writing_with(&ast.body)) {
            return Err(error.at(start));
        }
        well_formed::check(&ast)?;
        let emit = self.emit.take_if(|emit| emit.depth == depth).map(|emit| emit.emit);
        let text = slice(self.text, start, self.position()).trim_end().to_string();
        Ok(Select { ast, emit, text })
    }

    /// The text from a place up to here.
    pub(super) fn text_since(&self, start: Position) -> &str {
        slice(self.text, start, self.position()).trim_end()
    }

    /// Checks that nothing is left over.
    pub(super) fn finish(&self) -> Result<()> {
        if !self.at_end() {
            return Err(self.unexpected("the end of the statement"));
        }
        match self.emit {
            Some(emit) => Err(Error::new(SqlState::SYNTAX_ERROR, "EMIT cannot stand here")
                .at(emit.position)
                .hint("EMIT CHANGES and EMIT FINAL end the outermost query.")),
            None => Ok(()),
        }
    }
}

/// The schema of that name, if relations can be in it.
fn schema_named(name: &Name) -> Option<NamedSchema> {
    match name.value.to_lowercase().as_str() {
        "public" => Some(NamedSchema::Public),
        other => temporary_schema(other),
    }
}

/// What may not stand behind WITH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Changes,
    Nothing,
}

/// `WITH .. INSERT` and its kin, which sqlparser takes for queries.
fn writing_with(body: &ast::SetExpr) -> Option<Error> {
    let (statement, hint) = match body {
        ast::SetExpr::Insert(_) => ("INSERT", "Write INSERT INTO name WITH .. SELECT ..."),
        ast::SetExpr::Update(_) => {
            ("UPDATE", "Say WHERE .. IN (WITH .. SELECT ..), or SET column = (WITH .. SELECT ..).")
        }
        ast::SetExpr::Delete(_) => ("DELETE", "Say WHERE .. IN (WITH .. SELECT ..)."),
        _ => return None,
    };
    Some(Error::unsupported(format!("WITH before {statement} is not supported")).hint(hint))
}

/// The characters of `text` from `start` to before `end`.
pub(super) fn slice(text: &str, start: Position, end: Position) -> &str {
    let byte_of = |position: Position| {
        let characters = usize::try_from(position.0.saturating_sub(1)).unwrap_or(usize::MAX);
        text.char_indices().nth(characters).map_or(text.len(), |(byte, _)| byte)
    };
    text.get(byte_of(start)..byte_of(end)).unwrap_or_default()
}
