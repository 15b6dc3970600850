//! GROUP BY, the aggregates, WINDOW and HAVING.
//!
//! What is grouped by and what is aggregated is computed below the exchange, so that only that travels.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::Field;
use datafusion::common::Column;
use datafusion::common::DFSchema;
use datafusion::common::DFSchemaRef;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::utils::find_aggregate_exprs;
use sqlparser::ast;

use super::calls;
use super::expression::Expressions;
use super::expression::as_column;
use super::failure;
use super::ksqldb_words;
use super::rows::Changes;
use super::rows::Rows;
use super::rows::Spread;
use super::rows::column_at;
use super::rows::column_named;
use super::top_n::Apart;
use super::top_n::Identity;
use super::top_n::Ranked;
use super::top_n::Ranks;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column as ModelColumn;
use crate::model::ColumnRole;
use crate::model::OperatorId;
use crate::model::SqlType;
use crate::plan::bind::BoundItem;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::BoundRank;
use crate::plan::bind::Purpose;
use crate::plan::bind::bounds_misplaced;
use crate::plan::bind::fold_name;
use crate::plan::bind::is_window_bound;
use crate::plan::ksqldb_text::Columns;
use crate::plan::ksqldb_text::shown;
use crate::plan::node::Aggregate;
use crate::plan::node::AggregateCall;
use crate::plan::node::AggregateChanges;
use crate::plan::node::EmptyGroup;
use crate::plan::node::JumpedWindows;
use crate::plan::node::NullGroup;
use crate::plan::node::RANK_COLUMN;
use crate::plan::node::Relocated;
use crate::plan::node::Window;
use crate::plan::node::plan_of;
use crate::sql::Emit;
use crate::sql::walk;

/// Aggregated rows.
pub struct Aggregated {
    /// One row per group and window.
    pub rows: Rows,
    /// The SELECT list over them.
    pub items: Vec<Expr>,
    /// The window's bounds as columns of the rows.
    pub bounds: Option<(Expr, Expr)>,
    /// Their key: the group and its window, unless they are ranked.
    pub identity: Identity,
}

/// The SELECT list and HAVING as read, before aggregates are taken out.
struct Lists {
    groups: Vec<Expr>,
    items: Vec<Expr>,
    having: Option<Expr>,
    /// What rows are ranked by, and what ranked rows must meet: one per expression of `BoundQuery::rank`.
    ranks: Vec<Expr>,
}

