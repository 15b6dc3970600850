//! A bound query into one tree of nodes: sources, lookups, conditions, groups, key, sink.

mod aggregate;
mod among;
mod batch;
mod bytes;
mod call_place;
mod calls;
mod casts;
mod chain;
mod comparison;
mod correlated;
mod explicit;
mod explode;
mod expression;
pub mod failure;
mod foreign_join;
mod from;
mod grouping_sets;
mod inner_table;
mod insert;
mod join;
mod json_words;
mod ksqldb_types;
mod ksqldb_words;
mod lambda;
mod listed;
mod literals;
mod meeting;
mod outer_rows;
mod outer_types;
mod output;
mod plan_failure;
mod postgres_words;
mod quantified;
mod reworded;
mod row_words;
mod rows;
mod span_rows;
mod spans;
mod stream_join;
mod subqueries;
mod table_join;
mod timestamps;
mod top_n;
mod type_rules;
mod unbounded;
mod union;
mod union_of_tables;
mod untyped;
mod value_failure;
mod value_rules;
mod volatile;
mod window_call;
mod windowed_join;
mod written_texts;
mod zeros;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNode;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::expr::Placeholder;
use sqlparser::ast;

pub use inner_table::columns as inner_columns;
pub use json_words::as_document;
pub use row_words::required as required_rows;
pub use type_rules::no_operator;
pub use type_rules::not_assignable;
pub use union::columns as union_columns;

use super::bind::BoundQuery;
use super::bind::BoundRank;
use super::bind::BoundSource;
use super::bind::Purpose;
use super::functions::Functions;
use super::node::JoinKind;
use super::node::NullGroup;
use super::node::Retain;
use super::node::Sink;
use super::node::Window;
use super::node::plan_of;
use super::parameters::placeholder;
use super::standing::Output;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::catalog::Formats;
use crate::catalog::Relation;
use crate::catalog::RelationKind;
use crate::catalog::WindowOfKey;
use crate::catalog::check_kafka;
use crate::catalog::check_key;
use crate::catalog::check_nested;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::OperatorId;
use crate::model::SqlType;
use crate::sql::Emit;
use crate::sql::walk;
pub use expression::Expressions;
pub use expression::Typing;
use output::Arranged;
use output::Selected;
pub use postgres_words::is_bare_word;
pub use postgres_words::is_reworded;
pub use reworded::call;
pub use reworded::escape_in_pattern;
pub use reworded::reword;
use rows::Changes;
use rows::Rows;
use rows::column_at;
use top_n::Apart;
use top_n::Identity;
use top_n::Ranked;
use top_n::Ranks;

/// A whole plan, not yet cut into fragments.
pub struct Built {
    /// Its root is a `Sink`.
    pub root: LogicalPlan,
    /// What it writes.
    pub output: Output,
    /// What the user should be told.
    pub warnings: Vec<String>,
}

/// Builds the plan of a bound query.
pub fn build(query: &BoundQuery, catalog: &Catalog, functions: &Functions, typing: Typing) -> Result<Built> {
    let expressions = Expressions::new(functions, query.semantics.compatibility).typed(typing);
    let target = target(query, catalog)?;
    let mut warnings = Vec::new();
    let Whole { query, selected, aggregates } = whole(query, target.as_deref(), &expressions, &mut warnings)?;
    let query = query.as_ref();
    let kind = kind(query, &selected, aggregates, target.as_deref())?;
    let arranged = match (&query.purpose, &target) {
        (Purpose::Push, _) => output::for_client(&selected, query)?,
        (Purpose::Insert { columns, .. }, Some(target)) => {
            insert::arranged(&selected, (query, &expressions), target, columns)?
        }
        _ => output::for_relation(&selected, query)?,
    };
    let grouped = aggregates || query.rank.is_some() || arranged.hides_key();
    let output = describe(query, &selected, &arranged, kind, grouped, target.as_deref())?;
    let loses_null =
        !grouped && kind == RelationKind::Table && query.semantics.compatibility == Compatibility::Postgres;
    if loses_null && output.key_format.lacks_null(selected.keys.len()) && may_lack_key(query) {
        warnings.push(no_null(output.key_format, "key"));
    }
    let root = sink(selected.rows, arranged, query)?;
    warnings.extend(unbounded::warnings(&root));
    Ok(Built { root, output, warnings })
}

