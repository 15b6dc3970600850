//! CREATE TYPE, DROP TYPE, and statements in whose places of types such names stand.
//!
//! A name is taken for its type before anything else is looked up, so what is declared with it knows the type alone.

use std::sync::Arc;

use super::done;
use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::TypeDefinition;
use crate::catalog::fold;
use crate::cluster::MetadataRecord;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::prepared::Prepared;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::CreateType;
use crate::sql::DropType;
use crate::sql::named_types;
use crate::sql::nearest;

pub(super) async fn create(session: &mut Session, create: &CreateType, text: &str) -> Result<Outcome> {
    let rules = session.settings.compatibility();
    let name = fold(&create.name, rules);
    authorize(&session.principal, Operation::Create, Resource::Type(&name))?;
    let definition = TypeDefinition {
        owner: session.principal.name().to_string(),
        statement: text.to_string(),
        ..TypeDefinition::new(create, &name, rules)?
    };
    let engine = session.engine.clone();
    let made = engine
        .change(|_, catalog| {
            if create.if_not_exists && catalog.named_type(&name).is_some() {
                return Ok((Vec::new(), false));
            }
            let change = Change::CreateType(Box::new(definition.clone()));
            Ok((vec![record(catalog, &change, create.name.position)?], true))
        })
        .await?;
    if !made {
        session.notice(Notice::new(format!("type \"{name}\" already exists, skipping")));
    }
    Ok(done("CREATE TYPE"))
}

pub(super) async fn drop(session: &mut Session, drop: &DropType) -> Result<Outcome> {
    let name = fold(&drop.name, session.settings.compatibility());
    let principal = session.principal.clone();
    let engine = session.engine.clone();
    let dropped = engine
        .change(|_, catalog| {
            if catalog.named_type(&name).is_none() {
                return match drop.if_exists {
                    true => Ok((Vec::new(), false)),
                    false => Err(no_such_type(catalog, &name).at(drop.name.position)),
                };
            }
            authorize(&principal, Operation::Drop, Resource::Type(&name))?;
            Ok((vec![record(catalog, &Change::DropType(name.clone()), drop.name.position)?], true))
        })
        .await?;
    if !dropped {
        session.notice(Notice::new(format!("type \"{name}\" does not exist, skipping")));
    }
    Ok(done("DROP TYPE"))
}

/// A change that the catalog takes.
fn record(catalog: &Catalog, change: &Change, at: Position) -> Result<MetadataRecord> {
    catalog.apply(change).map_err(|error| Error::from(error).at(at))?;
    Ok(MetadataRecord::Catalog(change.encode().into()))
}

fn no_such_type(catalog: &Catalog, name: &str) -> Error {
    let error = Error::new(SqlState::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"));
    match nearest(name, catalog.named_types().map(|known| known.name.as_str())) {
        Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
        None => error,
    }
}

/// The statement with types in the places of names that stand for them; `None` if it has no such name.
pub(super) fn resolved(session: &Session, prepared: &Prepared) -> Result<Option<Prepared>> {
    let catalog = session.engine.catalog()?;
    if catalog.named_types().len() == 0 || !prepared.names_types() {
        return Ok(None);
    }
    let rules = session.settings.compatibility();
    let mut statement = prepared.statement.as_ref().clone();
    let mut outcome = Ok(false);
    named_types(&mut statement, &mut |named| {
        let before = named.clone();
        match catalog.resolve(named, rules) {
            Ok(()) if *named == before => {}
            Ok(()) => outcome = outcome.clone().map(|_| true),
            Err(error) => outcome = Err(error),
        }
    });
    Ok(outcome?.then(|| prepared.with_statement(Arc::new(statement))))
}
