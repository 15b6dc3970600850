//! What flows between two nodes: appended rows, upserts by key or retractions, and how they are spread over tasks.
//!
//! Derived from the plan below, never declared: `exec` checks its own edges against it, EXPLAIN shows it.

use std::fmt;

use datafusion::common::Column;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;

use super::error::PlanError;
use super::node::AggregateChanges;
use super::node::Alone;
use super::node::ForeignJoin;
use super::node::JoinKind;
use super::node::Node;
use super::node::RankColumn;
use super::node::Ranking;
use super::node::Relocate;
use super::node::TableJoin;
use super::node::TopN;
use super::node::Union;
use super::node::Window;
use crate::sql::Emit;

/// How rows of an edge change what they stand for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EdgeKind {
    /// Each row is a fact of its own.
    AppendOnly,
    /// A row replaces the one with its key, a tombstone deletes it; indexes into the edge's columns.
    Upsert(Vec<usize>),
    /// A row is added or taken back, by weight.
    Retract,
}

/// An edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edge {
    /// How rows change.
    pub kind: EdgeKind,
    /// The columns that make a row's identity, if any: indexes into the edge's columns.
    pub key: Vec<usize>,
    /// Rows that are equal in these columns meet in one task, `None` if nothing is known.
    pub partitioned_by: Option<Vec<usize>>,
}

impl fmt::Display for EdgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EdgeKind::AppendOnly => "append",
            EdgeKind::Upsert(_) => "upsert",
            EdgeKind::Retract => "retract",
        })
    }
}

/// The edge above a plan; an error for a node that no standing query may have.
pub fn edge(plan: &LogicalPlan) -> Result<Edge, PlanError> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let below = edge(&projection.input)?;
            Ok(projected(&below, &projection.expr, projection.input.schema()))
        }
        LogicalPlan::Filter(filter) => edge(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => edge(&alias.input),
        LogicalPlan::Extension(_) => match Node::of(plan) {
            Some(node) => of_node(node),
            None => Err(PlanError::UnknownNode { node: plan.display().to_string() }),
        },
        other => Err(PlanError::UnknownNode { node: other.display().to_string() }),
    }
}

fn of_node(node: Node<'_>) -> Result<Edge, PlanError> {
    Ok(match node {
        Node::Source(source) => {
            let key = super::relation_key(&source.relation);
            let hashed = source.relation.key_columns();
            let kind = if source.relation.is_table() { EdgeKind::Upsert(key.clone()) } else { EdgeKind::AppendOnly };
            Edge { kind, partitioned_by: (!hashed.is_empty()).then_some(hashed), key }
        }
        Node::ExchangeSource(source) => source.edge.clone(),
        Node::Exchange(exchange) | Node::Relocate(Relocate { exchange, .. }) => {
            let below = edge(&exchange.input)?;
            let by = exchange.keys.iter().map(|key| column_index(key, exchange.input.schema())).collect();
            Edge { partitioned_by: by, ..below }
        }
        Node::Retain(retain) => {
            let below = edge(&retain.input)?;
            // A row that is taken away is no fact any more.
            let kind = match below.kind {
                EdgeKind::Retract => EdgeKind::Retract,
                EdgeKind::AppendOnly | EdgeKind::Upsert(_) => EdgeKind::Upsert(retain.key.clone()),
            };
            Edge { kind, key: retain.key.clone(), ..below }
        }
        Node::ForeignJoin(join) => of_foreign_join(join),
        Node::Union(union) => of_union(union)?,
        // What is added comes after the columns that were there.
        Node::Explode(node) => edge(&node.input)?,
        Node::Consolidate(node) => Edge { kind: EdgeKind::Retract, key: node.key.clone(), ..edge(&node.input)? },
        Node::TopN(top) => of_top_n(top),
        Node::Normalise(normalise) => Edge { kind: EdgeKind::Retract, ..edge(&normalise.input)? },
        Node::Join(join) => {
            let left = edge(&join.left)?;
            let columns: Option<Vec<usize>> =
                join.on.iter().map(|(left, _)| column_index(left, join.left.schema())).collect();
            Edge { kind: EdgeKind::AppendOnly, key: columns.unwrap_or_default(), partitioned_by: left.partitioned_by }
        }
        Node::StreamJoin(join) => {
            let columns: Option<Vec<usize>> =
                join.on.iter().map(|(left, _)| column_index(left, join.left.schema())).collect();
            // The left's key is null where only the right has a row.
            let columns = columns.filter(|_| !join.kind.keeps_right());
            Edge { kind: EdgeKind::AppendOnly, key: columns.clone().unwrap_or_default(), partitioned_by: columns }
        }
        Node::TableJoin(join) => of_table_join(join),
        Node::Sink(sink) => Edge { key: sink.key.clone(), ..edge(&sink.input)? },
        Node::Aggregate(aggregate) => {
            let group: Vec<usize> = (0..aggregate.group.len()).collect();
            let mut key = group.clone();
            let bounds = aggregate.window.map_or(0, Window::key_bounds);
            key.extend(group.len()..group.len() + bounds);
            let kind = match (aggregate.emit, aggregate.changes) {
                (Emit::Final, _) => EdgeKind::AppendOnly,
                (Emit::Changes, AggregateChanges::Upsert) => EdgeKind::Upsert(key.clone()),
                (Emit::Changes, AggregateChanges::Retract) => EdgeKind::Retract,
            };
            Edge { kind, key, partitioned_by: Some(group) }
        }
    })
}

