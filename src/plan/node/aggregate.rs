//! Groups of rows, one row of results each, perhaps per window.

use std::cmp::Ordering;
use std::fmt;

use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;
use serde::Deserialize;
use serde::Serialize;

use super::only_input;
use super::order_of_equal;
use super::unaliased;
use crate::functions::Collect;
use crate::functions::Dispersion;
use crate::functions::OffsetEnd;
use crate::functions::TotalStyle;
use crate::model::OperatorId;
use crate::model::SqlType;
use crate::sql::Emit;

/// The functions that a standing query keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// `COUNT(*)`
    CountStar,
    /// `COUNT(x)`
    Count,
    /// `SUM(x)`
    Sum,
    /// `AVG(x)`
    Avg,
    /// `MIN(x)`
    Min,
    /// `MAX(x)`
    Max,
    /// `EARLIEST_BY_OFFSET(x)`, `LATEST_BY_OFFSET(x)`
    ByOffset(OffsetEnd, OffsetNulls),
    /// `COLLECT_LIST(x)` and others that keep several values.
    Collect(Collect),
    /// `VAR_SAMP(x)`, `STDDEV_POP(x)` and the others of their kind.
    Dispersion(Dispersion),
    /// `CORR(x, y)`; its argument is an array of both.
    Correlation,
    /// `SUM_LIST(array)`
    SumList,
    /// `BIT_AND(x)` and its kin.
    Bits(BitOperation),
}

/// How the bits of whole numbers become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BitOperation {
    /// Set in all.
    And,
    /// Set in any.
    Or,
    /// Set in an odd number of them.
    Xor,
}

/// What a null is for the first or last value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OffsetNulls {
    /// No value.
    Ignored,
    /// A value like another.
    Counted,
}

impl AggregateFunction {
    /// The name in SQL, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            AggregateFunction::CountStar | AggregateFunction::Count => "count",
            AggregateFunction::Sum => "sum",
            AggregateFunction::Avg => "avg",
            AggregateFunction::Min => "min",
            AggregateFunction::Max => "max",
            AggregateFunction::ByOffset(end, _) => end.as_str(),
            AggregateFunction::Collect(kind) => kind.as_str(),
            AggregateFunction::Dispersion(asked) => asked.as_str(),
            AggregateFunction::Correlation => "corr",
            AggregateFunction::SumList => "sum_list",
            AggregateFunction::Bits(BitOperation::And) => "bit_and",
            AggregateFunction::Bits(BitOperation::Or) => "bit_or",
            AggregateFunction::Bits(BitOperation::Xor) => "bit_xor",
        }
    }

    /// Whether its result is made of the first values in their order, or of the only one.
    fn takes_first_values(self) -> bool {
        match self {
            AggregateFunction::Min | AggregateFunction::Max => true,
            AggregateFunction::Collect(kind) => {
                matches!(
                    kind,
                    Collect::TopK { .. } | Collect::TopRows { .. } | Collect::TopKDistinct { .. } | Collect::Attr
                )
            }
            _ => false,
        }
    }

    /// How a row is taken back.
    pub fn retraction(self) -> Retraction {
        match self {
            AggregateFunction::Min | AggregateFunction::Max => Retraction::Counts,
            AggregateFunction::ByOffset(..) => Retraction::None,
            AggregateFunction::Collect(kind) => match kind {
                Collect::List | Collect::Set | Collect::Histogram => Retraction::Itself,
                Collect::TopK { .. }
                | Collect::TopRows { .. }
                | Collect::TopKDistinct { .. }
                | Collect::CountDistinct
                | Collect::Attr => Retraction::Counts,
                Collect::Earliest { .. } | Collect::Latest { .. } => Retraction::None,
            },
            AggregateFunction::CountStar
            | AggregateFunction::Count
            | AggregateFunction::Sum
            | AggregateFunction::SumList
            | AggregateFunction::Bits(_)
            | AggregateFunction::Dispersion(_)
            | AggregateFunction::Correlation
            | AggregateFunction::Avg => Retraction::Itself,
        }
    }
}

