//! What the rows of one round have found under their keys: those that come again do not ask the store again.
//!
//! Most rows of a round meet few keys. What is remembered holds the rows that are kept meanwhile too, so it is always what
//! the table would say.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::keys;
use crate::exec::ExecError;
use crate::state::StateTable;

/// Rows of one key and bucket that are remembered; beyond, each row asks the table for its own span.
const KEY_ROWS_MAX: usize = 64;
/// Rows that are remembered in all.
const ROWS_MAX: usize = 16 << 10;

/// A row in state that waits for others.
#[derive(Clone)]
pub(super) struct Waiting {
    /// Its event time.
    pub(super) time: i64,
    /// Its place of arrival.
    pub(super) place: i64,
    /// Its columns.
    pub(super) value: Bytes,
}

/// See the file's head.
#[derive(Default)]
pub(super) struct Recent {
    /// By side, bucket and key: all rows, in the order of time and place; `None` if there are too many.
    found: HashMap<Vec<u8>, Option<Arc<Vec<Waiting>>>>,
    rows: usize,
}

impl Recent {
    /// Nothing found yet.
    pub(super) fn clear(&mut self) {
        self.found.clear();
        self.rows = 0;
    }

    /// All rows below `prefix`; `None` if they are too many to be remembered.
    pub(super) fn of(&mut self, table: &StateTable, prefix: &[u8]) -> Result<Option<Arc<Vec<Waiting>>>, ExecError> {
        if let Some(found) = self.found.get(prefix) {
            return Ok(found.clone());
        }
        let mut rows = Vec::new();
        for entry in table.range(prefix, Some(&keys::prefix_end(prefix))).take(KEY_ROWS_MAX + 1) {
            rows.push(waiting(entry?)?);
        }
        let rows = (rows.len() <= KEY_ROWS_MAX).then(|| Arc::new(rows));
        if ROWS_MAX < self.rows {
            self.clear();
        }
        self.rows += 1 + rows.as_ref().map_or(0, |rows| rows.len());
        self.found.insert(prefix.to_vec(), rows.clone());
        Ok(rows)
    }

    /// A row was put below `prefix`.
    pub(super) fn kept(&mut self, prefix: &[u8], row: Waiting) {
        let Some(found) = self.found.get_mut(prefix) else { return };
        match found {
            Some(rows) if rows.len() < KEY_ROWS_MAX => {
                let rows = Arc::make_mut(rows);
                let at = rows.partition_point(|other| (other.time, other.place) < (row.time, row.place));
                rows.insert(at, row);
                self.rows += 1;
            }
            Some(_) => *found = None,
            None => {}
        }
    }
}

/// An entry of the table as the row that it is.
pub(super) fn waiting((key, value): (Bytes, Bytes)) -> Result<Waiting, ExecError> {
    let (time, place) = keys::time_and_place(&key).ok_or(ExecError::InternalRecord("a join's row"))?;
    Ok(Waiting { time, place, value })
}
