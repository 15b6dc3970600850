//! The nodes of a standing query that DataFusion does not have; each owns time, state or a border of a task.
//!
//! All are `LogicalPlan::Extension`s. Their schemas hold user columns only: time, sequence, weights and tombstones are
//! physical, added by `exec`. Between them stand only DataFusion's own Projection and Filter.

mod aggregate;
mod consolidate;
mod exchange;
mod explode;
mod foreign_join;
mod join;
mod normalise;
mod relocate;
mod retain;
mod sink;
mod source;
mod stream_join;
mod table_join;
mod top_n;
mod union;

pub use aggregate::Aggregate;
pub use aggregate::AggregateCall;
pub use aggregate::AggregateChanges;
pub use aggregate::AggregateFunction;
pub use aggregate::Backing;
pub use aggregate::BitOperation;
pub use aggregate::EmptyGroup;
pub use aggregate::JumpedWindows;
pub use aggregate::NullGroup;
pub use aggregate::OffsetNulls;
pub use aggregate::Retraction;
pub use aggregate::Window;
pub use aggregate::counts_leader;
pub use consolidate::Consolidate;
pub use exchange::Exchange;
pub use exchange::ExchangeSource;
pub use explode::Explode;
pub use foreign_join::Alone;
pub use foreign_join::ForeignJoin;
pub use foreign_join::NoRow;
pub use join::Join;
pub use join::JoinKind;
pub use join::schema_of_sides;
pub use normalise::Normalise;
pub use relocate::Relocate;
pub use relocate::Relocated;
pub use retain::Retain;
pub use sink::Sink;
pub use source::PseudoColumn;
pub use source::Source;
pub use stream_join::Span;
pub use stream_join::StreamJoin;
pub use stream_join::Unmatched;
pub use table_join::TableJoin;
pub use top_n::Direction;
pub use top_n::Nulls;
pub use top_n::OrderItem;
pub use top_n::RANK_COLUMN;
pub use top_n::RankColumn;
pub use top_n::Ranking;
pub use top_n::TopN;
pub use top_n::TopRows;
pub use top_n::top_schema;
pub use top_n::words as order_words;
pub use union::Union;

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::logical_expr::Extension;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNode;

/// Any of the nodes, borrowed out of a plan.
#[derive(Debug, Clone, Copy)]
pub enum Node<'a> {
    /// Rows of a relation.
    Source(&'a Source),
    /// Rows of an upstream fragment.
    ExchangeSource(&'a ExchangeSource),
    /// Groups.
    Aggregate(&'a Aggregate),
    /// A stream looked up in a table.
    Join(&'a Join),
    /// Streams beside each other.
    Union(&'a Union),
    /// Two streams.
    StreamJoin(&'a StreamJoin),
    /// Two tables joined by their keys.
    TableJoin(&'a TableJoin),
    /// A table joined with another by the other's key.
    ForeignJoin(&'a ForeignJoin),
    /// Retractions put in order again.
    Consolidate(&'a Consolidate),
    /// The first rows of each partition.
    TopN(&'a TopN),
    /// Rows as often as their lists have elements.
    Explode(&'a Explode),
    /// Upserts made into retractions.
    Normalise(&'a Normalise),
    /// Rows of windows kept for a time.
    Retain(&'a Retain),
    /// Rows sent on by key.
    Exchange(&'a Exchange),
    /// Rows sent where their key belongs, if they are not there.
    Relocate(&'a Relocate),
    /// Rows that leave.
    Sink(&'a Sink),
}

impl<'a> Node<'a> {
    /// The node that a plan's root is, `None` for DataFusion's own nodes.
    pub fn of(plan: &'a LogicalPlan) -> Option<Self> {
        let LogicalPlan::Extension(extension) = plan else { return None };
        let any = extension.node.as_any();
        if let Some(node) = any.downcast_ref::<Source>() {
            return Some(Node::Source(node));
        }
        if let Some(node) = any.downcast_ref::<ExchangeSource>() {
            return Some(Node::ExchangeSource(node));
        }
        if let Some(node) = any.downcast_ref::<Aggregate>() {
            return Some(Node::Aggregate(node));
        }
        if let Some(node) = any.downcast_ref::<Join>() {
            return Some(Node::Join(node));
        }
        if let Some(node) = any.downcast_ref::<Union>() {
            return Some(Node::Union(node));
        }
        if let Some(node) = any.downcast_ref::<StreamJoin>() {
            return Some(Node::StreamJoin(node));
        }
        if let Some(node) = any.downcast_ref::<TableJoin>() {
            return Some(Node::TableJoin(node));
        }
        if let Some(node) = any.downcast_ref::<ForeignJoin>() {
            return Some(Node::ForeignJoin(node));
        }
        if let Some(node) = any.downcast_ref::<Consolidate>() {
            return Some(Node::Consolidate(node));
        }
        if let Some(node) = any.downcast_ref::<TopN>() {
            return Some(Node::TopN(node));
        }
        if let Some(node) = any.downcast_ref::<Explode>() {
            return Some(Node::Explode(node));
        }
        if let Some(node) = any.downcast_ref::<Normalise>() {
            return Some(Node::Normalise(node));
        }
        if let Some(node) = any.downcast_ref::<Retain>() {
            return Some(Node::Retain(node));
        }
        if let Some(node) = any.downcast_ref::<Exchange>() {
            return Some(Node::Exchange(node));
        }
        if let Some(node) = any.downcast_ref::<Relocate>() {
            return Some(Node::Relocate(node));
        }
        any.downcast_ref::<Sink>().map(Node::Sink)
    }
}

/// The plan whose root is `node`.
pub(super) fn plan_of(node: impl UserDefinedLogicalNode + 'static) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(node) })
}

/// The columns that an output needs of the input with the same columns, the key's among them.
fn with_key(output_columns: &[usize], key: &[usize]) -> Vec<usize> {
    let mut needed = [output_columns, key].concat();
    needed.sort_unstable();
    needed.dedup();
    needed
}

/// DataFusion wants an order of plans; ours have none but equality.
fn order_of_equal<T: PartialEq>(left: &T, right: &T) -> Option<Ordering> {
    (left == right).then_some(Ordering::Equal)
}

/// The only input of a node with one input.
fn only_input(mut inputs: Vec<LogicalPlan>) -> datafusion::common::Result<LogicalPlan> {
    match (inputs.pop(), inputs.is_empty()) {
        (Some(input), true) => Ok(input),
        _ => datafusion::common::internal_err!("a node with one input was given another number of inputs"),
    }
}

/// An expression without the alias by which an optimizer rule kept its name.
fn unaliased(expr: datafusion::logical_expr::Expr) -> datafusion::logical_expr::Expr {
    expr.unalias()
}

/// Where the columns `indexes` of `old` are in `new`, which has some of `old`'s columns.
fn columns_again(
    indexes: &[usize],
    old: &datafusion::common::DFSchema,
    new: &datafusion::common::DFSchema,
) -> datafusion::common::Result<Vec<usize>> {
    indexes
        .iter()
        .map(|index| {
            let (qualifier, field) = old.qualified_field(*index);
            new.index_of_column_by_name(qualifier, field.name())
                .map_or_else(|| datafusion::common::internal_err!("key column {} was pruned away", field.name()), Ok)
        })
        .collect()
}
