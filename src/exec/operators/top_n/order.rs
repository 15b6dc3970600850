//! ORDER BY as bytes that sort as it says.
//!
//! Each item is `RowKeys` of its column, with its tag moved where nulls stand and, where the greatest comes first, its other
//! bytes turned over. No item's bytes begin another's, so that they can follow each other.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::ArrayRef;
use datafusion::physical_expr::PhysicalExpr;

use crate::exec::ExecError;
use crate::format::RowKeys;
use crate::plan::Direction;
use crate::plan::Nulls;

const NULL_FIRST: u8 = 0;
const VALUE: u8 = 1;
const NULL_LAST: u8 = 2;

/// One item.
#[derive(Clone)]
pub struct OrderSpec {
    /// Of what.
    pub expr: Arc<dyn PhysicalExpr>,
    /// Which way.
    pub direction: Direction,
    /// Where nulls stand.
    pub nulls: Nulls,
}

/// The bytes of each row; `columns` are those of `items`, all of `rows` rows.
pub(super) fn order_keys(items: &[OrderSpec], columns: &[ArrayRef], rows: usize) -> Result<Vec<Vec<u8>>, ExecError> {
    let mut keys = vec![Vec::with_capacity(items.len() * 12); rows];
    for (item, column) in items.iter().zip(columns) {
        let encoded = RowKeys::encode_rows(std::slice::from_ref(column), rows)?;
        for (row, (key, bytes)) in keys.iter_mut().zip(encoded).enumerate() {
            if column.is_null(row) {
                key.push(match item.nulls {
                    Nulls::First => NULL_FIRST,
                    Nulls::Last => NULL_LAST,
                });
                continue;
            }
            key.push(VALUE);
            match item.direction {
                Direction::Ascending => key.extend_from_slice(&bytes[1..]),
                Direction::Descending => key.extend(bytes[1..].iter().map(|byte| !byte)),
            }
        }
    }
    Ok(keys)
}