/// Whether a query aggregates.
pub fn is_aggregate(query: &BoundQuery, rows: &Rows, expressions: &Expressions<'_>) -> Result<bool> {
    if query.group_by.is_some() || query.having.is_some() || query.window.is_some() {
        return Ok(true);
    }
    let schema = with_added_columns(rows.schema(), query, expressions.rules())?;
    let ranks = query.rank.iter().flat_map(BoundRank::expressions);
    for expr in query.items.iter().map(|item| &item.expr).chain(ranks) {
        if !find_aggregate_exprs([&expressions.read(expr, &schema)?]).is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Aggregates rows; `key_format` encodes the group, as the sink does.
pub fn build(
    rows: Rows,
    query: &BoundQuery,
    expressions: &Expressions<'_>,
    key_format: impl Fn(&[SqlType]) -> Format,
    null_group: NullGroup,
    warnings: &mut Vec<String>,
) -> Result<Aggregated> {
    let id = query.operator("aggregate");
    let rules = expressions.rules();
    let lists = read(&rows, query, expressions)?;
    let found = find_aggregate_exprs(lists.items.iter().chain(&lists.having).chain(&lists.ranks));
    check(query, &lists, &found, expressions)?;
    if query.window.is_some() && rows.changes != Changes::Append {
        return Err(window_over_table());
    }
    let rows = rows.normalised(&id)?;
    let schema = Arc::clone(rows.schema());
    let mut projected: Vec<Expr> = Vec::new();
    let mut group = Vec::with_capacity(lists.groups.len());
    let group_asts = query.group_by.as_deref().unwrap_or_default();
    for (raw, origin) in lists.groups.iter().zip(group_asts) {
        let finished = expressions.finish(raw.clone(), &schema, origin)?;
        let (finished, sql_type) = as_column(finished, &schema, origin)?;
        let name = unique(&group_name(raw, group.len()), &projected);
        projected.push(finished.clone().alias(&name));
        group.push((name, sql_type, finished));
    }
    let calls = calls::build(&found, &rows, query, expressions, &mut projected)?;
    let types: Vec<SqlType> = group.iter().map(|(_, sql_type, _)| sql_type.clone()).collect();
    let rows = regrouped(rows, &id, &group, projected, query, key_format(&types))?;
    let node = Aggregate {
        id: id.clone(),
        group: group.iter().map(|(name, _, _)| column_named(name)).collect(),
        window: query.window,
        emit: query.emit,
        jumped: jumped(rules, query),
        null_group,
        empty_group: empty_group(rules),
        changes: changes(query),
        schema: output_schema(&group, query, &calls, rules)?,
        input: rows.plan,
        calls,
    };
    let over =
        Over { schema: Arc::clone(&node.schema), groups: &lists.groups, found: &found, node: &node, below: schema };
    let having = query.having.as_ref().zip(lists.having.clone());
    let having = having.map(|(origin, raw)| over.condition(raw, origin, "HAVING", expressions)).transpose()?;
    let schema = Arc::clone(&node.schema);
    let keys = group.len() + query.window.map_or(0, Window::key_bounds);
    let bounds = query.window.map(|_| (column_at(&schema, group.len()), column_at(&schema, group.len() + 1)));
    let changes = changes_of(query.emit, node.changes);
    let key = (0..keys).map(|index| column_at(&schema, index)).collect();
    let mut rows = Rows { plan: plan_of(node.clone()), spread: rows.spread, key, changes };
    if let Some(condition) = having {
        rows = rows.filtered(condition, &query.operator("having"))?;
    }
    match &query.rank {
        Some(rank) => {
            let (rows, items, identity) = ranked(rows, rank, &over, &lists, query, expressions, warnings)?;
            Ok(Aggregated { rows, items, bounds, identity })
        }
        None => {
            Ok(Aggregated { items: over.items(&lists, query, expressions)?, rows, bounds, identity: Identity::Own })
        }
    }
}

/// Groups that are ranked, and the SELECT list over them.
fn ranked(
    rows: Rows,
    rank: &BoundRank,
    over: &Over<'_>,
    lists: &Lists,
    query: &BoundQuery,
    expressions: &Expressions<'_>,
    warnings: &mut Vec<String>,
) -> Result<(Rows, Vec<Expr>, Identity)> {
    let raw = || lists.ranks.iter().cloned().zip(rank.expressions());
    let (partitions, orders) = (rank.partition_by.len(), rank.order_by.len());
    let mut finished = raw()
        .take(partitions + orders)
        .map(|(raw, origin)| over.finish(raw, origin, expressions))
        .collect::<Result<Vec<_>>>()?;
    let order = finished.split_off(partitions);
    let ranked = Ranked::new(rows, Apart::Key, rank, Ranks { partition: finished, order }, query)?;
    let over = Over { schema: Arc::clone(ranked.schema()), below: Arc::clone(&over.below), ..*over };
    let items = over.items(lists, query, expressions)?;
    let filter = raw().nth(partitions + orders);
    let filter = filter.map(|(raw, origin)| over.condition(raw, origin, "WHERE", expressions)).transpose()?;
    let (rows, identity) = ranked.finish(&items, filter, query, warnings)?;
    Ok((rows, items, identity))
}

fn jumped(rules: Compatibility, query: &BoundQuery) -> JumpedWindows {
    match (rules, query.emit, query.window) {
        (Compatibility::Ksqldb, Emit::Final, Some(window)) => {
            JumpedWindows::Forgotten { retention_ms: query.retention_ms.unwrap_or(window.open_ms()) }
        }
        _ => JumpedWindows::Kept,
    }
}

fn empty_group(rules: Compatibility) -> EmptyGroup {
    match rules {
        Compatibility::Postgres => EmptyGroup::Leaves,
        Compatibility::Ksqldb => EmptyGroup::Stays,
    }
}

/// What stands above the groups that filters, ranks, or groups or joins an inner table, must be told the row before.
fn changes(query: &BoundQuery) -> AggregateChanges {
    match query.having.is_some() || query.rank.is_some() || query.place.is_some() {
        true => AggregateChanges::Retract,
        false => AggregateChanges::Upsert,
    }
}

fn changes_of(emit: Emit, changes: AggregateChanges) -> Changes {
    match (emit, changes) {
        (Emit::Final, _) => Changes::Append,
        (Emit::Changes, AggregateChanges::Upsert) => Changes::Upsert,
        (Emit::Changes, AggregateChanges::Retract) => Changes::Retract,
    }
}

fn read(rows: &Rows, query: &BoundQuery, expressions: &Expressions<'_>) -> Result<Lists> {
    let schema = rows.schema();
    let with_bounds = with_added_columns(schema, query, expressions.rules())?;
    let groups = query.group_by.as_deref().unwrap_or_default();
    Ok(Lists {
        groups: groups.iter().map(|expr| expressions.read(expr, schema)).collect::<Result<_>>()?,
        items: query.items.iter().map(|item| expressions.read(&item.expr, &with_bounds)).collect::<Result<_>>()?,
        having: query.having.as_ref().map(|having| expressions.read(having, &with_bounds)).transpose()?,
        ranks: query
            .rank
            .iter()
            .flat_map(BoundRank::expressions)
            .map(|expr| expressions.read(expr, &with_bounds))
            .collect::<Result<_>>()?,
    })
}

fn check(query: &BoundQuery, lists: &Lists, found: &[Expr], expressions: &Expressions<'_>) -> Result<()> {
    let rules = expressions.rules();
    if query.emit == Emit::Final && query.window.is_none() {
        return Err(final_without_window());
    }
    if query.partition_by.is_some() {
        return Err(Error::unsupported("PARTITION BY and GROUP BY cannot stand in one query"));
    }
    if rules == Compatibility::Ksqldb {
        check_value_formats(query, "GROUP BY")?;
        check_arguments(query, found, expressions)?;
    }
    // Only what a client reads on the spot may have all rows as its one group.
    if query.group_by.is_none() && rules == Compatibility::Ksqldb && !matches!(query.purpose, Purpose::Push) {
        return Err(without_group(query, lists));
    }
    if found.is_empty() {
        return Err(match rules {
            Compatibility::Ksqldb => Error::new(
                SqlState::GROUPING_ERROR,
                "GROUP BY requires aggregate functions in either the SELECT or HAVING clause.",
            ),
            Compatibility::Postgres => {
                Error::unsupported("GROUP BY or WINDOW without an aggregate is not there yet in standing queries")
                    .hint("Add COUNT(*) to the SELECT list.")
            }
        });
    }
    match find_aggregate_exprs(&lists.groups).first() {
        None => Ok(()),
        Some(aggregate) => Err(Error::new(SqlState::GROUPING_ERROR, aggregate_in_group(aggregate, rules))),
    }
}

/// What ksqlDB's aggregates do not take: other aggregates, and the bounds of their own windows.
fn check_arguments(query: &BoundQuery, found: &[Expr], expressions: &Expressions<'_>) -> Result<()> {
    let is_bound = |column: &&Column| column.relation.is_none() && is_window_bound(&column.name);
    if let Some(bound) = found.iter().find_map(|call| call.column_refs().into_iter().find(is_bound)) {
        return Err(Error::new(SqlState::UNDEFINED_COLUMN, bounds_misplaced(&bound.name)));
    }
    let aggregates = expressions.functions();
    let is_aggregate = |expr: &ast::Expr| match expr {
        ast::Expr::Function(function) => aggregates.is_aggregate(&function.name.to_string().to_lowercase()),
        _ => false,
    };
    let exprs = query.items.iter().map(|item| &item.expr).chain(&query.having);
    for expr in exprs {
        let flow = walk::expressions(expr, |outer| {
            let mut inside = 0;
            if is_aggregate(outer) {
                let counted = walk::expressions(outer, |inner| {
                    inside += usize::from(is_aggregate(inner));
                    ControlFlow::<()>::Continue(())
                });
                debug_assert!(counted.is_continue());
            }
            if 1 < inside { ControlFlow::Break(outer.clone()) } else { ControlFlow::Continue(()) }
        });
        if let ControlFlow::Break(outer) = flow {
            let shown = shown(&outer, Columns::of_sources(query.sources.len()));
            let error = Error::new(SqlState::GROUPING_ERROR, format!("Aggregate functions can not be nested: {shown}"));
            return Err(failure::at(error, &outer));
        }
    }
    Ok(())
}

/// ksqlDB's words for an aggregate without GROUP BY.
fn without_group(query: &BoundQuery, lists: &Lists) -> Error {
    let is_plain = |(_, raw): &(&BoundItem, &Expr)| find_aggregate_exprs([*raw]).is_empty();
    let plain: Vec<&ast::Expr> =
        query.items.iter().zip(&lists.items).filter(is_plain).map(|(item, _)| &item.expr).collect();
    let message = match (plain.first(), &query.purpose) {
        _ if query.window.is_some() && plain.len() == query.items.len() => {
            "WINDOW clause requires a GROUP BY clause.".to_string()
        }
        (Some(first), _) => return failure::at(not_all_grouped(&plain, query), first),
        (None, Purpose::Table { .. }) => {
            let columns = Columns::of_sources(query.sources.len());
            let calls: Vec<String> = query.items.iter().map(|item| shown(&item.expr, columns)).collect();
            format!(
                "CREATE TABLE AS SELECT statement does not support aggregate function [{}] without a GROUP BY clause.",
                // ksqlDB counts rows by their times.
                calls.join(", ").replace("COUNT(*)", "COUNT(ROWTIME)").replace("COUNT()", "COUNT(ROWTIME)")
            )
        }
        (None, _) => "Use of aggregate functions requires a GROUP BY clause.".to_string(),
    };
    Error::new(SqlState::GROUPING_ERROR, message)
}

fn aggregate_in_group(aggregate: &Expr, rules: Compatibility) -> String {
    match (rules, aggregate) {
        (Compatibility::Ksqldb, Expr::AggregateFunction(aggregate)) => format!(
            "GROUP BY does not support aggregate functions: {} is an aggregate function.",
            aggregate.func.name().to_uppercase()
        ),
        _ => "aggregate functions are not allowed in GROUP BY".to_owned(),
    }
}

/// ksqlDB neither groups nor joins what KAFKA's serializers wrote.
pub(super) fn check_value_formats(query: &BoundQuery, clause: &str) -> Result<()> {
    let is_kafka =
        |relation: &&Relation| relation.formats.value == Format::Kafka && relation.columns.iter().any(is_value);
    let relations = query.sources.iter().map(|source| source.relation.as_ref());
    let names: Vec<&str> = relations.filter(is_kafka).map(|relation| relation.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let names = names.join(", ");
    let message =
        format!("Source(s) {names} are using the 'KAFKA' value format. This format does not yet support {clause}.");
    Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message))
}

fn is_value(column: &ModelColumn) -> bool {
    column.role == ColumnRole::Value
}

/// A row of a table has no one window: taking it back would have to name the window that it was counted in.
fn window_over_table() -> Error {
    Error::unsupported("WINDOW over a table is not supported")
        .hint("Window the stream that the table is made from, or GROUP BY without WINDOW.")
}

/// EMIT FINAL where no window closes.
pub(super) fn final_without_window() -> Error {
    let message = "EMIT FINAL is only supported for windowed aggregations.";
    Error::new(SqlState::INVALID_TABLE_DEFINITION, message).hint("Add WINDOW TUMBLING (SIZE ..) and GROUP BY.")
}

/// Only what the aggregate needs, in the partition of its group.
fn regrouped(
    rows: Rows,
    id: &OperatorId,
    group: &[(String, SqlType, Expr)],
    projected: Vec<Expr>,
    query: &BoundQuery,
    key_format: Format,
) -> Result<Rows> {
    let columns: Vec<Expr> = group.iter().map(|(name, _, _)| column_named(name)).collect();
    let grouped_by: Vec<Expr> = group.iter().map(|(_, _, expr)| expr.clone()).collect();
    // Equal doubles may have other bytes, by which whoever wrote the input spread them.
    let has_double = group.iter().any(|(_, sql_type, _)| *sql_type == SqlType::Double);
    let is_spread = !group.is_empty() && !has_double && rows.spread.keys.as_ref() == Some(&grouped_by);
    let in_place = rows.spread.partitions == 1 || is_spread;
    let plan = LogicalPlanBuilder::from(rows.plan)
        .project(projected)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| failure::of_datafusion(error, None))?;
    let rows = Rows { plan, key: Vec::new(), ..rows };
    if in_place {
        let spread = rows.spread.clone().told_by(Some(columns));
        let rows = Rows { spread, ..rows };
        // A row that comes later than those beside it may find its window closed.
        let which = if query.window.is_some() { Relocated::Keyless } else { Relocated::All };
        return if query.strays_meet { rows.relocated(id, which) } else { Ok(rows) };
    }
    let partitions = if group.is_empty() { 1 } else { query.partitions.unwrap_or(rows.spread.partitions) };
    rows.exchanged(id, Spread::by(columns, key_format, partitions))
}

