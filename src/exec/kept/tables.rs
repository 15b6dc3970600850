//! The kept tables of a node, in its runtime.

use std::sync::Arc;

use super::KeptTable;
use crate::catalog::Relation;
use crate::error::Result;
use crate::exec::Runtime;
use crate::model::RelationId;

impl Runtime {
    /// Keeps a table's rows for reading from now on.
    pub fn keep(&self, relation: Arc<Relation>) -> Result<()> {
        assert!(relation.is_table() && relation.query.is_none(), "the rows of \"{}\" are a query's", relation.name);
        let id = relation.id;
        let kept = KeptTable::new(relation, self.parts())?;
        if let Some(handle) = self.inner.follows() {
            kept.follow(handle);
        }
        self.inner.tables.lock().insert(id, kept);
        Ok(())
    }

    /// A table that is kept.
    pub fn kept(&self, relation: RelationId) -> Option<Arc<KeptTable>> {
        self.inner.tables.lock().get(&relation).cloned()
    }

    /// Keeps a table no more; its view is gone when this returns. No error if there is none.
    pub async fn forget(&self, relation: RelationId) {
        let kept = self.inner.tables.lock().remove(&relation);
        if let Some(kept) = kept {
            kept.close().await;
            self.parts().publisher.remove(relation);
        }
    }

    /// Keeps no table any more.
    pub(in crate::exec) async fn close_tables(&self) {
        let tables = std::mem::take(&mut *self.inner.tables.lock());
        for kept in tables.into_values() {
            kept.close().await;
        }
    }
}
