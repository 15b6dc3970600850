//! Upserts made into retractions: a state with the last row of each key, so that what stands above may filter or sum.

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
use super::with_key;
use crate::model::OperatorId;

/// Takes the old row of a key back before the new one is given on. The schema is the input's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Normalise {
    /// Names the changelog topic.
    pub id: OperatorId,
    /// An upsert edge.
    pub input: LogicalPlan,
    /// The key, as indexes into the input's columns.
    pub key: Vec<usize>,
}

impl PartialOrd for Normalise {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for Normalise {
    fn name(&self) -> &str {
        "Normalise"
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
        write!(f, "Normalise {}", self.id)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let input = only_input(inputs)?;
        let key = columns_again(&self.key, self.input.schema(), input.schema())?;
        Ok(Self { id: self.id.clone(), input, key })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![with_key(output_columns, &self.key)])
    }
}
