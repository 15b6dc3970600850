//! The two halves of a repartition: what a fragment sends on by key, and what the next one reads.

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
use crate::plan::Edge;

/// Sends each row to the partition of its key, through the repartition topic of this operator.
///
/// The schema is the input's. Rows with equal keys reach the same partition: that of `key_format`'s bytes under Kafka's hash,
/// so that a stream meets the table that its producer keyed by the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Names the repartition topic.
    pub id: OperatorId,
    /// What is sent.
    pub input: LogicalPlan,
    /// The key; empty for one group over all rows, which all go to partition 0.
    pub keys: Vec<Expr>,
    /// What the key's columns are called in a format that names them; `None` for their own names.
    pub names: Option<Vec<String>>,
    /// How the key is encoded before it is hashed.
    pub key_format: Format,
    /// The repartition topic's partitions.
    pub partitions: i32,
}

impl Hash for Exchange {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
        self.input.hash(state);
        self.keys.hash(state);
        self.partitions.hash(state);
    }
}

impl PartialOrd for Exchange {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for Exchange {
    fn name(&self) -> &str {
        "Exchange"
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
        write!(f, "Exchange {}", self.id)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { input: only_input(inputs)?, keys: exprs.into_iter().map(unaliased).collect(), ..self.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }
}

/// A leaf that reads what the `Exchange` of the same id sends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExchangeSource {
    /// The exchange's id.
    pub id: OperatorId,
    /// The index into `Fragment::leaves`.
    pub leaf: usize,
    /// The exchange's schema.
    pub schema: DFSchemaRef,
    /// What flows through it.
    pub edge: Edge,
}

impl PartialOrd for ExchangeSource {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for ExchangeSource {
    fn name(&self) -> &str {
        "ExchangeSource"
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
        write!(f, "ExchangeSource {}", self.id)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, _: Vec<LogicalPlan>) -> Result<Self> {
        Ok(self.clone())
    }

    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(Vec::new())
    }
}
