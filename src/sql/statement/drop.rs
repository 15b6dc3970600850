//! `DROP STREAM|TABLE|MATERIALIZED VIEW [IF EXISTS] name, .. [DELETE TOPIC] [CASCADE | RESTRICT]`.

use sqlparser::tokenizer::Token;

use super::Name;
use super::ObjectKind;
use super::Statement;
use super::create::object_kind;
use super::create_type;
use super::index;
use super::refused;
use super::view;
use crate::error::Error;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// `DROP STREAM|TABLE|MATERIALIZED VIEW [IF EXISTS] name, .. [DELETE TOPIC] [CASCADE | RESTRICT]`.
#[derive(Debug, Clone, PartialEq)]
pub struct DropRelation {
    /// What it must be.
    pub kind: ObjectKind,
    /// `IF EXISTS`
    pub if_exists: bool,
    /// The relation.
    pub name: Name,
    /// Those that are named behind it.
    pub more: Vec<Name>,
    /// `DELETE TOPIC`
    pub delete_topic: bool,
    /// `CASCADE`: what stands on it goes too.
    pub cascade: bool,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let position = cursor.position();
    if cursor.word("TYPE") {
        return create_type::drop(cursor);
    }
    if cursor.word("VIEW") {
        return view::drop(cursor);
    }
    if cursor.word("INDEX") {
        return index::drop(cursor);
    }
    if refused::is_connector(cursor) {
        return Err(refused::connector("DROP", position));
    }
    let Some(kind) = object_kind(cursor) else {
        for word in ["DATABASE", "FUNCTION", "ROLE", "SCHEMA", "SEQUENCE", "USER"] {
            if cursor.word(word) {
                return Err(Error::unsupported(format!("DROP {word} is not supported")).at(position));
            }
        }
        return Err(cursor.unexpected("STREAM, TABLE, VIEW or MATERIALIZED VIEW"));
    };
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let name = cursor.relation_name()?;
    let mut more = Vec::new();
    while cursor.symbol(&Token::Comma) {
        more.push(cursor.relation_name()?);
    }
    let delete_topic = cursor.words(&["DELETE", "TOPIC"]);
    let cascade = cursor.word("CASCADE");
    if !cascade {
        // What happens anyway.
        cursor.word("RESTRICT");
    }
    Ok(Statement::Drop(DropRelation { kind, if_exists, name, more, delete_topic, cascade }))
}
