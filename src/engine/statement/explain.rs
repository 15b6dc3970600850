//! EXPLAIN: the plan, one line a row.

use std::sync::Arc;

use arrow::array::StringArray;

use super::select;
use super::show::table;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::Value;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::model::SqlType;
use crate::sql::ExplainTarget;

pub(super) fn fields() -> Vec<OutputField> {
    vec![OutputField { name: "QUERY PLAN".to_string(), sql_type: SqlType::Text }]
}

pub(super) async fn execute(
    session: &mut Session,
    analyze: bool,
    target: &ExplainTarget,
    parameters: &[Value],
) -> Result<Outcome> {
    if analyze {
        return Err(Error::unsupported("EXPLAIN ANALYZE is not supported"));
    }
    let text = match target {
        ExplainTarget::Select(query) if query.emit.is_none() => {
            select::plan(session, query, parameters).await?.explain().await?
        }
        ExplainTarget::Select(_) | ExplainTarget::CreateAs(_) | ExplainTarget::Query(_) => {
            return Err(Error::unsupported("standing queries are not explained yet"));
        }
    };
    let lines = StringArray::from_iter_values(text.lines());
    table(fields(), vec![Arc::new(lines)], "EXPLAIN")
}
