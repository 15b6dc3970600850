//! EXPLAIN of a standing plan: fragments, in each the operators as a tree, with what flows out of them.

use std::fmt::Write;

use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;

use super::edge::Edge;
use super::edge::EdgeKind;
use super::edge::edge;
use super::node::Aggregate;
use super::node::AggregateChanges;
use super::node::Alone;
use super::node::Backing;
use super::node::Exchange;
use super::node::ForeignJoin;
use super::node::NoRow;
use super::node::Node;
use super::node::Relocated;
use super::node::StreamJoin;
use super::node::TopN;
use super::node::TopRows;
use super::node::Unmatched;
use super::standing::Fragment;
use super::standing::Leaf;
use super::standing::StandingPlan;
use crate::catalog::EmitMode;
use crate::catalog::RelationKind;
use crate::model::ColumnRole;
use crate::sql::Emit;

/// The plan as lines of text.
pub fn explain(plan: &StandingPlan) -> String {
    let mut text = String::new();
    for fragment in plan.fragments.iter().rev() {
        line(&mut text, 0, &format!("fragment {}: {}", fragment.index, tasks(fragment.partitions)));
        tree(&mut text, 1, &fragment.root, fragment);
    }
    let output = &plan.output;
    let kind = match output.kind {
        RelationKind::Stream => "stream",
        RelationKind::Table => "table",
    };
    let columns: Vec<String> = output
        .columns
        .iter()
        .map(|column| match column.role {
            ColumnRole::Value | ColumnRole::Headers | ColumnRole::Header(_) => {
                format!("{} {}", column.name, column.sql_type)
            }
            ColumnRole::Key => format!("{} {} KEY", column.name, column.sql_type),
            ColumnRole::WindowStart | ColumnRole::WindowEnd => format!("{} {} WINDOW", column.name, column.sql_type),
        })
        .collect();
    let emit = match plan.semantics.emit {
        EmitMode::Net => "net",
        EmitMode::All => "all",
    };
    line(&mut text, 0, &format!("output: {kind} ({}), emit {emit}", columns.join(", ")));
    for layout in &plan.state_layouts {
        line(&mut text, 0, &format!("state: {layout}"));
    }
    for warning in &plan.warnings {
        line(&mut text, 0, &format!("warning: {warning}"));
    }
    text
}

/// What a plan keeps and what that is made of, as text: what is selected of it, and conditions, are left out.
pub fn kept_part(plan: &StandingPlan) -> String {
    let mut text = String::new();
    for fragment in &plan.fragments {
        kept(&mut text, &fragment.root, fragment);
    }
    text
}

/// The plan below what only selects from it.
fn kept(text: &mut String, plan: &LogicalPlan, fragment: &Fragment) {
    match (plan, Node::of(plan)) {
        (LogicalPlan::Projection(_) | LogicalPlan::Filter(_), _)
        | (_, Some(Node::Sink(_) | Node::Explode(_) | Node::Union(_))) => {
            plan.inputs().into_iter().for_each(|input| kept(text, input, fragment));
        }
        (_, Some(Node::Source(_))) => {}
        _ => whole(text, 0, plan, fragment),
    }
}

fn whole(text: &mut String, depth: usize, plan: &LogicalPlan, fragment: &Fragment) {
    let shown = match (plan, Node::of(plan)) {
        // What a condition needs comes along.
        (LogicalPlan::Filter(_), _) => None,
        (LogicalPlan::Projection(projection), _) if projection.expr.iter().all(is_itself) => None,
        (_, Some(Node::Source(source))) => Some(source.relation.name.clone()),
        _ => Some(operator(plan, fragment)),
    };
    if let Some(shown) = &shown {
        line(text, depth, shown);
    }
    let depth = depth + usize::from(shown.is_some());
    plan.inputs().into_iter().for_each(|input| whole(text, depth, input, fragment));
}

/// Whether an item of a projection is a column under its own name.
fn is_itself(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Alias(alias) => matches!(alias.expr.as_ref(), Expr::Column(column) if column.name == alias.name),
        _ => false,
    }
}

fn tasks(partitions: i32) -> String {
    match partitions {
        1 => "1 task".to_string(),
        several => format!("{several} tasks"),
    }
}

fn line(text: &mut String, depth: usize, content: &str) {
    let _ = writeln!(text, "{:width$}{content}", "", width = depth * 2);
}

fn tree(text: &mut String, depth: usize, plan: &LogicalPlan, fragment: &Fragment) {
    let flow = match edge(plan) {
        Ok(edge) => flow(&edge, plan.schema()),
        Err(error) => error.to_string(),
    };
    line(text, depth, &format!("{}  [{flow}]", operator(plan, fragment)));
    for input in plan.inputs() {
        tree(text, depth + 1, input, fragment);
    }
}

