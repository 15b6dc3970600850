//! Rows kept as long as RETENTION, or their TTL, says.

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

/// Takes a row away once stream time has passed its window, or its event time, by so much. The schema is the input's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Retain {
    /// Names the changelog topic.
    pub id: OperatorId,
    /// Rows, one per key.
    pub input: LogicalPlan,
    /// The key, as indexes into the input's columns.
    pub key: Vec<usize>,
    /// The bound from which time is counted, a column of the key: a window's start, a session's end. Without it time is
    /// counted from the row's event time.
    pub bound: Option<usize>,
    /// How long a row is kept, milliseconds.
    pub retention_ms: i64,
}

impl PartialOrd for Retain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for Retain {
    fn name(&self) -> &str {
        "Retain"
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
        write!(f, "Retain {}", self.id)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let input = only_input(inputs)?;
        let again = |columns: &[usize]| columns_again(columns, self.input.schema(), input.schema());
        let key = again(&self.key)?;
        let bound = self.bound.map(|bound| again(&[bound])).transpose()?.map(|bound| bound[0]);
        Ok(Self { id: self.id.clone(), key, bound, retention_ms: self.retention_ms, input })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![with_key(output_columns, &self.key)])
    }
}