/// How an aggregate takes a row back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retraction {
    /// What it keeps and the row are enough.
    Itself,
    /// It must know how often each value is there.
    Counts,
    /// Not at all: its result hangs on the order of rows.
    None,
}

/// What stands behind the result of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backing {
    /// What it keeps in the group's state.
    Group,
    /// How often each value is there, a row of state each. Functions whose values may repeat take each once.
    Counts,
    /// Each value once, in the group's state: where windows share what they keep or are merged, of a function that takes each once.
    Values,
}

/// One aggregate of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AggregateCall {
    /// Which.
    pub function: AggregateFunction,
    /// Of what; `None` only for `CountStar`.
    pub argument: Option<Expr>,
    /// What it keeps.
    pub backing: Backing,
    /// `FILTER (WHERE ..)`
    pub filter: Option<Expr>,
    /// The output column's name, unique in the node.
    pub name: String,
    /// The output column's type.
    pub sql_type: SqlType,
    /// Whose rules.
    pub style: TotalStyle,
}

/// The call whose rows of state hold the counts of a call: the first one that counts the same values, or itself.
/// Calls whose results are made of the first values keep rows of their own, in which no count is 0.
pub fn counts_leader(calls: &[AggregateCall], call: usize) -> usize {
    let shares = |other: &AggregateCall| other.backing == Backing::Counts && !other.function.takes_first_values();
    let one = &calls[call];
    if !shares(one) {
        return call;
    }
    calls.iter().position(|other| shares(other) && other.argument == one.argument).unwrap_or(call)
}

/// The windows of a windowed aggregate. In text a kind is told by the names of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Window {
    /// Windows of one size, one beginning every `advance_ms` from 1970-01-01, so that they overlap.
    Hopping {
        /// From start to end, milliseconds, above 0.
        size_ms: i64,
        /// From start to the next start, milliseconds, above 0 and at most `size_ms`.
        advance_ms: i64,
        /// How long after its end a window takes rows, milliseconds, 0 or above.
        grace_ms: i64,
    },
    /// Rows of a group with no more than a gap between one and the next. Start and end are the times of its first and last row.
    Session {
        /// The longest gap inside a session, milliseconds, above 0.
        gap_ms: i64,
        /// How long after a gap behind its end a session takes rows, milliseconds, 0 or above.
        grace_ms: i64,
    },
    /// Windows of one size side by side from 1970-01-01.
    Tumbling {
        /// From start to end, milliseconds, above 0.
        size_ms: i64,
        /// How long after its end a window takes rows, milliseconds, 0 or above.
        grace_ms: i64,
    },
}

impl Window {
    /// From start to end where all windows have one size, milliseconds.
    pub fn size_ms(self) -> Option<i64> {
        match self {
            Window::Tumbling { size_ms, .. } | Window::Hopping { size_ms, .. } => Some(size_ms),
            Window::Session { .. } => None,
        }
    }

    /// How long after its start, of a session after its end, a window takes rows, milliseconds.
    pub fn open_ms(self) -> i64 {
        match self {
            Window::Tumbling { size_ms, grace_ms }
            | Window::Hopping { size_ms, grace_ms, .. }
            | Window::Session { gap_ms: size_ms, grace_ms } => size_ms.saturating_add(grace_ms),
        }
    }

    /// In how many windows a row may be, at least 1.
    pub fn windows_of_row(self) -> usize {
        match self {
            Window::Hopping { size_ms, advance_ms, .. } => {
                let windows = size_ms.saturating_sub(1).div_euclid(advance_ms).saturating_add(1);
                usize::try_from(windows).unwrap_or(usize::MAX)
            }
            Window::Tumbling { .. } | Window::Session { .. } => 1,
        }
    }