/// All that a query says but what becomes of its rows.
struct Whole<'a> {
    /// With columns in place of the functions of its list that give several rows.
    query: Cow<'a, BoundQuery>,
    selected: Selected,
    aggregates: bool,
}

fn whole<'a>(
    query: &'a BoundQuery,
    target: Option<&Relation>,
    expressions: &Expressions<'_>,
    warnings: &mut Vec<String>,
) -> Result<Whole<'a>> {
    let (rows, exploded) = explode::build(from::build(query, expressions)?, query, expressions)?;
    let explodes = exploded.is_some();
    let query = exploded.map_or(Cow::Borrowed(query), Cow::Owned);
    let aggregates = aggregate::is_aggregate(&query, &rows, expressions)?;
    explode::check(explodes, aggregates, query.rank.is_some())?;
    volatile::check(&query, &rows, aggregates)?;
    let selected = match aggregates {
        true => aggregated(rows, &query, target, expressions, warnings)?,
        false => projected(rows, &query, expressions, warnings)?,
    };
    Ok(Whole { query, selected, aggregates })
}

/// The types that parameters must have by what they stand beside, where that tells one.
pub fn parameter_types(query: &BoundQuery, functions: &Functions) -> Result<BTreeMap<usize, SqlType>> {
    let expressions = Expressions::new(functions, query.semantics.compatibility);
    // The rows are those of FROM; a parameter of ON has no say in their columns.
    let mut from = query.clone();
    for join in &mut from.joins {
        let emptied = walk::expressions_mut(&mut join.on, |part| {
            if placeholder(part).is_some() {
                *part = ast::Expr::value(ast::Value::Null);
            }
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(emptied.is_continue());
    }
    let rows = from::build(&from, &expressions)?;
    let mut types = BTreeMap::new();
    for expression in query.expressions() {
        // What cannot be read alone is planned with the rest, and its error told there.
        let Ok(read) = expressions.read(expression, rows.schema()) else { continue };
        read.apply(|part| {
            if let Expr::Placeholder(Placeholder { id, field: Some(field) }) = part
                && let Some(number) = id.strip_prefix('$').and_then(|digits| digits.parse().ok())
                && let Some(sql_type) = SqlType::from_arrow(field.data_type())
            {
                types.entry(number).or_insert(sql_type);
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(|error| failure::of_datafusion(error, Some(expression)))?;
    }
    Ok(types)
}

fn target(query: &BoundQuery, catalog: &Catalog) -> Result<Option<Arc<Relation>>> {
    let Purpose::Insert { relation, .. } = &query.purpose else { return Ok(None) };
    match catalog.relation_by_id(*relation) {
        Some(relation) => Ok(Some(Arc::clone(relation))),
        None => Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the relation that the query inserts into does not exist any more",
        )),
    }
}

/// The warning that rows are left out.
pub(super) fn no_null(format: Format, what: &str) -> String {
    let name = if format == Format::Kafka { "KAFKA" } else { "DELIMITED" };
    format!("rows whose {what} is null are left out, since a key in format {name} cannot be null")
}

fn aggregated(
    rows: Rows,
    query: &BoundQuery,
    target: Option<&Relation>,
    expressions: &Expressions<'_>,
    warnings: &mut Vec<String>,
) -> Result<Selected> {
    let rules = expressions.rules();
    let told = target.map(|target| target.formats.key).or(query.key_format);
    let null_group = match (rules, told) {
        (Compatibility::Ksqldb, _) => NullGroup::DropsRow,
        (Compatibility::Postgres, Some(format)) if format.lacks_null(query.group_by.as_ref().map_or(0, Vec::len)) => {
            warnings.push(no_null(format, "group"));
            NullGroup::DropsRow
        }
        (Compatibility::Postgres, _) => NullGroup::IsGroup,
    };
    let format = |types: &[SqlType]| key_format(query, types, true);
    let aggregated = aggregate::build(rows, query, expressions, format, null_group, warnings)?;
    let schema = Arc::clone(aggregated.rows.schema());
    let groups = query.group_by.as_ref().map_or(0, Vec::len);
    let size_ms = query.window.and_then(Window::size_ms);
    let (keys, bounds) = match aggregated.identity {
        Identity::Own => ((0..groups).map(|index| column_at(&schema, index)).collect(), aggregated.bounds),
        Identity::Columns(_) if query.windows_kept_ms().is_some() => {
            return Err(Error::unsupported("RETENTION of ranked rows whose key is not that of their window")
                .hint("Select the groups in place of what rows are ranked in."));
        }
        Identity::Columns(columns) => (columns, None),
    };
    Ok(Selected {
        items: aggregated.items,
        keys: keys.into_iter().map(|key| vec![key]).collect(),
        needs_key: true,
        window: bounds.map(|(start, end)| (WindowOfKey { size_ms }, start, end)),
        rows: aggregated.rows,
    })
}

/// Rows that are ranked, but not grouped.
fn ranked(
    rows: Rows,
    rank: &BoundRank,
    query: &BoundQuery,
    expressions: &Expressions<'_>,
    warnings: &mut Vec<String>,
) -> Result<Selected> {
    let ranks = Ranks::plan(rank, rows.schema(), expressions)?;
    let apart = if rows.changes == Changes::Append { Apart::Place } else { Apart::Key };
    let ranked = Ranked::new(rows, apart, rank, ranks, query)?;
    let schema = Arc::clone(ranked.schema());
    let items = query.items.iter().map(|item| expressions.plan(&item.expr, &schema)).collect::<Result<Vec<_>>>()?;
    let filter = rank.filter.as_ref().map(|filter| expressions.condition(filter, &schema, "WHERE")).transpose()?;
    let (rows, identity) = ranked.finish(&items, filter, query, warnings)?;
    match identity {
        Identity::Own => keyed(rows, items, query, expressions),
        Identity::Columns(columns) => {
            let keys = columns.into_iter().map(|column| vec![column]).collect();
            Ok(Selected { items, needs_key: true, keys, window: None, rows })
        }
    }
}

fn projected(
    rows: Rows,
    query: &BoundQuery,
    expressions: &Expressions<'_>,
    warnings: &mut Vec<String>,
) -> Result<Selected> {
    if query.emit == Emit::Final {
        return Err(aggregate::final_without_window());
    }
    if let Some(rank) = &query.rank {
        return ranked(rows, rank, query, expressions, warnings);
    }
    let schema = Arc::clone(rows.schema());
    let items = query.items.iter().map(|item| expressions.plan(&item.expr, &schema)).collect::<Result<Vec<_>>>()?;
    keyed(rows, items, query, expressions)
}

/// Rows that have the key which they had, unless PARTITION BY gives them another.
fn keyed(rows: Rows, mut items: Vec<Expr>, query: &BoundQuery, expressions: &Expressions<'_>) -> Result<Selected> {
    let schema = Arc::clone(rows.schema());
    let is_table = rows.changes != Changes::Append;
    let window = match query.partition_by {
        Some(_) => None,
        None => windowed_join::window(query, &mut items, &schema, expressions)?,
    };
    let mut keys = match &query.partition_by {
        Some(_) if is_table => return Err(Error::unsupported("PARTITION BY is for streams only")),
        Some(exprs) => partition_keys(exprs, &schema, expressions)?,
        None => rows.key.iter().map(|key| vec![key.clone()]).collect(),
    };
    if let Some((_, start, end)) = &window {
        keys.retain(|accepted| ![start, end].contains(&&accepted[0]));
    }
    for (index, _) in query.joins.iter().enumerate() {
        accept_other_side(&mut keys, query, index + 1, &rows.plan);
    }
    table_join::accept_either_order(&mut keys, &rows.plan, expressions)?;
    if expressions.rules() == Compatibility::Ksqldb {
        table_join::name_key_by_either_side(&mut keys, &mut items, &rows.plan, expressions)?;
    }
    Ok(Selected { items, needs_key: is_table, keys, window, rows })
}

/// PARTITION BY's expressions; `PARTITION BY NULL` takes the key away.
fn partition_keys(
    exprs: &[sqlparser::ast::Expr],
    schema: &datafusion::common::DFSchemaRef,
    expressions: &Expressions<'_>,
) -> Result<Vec<Vec<Expr>>> {
    let keys = exprs.iter().map(|expr| expressions.plan(expr, schema)).collect::<Result<Vec<_>>>()?;
    let is_null = |expr: &Expr| matches!(expr, Expr::Literal(value, _) if value.is_null());
    Ok(keys.into_iter().filter(|key| !is_null(key)).map(|key| vec![key]).collect())
}

/// In a join the key column of one side is as good as the other's.
fn accept_other_side(keys: &mut [Vec<Expr>], query: &BoundQuery, index: usize, plan: &LogicalPlan) {
    let alias = query.sources[index].alias.as_str();
    let mut found: Vec<(Expr, Expr)> = Vec::new();
    collect_pairs(plan, &mut found);
    for accepted in keys {
        for (left, right) in &found {
            let of_side = right
                .column_refs()
                .iter()
                .any(|column| column.relation.as_ref().is_some_and(|relation| relation.table() == alias));
            if of_side && accepted.contains(left) && !accepted.contains(right) {
                accepted.push(right.clone());
            } else if of_side && accepted.contains(right) && !accepted.contains(left) {
                accepted.push(left.clone());
            }
        }
    }
}

fn collect_pairs(plan: &LogicalPlan, found: &mut Vec<(Expr, Expr)>) {
    match super::node::Node::of(plan) {
        Some(super::node::Node::Join(join)) => found.extend(join.on.iter().cloned()),
        Some(super::node::Node::StreamJoin(join)) => found.extend(join.on.iter().cloned()),
        // Of other kinds one side may be null.
        Some(super::node::Node::TableJoin(join)) if join.kind == JoinKind::Inner => {
            found.extend(join.on.iter().cloned());
        }
        _ => {}
    }
    for input in plan.inputs() {
        collect_pairs(input, found);
    }
}

/// Stream or table, if it is what the statement makes.
fn kind(query: &BoundQuery, selected: &Selected, aggregates: bool, target: Option<&Relation>) -> Result<RelationKind> {
    let is_table = aggregates || selected.rows.changes != Changes::Append;
    let rules = query.semantics.compatibility;
    let wrong = |message: &str, hint: &str| Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).hint(hint));
    match (&query.purpose, is_table) {
        (Purpose::Stream { .. }, true) if rules == Compatibility::Ksqldb => wrong(
            "Invalid result type. Your SELECT query produces a TABLE. Please use CREATE TABLE AS SELECT statement instead.",
            "Write CREATE TABLE.",
        ),
        (Purpose::Stream { .. }, true) => {
            wrong("the query gives a table, not a stream", "Write CREATE TABLE or CREATE MATERIALIZED VIEW.")
        }
        (Purpose::Table { .. } | Purpose::MaterializedView { .. }, false) if rules == Compatibility::Ksqldb => wrong(
            "Invalid result type. Your SELECT query produces a STREAM. Please use CREATE STREAM AS SELECT statement instead.",
            "Write CREATE STREAM.",
        ),
        (Purpose::Table { .. } | Purpose::MaterializedView { .. }, false) => {
            wrong("the query gives a stream, which has no latest row per key", "Write CREATE STREAM, or add GROUP BY.")
        }
        (Purpose::Insert { .. }, _) => insert_kind(query, is_table, target),
        (_, true) => Ok(RelationKind::Table),
        (_, false) => Ok(RelationKind::Stream),
    }
}

fn insert_kind(query: &BoundQuery, is_table: bool, target: Option<&Relation>) -> Result<RelationKind> {
    let Some(target) = target else { return Err(Error::internal("INSERT without its target")) };
    if query.semantics.compatibility == Compatibility::Ksqldb && target.is_table() {
        return Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("INSERT INTO can only be used to insert into a stream. {} is a table.", target.name),
        ));
    }
    if is_table && !target.is_table() {
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, "changes of a table cannot be inserted into a stream"));
    }
    if target.query.is_some() && target.is_table() {
        return Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("cannot insert into \"{}\": a query keeps it", target.name),
        ));
    }
    Ok(target.kind)
}

