//! `ORDER BY` key columns: keys are read in the order that their bytes have, from either end.
//!
//! In keys nulls come before all else. Where a statement wants them at the other end, those of the first column that it sorts
//! by are read by themselves; those of a later one are the planner's.

use datafusion::common::ScalarValue;

use super::keys::Condition;
use super::keys::KeyPart;
use super::keys::Span;
use crate::catalog::Relation;
use crate::engine::read::view_scan::after_prefix;
use crate::format::RowKeys;
use crate::model::ColumnRole;
use crate::model::SqlType;
use crate::plan::relation_key;
use crate::state::KeyOrder;

/// Rows that are put into order at once; a statement that wants more is planned.
pub(super) const ORDERED_ROWS_MAX: usize = 1024;

/// A column that rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sorted {
    /// Its index in the relation.
    pub(super) column: usize,
    pub(super) order: KeyOrder,
    pub(super) nulls_first: bool,
}

/// The order of rows as one of keys.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) keys: KeyOrder,
    /// A null as a key has it, if nulls of the first column stand at the other end than in keys.
    moved_null: Option<Vec<u8>>,
}

impl Order {
    /// The order of keys under the conditions `key` that gives rows in the order `sorted`; `None` if there is none.
    pub(super) fn of(sorted: &[Sorted], relation: &Relation, key: &[KeyPart]) -> Option<Self> {
        let columns = relation_key(relation);
        let condition = |column: usize| {
            let at = columns.iter().position(|of| *of == column)?;
            key.get(at).map(|part| &part.condition)
        };
        // A column that has one value sorts nothing.
        let is_fixed = |column: usize| matches!(condition(column), Some(Condition::Equal(_)));
        let rest = sorted.iter().filter(|sorted| !is_fixed(sorted.column));
        let mut free = columns.iter().filter(|column| !is_fixed(**column));
        let mut found: Option<Self> = None;
        for next in rest {
            if free.next() != Some(&next.column) {
                return None;
            }
            let moved_null = moved_null(relation, next, condition(next.column).is_some())?;
            match &found {
                None => found = Some(Self { keys: next.order, moved_null }),
                Some(first) if first.keys == next.order && moved_null.is_none() => {}
                Some(_) => return None,
            }
        }
        Some(found.unwrap_or(Self { keys: KeyOrder::Rising, moved_null: None }))
    }

    /// Spans that rise, in the order in which they are read.
    pub(super) fn arranged(&self, spans: Vec<Span>) -> Vec<Span> {
        let parts = |span: Span| match &self.moved_null {
            None => vec![span],
            Some(null) => {
                let of_null = Span::of_prefix([&span.from[..], null.as_slice()].concat());
                let others = of_null.to.clone().map(|from| Span { from, to: span.to });
                // Read from the end, this is turned round.
                others.into_iter().chain([of_null]).collect()
            }
        };
        let mut arranged: Vec<Span> = spans.into_iter().flat_map(parts).collect();
        if self.keys == KeyOrder::Falling {
            arranged.reverse();
        }
        arranged
    }
}

/// `Some(None)` if nulls of a column stand where keys have them, or if there are none; `None` for a column that keys do not
/// sort as a statement does.
fn moved_null(relation: &Relation, sorted: &Sorted, has_condition: bool) -> Option<Option<Vec<u8>>> {
    let column = &relation.columns[sorted.column];
    let sql_type: &SqlType = &column.sql_type;
    if sql_type.is_nested() {
        return None;
    }
    let holds_null = !matches!(column.role, ColumnRole::WindowStart | ColumnRole::WindowEnd);
    let come_first_in_keys = sorted.order == KeyOrder::Rising;
    if !holds_null || has_condition || sorted.nulls_first == come_first_in_keys {
        return Some(None);
    }
    let null = ScalarValue::try_from(&sql_type.arrow()).ok()?.to_array().ok()?;
    let null = RowKeys::encode_row(&[null], 0).ok()?;
    after_prefix(&null).map(|_| Some(null))
}
