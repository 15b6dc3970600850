//! Clauses of a query that is read once in words that DataFusion's planner reads as PostgreSQL does.

use std::ops::ControlFlow;

use sqlparser::ast;

use crate::error::Error;
use crate::error::Result;
use crate::sql::walk;

const SERIES: &str = "generate_series";

/// Rewords all queries below `query`; refuses what would be answered wrongly.
pub(super) fn reword(query: &mut ast::Query) -> Result<()> {
    let flow = walk::walk(&*query, |node| match node {
        walk::Node::Query(query) => refused(&query.body).map_or(ControlFlow::Continue(()), ControlFlow::Break),
        _ => ControlFlow::Continue(()),
    });
    if let ControlFlow::Break(error) = flow {
        return Err(error);
    }
    let flow = walk::walk_mut(query, |node| {
        match node {
            walk::NodeMut::Select(select) => {
                windows(select);
                select.projection.iter_mut().for_each(series);
            }
            walk::NodeMut::TableFactor(table) => name_column(table),
            walk::NodeMut::Relation(_) | walk::NodeMut::Expression(_) => {}
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    Ok(())
}

/// How often a row comes in both is not counted yet.
fn refused(body: &ast::SetExpr) -> Option<Error> {
    let ast::SetExpr::SetOperation { left, op, set_quantifier, right } = body else { return None };
    let is_all = *set_quantifier == ast::SetQuantifier::All;
    match op {
        ast::SetOperator::Except | ast::SetOperator::Intersect if is_all => {
            Some(Error::unsupported(format!("{op} ALL is not there yet")))
        }
        _ => refused(left).or_else(|| refused(right)),
    }
}

/// `OVER (w ORDER BY ..)` takes over what the window `w` tells.
fn windows(select: &mut ast::Select) {
    let mut known: Vec<(String, ast::WindowSpec)> = Vec::new();
    for ast::NamedWindowDefinition(name, definition) in &mut select.named_window {
        if let ast::NamedWindowExpr::WindowSpec(spec) = definition {
            inherit(spec, &known);
            known.push((name.value.to_lowercase(), spec.clone()));
        }
    }
    if known.is_empty() {
        return;
    }
    let mut parts = std::mem::take(&mut select.projection);
    let flow = walk::expressions_mut(&mut parts, |expr| {
        if let ast::Expr::Function(function) = expr
            && let Some(ast::WindowType::WindowSpec(spec)) = &mut function.over
        {
            inherit(spec, &known);
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    select.projection = parts;
}

fn inherit(spec: &mut ast::WindowSpec, known: &[(String, ast::WindowSpec)]) {
    let Some(name) = &spec.window_name else { return };
    let Some((_, of)) = known.iter().find(|(known, _)| *known == name.value.to_lowercase()) else { return };
    if spec.partition_by.is_empty() {
        spec.partition_by.clone_from(&of.partition_by);
    }
    if spec.order_by.is_empty() {
        spec.order_by.clone_from(&of.order_by);
    }
    if spec.window_frame.is_none() {
        spec.window_frame.clone_from(&of.window_frame);
    }
    spec.window_name = None;
}

/// In a SELECT list a series is a row for each of its numbers.
fn series(item: &mut ast::SelectItem) {
    let (ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. }) = item else { return };
    if let ast::Expr::Function(function) = expr
        && function.name.to_string().eq_ignore_ascii_case(SERIES)
    {
        *expr = super::build::call("unnest", vec![expr.clone()]);
    }
}

/// `FROM generate_series(1, 3) AS n`: the column has the name of the table.
fn name_column(table: &mut ast::TableFactor) {
    if let ast::TableFactor::Table { name, alias: Some(alias), args: Some(_), .. } = table
        && alias.columns.is_empty()
        && name.to_string().eq_ignore_ascii_case(SERIES)
    {
        let column = ast::TableAliasColumnDef { name: alias.name.clone(), data_type: None };
        alias.columns.push(column);
    }
}
