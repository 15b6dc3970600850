//! Where rows leave a standing query: a topic, or a client.

use std::cmp::Ordering;
use std::fmt;

use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;

use super::columns_again;
use super::only_input;
use super::order_of_equal;
use crate::model::OperatorId;

/// The root of the last fragment. The schema is the input's and has the columns of `Output::columns` in their order.
///
/// A retract edge that comes in is consolidated by `key`: one value or tombstone per key and cut (or per row with `emit = 'all'`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sink {
    /// Always `sink`.
    pub id: OperatorId,
    /// What leaves.
    pub input: LogicalPlan,
    /// The record's key, window start included, as indexes into the columns; empty for a stream without key and one global row.
    pub key: Vec<usize>,
}

impl PartialOrd for Sink {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for Sink {
    fn name(&self) -> &str {
        "Sink"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Sink")
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let input = only_input(inputs)?;
        let key = columns_again(&self.key, self.input.schema(), input.schema())?;
        Ok(Self { id: self.id.clone(), input, key })
    }

    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![(0..self.input.schema().fields().len()).collect()])
    }
}