fn describe(
    query: &BoundQuery,
    selected: &Selected,
    arranged: &Arranged,
    kind: RelationKind,
    grouped: bool,
    target: Option<&Relation>,
) -> Result<Output> {
    let keys: Vec<&Column> = arranged.columns.iter().filter(|column| column.role == ColumnRole::Key).collect();
    let types: Vec<SqlType> = keys.iter().map(|column| column.sql_type.clone()).collect();
    let formats = target.map(|target| target.formats);
    let key_format = match formats {
        Some(formats) => formats.key,
        None if keys.is_empty() => Format::None,
        None => key_format(query, &types, grouped),
    };
    check_keys(query, selected)?;
    if matches!(query.purpose, Purpose::Push) {
        return Ok(output(query, selected, arranged, kind, key_format));
    }
    let value = match formats {
        Some(formats) => formats.value,
        None => query.value_format.unwrap_or(query.sources[0].relation.formats.value),
    };
    let formats = Formats { key: key_format, value, wrap_single_value: false };
    if query.semantics.compatibility == Compatibility::Ksqldb {
        check_ksqldb_formats(&arranged.columns, &formats, query)?;
    }
    check_nested(&arranged.columns, &formats, query.semantics.compatibility)?;
    Ok(output(query, selected, arranged, kind, key_format))
}

