//! A table joined with another by the other's primary key: one row per row of the first, changed by either side.

use std::cmp::Ordering;
use std::fmt;

use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;

use super::join::Sides;
use super::join::columns_of_sides;
use super::join::pairs_in_turn;
use super::order_of_equal;
use super::unaliased;
use crate::model::OperatorId;

/// What becomes of a row that meets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alone {
    /// It makes no row.
    Leaves,
    /// It makes a row with nulls.
    Stays,
}

/// What is said of a left row that goes where it had made no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoRow {
    /// Nothing.
    Silent,
    /// ksqlDB: that there is none, once more. It leaves with weight 0, which a sink alone understands.
    Told,
}

/// The rows of a table, each with the row of another that it names by that one's key.
///
/// The schema is the left columns, then the right ones. `on` pairs a left column with each column of the right's key. A null
/// on the left meets nothing. What goes out is always the row before and the row after.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ForeignJoin {
    /// Names the store and changelog.
    pub id: OperatorId,
    /// The table that names rows of the other: retractions.
    pub left: LogicalPlan,
    /// The table that is named: upserts by its key, or retractions with one row a key.
    pub right: LogicalPlan,
    /// Left column, right column.
    pub on: Vec<(Expr, Expr)>,
    /// The left's key, which is the result's, unless rows of the right stay.
    pub key: Vec<Expr>,
    /// Left rows without partner.
    pub alone: Alone,
    /// Right rows that no left row names. Where they stay the right gives retractions, and the key of the result is the right's
    /// key and the left's.
    pub named: Alone,
    /// Left rows without a row of the result.
    pub no_row: NoRow,
    /// See above.
    pub schema: DFSchemaRef,
}

impl PartialOrd for ForeignJoin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for ForeignJoin {
    fn name(&self) -> &str {
        "ForeignJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    /// The left's key, then the pairs.
    fn expressions(&self) -> Vec<Expr> {
        self.key.iter().cloned().chain(pairs_in_turn(&self.on)).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "ForeignJoin {}", self.id)
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let pairs = exprs.split_off(self.key.len().min(exprs.len()));
        let Sides { left, right, on, schema } = Sides::again(pairs, inputs)?;
        let key = exprs.into_iter().map(unaliased).collect();
        Ok(Self { left, right, on, key, schema, ..self.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(columns_of_sides(output_columns, self.left.schema().fields().len()))
    }
}
