//! RETURNING: a SELECT over the rows that a statement changed, computed before the change is made.

use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use futures::TryStreamExt;
use futures::stream;

use super::done;
use super::modify;
use super::modify::Source;
use crate::catalog::Relation;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::Value;
use crate::engine::read::Given;
use crate::engine::read::Planner;
use crate::engine::session::Session;
use crate::error::Result;
use crate::model::SqlType;
use crate::plan::nulls;
use crate::sql::Returning;

/// The name of the changed rows; no relation has it.
const CHANGED: &str = "__changed";

/// What a statement answers once its change is made.
pub(super) struct Answer {
    rows: usize,
    returned: Option<(Vec<OutputField>, Vec<RecordBatch>)>,
}

impl Answer {
    /// Computes what is answered of `rows`, which the statement calls `alias`.
    pub(super) async fn of(
        session: &Session,
        returning: Option<&Returning>,
        alias: &str,
        rows: &RecordBatch,
        parameters: &[Value],
    ) -> Result<Self> {
        let Some(returning) = returning else { return Ok(Self { rows: rows.num_rows(), returned: None }) };
        let select = modify::select_items(&returning.items, &Source { name: CHANGED, alias })?;
        let mut reading = Planner::pin(session)?;
        reading.given.push(Given { name: CHANGED.to_string(), rows: rows.clone() });
        let planned = session.engine.planner().plan(session, &select, &reading, parameters).await?;
        let planned = planned.bind(session, parameters).await?;
        let (fields, batches) = planned.run(session.engine.query_threads()?, session.settings.zone_name()).await?;
        Ok(Self { rows: rows.num_rows(), returned: Some((fields, batches.try_collect().await?)) })
    }

    /// The outcome; `tag` is what stands before the number of rows.
    pub(super) fn outcome(self, tag: &'static str) -> Outcome {
        match self.returned {
            None => done(format!("{tag} {}", self.rows)),
            Some((fields, batches)) => {
                let rows = stream::iter(batches.into_iter().map(Ok)).boxed();
                Outcome::Rows { fields, rows, push: false, tag }
            }
        }
    }
}

/// The columns of a RETURNING clause; parameters that are not told yet take the types that it tells.
pub(super) async fn describe(
    session: &Session,
    relation: &Relation,
    returning: Option<&Returning>,
    alias: &str,
    params: &mut Vec<Option<SqlType>>,
) -> Result<Option<Vec<OutputField>>> {
    let Some(returning) = returning else { return Ok(None) };
    let select = modify::select_items(&returning.items, &Source { name: CHANGED, alias })?;
    let mut reading = Planner::pin(session)?;
    reading.given.push(Given { name: CHANGED.to_string(), rows: modify::no_rows(relation) });
    let planned = modify::tell_parameters(session, &select, &reading, params).await?;
    let types: Vec<SqlType> = params.iter().map(|told| told.clone().unwrap_or(SqlType::Text)).collect();
    let typed = match types.is_empty() {
        true => planned,
        false => planned.bind(session, &nulls(&types)?).await?,
    };
    Ok(Some(typed.fields()))
}
