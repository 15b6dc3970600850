//! What sqlparser lets through although it means nothing: a JOIN that does not say what it joins by, which would join every row
//! with every other, a query without columns in place of a value, and a text as a name.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;

use super::walk;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;

/// Refuses joins without a condition, but for those that have none by their name, and values of queries without columns.
pub(super) fn check(root: &impl ast::Visit) -> Result<()> {
    let found = walk::walk(root, |node| match node {
        walk::Node::Query(query) => body(&query.body),
        walk::Node::TableFactor(table) if is_sampled(table) => {
            let error = Error::unsupported("TABLESAMPLE is not supported").hint("Say WHERE random() < 0.1.");
            refuse(table.span(), error)
        }
        walk::Node::TableFactor(ast::TableFactor::NestedJoin { table_with_joins, .. }) => joins(table_with_joins),
        walk::Node::Expression(ast::Expr::Subquery(query)) if lists_nothing(query) => {
            refuse(query.span(), Error::new(SqlState::SYNTAX_ERROR, "subquery must return only one column"))
        }
        walk::Node::Expression(ast::Expr::InSubquery { subquery, .. }) if lists_nothing(subquery) => {
            refuse(subquery.span(), Error::new(SqlState::SYNTAX_ERROR, "subquery has too few columns"))
        }
        _ => ControlFlow::Continue(()),
    });
    found.break_value().map_or(Ok(()), Err)
}

/// `check` for the tables of a FROM that stands alone.
pub(super) fn check_tables(tables: &Vec<ast::TableWithJoins>) -> Result<()> {
    tables.iter().try_for_each(joins).break_value().map_or(Ok(()), Err)?;
    check(tables)
}

fn body(part: &ast::SetExpr) -> ControlFlow<Error> {
    match part {
        ast::SetExpr::Select(select) => {
            select.projection.iter().try_for_each(named)?;
            select.from.iter().try_for_each(joins)
        }
        ast::SetExpr::SetOperation { left, right, .. } => {
            body(left)?;
            body(right)
        }
        // A query in parentheses is met by itself.
        _ => ControlFlow::Continue(()),
    }
}

fn named(item: &ast::SelectItem) -> ControlFlow<Error> {
    match item {
        ast::SelectItem::ExprWithAlias { alias, .. } if alias.quote_style == Some('\'') => {
            let message = format!("syntax error at or near \"{alias}\"");
            refuse(alias.span, Error::new(SqlState::SYNTAX_ERROR, message))
        }
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
            return refuse(join.relation.span(), error);
        }
    }
    ControlFlow::Continue(())
}

fn is_sampled(table: &ast::TableFactor) -> bool {
    matches!(table, ast::TableFactor::Table { sample: Some(_), .. } | ast::TableFactor::Derived { sample: Some(_), .. })
}

fn lists_nothing(query: &ast::Query) -> bool {
    matches!(query.body.as_ref(), ast::SetExpr::Select(select) if select.projection.is_empty())
}

fn refuse(span: Span, error: Error) -> ControlFlow<Error> {
    let column = u32::try_from(span.start.column).ok().filter(|column| 0 < *column);
    ControlFlow::Break(match column {
        Some(column) => error.at(Position(column)),
        None => error,
    })
}
