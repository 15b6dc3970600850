//! Clauses of a query that is read once in words that DataFusion's planner reads as PostgreSQL does.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::array_of_rows::array_of_rows;
use super::build::call;
use super::build::required_rows;
use super::ordered_sets;
use super::series;
use super::window_calls;
use crate::sql::walk;

const SERIES: &str = "generate_series";

/// Rewords all queries below `query`.
pub(super) fn reword(query: &mut ast::Query) {
    let flow = walk::walk_mut(query, |node| {
        match node {
            walk::NodeMut::Select(select) => {
                windows(select);
                window_calls::reword(&mut select.projection);
                places_in_sets(select);
                without_empty_sets(select);
                select.projection.iter_mut().for_each(rows_of_item);
                ordered_sets::sort_each_for_itself(select);
                three_valued(select);
                if let Some(condition) = &mut select.selection {
                    required_rows(condition);
                }
            }
            walk::NodeMut::TableFactor(table) => {
                series::table(table);
                number_elements(table);
                name_column(table);
            }
            walk::NodeMut::Expression(expr) => {
                let new = ordered_sets::reworded(expr)
                    .or_else(|| ordered_sets::distinct(expr))
                    .or_else(|| ordered_sets::rank_of(expr))
                    .or_else(|| ordered_sets::with_delimiters(expr));
                if let Some(new) = new.or_else(|| array_of_rows(expr)) {
                    *expr = new;
                }
            }
            walk::NodeMut::Query(query) => {
                places_in_distinct(query);
                window_calls::reword(&mut query.order_by);
                of_unknown_elements(&mut query.order_by);
            }
            walk::NodeMut::Relation(_) => {}
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
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

/// `ROLLUP (1)`: a number is the place of an item in the list, in sets of groups too.
fn places_in_sets(select: &mut ast::Select) {
    let ast::GroupByExpr::Expressions(groups, _) = &mut select.group_by else { return };
    for group in groups {
        let (ast::Expr::Rollup(sets) | ast::Expr::Cube(sets) | ast::Expr::GroupingSets(sets)) = group else { continue };
        for expr in sets.iter_mut().flatten() {
            let place = match &*expr {
                ast::Expr::Value(value) => match &value.value {
                    ast::Value::Number(number, _) => number.parse::<usize>().ok(),
                    _ => None,
                },
                _ => None,
            };
            let item = place.and_then(|place| select.projection.get(place.checked_sub(1)?));
            if let Some(ast::SelectItem::UnnamedExpr(meant) | ast::SelectItem::ExprWithAlias { expr: meant, .. }) = item
            {
                *expr = meant.clone();
            }
        }
    }
}

/// `SELECT DISTINCT a + 1 .. ORDER BY a + 1`: distinct rows are sorted by items of the list, each by its place.
fn places_in_distinct(query: &mut ast::Query) {
    let (ast::SetExpr::Select(select), Some(order_by)) = (query.body.as_ref(), &mut query.order_by) else { return };
    let (Some(ast::Distinct::Distinct), ast::OrderByKind::Expressions(keys)) = (&select.distinct, &mut order_by.kind)
    else {
        return;
    };
    let items: Option<Vec<_>> = select.projection.iter().map(item_expression).collect();
    let Some(items) = items else { return };
    for key in keys {
        let is_name = matches!(key.expr, ast::Expr::Identifier(_) | ast::Expr::Value(_));
        if let Some(place) = items.iter().position(|item| !is_name && **item == key.expr) {
            key.expr = ast::Expr::value(ast::Value::Number((place + 1).to_string(), false));
        }
    }
}

fn item_expression(item: &ast::SelectItem) -> Option<&ast::Expr> {
    match item {
        ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// `GROUP BY ()` is a group of all rows, as aggregates without GROUP BY are of.
fn without_empty_sets(select: &mut ast::Select) {
    let is_aggregate = |item: &ast::SelectItem| {
        matches!(
            item,
            ast::SelectItem::UnnamedExpr(ast::Expr::Function(_))
                | ast::SelectItem::ExprWithAlias { expr: ast::Expr::Function(_), .. }
        )
    };
    let ast::GroupByExpr::Expressions(groups, _) = &mut select.group_by else { return };
    let is_empty = |group: &ast::Expr| matches!(group, ast::Expr::Tuple(parts) if parts.is_empty());
    if select.projection.iter().any(is_aggregate) || !groups.iter().all(is_empty) {
        groups.retain(|group| !is_empty(group));
    }
}

/// In a SELECT list a series is a row for each of its numbers.
fn rows_of_item(item: &mut ast::SelectItem) {
    if let ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. } = item {
        series::item(expr);
    }
}

/// `x = ANY (array)` wherever NULL is told from false: everywhere but in conditions of which only those rows count where they
/// are true.
pub fn three_valued(select: &mut ast::Select) {
    of_unknown_elements(&mut select.projection);
    of_unknown_elements(&mut select.group_by);
    of_unknown_elements(&mut select.named_window);
    let joins = select.from.iter_mut().flat_map(|table| &mut table.joins);
    let joins = joins.filter_map(|join| condition_of(&mut join.join_operator));
    for condition in select.selection.iter_mut().chain(&mut select.having).chain(joins) {
        where_true(condition);
    }
}

fn condition_of(operator: &mut ast::JoinOperator) -> Option<&mut ast::Expr> {
    use ast::JoinOperator as Join;
    match operator {
        Join::Join(on)
        | Join::Inner(on)
        | Join::Left(on)
        | Join::LeftOuter(on)
        | Join::Right(on)
        | Join::RightOuter(on)
        | Join::FullOuter(on) => match on {
            ast::JoinConstraint::On(condition) => Some(condition),
            _ => None,
        },
        _ => None,
    }
}

fn where_true(condition: &mut ast::Expr) {
    match condition {
        ast::Expr::Nested(inner) => where_true(inner),
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And | ast::BinaryOperator::Or, right } => {
            where_true(left);
            where_true(right);
        }
        ast::Expr::AnyOp { left, right, .. } => {
            of_unknown_elements(left.as_mut());
            of_unknown_elements(right.as_mut());
        }
        other => of_unknown_elements(other),
    }
}

/// All below `root`, but not in queries inside it, which are met by themselves.
fn of_unknown_elements(root: &mut impl ast::VisitMut) {
    let flow = walk::own_expressions_mut(root, |expr| {
        any_with_nulls(expr);
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// An array without the value but with a NULL leaves it open. DataFusion's planner asks whether the value is there.
fn any_with_nulls(expr: &mut ast::Expr) {
    let ast::Expr::AnyOp { right, .. } = &*expr else { return };
    if matches!(right.as_ref(), ast::Expr::Subquery(_) | ast::Expr::Value(_)) {
        return;
    }
    let zero = Box::new(ast::Expr::value(ast::Value::Number("0".to_string(), false)));
    let is_empty = ast::Expr::BinaryOp {
        left: Box::new(call("cardinality", vec![right.as_ref().clone()])),
        op: ast::BinaryOperator::Eq,
        right: zero,
    };
    let null = ast::Expr::value(ast::Value::Null);
    let place = call("array_position", vec![right.as_ref().clone(), null.clone()]);
    let when = |condition: ast::Expr, result: ast::Expr| ast::CaseWhen { condition, result };
    let found = when(expr.clone(), ast::Expr::value(ast::Value::Boolean(true)));
    *expr = ast::Expr::Case {
        case_token: ast::helpers::attached_token::AttachedToken::empty(),
        end_token: ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: vec![
            when(is_empty, ast::Expr::value(ast::Value::Boolean(false))),
            found,
            when(ast::Expr::IsNotNull(Box::new(place)), null),
        ],
        else_result: Some(Box::new(expr.clone())),
    };
}

/// `FROM generate_series(1, 3) AS n`, `FROM unnest(list) AS n`: the column has the name of the table.
fn name_column(table: &mut ast::TableFactor) {
    let alias = match table {
        ast::TableFactor::Table { name, alias: Some(alias), args: Some(_), .. }
            if name.to_string().eq_ignore_ascii_case(SERIES) =>
        {
            alias
        }
        ast::TableFactor::UNNEST { alias: Some(alias), array_exprs, .. } if array_exprs.len() == 1 => alias,
        _ => return,
    };
    if alias.columns.is_empty() {
        let column = ast::TableAliasColumnDef { name: alias.name.clone(), data_type: None };
        alias.columns.push(column);
    }
}

/// `unnest(array, ..) WITH ORDINALITY`, and a series with it: the numbers of the elements are one more list to unnest.
pub fn number_elements(table: &mut ast::TableFactor) {
    let (mut lists, alias, name) = match table {
        ast::TableFactor::UNNEST { array_exprs, alias, with_ordinality: true, .. } => {
            (std::mem::take(array_exprs), alias.take(), "unnest")
        }
        ast::TableFactor::Function { name, args, alias, with_ordinality: true, .. }
            if name.to_string().eq_ignore_ascii_case("unnest") =>
        {
            (unnamed(args), alias.take(), "unnest")
        }
        // `LATERAL unnest(..)`: what it unfolds may be of the tables before it anyway.
        ast::TableFactor::Function { name, args, alias, .. } if name.to_string().eq_ignore_ascii_case("unnest") => {
            *table = ast::TableFactor::UNNEST {
                array_exprs: unnamed(args),
                alias: alias.take(),
                with_offset: false,
                with_offset_alias: None,
                with_ordinality: false,
            };
            return;
        }
        ast::TableFactor::Table { name, args: Some(args), alias, with_ordinality: true, .. }
            if name.to_string().eq_ignore_ascii_case(SERIES) =>
        {
            (vec![call(SERIES, unnamed(&args.args))], alias.take(), SERIES)
        }
        _ => return,
    };
    let mut alias = alias.unwrap_or_else(|| ast::TableAlias {
        explicit: true,
        name: ast::Ident::new(name),
        columns: Vec::new(),
        at: None,
    });
    let column = |name: ast::Ident| ast::TableAliasColumnDef { name, data_type: None };
    if alias.columns.is_empty() {
        let of = |at: usize| if at == 0 { alias.name.clone() } else { ast::Ident::new(format!("{name}_{}", at + 1)) };
        alias.columns = (0..lists.len()).map(of).map(column).collect();
    }
    if alias.columns.len() == lists.len() {
        alias.columns.push(column(ast::Ident::new("ordinality")));
    }
    let numbers = call("__ordinality", lists.clone());
    lists.push(numbers);
    *table = ast::TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: lists,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
}

fn unnamed(arguments: &[ast::FunctionArg]) -> Vec<ast::Expr> {
    let expr = |argument: &ast::FunctionArg| match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    arguments.iter().filter_map(expr).collect()
}
