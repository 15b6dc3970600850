//! `SELECT`, `WITH`, `VALUES`, `TABLE`.

use sqlparser::ast;

use super::CreateAs;
use super::Name;
use super::ObjectKind;
use super::OnCommit;
use super::Statement;
use crate::error::Position;
use crate::error::Result;
use crate::sql::cursor::Cursor;

/// `EMIT CHANGES` or `EMIT FINAL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Emit {
    /// Every change.
    Changes,
    /// One row per window, when it closes.
    Final,
}

/// A query with what our dialect adds to it.
///
/// `ast` carries WINDOW, WITHIN and PARTITION BY in the slots that `lower.rs` documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// The query.
    pub ast: Box<ast::Query>,
    /// The EMIT clause, if one was written.
    pub emit: Option<Emit>,
    /// The query's own text, cut out of the statement.
    pub text: String,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    // WITH may stand before a statement that changes rows.
    let mut select = cursor.select_or_change()?;
    let Some(name) = into_temporary(&mut select.ast) else { return Ok(Statement::Select(select)) };
    select.text = select.ast.to_string();
    Ok(Statement::CreateAs(CreateAs {
        kind: ObjectKind::Table,
        or_replace: false,
        temporary: Some(OnCommit::default()),
        if_not_exists: false,
        name,
        options: Vec::new(),
        select,
        no_data: false,
    }))
}

/// Takes `INTO TEMP name` out of a query, and gives the name.
fn into_temporary(query: &mut ast::Query) -> Option<Name> {
    let ast::SetExpr::Select(body) = query.body.as_mut() else { return None };
    let into = body.into.take_if(|into| into.temporary)?;
    let ident = into.name.0.last()?.as_ident()?;
    let position = Position(u32::try_from(ident.span.start.column).unwrap_or(1));
    Some(Name { value: ident.value.clone(), quoted: ident.quote_style.is_some(), position, schema: None })
}
