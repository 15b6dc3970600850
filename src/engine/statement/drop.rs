//! DROP STREAM|TABLE|MATERIALIZED VIEW.

use super::done;
use super::lookup::no_such_relation;
use crate::catalog::Change;
use crate::catalog::Relation;
use crate::catalog::fold;
use crate::cluster::MetadataRecord;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::DropRelation;
use crate::sql::ObjectKind;

pub(super) async fn execute(session: &mut Session, drop: &DropRelation) -> Result<Outcome> {
    let tag = match drop.kind {
        ObjectKind::Stream => "DROP STREAM",
        ObjectKind::Table => "DROP TABLE",
        ObjectKind::MaterializedView => "DROP MATERIALIZED VIEW",
    };
    let name = fold(&drop.name, session.settings.compatibility());
    let engine = session.engine.clone();
    let principal = session.principal.clone();
    let dropped = engine
        .change(|metadata, catalog| {
            let Some(relation) = catalog.relation(&name) else {
                return match drop.if_exists {
                    true => Ok((Vec::new(), false)),
                    false => Err(no_such_relation(catalog, &drop.name, &name)),
                };
            };
            authorize(&principal, Operation::Drop, Resource::Relation(&relation.name))?;
            check_kind(relation, drop)?;
            let mut records = Vec::new();
            let mut rest = catalog.clone();
            let mut changes = Vec::new();
            if let Some(query) = relation.query.and_then(|id| catalog.query(id)) {
                changes.push(Change::DropQuery(query.id));
                records.extend(query.internal_topics.iter().map(|(_, _, topic)| MetadataRecord::DropTopic(*topic)));
            }
            changes.push(Change::DropRelation(relation.id));
            for change in changes {
                // The catalog knows what depends on it.
                rest = rest.apply(&change)?;
                records.push(MetadataRecord::Catalog(change.encode().into()));
            }
            records.extend(relation.dead_letter_topic.iter().map(|(_, topic)| MetadataRecord::DropTopic(*topic)));
            if drop.delete_topic {
                if let Some(other) = rest.relations().find(|other| other.topic_id == relation.topic_id) {
                    let message =
                        format!("cannot delete topic \"{}\" because \"{}\" uses it", relation.topic, other.name);
                    return Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message));
                }
                if metadata.topic_by_id(relation.topic_id).is_some() {
                    records.push(MetadataRecord::DropTopic(relation.topic_id));
                }
            }
            Ok((records, true))
        })
        .await?;
    if !dropped {
        session.notice(Notice::new(format!("relation \"{name}\" does not exist, skipping")));
    }
    Ok(done(tag))
}

fn check_kind(relation: &Relation, drop: &DropRelation) -> Result<()> {
    let (is, say) = match (relation.is_table(), relation.materialized_view) {
        (false, _) => ("a stream", "DROP STREAM"),
        (true, false) => ("a table", "DROP TABLE"),
        (true, true) => ("a materialized view", "DROP MATERIALIZED VIEW"),
    };
    let fits = match drop.kind {
        ObjectKind::Stream => !relation.is_table(),
        // What ksqlDB calls a table can be either here; only PostgreSQL's own word for a view is strict.
        ObjectKind::Table => relation.is_table(),
        ObjectKind::MaterializedView => relation.is_table() && relation.query.is_some(),
    };
    if fits {
        return Ok(());
    }
    Err(Error::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is {is}", relation.name))
        .at(drop.name.position)
        .hint(format!("Use {say}.")))
}
