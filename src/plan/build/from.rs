//! FROM, JOIN and WHERE: sources, lookups, and each condition as near to its source as it may stand.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::Field;
use datafusion::common::DFSchema;
use datafusion::common::DFSchemaRef;
use datafusion::common::TableReference;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::utils::split_conjunction_owned;
use sqlparser::ast;

use super::expression::Expressions;
use super::failure;
use super::inner_table;
use super::join;
use super::rows::Changes;
use super::rows::Rows;
use super::rows::Spread;
use super::rows::column_at;
use super::table_join;
use super::union;
use crate::catalog::Compatibility;
use crate::error::Result;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::OperatorId;
use crate::model::SqlType;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::BoundSource;
use crate::plan::bind::fold_name;
use crate::plan::node::PseudoColumn;
use crate::plan::node::Source;
use crate::plan::node::plan_of;
use crate::plan::relation_key;
use crate::sql::walk;

/// The rows that SELECT, GROUP BY and PARTITION BY see.
pub fn build(query: &BoundQuery, expressions: &Expressions<'_>) -> Result<Rows> {
    let used = used_columns(query);
    let sources = query
        .sources
        .iter()
        .enumerate()
        .map(|(index, source)| {
            let id = query.operator(&format!("from{index}"));
            let rows = match source.queries.as_slice() {
                [] => source_rows(&id, index, source, expressions.rules())?,
                [table] => inner_table::build(source, table, &id, expressions)?,
                _ => union::build(source, &id, expressions)?,
            };
            needed_rows(rows, source, &used)
        })
        .collect::<Result<Vec<_>>>()?;
    let mut whole = sources[0].schema().as_ref().clone();
    for source in &sources[1..] {
        whole = whole.join(source.schema()).map_err(|error| failure::of_datafusion(error, None))?;
    }
    let (below, above) = match &query.filter {
        Some(filter) => {
            let planned = expressions.condition(filter, &whole, "WHERE")?;
            let sinks = !query.joins.iter().any(|join| {
                // Where rows of the right leave without one of the left, the condition is about what the join made; and
                // where an operator has its own time, rows that were left out before would not move it.
                join.kind.keeps_right() || (join.span.is_some() && expressions.rules() == Compatibility::Ksqldb)
            });
            // Below a join of tables it would take rows away that a side without partner is told of.
            let sinks = sinks && 1 < sources.len() && sources[0].changes == Changes::Append;
            let may_sink =
                |conjunct: &Expr| sinks && is_only_of(conjunct, &query.sources[0].alias) && !conjunct.is_volatile();
            split_conjunction_owned(planned).into_iter().partition(may_sink)
        }
        None => (Vec::new(), Vec::new()),
    };
    let filter_id = query.operator("where");
    let mut sources = sources.into_iter();
    let mut rows = sources.next().expect("the binder wants a FROM clause");
    if let Some(condition) = conjunction(below) {
        rows = rows.filtered(condition, &filter_id)?;
    }
    for (index, right) in sources.enumerate() {
        rows = match (rows.changes, right.changes) {
            (Changes::Upsert | Changes::Retract, Changes::Upsert | Changes::Retract) => {
                table_join::build(index + 1, rows, right, query, expressions)?
            }
            _ => join::build(index + 1, rows, right, query, expressions)?,
        };
    }
    match conjunction(above) {
        Some(condition) => rows.filtered(condition, &filter_id),
        None => Ok(rows),
    }
}

/// The rows of a query over one relation that its condition lets in; `id` names its source.
pub(super) fn of_stream(query: &BoundQuery, id: &OperatorId, expressions: &Expressions<'_>) -> Result<Rows> {
    let source = &query.sources[0];
    let rows = needed_rows(source_rows(id, 0, source, expressions.rules())?, source, &used_columns(query))?;
    match &query.filter {
        Some(filter) => {
            let condition = expressions.condition(filter, rows.schema(), "WHERE")?;
            rows.filtered(condition, id)
        }
        None => Ok(rows),
    }
}

