//! Two streams joined where keys are equal and times are near.

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

/// How far apart in time two joined rows may be. All spans are milliseconds; both ends are within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// How much earlier the right row may be.
    pub before_ms: i64,
    /// How much later the right row may be.
    pub after_ms: i64,
    /// How long after that late rows are taken.
    pub grace_ms: i64,
}

/// When a row of a kept side leaves with nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unmatched {
    /// Once, when nothing can meet it any more and nothing did.
    WhenClosed,
    /// When it comes and meets nothing, whatever may come later.
    AtOnce,
}

/// Pairs of rows of two streams.
///
/// The schema is the left columns, then the right ones. `on` pairs an expression of the left with one of the right. A null
/// meets nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamJoin {
    /// Names the changelog of both sides' rows.
    pub id: OperatorId,
    /// A stream.
    pub left: LogicalPlan,
    /// Another, or the same.
    pub right: LogicalPlan,
    /// Left expression, right expression.
    pub on: Vec<(Expr, Expr)>,
    /// Which sides are kept.
    pub kind: JoinKind,
    /// How near.
    pub span: Span,
    /// What becomes of rows that meet nothing.
    pub unmatched: Unmatched,
    /// See above.
    pub schema: DFSchemaRef,
}

impl PartialOrd for StreamJoin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for StreamJoin {
    fn name(&self) -> &str {
        "StreamJoin"
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
        write!(f, "StreamJoin {}", self.id)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Sides { left, right, on, schema } = Sides::again(exprs, inputs)?;
        Ok(Self { left, right, on, schema, ..self.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(columns_of_sides(output_columns, self.left.schema().fields().len()))
    }
}