/// Refuses, in ksqlDB's words, what the formats of the result cannot hold.
fn check_ksqldb_formats(columns: &[Column], formats: &Formats, query: &BoundQuery) -> Result<()> {
    for (format, role) in [(formats.key, ColumnRole::Key), (formats.value, ColumnRole::Value)] {
        if format == Format::Kafka {
            check_kafka(&columns.iter().filter(|column| column.role == role).collect::<Vec<_>>())?;
        }
    }
    // What is nested there is what an aggregate keeps.
    let keeps_nested = columns.iter().any(|column| column.role == ColumnRole::Value && column.sql_type.is_nested());
    if keeps_nested && query.group_by.is_some() && matches!(formats.value, Format::Delimited { .. }) {
        return Err(calls::not_kept_in_format());
    }
    Ok(())
}

/// Refuses keys that are or hold a map.
fn check_keys(query: &BoundQuery, selected: &Selected) -> Result<()> {
    let rules = query.semantics.compatibility;
    for key in &selected.keys {
        // A key of the source that no item names may be gone from the rows.
        let Ok(data_type) = key[0].get_type(selected.rows.schema()) else { continue };
        let Some(sql_type) = SqlType::from_arrow(&data_type) else { continue };
        let item = selected.items.iter().position(|item| key.contains(item));
        let name = match (item, &key[0]) {
            (_, Expr::Column(column)) if 1 < query.sources.len() && rules == Compatibility::Ksqldb => {
                column.flat_name().replace('.', "_").replace('"', "")
            }
            (Some(item), _) => query.items[item].name.clone(),
            (None, key) => key.schema_name().to_string(),
        };
        check_key(&name, &sql_type, rules)?;
    }
    Ok(())
}

