//! A query that is read once: what must happen to it before DataFusion plans it, and to its errors after.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::common::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use sqlparser::ast;

use super::bind::fold;
use super::bind::postgres_name;
use super::bind::units_as_texts;
use super::build::Expressions;
use super::build::Typing;
use super::build::failure;
use super::build::is_bare_word;
use super::build::reword;
use super::dependent_columns;
use super::every_row;
use super::functions::Functions;
use super::named_arguments;
use super::nested;
use super::public_names;
use super::relation_key;
use super::relation_names;
use super::select_words;
use super::series;
use super::system_columns;
use super::system_columns::Stars;
use super::told_casts;
use super::using::Names;
use super::whole_rows;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::ALL_FIELDS;
use crate::sql::Select;
use crate::sql::walk;

/// Stands before the number that makes a repeated column name unique; DataFusion wants different names, PostgreSQL does not.
const REPETITION: char = '\u{1}';

/// The query as plain SQL: names folded, items named as PostgreSQL names them, none of the clauses of standing queries left.
///
/// Column names may carry a mark of repetition: show them through `shown_name`.
pub fn prepare_pull(
    select: &Select,
    catalog: &Catalog,
    functions: &Functions,
    rules: Compatibility,
) -> Result<ast::Query> {
    if select.emit.is_some() {
        return Err(Error::internal("a query with EMIT is not read once"));
    }
    let mut query = select.ast.as_ref().clone();
    if let ControlFlow::Break(error) = walk::walk_mut(&mut query, |node| no_standing_clause(node, rules)) {
        return Err(error);
    }
    if rules == Compatibility::Ksqldb {
        units_as_texts(&mut query);
    }
    refuse_all_fields(&query)?;
    if rules == Compatibility::Postgres {
        public_names::leave_out(&mut query);
        refuse_count_of_nothing(&query)?;
        named_arguments::in_their_places(&mut query);
    }
    nested::reword(&mut query, rules)?;
    let is_ksqldb = rules == Compatibility::Ksqldb && !reads_system_tables(&query);
    if is_ksqldb {
        let flow = walk::walk_mut(&mut query, upper_case);
        debug_assert!(flow.is_continue());
        number_items(&mut query);
    }
    let asks_system = system_columns::are_asked(&query);
    if rules == Compatibility::Ksqldb {
        let stars = if asks_system { Stars::All } else { Stars::OutOfOrder };
        system_columns::write_out_stars(&mut query, stars, catalog, rules);
    }
    // Items are named as they were written.
    name_items(&mut query);
    match rules {
        Compatibility::Postgres => {
            name_inner_items(&mut query);
            series::values_by_table(&mut query);
            let columns = |name: &str| {
                let relation = catalog.relation(name)?;
                Some(relation.columns.iter().map(|column| column.name.clone()).collect())
            };
            let names = Names::of(&query, &columns);
            names.complete_aliases(&mut query);
            whole_rows::write_out(&mut query, &names);
            sort_by_inputs(&mut query, &names);
            names.reword(&mut query);
            dependent_columns::group_by_them(&mut query, &|name| columns_and_key(catalog, name));
            if asks_system {
                // What USING merges is in the list by now.
                system_columns::write_out_stars(&mut query, Stars::All, catalog, rules);
            }
            select_words::reword(&mut query);
            relation_names::before_columns(&mut query, &columns);
        }
        Compatibility::Ksqldb => from_millis(&mut query),
    }
    keep_every_row(&mut query);
    if is_ksqldb {
        Expressions::new(functions, rules).prefer_ksqldb_functions(&mut query);
        int_arguments(&mut query);
    }
    in_shared_words(&mut query, rules);
    Ok(query)
}

