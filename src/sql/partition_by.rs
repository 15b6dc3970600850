//! `PARTITION BY e` of a whole SELECT: carried as DISTRIBUTE BY, taken out by `plan`.

use sqlparser::ast;

/// Takes the PARTITION BY expressions out of a SELECT; empty if there are none.
pub fn take_partition_by(select: &mut ast::Select) -> Vec<ast::Expr> {
    std::mem::take(&mut select.distribute_by)
}