fn output(
    query: &BoundQuery,
    selected: &Selected,
    arranged: &Arranged,
    kind: RelationKind,
    key_format: Format,
) -> Output {
    Output {
        columns: arranged.columns.clone(),
        hidden: arranged.hidden,
        kind,
        key_format,
        value_format: query.value_format.unwrap_or(query.sources[0].relation.formats.value),
        window: arranged.window,
        partitions: query.partitions.unwrap_or(selected.rows.spread.partitions),
        emits_final: query.emit == Emit::Final,
    }
}

/// The key's format: as told, else as the source has it if it can carry the key.
fn key_format(query: &BoundQuery, types: &[SqlType], grouped: bool) -> Format {
    if let Some(format) = query.key_format {
        return format;
    }
    let is_keyless = query.sources[0].relation.formats.key == Format::None;
    let source = match query.sources[0].relation.formats.key {
        Format::None => Format::Kafka,
        format => format,
    };
    let kafka_can = |sql_type: &SqlType| {
        matches!(sql_type, SqlType::Int | SqlType::BigInt | SqlType::Double | SqlType::Text | SqlType::Bytes)
    };
    let carries = source != Format::Kafka || (types.len() <= 1 && types.iter().all(kafka_can));
    match query.semantics.compatibility {
        // A group may be null, which KAFKA's bytes and one field of a line cannot say.
        Compatibility::Postgres if (grouped || takes_groups(query)) && source.lacks_null(types.len()) => Format::Json,
        Compatibility::Postgres if !carries => Format::Json,
        // A stream without a key has no format of keys that could not carry this one.
        Compatibility::Ksqldb if !carries && types.len() == 1 && is_keyless => Format::Json,
        _ => source,
    }
}

