//! Parameters in statements: `$1::type` tells its type.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast;

use crate::catalog::sql_type;
use crate::error::Result;
use crate::model::SqlType;
use crate::sql::walk;

/// The types of parameters that a cast, LIMIT or OFFSET tells: DataFusion leaves those open.
pub(super) fn cast_types(statement: &ast::Statement) -> Result<BTreeMap<usize, SqlType>> {
    let mut types = BTreeMap::new();
    let flow = walk::expressions(statement, |expression: &ast::Expr| {
        let ast::Expr::Cast { expr, data_type, .. } = expression else { return ControlFlow::Continue(()) };
        let Some(number) = placeholder(expr) else { return ControlFlow::Continue(()) };
        match sql_type(data_type) {
            Ok(sql_type) => {
                types.entry(number).or_insert(sql_type);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    });
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => {
            row_counts(statement, &mut types);
            Ok(types)
        }
    }
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

/// The number of a bare `$n`, from 1.
pub(in crate::engine) fn placeholder(expression: &ast::Expr) -> Option<usize> {
    match expression {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Placeholder(text) => text.strip_prefix('$').and_then(|digits| digits.parse().ok()),
            _ => None,
        },
        ast::Expr::Nested(inner) => placeholder(inner),
        _ => None,
    }
}