/// One row a row of the left; where rows of the right stay too, their key is part of it.
fn of_foreign_join(join: &ForeignJoin) -> Edge {
    let columns = |exprs: Vec<&Expr>| -> Option<Vec<usize>> {
        exprs.into_iter().map(|expr| column_index(expr, join.left.schema())).collect()
    };
    let key = columns(join.key.iter().collect()).unwrap_or_default();
    if join.named == Alone::Leaves {
        let partitioned_by = columns(join.on.iter().map(|(left, _)| left).collect());
        return Edge { kind: EdgeKind::Retract, key, partitioned_by };
    }
    let border = join.left.schema().fields().len();
    let named = join.on.iter().map(|(_, right)| column_index(right, join.right.schema()));
    let named: Option<Vec<usize>> = named.map(|column| column.map(|column| border + column)).collect();
    // What a left row names that meets nothing is in no column of the right.
    let partitioned_by = named.clone().filter(|_| join.alone == Alone::Leaves);
    let key = [named.unwrap_or_default(), key].concat();
    Edge { kind: EdgeKind::Retract, key, partitioned_by }
}

/// What all branches have, the union has.
fn of_union(union: &Union) -> Result<Edge, PlanError> {
    let branches = union.branches.iter().map(edge).collect::<Result<Vec<_>, _>>()?;
    let same = |all: &dyn Fn(&Edge) -> Option<Vec<usize>>| {
        let first = branches.first().and_then(all);
        first.filter(|first| branches.iter().all(|branch| all(branch).as_ref() == Some(first)))
    };
    Ok(Edge {
        kind: branches.first().map_or(EdgeKind::AppendOnly, |branch| branch.kind.clone()),
        key: same(&|branch| Some(branch.key.clone())).unwrap_or_default(),
        partitioned_by: same(&|branch| branch.partitioned_by.clone()),
    })
}

/// A partition has one row of each number; where the rank is not shown only its first row is told by the partition.
fn of_top_n(top: &TopN) -> Edge {
    let columns = |exprs: &[Expr]| -> Option<Vec<usize>> {
        exprs.iter().map(|expr| column_index(expr, top.input.schema())).collect()
    };
    let partitioned_by = columns(&top.partition);
    let numbered = partitioned_by.clone().filter(|_| top.ranking == Ranking::RowNumber);
    let key = match (numbered, top.rank) {
        _ if !top.key.is_empty() => columns(&top.key),
        (Some(partition), _) if top.limit == 1 => Some(partition),
        (Some(partition), RankColumn::Shown) => Some([partition, vec![top.schema.fields().len() - 1]].concat()),
        _ => None,
    };
    Edge { kind: EdgeKind::Retract, key: key.unwrap_or_default(), partitioned_by }
}

fn of_table_join(join: &TableJoin) -> Edge {
    let border = join.left.schema().fields().len();
    let left = || join.on.iter().map(|(left, _)| column_index(left, join.left.schema())).collect();
    let right = || {
        let columns = join.on.iter().map(|(_, right)| column_index(right, join.right.schema()));
        columns.map(|column| column.map(|column| border + column)).collect()
    };
    let columns: Option<Vec<usize>> = match join.kind {
        JoinKind::Inner | JoinKind::Left => left(),
        JoinKind::Right => right(),
        // The key is in either column, so no column has it.
        JoinKind::Full => None,
    };
    Edge { kind: EdgeKind::Retract, key: columns.clone().unwrap_or_default(), partitioned_by: columns }
}

/// The edge above a projection: keys live on as long as the projection keeps their columns.
fn projected(below: &Edge, exprs: &[Expr], input: &DFSchema) -> Edge {
    let kept = |columns: &[usize]| -> Option<Vec<usize>> {
        columns.iter().map(|wanted| exprs.iter().position(|expr| column_index(expr, input) == Some(*wanted))).collect()
    };
    let key = kept(&below.key).unwrap_or_default();
    let kind = match &below.kind {
        // Without its key an upsert edge has lost its meaning; the planner refuses such plans before this.
        EdgeKind::Upsert(columns) => EdgeKind::Upsert(kept(columns).unwrap_or_default()),
        other => other.clone(),
    };
    Edge { kind, key, partitioned_by: below.partitioned_by.as_deref().and_then(kept) }
}

/// The column that an expression is, through aliases.
pub(super) fn column_index(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match expr {
        Expr::Column(Column { relation, name, .. }) => schema.index_of_column_by_name(relation.as_ref(), name),
        Expr::Alias(alias) => column_index(&alias.expr, schema),
        _ => None,
    }
}
