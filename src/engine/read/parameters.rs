//! The parameters of a query that is read once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast;

use crate::catalog::Compatibility;
use crate::error::Result;
use crate::model::SqlType;
use crate::plan::cast_types;
use crate::plan::placeholder;
use crate::sql::walk;

/// The types of parameters that a cast, LIMIT or OFFSET tells: DataFusion leaves those open.
pub(super) fn told_types(statement: &ast::Statement, rules: Compatibility) -> Result<BTreeMap<usize, SqlType>> {
    let mut types = cast_types(statement, rules)?;
    row_counts(statement, &mut types);
    Ok(types)
}

/// Finds parameters that count rows.
fn row_counts(statement: &ast::Statement, types: &mut BTreeMap<usize, SqlType>) {
    let _ = walk::walk(statement, |node| {
        let walk::Node::Query(query) = node else { return ControlFlow::<()>::Continue(()) };
        let counts = match &query.limit_clause {
            Some(ast::LimitClause::LimitOffset { limit, offset, .. }) => {
                [limit.as_ref(), offset.as_ref().map(|offset| &offset.value)]
            }
            Some(ast::LimitClause::OffsetCommaLimit { offset, limit }) => [Some(limit), Some(offset)],
            None => [None, None],
        };
        let fetch = query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref());
        for number in counts.into_iter().chain([fetch]).flatten().filter_map(placeholder) {
            types.entry(number).or_insert(SqlType::BigInt);
        }
        ControlFlow::Continue(())
    });
}
