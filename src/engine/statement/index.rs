//! CREATE INDEX and DROP INDEX: none is made, since tables are read by their primary keys. One that is not unique changes no
//! answer, so that clients which make some are told and go on; one that is would be a constraint that nobody keeps.

use super::done;
use super::lookup;
use crate::catalog::fold;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::plan::relation_key;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::CreateIndex;
use crate::sql::DropIndex;

pub(super) fn create(session: &mut Session, create: &CreateIndex) -> Result<Outcome> {
    let relation = lookup::relation(session, &*session.catalog()?, &create.table)?;
    authorize(&session.principal, Operation::Create, Resource::Relation(&relation.name))?;
    let mut columns = Vec::with_capacity(create.columns.len());
    for name in &create.columns {
        columns.push(lookup::column(session, &relation, name)?);
    }
    let key = relation_key(&relation);
    let is_key = relation.is_table()
        && create.plain
        && columns.len() == key.len()
        && key.iter().all(|column| columns.contains(column));
    if is_key {
        session.notice(Notice::new(format!("the primary key of \"{}\" is that index", relation.name)));
        return Ok(done("CREATE INDEX"));
    }
    if let Some(position) = create.unique {
        let message = format!("a UNIQUE index of \"{}\" is supported on its primary key only", relation.name);
        return Err(Error::unsupported(message).at(position).hint("Declare these columns the PRIMARY KEY."));
    }
    let warning = Notice::warning(SqlState::WARNING, format!("no index of \"{}\" was made", relation.name));
    session.notice(warning.hint(
        "Tables are read by their primary keys; a MATERIALIZED VIEW grouped by other columns has them as its key.",
    ));
    Ok(done("CREATE INDEX"))
}

pub(super) fn drop(session: &mut Session, drop: &DropIndex) -> Result<Outcome> {
    let catalog = session.catalog()?;
    let rules = session.settings.compatibility();
    for name in &drop.names {
        let folded = fold(name, rules);
        let table = folded.strip_suffix("_pkey").and_then(|table| catalog.relation(table));
        if table.is_some_and(|table| table.is_table() && table.row_key().is_none()) {
            let message = format!("cannot drop index {folded} because it is a primary key");
            return Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message).at(name.position));
        }
        if !drop.if_exists {
            let message = format!("index \"{folded}\" does not exist");
            let error = Error::new(SqlState::UNDEFINED_OBJECT, message).at(name.position);
            return Err(error.detail("CREATE INDEX makes none: tables are read by their primary keys."));
        }
        session.notice(Notice::new(format!("index \"{folded}\" does not exist, skipping")));
    }
    Ok(done("DROP INDEX"))
}
