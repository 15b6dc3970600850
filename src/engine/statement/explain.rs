//! EXPLAIN: the plan, one line a row.

use std::iter::Peekable;
use std::sync::Arc;

use arrow::array::StringArray;
use serde_json::json;

use super::create_as;
use super::lookup::query_named;
use super::profile;
use super::push;
use super::select;
use super::show::table;
use crate::catalog::RelationOptions;
use crate::catalog::TextKind;
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

pub(super) fn fields(json: bool) -> Vec<OutputField> {
    let text_kind = json.then_some(TextKind::Json);
    vec![OutputField { text_kind, ..OutputField::new("QUERY PLAN", SqlType::Text) }]
}

pub(super) async fn execute(
    session: &mut Session,
    (analyze, json): (bool, bool),
    target: &ExplainTarget,
    parameters: &[Value],
) -> Result<Outcome> {
    let text = match target {
        ExplainTarget::Query(name) if analyze => profile::of_query(session, name).await?,
        _ if analyze => {
            return Err(Error::unsupported("EXPLAIN ANALYZE is supported for queries that run only")
                .hint("EXPLAIN ANALYZE query; SHOW QUERIES lists their names."));
        }
        ExplainTarget::Select(query) if query.emit.is_none() => select::explain(session, query, parameters).await?,
        ExplainTarget::Select(query) => explain(&push::plan(session, query, parameters)?.0),
        ExplainTarget::CreateAs(create) => {
            let options = RelationOptions::read(&create.options)?;
            let request = create_as::request(session, create, &options);
            let catalog = session.engine.catalog()?;
            explain(&plan_standing(&create.select, &catalog, session.engine.functions(), &request)?)
        }
        ExplainTarget::Query(name) => {
            let catalog = session.engine.catalog()?;
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