/// Whether rows of a table whose key may be null, as that of groups is, come out of a join that takes them as they are.
fn takes_groups(query: &BoundQuery) -> bool {
    let joined = query.joins.iter().zip(query.sources.iter().skip(1));
    joined
        .filter(|(join, _)| join.kind.keeps_right())
        .any(|(_, source)| source.relation.is_table() && source.relation.has_null_keys())
}

/// Whether a row of the tables of FROM may have a key that is null: groups have, whose rows a query keeps.
fn may_lack_key(query: &BoundQuery) -> bool {
    may_lack_key_before(query, query.sources.len())
}

/// The same of what the first relations of FROM make together.
fn may_lack_key_before(query: &BoundQuery, count: usize) -> bool {
    let joined = query.joins.iter().zip(query.sources.iter().skip(1)).take(count - 1);
    joined.fold(has_keyless(&query.sources[0]), |left, (join, right)| match join.kind {
        JoinKind::Inner | JoinKind::Left => left,
        JoinKind::Right => has_keyless(right),
        JoinKind::Full => left || has_keyless(right),
    })
}

/// Whether a row of a relation may have a key that is null.
fn has_keyless(source: &BoundSource) -> bool {
    let is_kept = source.relation.query.is_some() || !source.queries.is_empty();
    is_kept && source.relation.is_table() && source.relation.has_null_keys()
}

fn sink(rows: Rows, arranged: Arranged, query: &BoundQuery) -> Result<LogicalPlan> {
    let rows = match query.semantics.compatibility {
        Compatibility::Ksqldb => Rows { plan: foreign_join::telling(rows.plan.clone())?, ..rows },
        Compatibility::Postgres => rows,
    };
    let named = arranged.exprs.into_iter().zip(&arranged.columns).map(|(expr, column)| expr.alias(&column.name));
    let mut plan = LogicalPlanBuilder::from(rows.plan)
        .project(named)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| failure::of_datafusion(error, None))?;
    let counted_from = match query.window.and_then(Window::size_ms) {
        Some(_) => ColumnRole::WindowStart,
        None => ColumnRole::WindowEnd,
    };
    let bound = arranged.columns.iter().position(|column| column.role == counted_from);
    let kept = match (query.ttl_ms, query.windows_kept_ms(), bound) {
        (Some(_), Some(_), Some(_)) => return Err(Error::unsupported("ttl beside RETENTION is not supported")),
        (Some(_), ..) if arranged.key.is_empty() => {
            return Err(Error::unsupported("ttl of what has no key is not supported"));
        }
        (Some(ttl_ms), ..) => Some((None, ttl_ms)),
        (None, Some(retention_ms), Some(bound)) => Some((Some(bound), retention_ms)),
        (None, ..) => None,
    };
    // A client that does not ask for the whole key is not told that a row of it goes.
    if let Some((bound, retention_ms)) = kept.filter(|_| !arranged.key.is_empty() && arranged.hidden == 0) {
        let id = OperatorId::new("retain");
        plan = plan_of(Retain { id, input: plan, key: arranged.key.clone(), bound, retention_ms });
    }
    Ok(plan_of(Sink { id: OperatorId::new("sink"), input: plan, key: arranged.key }))
}