fn operator(plan: &LogicalPlan, fragment: &Fragment) -> String {
    match Node::of(plan) {
        Some(Node::Source(source)) => {
            let word = if source.relation.is_table() { "table" } else { "stream" };
            let used = match fragment.leaves.get(source.leaf) {
                Some(Leaf::Relation { relation, used, .. }) => {
                    names(used.iter().map(|index| relation.columns[*index].name.as_str()))
                }
                _ => String::new(),
            };
            format!("Source {}: {word} {} ({used})", source.id, source.relation.name)
        }
        Some(Node::ExchangeSource(source)) => format!("ExchangeSource {}", source.id),
        Some(Node::Exchange(exchange)) => format!(
            "Exchange {}: by ({}) as {:?} to {}",
            exchange.id,
            list(&exchange.keys),
            exchange.key_format,
            tasks(exchange.partitions)
        ),
        Some(Node::Relocate(node)) => {
            let which = match node.which {
                Relocated::All => "",
                Relocated::Keyless => ", rows without a key",
            };
            let Exchange { id, keys, key_format, .. } = &node.exchange;
            format!("Relocate {id}: by ({}) as {key_format:?}{which}", list(keys))
        }
        Some(Node::Normalise(normalise)) => format!("Normalise {}", normalise.id),
        Some(Node::Union(union)) => format!("Union {}: {} branches", union.id, union.branches.len()),
        Some(Node::Explode(node)) => format!("Explode {}: {}", node.id, list(&node.lists)),
        Some(Node::Consolidate(node)) => format!("Consolidate {}", node.id),
        Some(Node::TopN(top)) => top_n(top),
        Some(Node::Retain(retain)) => {
            let bound = retain.bound.map_or("its event time", |bound| plan.schema().field(bound).name().as_str());
            format!("Retain {}: until {} ms after {bound}", retain.id, retain.retention_ms)
        }
        Some(Node::Join(join)) => {
            let versions = join.history_ms.map_or(String::new(), |kept| format!(", versions kept for {kept} ms"));
            format!("Join {}: {} on {}{versions}", join.id, join.kind.as_str(), pairs(&join.on))
        }
        Some(Node::TableJoin(join)) => {
            format!("TableJoin {}: {} on {}", join.id, join.kind.as_str(), pairs(&join.on))
        }
        Some(Node::ForeignJoin(join)) => foreign_join(join),
        Some(Node::StreamJoin(join)) => stream_join(join),
        Some(Node::Sink(_)) => "Sink sink".to_string(),
        Some(Node::Aggregate(node)) => aggregate(node),
        None => match plan {
            LogicalPlan::Projection(projection) => format!("Projection: {}", list(&projection.expr)),
            LogicalPlan::Filter(filter) => format!("Filter: {}", filter.predicate),
            other => other.display().to_string(),
        },
    }
}

fn top_n(top: &TopN) -> String {
    let order: Vec<String> = top.order.iter().map(ToString::to_string).collect();
    let kept = match top.rows {
        TopRows::Places | TopRows::Ranked => "",
        TopRows::All => ", all rows kept",
    };
    format!(
        "TopN {}: {} up to {} by ({}), order {}{kept}",
        top.id,
        top.ranking.as_str(),
        top.limit,
        list(&top.partition),
        order.join(", ")
    )
}

fn stream_join(join: &StreamJoin) -> String {
    let unmatched = match join.unmatched {
        Unmatched::AtOnce if join.kind.keeps_left() || join.kind.keeps_right() => ", unmatched at once",
        Unmatched::AtOnce | Unmatched::WhenClosed => "",
    };
    format!(
        "StreamJoin {}: {} on {}, before {} ms, after {} ms, grace {} ms{unmatched}",
        join.id,
        join.kind.as_str(),
        pairs(&join.on),
        join.span.before_ms,
        join.span.after_ms,
        join.span.grace_ms
    )
}

fn foreign_join(join: &ForeignJoin) -> String {
    let kept = match (join.alone, join.named) {
        (Alone::Leaves, Alone::Leaves) => "inner",
        (Alone::Stays, Alone::Leaves) => "left",
        (Alone::Leaves, Alone::Stays) => "right",
        (Alone::Stays, Alone::Stays) => "full",
    };
    let no_row = match join.no_row {
        NoRow::Silent => "",
        NoRow::Told => ", told where there is no row",
    };
    format!("ForeignJoin {}: {kept} on {}{no_row}", join.id, pairs(&join.on))
}

fn pairs(on: &[(Expr, Expr)]) -> String {
    let on: Vec<String> = on.iter().map(|(left, right)| format!("{left} = {right}")).collect();
    on.join(" AND ")
}

fn aggregate(node: &Aggregate) -> String {
    let mut calls: Vec<String> = Vec::with_capacity(node.calls.len());
    for call in &node.calls {
        let argument = call.argument.as_ref().map_or("*".to_string(), ToString::to_string);
        let filter = call.filter.as_ref().map_or(String::new(), |filter| format!(" where {filter}"));
        let counts = match call.backing {
            Backing::Group => "",
            Backing::Counts => " by counts",
            Backing::Values => " by values",
        };
        calls.push(format!("{} = {}({argument}){filter}{counts}", call.name, call.function.as_str()));
    }
    let window = match node.window {
        Some(window) => format!(", {window}"),
        None => String::new(),
    };
    let emit = match (node.emit, node.changes) {
        (Emit::Final, _) => ", final",
        (Emit::Changes, AggregateChanges::Upsert) => "",
        (Emit::Changes, AggregateChanges::Retract) => ", with the row before",
    };
    format!("Aggregate {}: by ({}), {}{window}{emit}", node.id, list(&node.group), calls.join(", "))
}

fn flow(edge: &Edge, schema: &DFSchema) -> String {
    let named = |columns: &[usize]| names(columns.iter().map(|index| schema.field(*index).name().as_str()));
    let mut text = edge.kind.to_string();
    if let EdgeKind::Upsert(key) = &edge.kind {
        let _ = write!(text, " by ({})", named(key));
    } else if !edge.key.is_empty() {
        let _ = write!(text, ", key ({})", named(&edge.key));
    }
    if let Some(columns) = &edge.partitioned_by {
        let _ = write!(text, ", partitioned by ({})", named(columns));
    }
    text
}

fn list(exprs: &[Expr]) -> String {
    exprs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
