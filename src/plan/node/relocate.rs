//! Rows moved to the partition of their key, where most of them lie.

use std::cmp::Ordering;
use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;

use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;

use super::only_input;
use super::order_of_equal;
use super::unaliased;
use crate::catalog::Format;
use crate::model::OperatorId;

/// Which rows a `Relocate` sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relocated {
    /// All that lie elsewhere than their key belongs.
    All,
    /// Of these the ones without a key.
    Keyless,
}

/// Sends each row that lies in another partition than that of its key there, through the repartition topic of this operator,
/// and hands on the others. What is sent is read by the tasks of the same fragment, one of whose leaves that topic is.
///
/// The schema is the input's. A key's partition is that of an `Exchange` of these keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocate {
    /// Names the repartition topic.
    pub id: OperatorId,
    /// The index into `Fragment::leaves` of what was sent.
    pub leaf: usize,
    /// Rows, in as many partitions as the repartition topic has.
    pub input: LogicalPlan,
    /// Which of them are sent.
    pub which: Relocated,
    /// The key.
    pub keys: Vec<Expr>,
    /// What the key's columns are called in a format that names them; `None` for their own names.
    pub names: Option<Vec<String>>,
    /// How the key is encoded before it is hashed.
    pub key_format: Format,
    /// The repartition topic's partitions.
    pub partitions: i32,
}

impl Hash for Relocate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
        self.input.hash(state);
        self.keys.hash(state);
    }
}

impl PartialOrd for Relocate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for Relocate {
    fn name(&self) -> &str {
        "Relocate"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        self.keys.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Relocate {}", self.id)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { input: only_input(inputs)?, keys: exprs.into_iter().map(unaliased).collect(), ..self.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }
}
