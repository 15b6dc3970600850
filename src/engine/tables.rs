//! The life of tables without a query: kept for reading from their CREATE, or from the server's start, to their DROP.

use std::sync::Arc;

use tracing::error;

use super::core::Engine;
use crate::catalog::Relation;
use crate::error::Result;
use crate::exec::Claim;
use crate::exec::TableLock;
use crate::model::RelationId;
use crate::state::StoreOwner;

/// Whether a relation's rows are kept by nobody but us.
pub(super) fn is_plain_table(relation: &Relation) -> bool {
    relation.is_table() && relation.query.is_none()
}

impl Engine {
    /// Keeps all tables of the catalog.
    pub(super) fn keep_tables(&self) -> Result<()> {
        for relation in self.catalog()?.relations().filter(|relation| is_plain_table(relation)) {
            self.runtime().keep(Arc::clone(relation))?;
        }
        Ok(())
    }

    /// Waits until no statement is in the middle of changing rows of a table, and keeps them from it: a statement writes whole
    /// rows, so it would write them without the columns that the table gets meanwhile. `None` of what only queries keep.
    pub(super) async fn claim_table(&self, table: RelationId) -> Result<Option<TableLock>> {
        Ok(match self.runtime().kept(table) {
            Some(kept) => Some(kept.locks().lock(Claim::All).await),
            None => None,
        })
    }

    /// Keeps a table anew that has further columns; no error if nobody but a query keeps it.
    pub(super) async fn keep_again(&self, name: &str) -> Result<()> {
        match self.catalog()?.relation(name) {
            Some(table) => self.keep_without_query(table.id).await,
            None => Ok(()),
        }
    }

    /// Keeps a table from now on if no query does.
    pub(super) async fn keep_without_query(&self, id: RelationId) -> Result<()> {
        let catalog = self.catalog()?;
        let Some(table) = catalog.relation_by_id(id).filter(|relation| is_plain_table(relation)) else { return Ok(()) };
        self.forget_table(table.id).await;
        self.runtime().keep(Arc::clone(table))
    }

    /// Forgets the view that a query kept; a table into which it inserts is kept by nobody else than before.
    pub(super) fn forget_view(&self, sink: RelationId) {
        if self.runtime().kept(sink).is_none() {
            self.publisher().remove(sink);
        }
    }

    /// Forgets a table that was dropped, with what only we kept of it. Its record is already gone from the metadata.
    pub(super) async fn forget_table(&self, id: RelationId) {
        if self.runtime().kept(id).is_none() {
            return;
        }
        self.runtime().forget(id).await;
        self.remove_rows(id).await;
    }

    /// Removes what was kept of a table that is gone.
    pub(super) async fn remove_rows(&self, id: RelationId) {
        let stores = Arc::clone(&self.runtime().parts().stores);
        let removed = self.env().threads.blocking(move || stores.remove(StoreOwner::Table(id))).await;
        if let Err(cause) = removed {
            // Ids are never reused: a store that stays is waste, not danger.
            error!(relation = id.0, error = %cause, "store of a dropped table stays");
        }
    }
}
