//! EXPLAIN: the plan, one line a row.

use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::StringArray;
use futures::StreamExt;
use serde_json::json;

use super::create_as;
use super::lookup::query_named;
use super::profile;
use super::push;
use super::select;
use super::show::table;
use crate::catalog::RelationOptions;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::Value;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::model::SqlType;
use crate::plan::explain;
use crate::plan::plan_bound;
use crate::plan::plan_standing;
use crate::sql::ExplainTarget;
use crate::sql::Select;

pub(super) fn fields(json: bool) -> Vec<OutputField> {
    vec![OutputField::new("QUERY PLAN", if json { SqlType::Json } else { SqlType::Text })]
}

pub(super) async fn execute(
    session: &mut Session,
    (analyze, json): (bool, bool),
    target: &ExplainTarget,
    parameters: &[Value],
) -> Result<Outcome> {
    let text = match target {
        ExplainTarget::Query(name) if analyze => profile::of_query(session, name).await?,
        ExplainTarget::Select(query) if analyze && query.emit.is_none() => run(session, query, parameters).await?,
        _ if analyze => {
            return Err(Error::unsupported("EXPLAIN ANALYZE of a query that does not end is not supported")
                .hint("EXPLAIN ANALYZE name shows what a standing query does; SHOW QUERIES lists their names."));
        }
        ExplainTarget::Select(query) if query.emit.is_none() => select::explain(session, query, parameters).await?,
        ExplainTarget::Select(query) => explain(&push::plan(session, query, parameters)?.0),
        ExplainTarget::CreateAs(create) => {
            let options = RelationOptions::read(&create.options)?;
            let request = create_as::request(session, create, &options);
            let catalog = session.catalog()?;
            explain(&plan_standing(&create.select, &catalog, session.engine.functions(), &request)?)
        }
        ExplainTarget::Query(name) => {
            let catalog = session.catalog()?;
            let query = query_named(&catalog, name)?;
            explain(&plan_bound(&query.bound_text, &catalog, session.engine.functions())?)
        }
    };
    let lines = match json {
        true => StringArray::from(vec![in_json(&text)]),
        false => StringArray::from(text.lines().collect::<Vec<_>>()),
    };
    table(fields(json), vec![Arc::new(lines)], "EXPLAIN")
}

/// The plan of a query that is read once, how many rows it gave and how long that took.
async fn run(session: &mut Session, query: &Select, parameters: &[Value]) -> Result<String> {
    let clock = Arc::clone(&session.engine.env().clock);
    let started = clock.monotonic();
    let plan = select::explain(session, query, parameters).await?;
    let planned = clock.monotonic();
    let mut count = 0;
    if let Outcome::Rows { mut rows, .. } = select::execute(session, query, parameters).await? {
        while let Some(batch) = rows.next().await {
            count += batch?.num_rows();
        }
    }
    let millis = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() * 1000.0;
    let (planning, execution) = (millis(started, planned), millis(planned, clock.monotonic()));
    let plan = plan.trim_end();
    Ok(format!("{plan}\nActual Rows: {count}\nPlanning Time: {planning:.3} ms\nExecution Time: {execution:.3} ms\n"))
}

/// A plan's lines as PostgreSQL's JSON tells plans: what stands further in is below. There are no costs to tell.
fn in_json(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let mut plans = Vec::new();
    while let Some(line) = lines.next() {
        plans.push(node(line, &mut lines));
    }
    let plan = match plans.len() {
        1 => plans.remove(0),
        // The plan of the query and how it is computed, beside each other.
        _ => json!({ "Node Type": "Plan", "Plans": plans }),
    };
    format!("{:#}", json!([{ "Plan": plan }]))
}

fn node<'a>(line: &str, lines: &mut Peekable<impl Iterator<Item = &'a str>>) -> serde_json::Value {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let told = line.trim();
    let (name, details) = told.split_once(": ").unwrap_or((told, ""));
    let mut below = Vec::new();
    while let Some(next) = lines.next_if(|next| depth(line) < depth(next)) {
        below.push(node(next, lines));
    }
    let mut plan = json!({ "Node Type": name, "Parallel Aware": false });
    if !details.is_empty() {
        plan["Details"] = json!(details);
    }
    if !below.is_empty() {
        plan["Plans"] = json!(below);
    }
    plan
}
