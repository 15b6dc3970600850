//! The temporary tables of sessions: which session has some, and how they go with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use tracing::warn;

use super::core::Engine;
use super::queries::record;
use crate::catalog::Change;
use crate::catalog::Relation;
use crate::cluster::MetadataRecord;
use crate::error::Result;
use crate::model::RelationId;
use crate::model::SessionNumber;
use crate::sql::OnCommit;

/// The temporary tables of one session. They go with it.
pub(super) struct TemporaryTables {
    engine: Arc<Engine>,
    session: Option<SessionNumber>,
    /// Those of which something goes when a transaction ends.
    on_commit: BTreeMap<RelationId, OnCommit>,
}

impl TemporaryTables {
    /// None yet.
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, session: None, on_commit: BTreeMap::new() }
    }

    /// The number of the session, if it ever had some.
    pub(super) fn session(&self) -> Option<SessionNumber> {
        self.session
    }

    /// The number under which the session is to have some.
    pub(super) fn begin(&mut self) -> SessionNumber {
        *self.session.get_or_insert_with(|| self.engine.next_session())
    }

    /// Remembers what becomes of a table when a transaction ends.
    pub(super) fn note(&mut self, table: RelationId, on_commit: OnCommit) {
        if on_commit != OnCommit::PreserveRows {
            self.on_commit.insert(table, on_commit);
        }
    }

    /// Those of which something goes when a transaction ends.
    pub(super) fn on_commit(&self) -> Vec<(RelationId, OnCommit)> {
        self.on_commit.iter().map(|(table, on_commit)| (*table, *on_commit)).collect()
    }

    /// Forgets a table that is gone.
    pub(super) fn forget(&mut self, table: RelationId) {
        self.on_commit.remove(&table);
    }
}

impl Drop for TemporaryTables {
    /// Nobody waits for it: who disconnected is gone, and what is left when the server stops is dropped at its next start.
    fn drop(&mut self) {
        let (Some(session), Ok(runtime)) = (self.session, Handle::try_current()) else { return };
        let engine = Arc::clone(&self.engine);
        runtime.spawn(async move {
            if let Err(error) = engine.drop_temporary(|table| table.session == Some(session)).await {
                warn!(session = session.0, error = ?error, "temporary tables of a session that ended stay until the next start");
            }
        });
    }
}

impl Engine {
    /// Drops those temporary tables for which `goes`, with their topics and rows.
    pub(super) async fn drop_temporary(&self, goes: impl Fn(&Relation) -> bool + Send + Sync) -> Result<()> {
        let _turn = self.ddl().await;
        let gone = self
            .change(|metadata, catalog| {
                let gone = catalog.relations().filter(|relation| relation.session.is_some() && goes(relation));
                let gone: Vec<Arc<Relation>> = gone.cloned().collect();
                let mut records: Vec<MetadataRecord> = Vec::new();
                for table in &gone {
                    records.push(record(Change::DropRelation(table.id)));
                    let topic = metadata.topic_by_id(table.topic_id);
                    records.extend(topic.map(|topic| MetadataRecord::DropTopic(topic.id)));
                }
                Ok((records, gone))
            })
            .await?;
        for table in gone {
            match self.runtime().kept(table.id) {
                Some(_) => self.forget_table(table.id).await,
                // Of a run that ended.
                None => self.remove_rows(table.id).await,
            }
        }
        Ok(())
    }
}