/// The aggregate's own columns, and the rank where its rows are ranked.
struct Over<'a> {
    schema: DFSchemaRef,
    groups: &'a [Expr],
    found: &'a [Expr],
    node: &'a Aggregate,
    /// The columns of the rows that are grouped.
    below: DFSchemaRef,
}

impl Over<'_> {
    /// The SELECT list.
    fn items(&self, lists: &Lists, query: &BoundQuery, expressions: &Expressions<'_>) -> Result<Vec<Expr>> {
        let items = || query.items.iter().zip(&lists.items);
        if expressions.rules() == Compatibility::Ksqldb {
            let is_ungrouped = |(_, raw): &(&BoundItem, &Expr)| {
                self.rebased((*raw).clone()).is_ok_and(|rebased| self.ungrouped(&rebased).is_some())
            };
            let ungrouped: Vec<&ast::Expr> = items().filter(is_ungrouped).map(|(item, _)| &item.expr).collect();
            if let Some(first) = ungrouped.first() {
                return Err(failure::at(not_all_grouped(&ungrouped, query), first));
            }
        }
        items().map(|(item, raw)| self.finish(raw.clone(), &item.expr, expressions)).collect()
    }

    /// A condition over the aggregate's columns.
    fn condition(&self, raw: Expr, origin: &ast::Expr, clause: &str, expressions: &Expressions<'_>) -> Result<Expr> {
        let planned = self
            .finish(raw, origin, expressions)
            .map_err(|error| expressions.in_clause(error, origin, &self.below, clause))
            .and_then(|planned| expressions.boolean(planned, &self.schema, origin, clause));
        match expressions.rules() {
            Compatibility::Ksqldb => planned.map_err(|error| self.with_calls(error)),
            Compatibility::Postgres => planned,
        }
    }

    /// An expression of the SELECT list or HAVING over the aggregate's columns.
    fn finish(&self, raw: Expr, origin: &ast::Expr, expressions: &Expressions<'_>) -> Result<Expr> {
        let rebased = self.rebased(raw).map_err(|error| failure::of_datafusion(error, Some(origin)))?;
        if let Some(column) = self.ungrouped(&rebased) {
            return Err(not_in_group(column, origin, expressions.rules()));
        }
        expressions.finish(rebased, &self.schema, origin)
    }

    /// The expression with the aggregate's columns in the places of what they hold.
    fn rebased(&self, raw: Expr) -> datafusion::common::Result<Expr> {
        let rebased = raw.transform_down(|expr| {
            if let Some(index) = self.groups.iter().position(|group| *group == expr) {
                return Ok(Transformed::new(column_at(&self.schema, index), true, TreeNodeRecursion::Jump));
            }
            if let Some(index) = self.found.iter().position(|found| *found == expr) {
                let column = column_named(&self.node.calls[index].name);
                return Ok(Transformed::new(column, true, TreeNodeRecursion::Jump));
            }
            Ok(Transformed::no(expr))
        })?;
        Ok(rebased.data)
    }

    /// A column that is neither grouped by nor inside of an aggregate.
    fn ungrouped<'e>(&self, rebased: &'e Expr) -> Option<&'e Column> {
        rebased.column_refs().into_iter().find(|column| !self.has(column))
    }

    /// The error with the calls of aggregates in the places of the names that their columns have here.
    fn with_calls(&self, error: Error) -> Error {
        // The last first: the name of another may begin with that of the first.
        let named = self.node.calls.iter().zip(self.found).rev();
        let message = named.fold(error.message().to_string(), |message, (call, found)| {
            message.replace(call.name.as_str(), &ksqldb_words::text_of(found, &self.below))
        });
        error.reworded(message)
    }

    fn has(&self, column: &Column) -> bool {
        self.schema.index_of_column_by_name(column.relation.as_ref(), &column.name).is_some()
    }
}

