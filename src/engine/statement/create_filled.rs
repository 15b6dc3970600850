//! CREATE TABLE .. AS over nothing that changes: a table without a key, filled once, as PostgreSQL makes it.
//!
//! A query that reads a stream, a table or a view is kept standing (`create_as`); one over a list of values, `generate_series` or
//! system tables has nothing to follow.

use super::create_source;
use super::done;
use super::drop;
use super::insert_select;
use super::modify::cast_name;
use super::modify::quoted;
use super::select;
use crate::catalog::Compatibility;
use crate::catalog::TextKind;
use crate::catalog::fold;
use crate::catalog::relations_named;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::Value;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::sql;
use crate::sql::ColumnDefinition;
use crate::sql::CreateAs;
use crate::sql::CreateSource;
use crate::sql::DropRelation;
use crate::sql::InsertClauses;
use crate::sql::InsertSelect;
use crate::sql::Name;
use crate::sql::ObjectKind;
use crate::sql::Statement;

/// Whether the statement makes such a table.
pub(super) fn is_one(session: &Session, create: &CreateAs) -> bool {
    session.settings.compatibility() == Compatibility::Postgres
        && create.kind == ObjectKind::Table
        && !create.or_replace
        && create.select.emit.is_none()
        // Whether a relation is there or not is for who would keep the query to say.
        && relations_named(&mut create.select.ast.as_ref().clone()).iter().all(|name| name.starts_with("pg_"))
}

pub(super) async fn execute(session: &mut Session, create: &CreateAs, parameters: &[Value]) -> Result<Outcome> {
    let name = fold(&create.name, Compatibility::Postgres);
    if create.if_not_exists && session.engine.catalog()?.id_of(&name).is_some() {
        session.notice(Notice::new(format!("relation \"{name}\" already exists, skipping")));
        return Ok(done("CREATE TABLE AS"));
    }
    let described = select::describe(session, &create.select, &[]).await?;
    let (table, text) = declaration(create, &name, &described.fields.unwrap_or_default())?;
    create_source::execute(session, &table, &text).await?;
    let insert = InsertSelect {
        target: table.name,
        columns: Vec::new(),
        query_id: None,
        select: create.select.clone(),
        clauses: InsertClauses::default(),
    };
    match insert_select::execute(session, &insert, &text, parameters).await {
        Ok(Outcome::Done { tag }) => Ok(done(tag.replacen("INSERT 0", "SELECT", 1))),
        Ok(_) => Err(Error::internal("an INSERT with an answer")),
        Err(cause) => {
            let undone = DropRelation {
                kind: ObjectKind::Table,
                if_exists: true,
                name: insert.target,
                more: Vec::new(),
                delete_topic: false,
                cascade: false,
            };
            drop::execute(session, &undone).await?;
            Err(cause)
        }
    }
}

/// The CREATE TABLE of a query's columns, with its text.
fn declaration(create: &CreateAs, name: &str, fields: &[OutputField]) -> Result<(CreateSource, String)> {
    let column = |field: &OutputField| match field.text_kind {
        _ if field.is_interval => {
            let message = format!("column \"{}\" of type interval is not supported in a table", field.name);
            Err(Error::unsupported(message).at(create.name.position))
        }
        Some(TextKind::Uuid) => Ok(format!("{} UUID", quoted(&field.name))),
        _ => Ok(format!("{} {}", quoted(&field.name), cast_name(&field.sql_type))),
    };
    let columns = fields.iter().map(column).collect::<Result<Vec<_>>>()?;
    let text = format!("CREATE TABLE {} ({})", quoted(name), columns.join(", "));
    let Some(Statement::CreateSource(declared)) = sql::parse(&text)?.pop().map(|parsed| parsed.statement) else {
        return Err(Error::internal("the declaration of a filled table"));
    };
    // In the statement that was written these stand nowhere.
    let placed = |name: Name| Name { position: create.name.position, ..name };
    let columns = declared.columns.into_iter();
    let columns = columns.map(|column| ColumnDefinition { name: placed(column.name), ..column }).collect();
    let name = placed(declared.name);
    Ok((CreateSource { name, columns, options: create.options.clone(), ..declared }, text))
}
