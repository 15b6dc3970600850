//! Statement and catalog into a plan: names and types bound, optimised, cut into fragments; and its EXPLAIN.
//!
//! Invariants:
//!   * a plan is made from its bound text alone, at CREATE as at every start, so both are the same
//!   * below `bind` nothing knows the compatibility mode: its rules are expressions, functions and fields of nodes
//!   * nodes other than Projection and Filter are ours; no physical optimizer rule runs over a standing plan
//!
//! Not here: reading topics and running operators (`exec`), life cycle and durability of queries (`engine`).

mod edge;
mod error;
pub mod node;
mod standing;

pub use edge::Edge;
pub use edge::EdgeKind;
pub use edge::edge;
pub use error::PlanError;
pub use standing::Fragment;
pub use standing::Leaf;
pub use standing::Output;
pub use standing::StandingPlan;

use crate::catalog::Relation;
use crate::model::ColumnRole;

/// The columns that make a row's identity: the key columns and, in a windowed view, the window's start.
fn relation_key(relation: &Relation) -> Vec<usize> {
    let in_key = |role| matches!(role, ColumnRole::Key | ColumnRole::WindowStart);
    (0..relation.columns.len()).filter(|index| in_key(relation.columns[*index].role)).collect()
}