fn not_in_group(column: &Column, origin: &ast::Expr, rules: Compatibility) -> Error {
    let message = match rules {
        Compatibility::Postgres => format!(
            "column \"{}\" must appear in the GROUP BY clause or be used in an aggregate function",
            column.flat_name()
        ),
        // Those of the SELECT list are told by `not_all_grouped`.
        Compatibility::Ksqldb => format!("Non-aggregate HAVING expression not part of GROUP BY: {}", column.name),
    };
    failure::at_column(Error::new(SqlState::GROUPING_ERROR, message), origin, &column.name)
}

/// ksqlDB's words for items of the SELECT list that are about more than the group.
fn not_all_grouped(items: &[&ast::Expr], query: &BoundQuery) -> Error {
    let columns = Columns::of_sources(query.sources.len());
    let items: Vec<String> = items.iter().map(|item| shown(item, columns)).collect();
    let message = format!(
        "Non-aggregate SELECT expression(s) not part of GROUP BY: {}\nEither add the column(s) to the GROUP BY or remove them from the SELECT.",
        items.join(", ")
    );
    Error::new(SqlState::GROUPING_ERROR, message)
}

fn group_name(raw: &Expr, index: usize) -> String {
    match raw {
        Expr::Column(column) => column.name.clone(),
        _ => format!("group_{index}"),
    }
}