    /// How many of the two bounds tell a window from the others of its group: the start, and of a session the end too.
    pub fn key_bounds(self) -> usize {
        if self.size_ms().is_some() { 1 } else { 2 }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Window::Tumbling { size_ms, grace_ms } => write!(f, "tumbling {size_ms} ms, grace {grace_ms} ms"),
            Window::Hopping { size_ms, advance_ms, grace_ms } => {
                write!(f, "hopping {size_ms} ms by {advance_ms} ms, grace {grace_ms} ms")
            }
            Window::Session { gap_ms, grace_ms } => write!(f, "session {gap_ms} ms, grace {grace_ms} ms"),
        }
    }
}

/// What becomes of a row whose group has a null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NullGroup {
    /// Null is a value like another.
    IsGroup,
    /// The row is left out.
    DropsRow,
}

/// What becomes of a window that closes only when stream time has jumped far past it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JumpedWindows {
    /// Its final row is given, as of any window.
    Kept,
    /// ksqlDB: a window that the row which closes it pushes out of the store, with a window of its own that starts longer
    /// after it, is gone before its final row is given, and never gives one.
    Forgotten {
        /// How long the store keeps a window behind the start of the newest one, milliseconds.
        retention_ms: i64,
    },
}

/// What becomes of a group of a table's rows when its last row leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmptyGroup {
    /// Its row is taken away.
    Leaves,
    /// ksqlDB: its row stays, with the aggregates of no rows.
    Stays,
}

/// How changes of groups leave the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateChanges {
    /// The new row of a group replaces the old one.
    Upsert,
    /// The old row is taken back before the new one: something above filters.
    Retract,
}

/// Rows into groups.
///
/// The schema is the group columns, then `windowstart` and `windowend` when there is a window, then the calls; all without
/// qualifier. The window bounds are BIGINT milliseconds under ksqldb, else TIMESTAMP WITH TIME ZONE; the schema tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// Names the changelog topic.
    pub id: OperatorId,
    /// The rows.
    pub input: LogicalPlan,
    /// The group; empty for one group over all rows, which has a row before any input unless there is a window.
    pub group: Vec<Expr>,
    /// The windows.
    pub window: Option<Window>,
    /// The aggregates, without repetition.
    pub calls: Vec<AggregateCall>,
    /// `Final` gives one row per window when it closes; only with a window.
    pub emit: Emit,
    /// Windows that stream time jumps over; matters only with `Emit::Final`.
    pub jumped: JumpedWindows,
    /// Nulls in the group.
    pub null_group: NullGroup,
    /// Groups without rows; matters only over a table.
    pub empty_group: EmptyGroup,
    /// How changes leave; meaningless with `Emit::Final`, whose rows are appended.
    pub changes: AggregateChanges,
    /// See above.
    pub schema: DFSchemaRef,
}

impl PartialOrd for Aggregate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for Aggregate {
    fn name(&self) -> &str {
        "Aggregate"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    /// The group, then each call's argument and filter, as far as they are there.
    fn expressions(&self) -> Vec<Expr> {
        let calls = self.calls.iter().flat_map(|call| call.argument.iter().chain(&call.filter));
        self.group.iter().chain(calls).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Aggregate {}", self.id)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter().map(unaliased);
        let mut next = || match exprs.next() {
            Some(expr) => Ok(expr),
            None => datafusion::common::internal_err!("an aggregate was given too few expressions"),
        };
        let group = self.group.iter().map(|_| next()).collect::<Result<Vec<_>>>()?;
        let mut calls = self.calls.clone();
        for call in &mut calls {
            if call.argument.is_some() {
                call.argument = Some(next()?);
            }
            if call.filter.is_some() {
                call.filter = Some(next()?);
            }
        }
        Ok(Self { input: only_input(inputs)?, group, calls, ..self.clone() })
    }

    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        // What `expressions` names is added by the rule that asks.
        Some(vec![Vec::new()])
    }
}
