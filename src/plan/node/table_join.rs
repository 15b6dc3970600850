//! Two tables joined by their keys: one row per key, changed by either side.

use std::cmp::Ordering;
use std::fmt;

use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;

use super::JoinKind;
use super::join::Sides;
use super::join::columns_of_sides;
use super::join::pairs_in_turn;
use super::order_of_equal;
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

    fn expressions(&self) -> Vec<Expr> {
        pairs_in_turn(&self.on)
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "TableJoin {}", self.id)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Sides { left, right, on, schema } = Sides::again(exprs, inputs)?;
        Ok(Self { left, right, on, schema, ..self.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(columns_of_sides(output_columns, self.left.schema().fields().len()))
    }
}
