//! Two tables joined by their keys: one row per key, changed by either side.

use std::cmp::Ordering;
use std::fmt;

use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;

use super::JoinKind;
use super::order_of_equal;
use super::unaliased;
use crate::model::OperatorId;

/// The rows of two tables that have equal keys; both sides trigger.
///
/// The schema is the left columns, then the right ones. `on` is the whole key of both sides, so that a key has one row
/// of each at most. A null in a key meets nothing. What goes out is always the row before and the row after.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableJoin {
    /// Names the stores and changelogs.
    pub id: OperatorId,
    /// Upserts by its key, or retractions with one row a key.
    pub left: LogicalPlan,
    /// Likewise.
    pub right: LogicalPlan,
    /// Left column, right column.
    pub on: Vec<(Expr, Expr)>,
    /// Which rows without partner stay.
    pub kind: JoinKind,
    /// See above.
    pub schema: DFSchemaRef,
}

impl PartialOrd for TableJoin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for TableJoin {
    fn name(&self) -> &str {
        "TableJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    /// Left and right of each pair in turn.
    fn expressions(&self) -> Vec<Expr> {
        self.on.iter().flat_map(|(left, right)| [left.clone(), right.clone()]).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "TableJoin {}", self.id)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Ok([left, right]) = <[LogicalPlan; 2]>::try_from(inputs) else {
            return datafusion::common::internal_err!("a join was given another number of inputs than two");
        };
        let exprs: Vec<Expr> = exprs.into_iter().map(unaliased).collect();
        let on = exprs.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        let schema = DFSchemaRef::new(left.schema().join(right.schema())?);
        Ok(Self { left, right, on, schema, ..self.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let border = self.left.schema().fields().len();
        let left = output_columns.iter().copied().filter(|column| *column < border).collect();
        let right = output_columns.iter().filter(|column| border <= **column).map(|column| column - border).collect();
        Some(vec![left, right])
    }
}
