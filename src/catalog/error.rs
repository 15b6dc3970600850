//! Why a change cannot be applied.

use crate::error::Error;
use crate::error::SqlState;
use crate::model::QueryId;
use crate::model::RelationId;

/// A change that does not fit the catalog, or whose bytes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The name is taken.
    #[error("relation \"{name}\" already exists")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The number was used before.
    #[error("relation id {} was used before", id.0)]
    RelationIdTaken {
        /// The number.
        id: RelationId,
    },
    /// The number was used before.
    #[error("query id {id} was used before")]
    QueryIdTaken {
        /// The number.
        id: QueryId,
    },
    /// No relation has this number.
    #[error("relation id {} does not exist", id.0)]
    UnknownRelation {
        /// The number.
        id: RelationId,
    },
    /// No query has this number.
    #[error("query {id} does not exist")]
    UnknownQuery {
        /// The number.
        id: QueryId,
    },
    /// The name stands for a type already.
    #[error("type \"{name}\" already exists")]
    TypeTaken {
        /// The name.
        name: String,
    },
    /// The name stands for no type.
    #[error("type \"{name}\" does not exist")]
    UnknownType {
        /// The name.
        name: String,
    },
    /// Queries read or write it.
    #[error("cannot drop \"{name}\" because queries depend on it")]
    StillUsed {
        /// The relation.
        name: String,
        /// The names of what depends on it.
        dependants: Vec<String>,
    },
    /// Views read it.
    #[error("cannot drop \"{name}\" because views depend on it")]
    ReadByViews {
        /// The relation or view.
        name: String,
        /// The views that read it.
        views: Vec<String>,
    },
    /// The bytes were written by a newer version, or are damaged.
    #[error("catalog record of format {format} cannot be read")]
    UnknownFormat {
        /// The number at its front.
        format: u64,
    },
    /// The bytes are not a catalog record.
    #[error("catalog record cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

impl From<CatalogError> for Error {
    fn from(error: CatalogError) -> Self {
        let message = error.to_string();
        match error {
            CatalogError::NameTaken { .. } => Error::new(SqlState::DUPLICATE_TABLE, message),
            CatalogError::StillUsed { ref dependants, .. } => {
                let detail = format!("These depend on it: {}.", dependants.join(", "));
                Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
                    .detail(detail)
                    .hint("DROP what they write first, or TERMINATE them.")
            }
            CatalogError::ReadByViews { ref views, .. } => {
                let detail = format!("These depend on it: {}.", views.join(", "));
                Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
                    .detail(detail)
                    .hint("DROP them first, or say CASCADE.")
            }
            CatalogError::TypeTaken { .. } => Error::new(SqlState::DUPLICATE_OBJECT, message),
            CatalogError::UnknownRelation { .. }
            | CatalogError::UnknownQuery { .. }
            | CatalogError::UnknownType { .. } => Error::new(SqlState::UNDEFINED_OBJECT, message),
            CatalogError::RelationIdTaken { .. } | CatalogError::QueryIdTaken { .. } => Error::internal(message),
            CatalogError::UnknownFormat { .. } | CatalogError::Unreadable(_) => {
                Error::new(SqlState::DATA_CORRUPTED, message).caused_by(error)
            }
        }
    }
}
