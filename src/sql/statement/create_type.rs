//! `CREATE TYPE [IF NOT EXISTS] name AS type`, or PostgreSQL's `AS (field type, ..)`; `DROP TYPE [IF EXISTS] name`.

use sqlparser::ast;
use sqlparser::ast::DataType;
use sqlparser::ast::StructBracketKind;
use sqlparser::tokenizer::Token;

use super::Name;
use super::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// A name for a type.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateType {
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The name.
    pub name: Name,
    /// What it stands for.
    pub data_type: DataType,
}

/// A name for a type goes.
#[derive(Debug, Clone, PartialEq)]
pub struct DropType {
    /// `IF EXISTS`
    pub if_exists: bool,
    /// The name.
    pub name: Name,
}

/// Behind `CREATE TYPE`.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    let name = cursor.relation_name()?;
    cursor.expect_word("AS")?;
    for word in ["ENUM", "RANGE"] {
        if cursor.is_word_at(0, word) {
            return Err(Error::unsupported(format!("CREATE TYPE .. AS {word} is not supported"))
                .at(cursor.position())
                .hint("A type is a name for another one, such as STRUCT<street TEXT, city TEXT>."));
        }
    }
    let data_type = match cursor.peek().token {
        Token::LParen => composite(cursor)?,
        _ => cursor.data_type()?,
    };
    Ok(Statement::CreateType(CreateType { if_not_exists, name, data_type }))
}

/// PostgreSQL's composite type, which is a STRUCT.
fn composite(cursor: &mut Cursor<'_>) -> Result<DataType> {
    cursor.expect_symbol(&Token::LParen)?;
    let mut fields = Vec::new();
    loop {
        let name = cursor.name()?;
        let quote_style = name.quoted.then_some('"');
        let field_name = Some(ast::Ident { value: name.value, quote_style, span: sqlparser::tokenizer::Span::empty() });
        let field_type = cursor.data_type()?;
        fields.push(ast::StructField { field_name, field_type, options: None });
        if !cursor.symbol(&Token::Comma) {
            break;
        }
    }
    cursor.expect_symbol(&Token::RParen)?;
    Ok(DataType::Struct(fields, StructBracketKind::AngleBrackets))
}

/// Behind `DROP TYPE`.
pub(super) fn drop(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let name = cursor.relation_name()?;
    // What was declared with it keeps the type itself: nothing depends on the name.
    if !cursor.word("CASCADE") {
        cursor.word("RESTRICT");
    }
    Ok(Statement::DropType(DropType { if_exists, name }))
}
