//! ALTER STREAM|TABLE|MATERIALIZED VIEW|VIEW .. RENAME TO. Whatever reads it knows it by its number, and its topic keeps its name.

use std::sync::Arc;

use super::done;
use super::drop::check_kind;
use super::views::view_named;
use crate::catalog::Change;
use crate::catalog::PlainView;
use crate::catalog::Relation;
use crate::catalog::fold;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::queries::record;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::ObjectKind;
use crate::sql::Rename;

pub(super) async fn execute(session: &mut Session, rename: &Rename) -> Result<Outcome> {
    let tag = match rename.kind {
        None => "ALTER VIEW",
        Some(ObjectKind::Stream) => "ALTER STREAM",
        Some(ObjectKind::Table) => "ALTER TABLE",
        Some(ObjectKind::MaterializedView) => "ALTER MATERIALIZED VIEW",
    };
    let rules = session.settings.compatibility();
    let (name, to) = (fold(&rename.name, rules), fold(&rename.to, rules));
    let principal = session.principal.clone();
    let (engine, scope) = (session.engine.clone(), session.temporary.session());
    let _turn = engine.ddl().await;
    let found = engine
        .change(|_, catalog| {
            let catalog = &catalog.seen_by(scope);
            // The catalogs show materialized views among views, so that is what clients call them.
            let fits = |relation: &&Arc<Relation>| rename.kind.is_some() || relation.materialized_view;
            let change = if let Some(relation) = catalog.relation(&name).filter(fits) {
                authorize(&principal, Operation::Create, Resource::Relation(&relation.name))?;
                if let Some(kind) = rename.kind {
                    check_kind(kind, &rename.name, relation, "ALTER")?;
                }
                Change::ReplaceRelation(Box::new(Relation { name: to.clone(), ..Relation::clone(relation) }))
            } else {
                let Some(view) = view_named(catalog, &rename.name, &name, rename.if_exists)? else {
                    return Ok((Vec::new(), false));
                };
                authorize(&principal, Operation::Create, Resource::Relation(&view.name))?;
                Change::ReplaceView(Box::new(PlainView { name: to.clone(), ..PlainView::clone(view) }))
            };
            catalog.apply(&change).map_err(|error| Error::from(error).at(rename.to.position))?;
            Ok((vec![record(change)], true))
        })
        .await?;
    if !found {
        session.notice(Notice::new(format!("relation \"{name}\" does not exist, skipping")));
    }
    Ok(done(tag))
}