/// A name that no projected expression has.
pub(super) fn unique(wanted: &str, projected: &[Expr]) -> String {
    let taken = |name: &str| projected.iter().any(|expr| expr.schema_name().to_string() == name);
    let mut name = wanted.to_string();
    let mut number = 1;
    while taken(&name) {
        number += 1;
        name = format!("{wanted}_{number}");
    }
    name
}

fn bound_fields(rules: Compatibility) -> [Field; 2] {
    let sql_type = match rules {
        Compatibility::Postgres => SqlType::TimestampTz,
        Compatibility::Ksqldb => SqlType::BigInt,
    };
    ["windowstart", "windowend"].map(|name| Field::new(fold_name(name, false, rules), sql_type.arrow(), true))
}

/// The columns of rows, the bounds of windows and the rank.
fn with_added_columns(schema: &DFSchemaRef, query: &BoundQuery, rules: Compatibility) -> Result<DFSchema> {
    let mut added = Vec::new();
    if query.window.is_some() {
        added.extend(bound_fields(rules));
    }
    if query.rank.is_some() {
        added.push(Field::new(RANK_COLUMN, SqlType::BigInt.arrow(), true));
    }
    let mut whole = schema.as_ref().clone();
    if !added.is_empty() {
        let fields = added.into_iter().map(|field| (None, Arc::new(field))).collect();
        let added = DFSchema::new_with_metadata(fields, Default::default())
            .map_err(|error| failure::of_datafusion(error, None))?;
        whole.merge(&added);
    }
    Ok(whole)
}

fn output_schema(
    group: &[(String, SqlType, Expr)],
    query: &BoundQuery,
    calls: &[AggregateCall],
    rules: Compatibility,
) -> Result<DFSchemaRef> {
    let mut fields: Vec<Field> =
        group.iter().map(|(name, sql_type, _)| Field::new(name, sql_type.arrow(), true)).collect();
    if query.window.is_some() {
        fields.extend(bound_fields(rules));
    }
    fields.extend(calls.iter().map(|call| Field::new(&call.name, call.sql_type.arrow(), true)));
    let fields = fields.into_iter().map(|field| (None, Arc::new(field))).collect();
    DFSchema::new_with_metadata(fields, Default::default())
        .map(DFSchemaRef::new)
        .map_err(|error| failure::of_datafusion(error, None))
}
