//! What changes a catalog, and the bytes in which the metadata log carries it.

use serde::Deserialize;
use serde::Serialize;

use super::CatalogError;
use super::PlainView;
use super::QueryDefinition;
use super::QueryState;
use super::Relation;
use super::TypeDefinition;
use crate::model::QueryId;
use crate::model::RelationId;

/// The format that `Change::encode` writes. An older server refuses a newer one.
const FORMAT: u64 = 1;

/// One step from a catalog to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A stream, table or view appears.
    CreateRelation(Box<Relation>),
    /// It is declared or called otherwise; id and topic stay.
    ReplaceRelation(Box<Relation>),
    /// It goes.
    DropRelation(RelationId),
    /// A standing query appears; its sink and its sources exist.
    CreateQuery(Box<QueryDefinition>),
    /// It goes; its sink stays.
    DropQuery(QueryId),
    /// It runs otherwise, from the beginning of what it reads; id, sink and sources stay.
    ReplaceQuery(Box<QueryDefinition>),
    /// It shall run, or not.
    SetQueryState {
        /// Which.
        query: QueryId,
        /// Whether it shall run.
        state: QueryState,
    },
    /// A name stands for a type from now on.
    CreateType(Box<TypeDefinition>),
    /// The name, folded, stands for nothing any more; what was declared with it stays.
    DropType(String),
    /// A name stands for a query from now on.
    CreateView(Box<PlainView>),
    /// Its query or its name is another one; its number stays.
    ReplaceView(Box<PlainView>),
    /// It stands for nothing any more; what stands on its query's relations stays.
    DropView(RelationId),
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    format: u64,
    change: Change,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u64,
}

impl Change {
    /// The durable bytes: JSON with a format number.
    pub fn encode(&self) -> Vec<u8> {
        let envelope = Envelope { format: FORMAT, change: self.clone() };
        serde_json::to_vec(&envelope).expect("changes hold only text, numbers and lists")
    }

    /// Reads what `encode` wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, CatalogError> {
        let found: FormatOnly = serde_json::from_slice(bytes).map_err(CatalogError::Unreadable)?;
        if found.format != FORMAT {
            return Err(CatalogError::UnknownFormat { format: found.format });
        }
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(CatalogError::Unreadable)?;
        Ok(envelope.change)
    }
}
