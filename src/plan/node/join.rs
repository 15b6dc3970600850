//! A stream looked up in a table, row by row, in order of event time.

use std::cmp::Ordering;
use std::fmt;

use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;

use super::order_of_equal;
use super::unaliased;
use crate::model::OperatorId;

/// What becomes of a row without partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// It is left out.
    Inner,
    /// One of the left goes on, and the right's columns are null. Of a stream with a table this or `Inner`.
    Left,
    /// One of the right goes on.
    Right,
    /// One of either goes on.
    Full,
}

impl JoinKind {
    /// Whether rows of the left without partner go on.
    pub fn keeps_left(self) -> bool {
        matches!(self, JoinKind::Left | JoinKind::Full)
    }

    /// Whether rows of the right without partner go on.
    pub fn keeps_right(self) -> bool {
        matches!(self, JoinKind::Right | JoinKind::Full)
    }

    /// The kind that keeps such rows.
    pub fn keeping(left: bool, right: bool) -> Self {
        match (left, right) {
            (false, false) => JoinKind::Inner,
            (true, false) => JoinKind::Left,
            (false, true) => JoinKind::Right,
            (true, true) => JoinKind::Full,
        }
    }

    /// How EXPLAIN says it.
    pub fn word(self) -> &'static str {
        match self {
            JoinKind::Inner => "inner",
            JoinKind::Left => "left",
            JoinKind::Right => "right",
            JoinKind::Full => "full",
        }
    }
}

/// A stream row with the table row that its key had at that time.
///
/// The schema is the left columns, then the right ones. Only the left side triggers. `on` pairs an expression of the left with
/// a key column of the right, all of them, in the order of the table's key. A null on the left meets nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Join {
    /// Names the table's store and changelog.
    pub id: OperatorId,
    /// The stream.
    pub left: LogicalPlan,
    /// The table.
    pub right: LogicalPlan,
    /// Left expression, right expression.
    pub on: Vec<(Expr, Expr)>,
    /// Inner or left.
    pub kind: JoinKind,
    /// See above.
    pub schema: DFSchemaRef,
}

impl PartialOrd for Join {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for Join {
    fn name(&self) -> &str {
        "Join"
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
        write!(f, "Join {}", self.id)
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
