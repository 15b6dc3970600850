//! State that grows for as long as rows come, though its groups do not: told when a query is made, with what would bound it.
//!
//! Not told: that a new group is new state, and that rows of a table are kept as long as the table has them.

use datafusion::logical_expr::LogicalPlan;

use crate::functions::Collect;
use crate::plan::edge::EdgeKind;
use crate::plan::edge::edge;
use crate::plan::node::Aggregate;
use crate::plan::node::AggregateCall;
use crate::plan::node::AggregateFunction;
use crate::plan::node::Backing;
use crate::plan::node::Node;
use crate::plan::node::Ranking;
use crate::plan::node::TopN;
use crate::plan::node::TopRows;

/// A sentence for each reason for which the state of a plan grows without bound.
pub fn warnings(plan: &LogicalPlan) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for input in plan.inputs() {
        found.extend(warnings(input));
    }
    let own = match Node::of(plan) {
        Some(Node::Aggregate(aggregate)) => of_aggregate(aggregate),
        Some(Node::TopN(top)) => of_top_n(top).into_iter().collect(),
        _ => Vec::new(),
    };
    for warning in own {
        if !found.contains(&warning) {
            found.push(warning);
        }
    }
    found
}

/// Values that a group keeps, one for each row or each different one, are as many as the stream has in all its time.
fn of_aggregate(aggregate: &Aggregate) -> Vec<String> {
    if aggregate.window.is_some() || !is_append(&aggregate.input) {
        return Vec::new();
    }
    let sentence = |(name, kept): (String, &str)| {
        format!(
            "operator \"{}\": {name} keeps {kept} of a group for as long as the query is there; a WINDOW would bound them",
            aggregate.id
        )
    };
    aggregate.calls.iter().filter_map(kept_values).map(sentence).collect()
}

/// The call as it is written, and what it keeps of its values, if that has no bound.
fn kept_values(call: &AggregateCall) -> Option<(String, &'static str)> {
    const EACH_ONCE: &str = "each different value";
    match (call.function, call.backing) {
        (AggregateFunction::Collect(Collect::List), _) => Some(("COLLECT_LIST".to_string(), "all values")),
        (AggregateFunction::Collect(Collect::Set), _) => Some(("COLLECT_SET".to_string(), EACH_ONCE)),
        (AggregateFunction::Collect(Collect::CountDistinct), _) => Some(("COUNT(DISTINCT)".to_string(), EACH_ONCE)),
        (function, Backing::Counts | Backing::Values) => {
            Some((format!("{}(DISTINCT)", function.as_str().to_uppercase()), EACH_ONCE))
        }
        (_, Backing::Group) => None,
    }
}

/// Rows that are equal in the order have one rank, and so all of them are kept; so are groups whose windows have closed.
fn of_top_n(top: &TopN) -> Option<String> {
    let id = &top.id;
    if has_windows(&top.input) && top.rows == TopRows::All {
        return Some(format!(
            "operator \"{id}\": the groups of all windows are kept for as long as the query is there; EMIT FINAL would keep the first of each window only"
        ));
    }
    if top.ranking == Ranking::RowNumber || !is_append(&top.input) {
        return None;
    }
    let name = top.ranking.as_str().to_uppercase();
    Some(format!(
        "operator \"{id}\": {name} keeps all rows of a rank for as long as the query is there, however many are equal; ROW_NUMBER would bound them"
    ))
}

/// Whether rows are groups of windows.
fn has_windows(plan: &LogicalPlan) -> bool {
    match Node::of(plan) {
        Some(Node::Aggregate(aggregate)) => aggregate.window.is_some(),
        _ => plan.inputs().into_iter().any(has_windows),
    }
}

fn is_append(plan: &LogicalPlan) -> bool {
    edge(plan).is_ok_and(|edge| edge.kind == EdgeKind::AppendOnly)
}
