//! A stream looked up in a table, row by row, in order of event time.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;

use super::order_of_equal;
use super::unaliased;
use crate::model::OperatorId;

/// Which side's rows go on, with nulls, when they meet no row of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// Neither side's.
    Inner,
    /// The left side's.
    Left,
    /// The right side's.
    Right,
    /// Both sides'.
    Full,
}

impl JoinKind {
    /// Whether rows of the left side go on.
    pub fn keeps_left(self) -> bool {
        matches!(self, JoinKind::Left | JoinKind::Full)
    }

    /// Whether rows of the right side go on.
    pub fn keeps_right(self) -> bool {
        matches!(self, JoinKind::Right | JoinKind::Full)
    }

    /// The word for it in SQL and in the text of a kept query.
    pub fn as_str(self) -> &'static str {
        match self {
            JoinKind::Inner => "inner",
            JoinKind::Left => "left",
            JoinKind::Right => "right",
            JoinKind::Full => "full",
        }
    }

    /// The kind of a word of `as_str`.
    pub fn of_word(word: &str) -> Option<Self> {
        [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full]
            .into_iter()
            .find(|kind| kind.as_str() == word)
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
    /// For how long the versions of the table's rows are kept behind stream time, milliseconds; `None`: only the newest is.
    pub history_ms: Option<i64>,
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

    fn expressions(&self) -> Vec<Expr> {
        pairs_in_turn(&self.on)
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Join {}", self.id)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Sides { left, right, on, schema } = Sides::again(exprs, inputs)?;
        Ok(Self { left, right, on, schema, ..self.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(columns_of_sides(output_columns, self.left.schema().fields().len()))
    }
}

/// What a join of any kind is made of again when its expressions or inputs were changed.
pub(super) struct Sides {
    pub(super) left: LogicalPlan,
    pub(super) right: LogicalPlan,
    pub(super) on: Vec<(Expr, Expr)>,
    pub(super) schema: DFSchemaRef,
}

impl Sides {
    /// Of the expressions that `pairs_in_turn` gave and the two inputs.
    pub(super) fn again(exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Ok([left, right]) = <[LogicalPlan; 2]>::try_from(inputs) else {
            return datafusion::common::internal_err!("a join was given another number of inputs than two");
        };
        let exprs: Vec<Expr> = exprs.into_iter().map(unaliased).collect();
        let on = exprs.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        let schema = schema_of_sides(left.schema(), right.schema())?;
        Ok(Self { left, right, on, schema })
    }
}

/// The columns of both sides. Any of them may be null: a side may be missing.
pub fn schema_of_sides(left: &DFSchemaRef, right: &DFSchemaRef) -> Result<DFSchemaRef> {
    let joined = left.join(right)?;
    let nullable = joined
        .iter()
        .map(|(qualifier, field)| (qualifier.cloned(), Arc::new(field.as_ref().clone().with_nullable(true))));
    DFSchema::new_with_metadata(nullable.collect(), joined.metadata().clone()).map(DFSchemaRef::new)
}

/// Left and right of each pair in turn.
pub(super) fn pairs_in_turn(on: &[(Expr, Expr)]) -> Vec<Expr> {
    on.iter().flat_map(|(left, right)| [left.clone(), right.clone()]).collect()
}

/// Columns of a join as columns of its sides; the right's begin at `border`.
pub(super) fn columns_of_sides(columns: &[usize], border: usize) -> Vec<Vec<usize>> {
    let left = columns.iter().copied().filter(|column| *column < border).collect();
    let right = columns.iter().filter(|column| border <= **column).map(|column| column - border).collect();
    vec![left, right]
}
