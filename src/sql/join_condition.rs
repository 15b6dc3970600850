//! A JOIN says what it joins by: sqlparser lets one without ON and USING through, which would join every row with every other.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::walk;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;

/// Refuses joins without a condition, but for those that have none by their name.
pub(super) fn check(root: &impl ast::Visit) -> Result<()> {
    let found = walk::walk(root, |node| match node {
        walk::Node::Query(query) => body(&query.body),
        walk::Node::TableFactor(ast::TableFactor::NestedJoin { table_with_joins, .. }) => joins(table_with_joins),
        _ => ControlFlow::Continue(()),
    });
    found.break_value().map_or(Ok(()), Err)
}

fn body(part: &ast::SetExpr) -> ControlFlow<Error> {
    match part {
        ast::SetExpr::Select(select) => select.from.iter().try_for_each(joins),
        ast::SetExpr::SetOperation { left, right, .. } => {
            body(left)?;
            body(right)
        }
        // A query in parentheses is met by itself.
        _ => ControlFlow::Continue(()),
    }
}

fn joins(table: &ast::TableWithJoins) -> ControlFlow<Error> {
    use ast::JoinOperator as Operator;
    for join in &table.joins {
        if let Operator::Join(ast::JoinConstraint::None)
        | Operator::Inner(ast::JoinConstraint::None)
        | Operator::Left(ast::JoinConstraint::None)
        | Operator::LeftOuter(ast::JoinConstraint::None)
        | Operator::Right(ast::JoinConstraint::None)
        | Operator::RightOuter(ast::JoinConstraint::None)
        | Operator::FullOuter(ast::JoinConstraint::None) = &join.join_operator
        {
            let error = Error::new(SqlState::SYNTAX_ERROR, "a JOIN needs ON or USING")
                .hint("CROSS JOIN joins every row with every other.");
            let column = u32::try_from(join.relation.span().start.column).ok().filter(|column| 0 < *column);
            return ControlFlow::Break(match column {
                Some(column) => error.at(Position(column)),
                None => error,
            });
        }
    }
    ControlFlow::Continue(())
}