fn source_rows(id: &OperatorId, leaf: usize, source: &BoundSource, rules: Compatibility) -> Result<Rows> {
    let relation = &source.relation;
    let qualifier = TableReference::bare(source.alias.as_str());
    let columns = relation.columns.iter().map(|column| Arc::new(column.field()));
    let pseudo = source.pseudo.iter().map(|column| Arc::new(pseudo_field(*column, rules)));
    let fields = columns.chain(pseudo).map(|field| (Some(qualifier.clone()), field)).collect();
    let schema =
        DFSchema::new_with_metadata(fields, Default::default()).map_err(|error| failure::of_datafusion(error, None))?;
    let schema = DFSchemaRef::new(schema);
    let key: Vec<Expr> = relation_key(relation).into_iter().map(|column| column_at(&schema, column)).collect();
    let spread = Spread::by(key.clone(), relation.formats.key, relation.partitions);
    // Records of a windowed relation are spread by key and window together.
    let spread = if relation.window.is_none() && !key.is_empty() { spread } else { spread.told_by(None) };
    let plan: LogicalPlan =
        plan_of(Source { id: id.clone(), leaf, relation: Arc::clone(relation), pseudo: source.pseudo.clone(), schema });
    let changes = if relation.is_table() { Changes::Upsert } else { Changes::Append };
    Ok(Rows { plan, spread, key, changes })
}

/// Alias and name of every column that the query mentions.
fn used_columns(query: &BoundQuery) -> HashSet<(String, String)> {
    let mut used = HashSet::new();
    for expr in query.expressions() {
        let flow = walk::expressions(expr, |expr| {
            if let ast::Expr::CompoundIdentifier(idents) = expr
                && let [alias, name] = idents.as_slice()
            {
                used.insert((alias.value.clone(), name.value.clone()));
            }
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(flow.is_continue());
    }
    used
}

/// Only what the query mentions, and of a table its key: what stands above would keep and send the rest in vain.
fn needed_rows(rows: Rows, source: &BoundSource, used: &HashSet<(String, String)>) -> Result<Rows> {
    let schema = Arc::clone(rows.schema());
    let key = if rows.changes == Changes::Append { Vec::new() } else { rows.key.clone() };
    // What comes of a windowed relation is windowed too, whether its bounds are named or not.
    let is_bound = |name: &str| {
        let bound = |column: &&Column| matches!(column.role, ColumnRole::WindowStart | ColumnRole::WindowEnd);
        source.relation.columns.iter().filter(bound).any(|column| column.name == name)
    };
    let needed: Vec<Expr> = (0..schema.fields().len())
        .map(|index| (index, column_at(&schema, index)))
        .filter(|(index, column)| {
            let name = schema.field(*index).name();
            key.contains(column) || is_bound(name) || used.contains(&(source.alias.clone(), name.clone()))
        })
        .map(|(_, column)| column)
        .collect();
    let plan = LogicalPlanBuilder::from(rows.plan)
        .project(needed)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| failure::of_datafusion(error, None))?;
    Ok(Rows { plan, ..rows })
}

fn pseudo_field(column: PseudoColumn, rules: Compatibility) -> Field {
    let sql_type = match (column, rules) {
        (PseudoColumn::RowTime, Compatibility::Postgres) => SqlType::TimestampTz,
        (PseudoColumn::RowTime, Compatibility::Ksqldb) | (PseudoColumn::RowOffset, _) => SqlType::BigInt,
        (PseudoColumn::RowPartition, _) => SqlType::Int,
    };
    Field::new(fold_name(column.word(), false, rules), sql_type.arrow(), true)
}

/// Whether all columns of an expression belong to one relation of FROM, and there is one at all.
fn is_only_of(expr: &Expr, alias: &str) -> bool {
    let of_alias = |relation: &Option<TableReference>| relation.as_ref().is_some_and(|found| found.table() == alias);
    let columns: HashSet<_> = expr.column_refs();
    !columns.is_empty() && columns.iter().all(|column| of_alias(&column.relation))
}
