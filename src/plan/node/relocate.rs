//! Rows moved to the partition of their key, where most of them lie.

use std::cmp::Ordering;
use std::fmt;

use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;

use super::Exchange;
use super::order_of_equal;

/// Which rows a `Relocate` sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relocated {
    /// All that lie elsewhere than their key belongs.
    All,
    /// Of these the ones without a key.
    Keyless,
}

/// Sends each row that lies in another partition than that of its key there, as an `Exchange` would, and hands on the others.
/// What is sent is read by the tasks of the same fragment, one of whose leaves the repartition topic is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Relocate {
    /// Where rows belong. Its input has as many partitions as its topic.
    pub exchange: Exchange,
    /// The index into `Fragment::leaves` of what was sent.
    pub leaf: usize,
    /// Which rows are sent.
    pub which: Relocated,
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
        self.exchange.inputs()
    }

    fn schema(&self) -> &DFSchemaRef {
        self.exchange.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        self.exchange.expressions()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Relocate {}", self.exchange.id)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { exchange: self.exchange.with_exprs_and_inputs(exprs, inputs)?, ..self.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        self.exchange.necessary_children_exprs(output_columns)
    }
}
