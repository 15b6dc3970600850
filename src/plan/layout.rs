//! What each operator keeps on disk, as text: state written under one text can be read only under the same text.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlan;

use super::node::Aggregate;
use super::node::AggregateFunction;
use super::node::Backing;
use super::node::Consolidate;
use super::node::ForeignJoin;
use super::node::Join;
use super::node::Node;
use super::node::Normalise;
use super::node::OrderItem;
use super::node::Retain;
use super::node::StreamJoin;
use super::node::TableJoin;
use super::node::TopN;
use super::node::TopRows;
use super::node::Window;
use super::node::counts_leader;
use super::node::order_words;
use super::standing::Fragment;
use crate::model::SqlType;

/// One line per operator with state, upstream first.
pub fn layouts(fragments: &[Fragment]) -> Vec<String> {
    let mut lines = Vec::new();
    for fragment in fragments {
        collect(&fragment.root, &mut lines);
    }
    lines
}

fn collect(plan: &LogicalPlan, lines: &mut Vec<String>) {
    for input in plan.inputs() {
        collect(input, lines);
    }
    match Node::of(plan) {
        Some(Node::Aggregate(aggregate)) => lines.push(of_aggregate(aggregate)),
        Some(Node::Join(join)) => lines.push(of_join(join)),
        Some(Node::Retain(retain)) => lines.push(of_retain(retain)),
        Some(Node::StreamJoin(join)) => lines.push(of_stream_join(join)),
        Some(Node::TableJoin(join)) => lines.push(of_table_join(join)),
        Some(Node::ForeignJoin(join)) => lines.push(of_foreign_join(join)),
        Some(Node::Consolidate(node)) => lines.push(of_consolidate(node)),
        Some(Node::TopN(top)) => lines.push(of_top_n(top)),
        Some(Node::Normalise(normalise)) => lines.push(of_normalise(normalise)),
        Some(
            Node::Source(_)
            | Node::ExchangeSource(_)
            | Node::Exchange(_)
            | Node::Relocate(_)
            | Node::Explode(_)
            | Node::Union(_)
            | Node::Sink(_),
        )
        | None => {}
    }
}

fn of_aggregate(aggregate: &Aggregate) -> String {
    let input = aggregate.input.schema();
    let group: Vec<String> = aggregate.group.iter().map(|expr| type_of(expr, input)).collect();
    let window = match aggregate.window {
        Some(Window::Tumbling { size_ms, .. }) => format!(" tumbling {size_ms}"),
        Some(Window::Hopping { size_ms, advance_ms, .. }) => format!(" hopping {size_ms} by {advance_ms}"),
        Some(Window::Session { gap_ms, .. }) => format!(" session {gap_ms}"),
        None => String::new(),
    };
    let calls: Vec<String> = aggregate
        .calls
        .iter()
        .enumerate()
        .map(|(number, call)| {
            let argument = call.argument.as_ref().map_or("*".to_string(), |argument| type_of(argument, input));
            // A first or last value stands behind the number of its row.
            let numbered = if matches!(call.function, AggregateFunction::ByOffset(..)) { " 2" } else { "" };
            let counted = match (call.backing, counts_leader(&aggregate.calls, number)) {
                (Backing::Group, _) => String::new(),
                (Backing::Values, _) => " values 1".to_string(),
                (Backing::Counts, leader) if leader == number => " counts 1".to_string(),
                (Backing::Counts, leader) => format!(" counts 1 with call {leader}"),
            };
            format!("{}{numbered}{counted}({argument})", call.function.as_str())
        })
        .collect();
    format!("{} aggregate 2: key ({}){window}, {}", aggregate.id, group.join(", "), calls.join(", "))
}

fn of_join(join: &Join) -> String {
    let right = join.right.schema();
    let key: Vec<String> = join.on.iter().map(|(_, expr)| type_of(expr, right)).collect();
    format!("{} table 1: key ({}), {}", join.id, key.join(", "), columns(right))
}

