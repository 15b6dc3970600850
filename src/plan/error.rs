//! What planning can refuse.

use crate::error::Error;

/// A refusal inside the room; most are made as user errors at the place that knows the position.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A node that no standing query may have got into its plan: the white list and the binder disagree.
    #[error("a standing query cannot have the node {node}")]
    UnknownNode {
        /// DataFusion's own text of it.
        node: String,
    },
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        match &error {
            PlanError::UnknownNode { .. } => Error::internal(error.to_string()).caused_by(error),
        }
    }
}