/// Set operations that keep each row as often as it comes, at any depth.
fn keep_every_row(query: &mut ast::Query) {
    let flow = walk::walk_mut(query, |node| {
        if let walk::NodeMut::Query(query) = node {
            every_row::reword(&mut query.body);
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// Expressions in words that DataFusion's planner reads as we do, and does not take one for another.
fn in_shared_words(query: &mut ast::Query, rules: Compatibility) {
    reword(query, rules);
    if rules == Compatibility::Postgres {
        told_casts::tell(query);
    }
}

/// The columns of a table of the catalog, and those of its key.
fn columns_and_key(catalog: &Catalog, name: &str) -> Option<(Vec<String>, Vec<String>)> {
    let relation = catalog.relation(name).filter(|relation| relation.is_table())?;
    let name_at = |at: &usize| relation.columns[*at].name.clone();
    let columns = relation.columns.iter().map(|column| column.name.clone()).collect();
    Some((columns, relation_key(relation).iter().map(name_at).collect()))
}

fn takes_ints(function: &str) -> bool {
    function.starts_with("__ksql_") || ["__array", "__map", "__struct"].contains(&function)
}

/// Whole numbers with which ksqlDB's functions are called, and collections are made, are INT where they fit, before the functions are looked up by types.
fn int_arguments(query: &mut ast::Query) {
    let flow = walk::expressions_mut(query, |expr| {
        if let ast::Expr::Function(function) = expr
            && takes_ints(&function.name.to_string())
            && let ast::FunctionArguments::List(list) = &mut function.args
        {
            for argument in &mut list.args {
                if let ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(number)) = argument
                    && is_int(number)
                {
                    *number = ast::Expr::Cast {
                        kind: ast::CastKind::Cast,
                        expr: Box::new(number.clone()),
                        data_type: ast::DataType::Int(None),
                        array: false,
                        format: None,
                    };
                }
            }
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

fn is_int(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Value(value) => matches!(&value.value, ast::Value::Number(text, _) if text.parse::<i32>().is_ok()),
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => is_int(expr),
        _ => false,
    }
}

/// The plan of such a query, with the rules of values made explicit as in a standing query, and instants on the clocks of the
/// session's zone.
pub fn with_rules(
    plan: LogicalPlan,
    functions: &Functions,
    rules: Compatibility,
    zone: &str,
    typing: Typing,
) -> std::result::Result<LogicalPlan, DataFusionError> {
    Expressions::new(functions, rules).in_zone(zone).typed(typing).explicit_plan(plan)
}

/// A name that another column of the result has too, made different.
pub(super) fn repeated_name(name: &str, index: usize) -> String {
    format!("{name}{REPETITION}{index}")
}

/// A result's column name as the client shall see it.
pub fn shown_name(name: &str) -> &str {
    name.split(REPETITION).next().unwrap_or(name)
}

/// The user's error for one of DataFusion's planner about a query.
pub fn planning_error(error: DataFusionError, query: &ast::Query) -> Error {
    failure::in_query(error, query)
}

/// The user's error for one that came while rows were computed.
pub fn execution_error(error: DataFusionError) -> Error {
    failure::of_datafusion(error, None)
}

/// Refuses the clauses that only queries which run on have.
fn no_standing_clause(node: walk::NodeMut<'_>, rules: Compatibility) -> ControlFlow<Error> {
    let refused = match node {
        walk::NodeMut::Select(select) => only_standing_in_select(select, rules),
        walk::NodeMut::TableFactor(table) => crate::sql::take_within(table).and_then(|within| match within {
            None => Ok(()),
            Some(_) => {
                Err(Error::unsupported("WITHIN is for queries that run on").hint("Compare the rows' times in ON."))
            }
        }),
        walk::NodeMut::Query(_) | walk::NodeMut::Relation(_) | walk::NodeMut::Expression(_) => Ok(()),
    };
    match refused {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

fn only_standing_in_select(select: &mut ast::Select, rules: Compatibility) -> Result<()> {
    let only = |clause: &str| {
        let message = match rules {
            Compatibility::Postgres => format!("{clause} is for queries that run on"),
            Compatibility::Ksqldb => format!("Pull queries don't support {clause} clauses."),
        };
        Error::unsupported(message).hint("Add EMIT CHANGES, or make a view with CREATE TABLE .. AS and read that.")
    };
    if crate::sql::take_window(select)?.is_some() {
        return Err(only("WINDOW"));
    }
    match crate::sql::take_partition_by(select).is_empty() {
        true => Ok(()),
        false => Err(only("PARTITION BY")),
    }
}

/// Refuses `s->*`, which is written out only where the columns are known.
fn refuse_all_fields(query: &ast::Query) -> Result<()> {
    let flow = walk::expressions(query, |expr| match expr {
        ast::Expr::Function(function) if function.name.to_string() == ALL_FIELDS => {
            ControlFlow::Break(Error::unsupported("->* is for queries that run on").hint("Name the fields."))
        }
        _ => ControlFlow::Continue(()),
    });
    flow.break_value().map_or(Ok(()), Err)
}

/// `count()` is not `count(*)`.
fn refuse_count_of_nothing(query: &ast::Query) -> Result<()> {
    let flow = walk::expressions(query, |expr| match expr {
        ast::Expr::Function(ast::Function { name, args: ast::FunctionArguments::List(list), .. })
            if list.args.is_empty() && name.to_string().eq_ignore_ascii_case("count") =>
        {
            let message = "count(*) must be used to call a parameterless aggregate function";
            ControlFlow::Break(failure::at(Error::new(SqlState::WRONG_OBJECT_TYPE, message), expr))
        }
        _ => ControlFlow::Continue(()),
    });
    flow.break_value().map_or(Ok(()), Err)
}

/// Whether a query names relations, and all of them are system tables, whose columns are lower case whatever the rules say.
fn reads_system_tables(query: &ast::Query) -> bool {
    let mut any = false;
    let flow = walk::relations(query, |name| {
        any = true;
        match name.0.as_slice() {
            [ast::ObjectNamePart::Identifier(schema), _] if !schema.value.eq_ignore_ascii_case("public") => {
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        }
    });
    any && flow.is_continue()
}

/// ksqlDB's bare words are upper case; DataFusion's are lower case, so each becomes a quoted one.
fn upper_case(node: walk::NodeMut<'_>) -> ControlFlow<()> {
    match node {
        // Names with a schema are those of system tables, which are lower case.
        walk::NodeMut::Relation(name) => {
            if let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() {
                quote_upper(ident);
            }
        }
        walk::NodeMut::TableFactor(
            ast::TableFactor::Table { alias: Some(alias), .. } | ast::TableFactor::Derived { alias: Some(alias), .. },
        ) => quote_upper(&mut alias.name),
        walk::NodeMut::Query(_) | walk::NodeMut::TableFactor(_) => {}
        walk::NodeMut::Select(select) => {
            for item in &mut select.projection {
                if let ast::SelectItem::ExprWithAlias { alias, .. } = item {
                    quote_upper(alias);
                }
            }
        }
        walk::NodeMut::Expression(ast::Expr::Identifier(ident)) => quote_upper(ident),
        walk::NodeMut::Expression(ast::Expr::CompoundIdentifier(idents)) => idents.iter_mut().for_each(quote_upper),
        walk::NodeMut::Expression(_) => {}
    }
    ControlFlow::Continue(())
}

fn quote_upper(ident: &mut ast::Ident) {
    ident.value = fold_ident(ident);
    ident.quote_style = Some('"');
}

fn fold_ident(ident: &ast::Ident) -> String {
    fold(ident, Compatibility::Ksqldb)
}

/// Names all items that can be seen or asked for by name as they are written.
pub fn name_all_items(query: &mut ast::Query) {
    name_items(query);
    name_inner_items(query);
}

/// Names the items of subqueries in FROM and WITH, whose columns can be asked for by name.
fn name_inner_items(query: &mut ast::Query) {
    let flow = walk::walk_mut(query, |node| {
        match node {
            walk::NodeMut::TableFactor(ast::TableFactor::Derived { subquery, .. }) => name_items(subquery),
            walk::NodeMut::Query(ast::Query { with: Some(with), .. }) => {
                with.cte_tables.iter_mut().for_each(|table| name_items(&mut table.query));
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// ksqlDB's FROM_UNIXTIME takes milliseconds, DataFusion's seconds.
fn from_millis(query: &mut ast::Query) {
    let flow = walk::expressions_mut(query, |expr| {
        if let ast::Expr::Function(function) = expr
            && function.name.to_string().eq_ignore_ascii_case("from_unixtime")
        {
            function.name = ast::ObjectName::from(vec![ast::Ident::new("__ksql_from_unixtime")]);
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
}

/// In an expression of ORDER BY a name is that of a column of FROM, if there is one, before it is that of the result: such a
/// column of the result gets another name, which no expression tells.
fn sort_by_inputs(query: &mut ast::Query, names: &Names<'_>) {
    let ast::SetExpr::Select(select) = query.body.as_mut() else { return };
    let Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(by), .. }) = &mut query.order_by else { return };
    let mut asked: HashSet<String> = HashSet::new();
    for ast::OrderByExpr { expr, .. } in by.iter_mut().filter(|by| !matches!(by.expr, ast::Expr::Identifier(_))) {
        let flow = walk::own_expressions_mut(expr, |part| {
            if let ast::Expr::Identifier(ident) = part {
                asked.insert(fold(ident, Compatibility::Postgres));
            }
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue());
    }
    let inputs = if asked.is_empty() { None } else { names.inputs(select) };
    let Some(inputs) = inputs else { return };
    for (index, item) in select.projection.iter_mut().enumerate() {
        let ast::SelectItem::ExprWithAlias { expr, alias } = item else { continue };
        let name = fold(alias, Compatibility::Postgres);
        let is_itself = matches!(expr, ast::Expr::Identifier(ident) if fold(ident, Compatibility::Postgres) == name);
        if is_itself || !asked.contains(&name) || !inputs.contains(&name) {
            continue;
        }
        *alias = ast::Ident::with_quote('"', repeated_name(&name, index));
        for ast::OrderByExpr { expr, .. } in by.iter_mut() {
            if matches!(expr, ast::Expr::Identifier(ident) if fold(ident, Compatibility::Postgres) == name) {
                *expr = ast::Expr::Identifier(alias.clone());
            }
        }
    }
}

/// Items of the outermost SELECT that have no name are `KSQL_COL_n` in ksqlDB; a field of a struct has its own.
fn number_items(query: &mut ast::Query) {
    let ast::SetExpr::Select(select) = query.body.as_mut() else { return };
    let mut generated = 0;
    for item in &mut select.projection {
        let ast::SelectItem::UnnamedExpr(expr) = item else { continue };
        let has_name = match expr {
            ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) => true,
            ast::Expr::Function(function) => function.name.to_string() == "__field",
            _ => false,
        };
        if !has_name {
            let alias = ast::Ident::with_quote('"', format!("KSQL_COL_{generated}"));
            *item = ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            generated += 1;
        }
    }
}

/// Names the items of the outermost SELECT that have no name, and makes repeated names different.
fn name_items(query: &mut ast::Query) {
    // The columns of UNION and its kin are named by the first of its queries.
    let mut body = query.body.as_mut();
    let select = loop {
        body = match body {
            ast::SetExpr::Select(select) => break select,
            ast::SetExpr::SetOperation { left, right, .. } => {
                tell_items_apart(right);
                left.as_mut()
            }
            ast::SetExpr::Query(inner) => inner.body.as_mut(),
            _ => return,
        };
    };
    let mut seen: HashSet<String> = HashSet::new();
    let is_star =
        |item: &ast::SelectItem| matches!(item, ast::SelectItem::Wildcard(_) | ast::SelectItem::QualifiedWildcard(..));
    let has_star = select.projection.iter().any(is_star);
    for (index, item) in select.projection.iter_mut().enumerate() {
        let (expr, name, quote) = match item {
            // A bare column keeps its own name; ORDER BY may still tell it by its relation.
            ast::SelectItem::UnnamedExpr(expr @ (ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_)))
                if !is_word(expr) =>
            {
                let name = postgres_name(expr);
                // Beside a star it is there a second time.
                if seen.insert(name.to_lowercase()) && !has_star {
                    continue;
                }
                (expr.clone(), name, None)
            }
            ast::SelectItem::UnnamedExpr(expr) => (expr.clone(), postgres_name(expr), Some('"')),
            ast::SelectItem::ExprWithAlias { expr, alias } => {
                if seen.insert(alias.value.to_lowercase()) {
                    continue;
                }
                (expr.clone(), alias.value.clone(), alias.quote_style)
            }
            _ => continue,
        };
        let shown = if quote.is_some() { name.clone() } else { name.to_lowercase() };
        let unique = match seen.insert(name.to_lowercase()) {
            true => shown,
            false => repeated_name(&shown, index),
        };
        *item = ast::SelectItem::ExprWithAlias { expr, alias: ast::Ident::with_quote('"', unique) };
    }
}

/// A function without parentheses.
fn is_word(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(ident) if ident.quote_style.is_none() && is_bare_word(&ident.value))
}

/// Gives items that stand twice in a list names of their own, where nobody sees them.
fn tell_items_apart(body: &mut ast::SetExpr) {
    match body {
        ast::SetExpr::Select(select) => {
            let is_star = |item: &ast::SelectItem| {
                matches!(item, ast::SelectItem::Wildcard(_) | ast::SelectItem::QualifiedWildcard(..))
            };
            let has_star = select.projection.iter().any(is_star);
            let mut seen: HashSet<String> = HashSet::new();
            for (index, item) in select.projection.iter_mut().enumerate() {
                if let ast::SelectItem::UnnamedExpr(expr) = item
                    && (has_star || !seen.insert(expr.to_string().to_lowercase()))
                {
                    let alias = ast::Ident::with_quote('"', repeated_name("", index));
                    *item = ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
            }
        }
        ast::SetExpr::SetOperation { left, right, .. } => {
            tell_items_apart(left);
            tell_items_apart(right);
        }
        ast::SetExpr::Query(query) => tell_items_apart(&mut query.body),
        _ => {}
    }
}
