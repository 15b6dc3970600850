//! Rows of a relation, decoded from its topic.

use std::cmp::Ordering;
use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;

use super::order_of_equal;
use crate::catalog::Relation;
use crate::model::OperatorId;

/// A column that every record has besides its declared ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PseudoColumn {
    /// The event time: BIGINT milliseconds under ksqldb, else TIMESTAMP WITH TIME ZONE; the schema's field tells.
    RowTime,
    /// The partition, INT.
    RowPartition,
    /// The offset, BIGINT.
    RowOffset,
}

impl PseudoColumn {
    /// All of them.
    pub const ALL: [PseudoColumn; 3] = [PseudoColumn::RowTime, PseudoColumn::RowPartition, PseudoColumn::RowOffset];

    /// Its name, lower case.
    pub fn word(self) -> &'static str {
        match self {
            PseudoColumn::RowTime => "rowtime",
            PseudoColumn::RowPartition => "rowpartition",
            PseudoColumn::RowOffset => "rowoffset",
        }
    }

    /// The one of a name, in any case.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.word().eq_ignore_ascii_case(word))
    }
}

/// A leaf that reads a relation's topic.
///
/// Its schema is all columns of the relation in order, then `pseudo`, all qualified by the name that the query gives the
/// relation. An edge of a stream is append-only, of a table an upsert by its key.
#[derive(Debug, Clone)]
pub struct Source {
    /// The place of the relation in FROM.
    pub id: OperatorId,
    /// The index into `Fragment::leaves`.
    pub leaf: usize,
    /// What is read.
    pub relation: Arc<Relation>,
    /// The pseudo columns that stand after the relation's own.
    pub pseudo: Vec<PseudoColumn>,
    /// See above.
    pub schema: DFSchemaRef,
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
            && self.leaf == other.leaf
            && self.relation.id == other.relation.id
            && self.pseudo == other.pseudo
            && self.schema == other.schema
    }
}

impl Eq for Source {}

impl Hash for Source {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
        self.leaf.hash(state);
        self.relation.id.hash(state);
    }
}

impl PartialOrd for Source {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for Source {
    fn name(&self) -> &str {
        "Source"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Source {}", self.relation.name)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, _: Vec<LogicalPlan>) -> Result<Self> {
        Ok(self.clone())
    }

    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(Vec::new())
    }
}
