//! What an aggregate is.

use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;

use super::Windows;
use crate::catalog::EmitMode;
use crate::exec::Layout;
use crate::functions::TotalStyle;
use crate::plan::AggregateFunction;

/// One aggregate of the list.
#[derive(Clone)]
pub struct CallSpec {
    /// Which.
    pub function: AggregateFunction,
    /// Whose rules.
    pub style: TotalStyle,
    /// Of what.
    pub argument: Option<Arc<dyn PhysicalExpr>>,
    /// The argument's type; `Int64` when there is none.
    pub argument_type: DataType,
    /// How often each value is there is kept beside the group, in rows of state of this call: itself or one before it
    /// that counts the same values. `argument` is there.
    pub counts: Option<usize>,
    /// Each value once is kept in the group's state, and the result is made of them.
    pub keeps_values: bool,
    /// FILTER.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// The column's type.
    pub output: DataType,
}

/// What an aggregate is.
#[derive(Clone)]
pub struct AggregateSpec {
    /// The group columns.
    pub group: Vec<Arc<dyn PhysicalExpr>>,
    /// The windows.
    pub window: Option<Windows>,
    /// The aggregates.
    pub calls: Vec<CallSpec>,
    /// One row per window, when it closes.
    pub emit_final: bool,
    /// Every change, or one per cut.
    pub emit: EmitMode,
    /// A row with a null in its group is left out.
    pub null_drops: bool,
    /// Stream time is the greatest event time that reached this operator.
    pub own_time: bool,
    /// Under EMIT FINAL a window is dropped, not emitted, if the row that closes it is in a window that starts longer after
    /// it, in milliseconds.
    pub forgets_after_ms: Option<i64>,
    /// Under `emit = 'all'` a session that takes a row inside its bounds is taken away before it is given again, as ksqlDB does.
    pub restates_sessions: bool,
    /// A group that lost its last row keeps a row of results.
    pub keeps_empty: bool,
    /// The edge that comes in: `Append` or `Retract`.
    pub input: Layout,
    /// The edge that goes out.
    pub output: Layout,
    /// The group's columns in keys of state, behind the start of a tumbling window.
    pub key: SchemaRef,
}

impl AggregateSpec {
    /// One group over all rows, which has a row before any input. In ksqlDB, where groups stay, it has none.
    pub(super) fn begins_empty(&self) -> bool {
        self.group.is_empty() && self.window.is_none() && !self.keeps_empty
    }

    /// Whether a group without rows has a row of results: if it had rows, or began without.
    pub(super) fn stays_empty(&self) -> bool {
        self.keeps_empty || self.begins_empty()
    }

    /// Whether each row's changes leave at once.
    pub(super) fn emits_each(&self) -> bool {
        self.emit == EmitMode::All && !self.emit_final
    }
}
