//! A standing query, planned: fragments, what it reads, what it writes.

use std::sync::Arc;

use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::LogicalPlan;

use super::edge::Edge;
use crate::catalog::Format;
use crate::catalog::Relation;
use crate::catalog::RelationKind;
use crate::catalog::Semantics;
use crate::catalog::WindowOfKey;
use crate::model::Column;
use crate::model::OperatorId;
use crate::model::RelationId;

/// A plan that runs until it is stopped.
#[derive(Debug, Clone)]
pub struct StandingPlan {
    /// Upstream first; the last one ends in a `Sink`, the others each in an `Exchange`.
    pub fragments: Vec<Fragment>,
    /// What it writes.
    pub output: Output,
    /// The durable form: `plan_bound` makes the same plan of it again.
    pub bound_text: String,
    /// What it reads, each once, in the order of FROM.
    pub sources: Vec<RelationId>,
    /// The rules under which it was bound.
    pub semantics: Semantics,
    /// One line per operator with state; equal lines can read each other's state.
    pub state_layouts: Vec<String>,
    /// What the user should be told as a NOTICE.
    pub warnings: Vec<String>,
}

/// A part of a plan that runs in one task per partition.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// Its place in `StandingPlan::fragments`.
    pub index: usize,
    /// A `Sink` or an `Exchange`.
    pub root: LogicalPlan,
    /// What it reads; `Source::leaf` and `ExchangeSource::leaf` are indexes into this.
    pub leaves: Vec<Leaf>,
    /// The number of tasks: task `p` reads partition `p` of each leaf.
    pub partitions: i32,
}

/// An input of a fragment.
#[derive(Debug, Clone)]
pub enum Leaf {
    /// A relation's topic.
    Relation {
        /// Which.
        relation: Arc<Relation>,
        /// Whether rows are upserts by key.
        as_table: bool,
        /// The columns that the fragment uses, as ascending indexes into `relation.columns`.
        used: Vec<usize>,
    },
    /// The repartition topic of an exchange.
    Exchange {
        /// The exchange's id.
        id: OperatorId,
        /// The columns.
        schema: DFSchemaRef,
        /// The fragment that writes it, by index.
        upstream: usize,
        /// What flows through it.
        edge: Edge,
    },
    /// The repartition topic of a `Relocate` of the same fragment.
    Relocated {
        /// The node's id.
        id: OperatorId,
        /// The columns.
        schema: DFSchemaRef,
        /// What flows through it.
        edge: Edge,
    },
}

/// What a standing query writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Key columns first, then window bounds, then values; for a push query the columns in the order of the SELECT list.
    pub columns: Vec<Column>,
    /// Columns at the end that tell rows of a push query apart and are not shown.
    pub hidden: usize,
    /// Stream or table.
    pub kind: RelationKind,
    /// The key's format, `None` when there is no key.
    pub key_format: Format,
    /// The value's format, that of the first source unless the statement says otherwise.
    pub value_format: Format,
    /// The window in the key.
    pub window: Option<WindowOfKey>,
    /// The sink topic's partitions unless the statement says otherwise.
    pub partitions: i32,
    /// `EMIT FINAL`: a row is written once and never changed.
    pub emits_final: bool,
}
