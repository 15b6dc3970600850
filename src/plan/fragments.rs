//! A plan cut at its exchanges: each part runs in one task per partition, upstream parts first.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::LogicalPlan;

use super::build::failure;
use super::edge::edge;
use super::node::Exchange;
use super::node::ExchangeSource;
use super::node::Node;
use super::node::Relocate;
use super::node::Source;
use super::node::plan_of;
use super::standing::Fragment;
use super::standing::Leaf;
use crate::error::Error;
use crate::error::Result;

/// Who runs a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tasks {
    /// A task per partition.
    PerPartition,
    /// One task, which reads all partitions.
    One,
}

/// The fragments of a plan whose root is a `Sink`.
pub fn cut(root: LogicalPlan) -> Result<Vec<Fragment>> {
    let mut fragments = Vec::new();
    cut_into(root, &mut fragments, Tasks::PerPartition)?;
    Ok(fragments)
}

/// The one fragment of a plan whose task reads all partitions itself and keeps nothing: no row has to go to another task,
/// so exchanges are left out.
pub fn whole(root: LogicalPlan) -> Result<Vec<Fragment>> {
    let root = root.transform_up(|plan| {
        Ok(match Node::of(&plan) {
            Some(Node::Exchange(exchange) | Node::Relocate(Relocate { exchange, .. })) => {
                Transformed::yes(exchange.input.clone())
            }
            _ => Transformed::no(plan),
        })
    });
    let mut fragments = Vec::new();
    let root = root.map_err(|error| failure::of_datafusion(error, None))?.data;
    cut_into(root, &mut fragments, Tasks::One)?;
    Ok(fragments)
}

/// Cuts off what lies upstream of `root`, then adds `root` itself; its index.
fn cut_into(root: LogicalPlan, fragments: &mut Vec<Fragment>, tasks: Tasks) -> Result<usize> {
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut partitions: Vec<i32> = Vec::new();
    let own_root = matches!(Node::of(&root), Some(Node::Exchange(_)));
    let input = match (own_root, Node::of(&root)) {
        (true, Some(Node::Exchange(exchange))) => exchange.input.clone(),
        _ => root.clone(),
    };
    let mut failed: Option<Error> = None;
    let cut = input.transform_down(|plan| {
        if let Some(Node::Relocate(node)) = Node::of(&plan) {
            let exchange = &node.exchange;
            partitions.push(exchange.partitions);
            let leaf = leaves.len();
            return match edge(&exchange.input) {
                Ok(edge) => {
                    let schema = Arc::clone(exchange.input.schema());
                    leaves.push(Leaf::Relocated { id: exchange.id.clone(), schema, edge });
                    Ok(Transformed::yes(plan_of(Relocate { leaf, ..node.clone() })))
                }
                Err(error) => {
                    failed.get_or_insert(error.into());
                    Ok(Transformed::no(plan))
                }
            };
        }
        let replaced = match Node::of(&plan) {
            Some(Node::Source(source)) => {
                partitions.push(source.relation.partitions);
                let leaf = leaves.len();
                leaves.push(relation_leaf(source));
                Some(plan_of(Source { leaf, ..source.clone() }))
            }
            Some(Node::Exchange(exchange)) => match upstream(exchange, leaves.len(), fragments) {
                Ok((leaf, source)) => {
                    partitions.push(exchange.partitions);
                    leaves.push(leaf);
                    Some(plan_of(source))
                }
                Err(error) => {
                    failed.get_or_insert(error);
                    None
                }
            },
            _ => None,
        };
        Ok(match replaced {
            Some(plan) => Transformed::new(plan, true, datafusion::common::tree_node::TreeNodeRecursion::Jump),
            None => Transformed::no(plan),
        })
    });
    let cut = cut.map_err(|error| failure::of_datafusion(error, None))?.data;
    if let Some(error) = failed {
        return Err(error);
    }
    mark_used(&cut, &mut leaves);
    let root = match Node::of(&root) {
        Some(Node::Exchange(exchange)) => plan_of(Exchange { input: cut, ..exchange.clone() }),
        _ => cut,
    };
    let index = fragments.len();
    let partitions = match tasks {
        Tasks::PerPartition => agreed(&partitions)?,
        Tasks::One => 1,
    };
    fragments.push(Fragment { index, root, leaves, partitions });
    Ok(index)
}

fn upstream(exchange: &Exchange, leaf: usize, fragments: &mut Vec<Fragment>) -> Result<(Leaf, ExchangeSource)> {
    let whole = plan_of(exchange.clone());
    let edge = edge(&whole)?;
    let schema = Arc::clone(exchange.input.schema());
    let upstream = cut_into(whole, fragments, Tasks::PerPartition)?;
    let source = ExchangeSource { id: exchange.id.clone(), leaf, schema: Arc::clone(&schema), edge: edge.clone() };
    Ok((Leaf::Exchange { id: exchange.id.clone(), schema, upstream, edge }, source))
}

fn relation_leaf(source: &Source) -> Leaf {
    Leaf::Relation { relation: Arc::clone(&source.relation), as_table: source.relation.is_table(), used: Vec::new() }
}

/// All leaves of a fragment have one number of partitions: the planner put exchanges where they had not.
fn agreed(partitions: &[i32]) -> Result<i32> {
    match partitions {
        [] => Err(Error::internal("a fragment without a leaf")),
        [first, rest @ ..] if rest.iter().all(|count| count == first) => Ok(*first),
        _ => Err(Error::internal(format!("a fragment's leaves have {partitions:?} partitions"))),
    }
}

/// Notes for each relation the columns that any expression above its source names.
fn mark_used(plan: &LogicalPlan, leaves: &mut [Leaf]) {
    for (leaf_index, columns) in named_columns(plan) {
        if let Some(Leaf::Relation { relation, used, .. }) = leaves.get_mut(leaf_index) {
            let own = columns.into_iter().filter(|index| *index < relation.columns.len());
            used.extend(own);
            used.sort_unstable();
            used.dedup();
        }
    }
}

/// Per source the columns of it that the plan names: those of the projection or node right above it suffice, since
/// OptimizeProjections has put one there when not all are needed.
fn named_columns(plan: &LogicalPlan) -> Vec<(usize, Vec<usize>)> {
    let mut found = Vec::new();
    if let Some(Node::Source(source)) = Node::of(plan) {
        found.push((source.leaf, (0..source.relation.columns.len()).collect()));
    }
    for input in plan.inputs() {
        if let Some(Node::Source(source)) = Node::of(input) {
            let columns = match plan {
                LogicalPlan::Projection(projection) => projection
                    .expr
                    .iter()
                    .flat_map(|expr| expr.column_refs().into_iter().cloned().collect::<Vec<_>>())
                    .filter_map(|column| source.schema.index_of_column_by_name(column.relation.as_ref(), &column.name))
                    .collect(),
                _ => (0..source.relation.columns.len()).collect(),
            };
            found.push((source.leaf, columns));
        } else {
            found.extend(named_columns(input));
        }
    }
    found
}
