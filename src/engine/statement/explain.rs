//! EXPLAIN: the plan, one line a row.

use std::sync::Arc;

use arrow::array::StringArray;

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

pub(super) fn fields() -> Vec<OutputField> {
    vec![OutputField::new("QUERY PLAN", SqlType::Text)]
}

pub(super) async fn execute(
    session: &mut Session,
    analyze: bool,
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
    let lines = StringArray::from(text.lines().collect::<Vec<_>>());
    table(fields(), vec![Arc::new(lines)], "EXPLAIN")
}