/// The widths of spans are in the keys.
fn of_stream_join(join: &StreamJoin) -> String {
    let (left, right) = (join.left.schema(), join.right.schema());
    let key: Vec<String> = join.on.iter().map(|(expr, _)| type_of(expr, left)).collect();
    let (before, after) = (join.span.before_ms, join.span.after_ms);
    format!(
        "{} streams 1: key ({}), before {before} after {after}, left {}, right {}",
        join.id,
        key.join(", "),
        columns(left),
        columns(right)
    )
}

fn of_table_join(join: &TableJoin) -> String {
    let (left, right) = (join.left.schema(), join.right.schema());
    let key: Vec<String> = join.on.iter().map(|(expr, _)| type_of(expr, left)).collect();
    format!("{} tables 1: key ({}), left {}, right {}", join.id, key.join(", "), columns(left), columns(right))
}

fn of_foreign_join(join: &ForeignJoin) -> String {
    let (left, right) = (join.left.schema(), join.right.schema());
    let types = |exprs: Vec<&Expr>| exprs.into_iter().map(|expr| type_of(expr, left)).collect::<Vec<_>>().join(", ");
    let (foreign, key) = (types(join.on.iter().map(|(left, _)| left).collect()), types(join.key.iter().collect()));
    format!("{} foreign 1: by ({foreign}) key ({key}), left {}, right {}", join.id, columns(left), columns(right))
}

fn of_consolidate(node: &Consolidate) -> String {
    let input = node.input.schema();
    let key: Vec<&str> = node.key.iter().map(|index| input.field(*index).name().as_str()).collect();
    format!("{} consolidate 1: key ({}), {}", node.id, key.join(", "), columns(input))
}

/// Where only ranked rows are kept, what was kept for a lower limit lacks rows of a higher one.
fn of_top_n(top: &TopN) -> String {
    let input = top.input.schema();
    let types = |exprs: &[Expr]| exprs.iter().map(|expr| type_of(expr, input)).collect::<Vec<_>>().join(", ");
    let item = |item: &OrderItem| {
        let (direction, nulls) = order_words(item.direction, item.nulls);
        format!("{} {direction} {nulls}", type_of(&item.expr, input))
    };
    let order: Vec<String> = top.order.iter().map(item).collect();
    let kept = match top.rows {
        TopRows::Places => format!("{} {} in places", top.ranking.as_str(), top.limit),
        TopRows::Ranked => format!("{} {}", top.ranking.as_str(), top.limit),
        TopRows::All => format!("all by ({})", types(&top.key)),
    };
    let (partition, order) = (types(&top.partition), order.join(", "));
    format!("{} top 1: {kept}, of ({partition}), order ({order}), {}", top.id, columns(input))
}

fn of_normalise(normalise: &Normalise) -> String {
    let input = normalise.input.schema();
    let key: Vec<&str> = normalise.key.iter().map(|index| input.field(*index).name().as_str()).collect();
    format!("{} normalise 1: key ({}), {}", normalise.id, key.join(", "), columns(input))
}

fn of_retain(retain: &Retain) -> String {
    let input = retain.input.schema();
    let key: Vec<String> = retain.key.iter().map(|index| named(input.field(*index).data_type())).collect();
    let counted = if retain.bound.is_some() { "" } else { " by time" };
    format!("{} retain 1{counted}: key ({})", retain.id, key.join(", "))
}

fn columns(schema: &DFSchema) -> String {
    let columns: Vec<String> =
        schema.fields().iter().map(|field| format!("{} {}", field.name(), named(field.data_type()))).collect();
    columns.join(", ")
}

fn type_of(expr: &Expr, schema: &DFSchema) -> String {
    expr.get_type(schema).map_or_else(|_| "?".to_string(), |data_type| named(&data_type))
}

fn named(data_type: &DataType) -> String {
    SqlType::from_arrow(data_type).map_or_else(|| data_type.to_string(), |sql_type| sql_type.to_string())
}
