//! CREATE TABLE .. AS over nothing that changes: a table without a key, filled once, as PostgreSQL makes it.
//!
//! A query that reads a stream, a table or a view is kept standing (`create_as`); one over a list of values, `generate_series` or
//! system tables has nothing to follow. Temporary tables, and what is made of them, are filled once in any case.

use super::create_source;
use super::done;
use super::drop;
use super::insert_select;
use super::modify::cast_name;
use super::modify::quoted;
use super::select;
use super::temporary;
use crate::catalog::Compatibility;
use crate::catalog::TextKind;
use crate::catalog::fold;
use crate::catalog::mean_permanent;
use crate::catalog::permanent_name;
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
    if create.temporary.is_some() {
        return true;
    }
    let reads_temporary =
        || session.catalog().is_ok_and(|catalog| temporary::first_read(&catalog, &create.select).is_some());
    session.settings.compatibility() == Compatibility::Postgres
        && create.kind == ObjectKind::Table
        && !create.or_replace
        && create.select.emit.is_none()
        // Whether a relation is there or not is for who would keep the query to say.
        && (relations_named(&mut create.select.ast.as_ref().clone()).iter().all(|name| name.starts_with("pg_"))
            || reads_temporary())
}

pub(super) async fn execute(session: &mut Session, create: &CreateAs, parameters: &[Value]) -> Result<Outcome> {
    if create.select.emit.is_some() {
        let error = Error::unsupported("a temporary table is filled once: it cannot be told to EMIT");
        return Err(error.at(create.name.position).hint("Leave EMIT out."));
    }
    let name = fold(&create.name, Compatibility::Postgres);
    let catalog = session.catalog()?;
    let known = match create.temporary {
        Some(_) => catalog.temporary(&name).is_some(),
        None => catalog.id_of(&permanent_name(&name)).is_some(),
    };
    if create.if_not_exists && known {
        session.notice(Notice::new(format!("relation \"{name}\" already exists, skipping")));
        return Ok(done("CREATE TABLE AS"));
    }
    let mut select = create.select.clone();
    if create.temporary.is_some() && !known {
        // The new table is not what its query reads under its name.
        mean_permanent(select.ast.as_mut(), &|named, _| named == name);
    }
    let described = select::describe(session, &select, &[]).await?;
    let (table, text) = declaration(create, &name, &described.fields.unwrap_or_default())?;
    create_source::execute(session, &table, &text).await?;
    let target = match create.temporary {
        Some(_) => table.name,
        None => Name { value: permanent_name(&name), quoted: true, ..table.name },
    };
    if create.no_data {
        return Ok(done("CREATE TABLE AS"));
    }
    let (columns, clauses) = (Vec::new(), InsertClauses::default());
    let insert = InsertSelect { target, columns, query_id: None, select, clauses };
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
    let kind = if create.temporary.is_some() { "TEMPORARY TABLE" } else { "TABLE" };
    let text = format!("CREATE {kind} {} ({})", quoted(name), columns.join(", "));
    let Some(Statement::CreateSource(declared)) = sql::parse(&text)?.pop().map(|parsed| parsed.statement) else {
        return Err(Error::internal("the declaration of a filled table"));
    };
    // In the statement that was written these stand nowhere.
    let placed = |name: Name| Name { position: create.name.position, ..name };
    let columns = declared.columns.into_iter();
    let columns = columns.map(|column| ColumnDefinition { name: placed(column.name), ..column }).collect();
    let name = placed(declared.name);
    let (temporary, options) = (create.temporary, create.options.clone());
    Ok((CreateSource { name, temporary, columns, options, ..declared }, text))
}
