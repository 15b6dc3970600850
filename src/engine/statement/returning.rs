//! RETURNING: a SELECT over the rows that a statement changed, computed before the change is made.

use std::ops::ControlFlow;

use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use futures::TryStreamExt;
use futures::stream;
use sqlparser::ast;

use super::beside;
use super::beside::OtherColumn;
use super::done;
use super::modify;
use super::modify::Source;
use crate::catalog::Relation;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::Value;
use crate::engine::read::Given;
use crate::engine::read::Planner;
use crate::engine::read::Reading;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::ROW_KEY;
use crate::model::SqlType;
use crate::plan::nulls;
use crate::sql::Returning;
use crate::sql::Select;
use crate::sql::walk;

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
        others: &[OtherColumn],
        parameters: &[Value],
    ) -> Result<Self> {
        let Some(returning) = returning else { return Ok(Self { rows: rows.num_rows(), returned: None }) };
        check(session, returning)?;
        let mut select = modify::select_items(&returning.items, &Source { name: CHANGED, alias })?;
        let mut reading = Planner::pin(session)?;
        give(&mut select, &mut reading, alias, rows, others)?;
        let planned = session.engine.planner().plan(session, &select, &reading, parameters).await?;
        let planned = planned.bind(session, parameters).await?;
        let (fields, batches) = planned.run(session, session.settings.zone_name()).await?;
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

/// Each row answers for itself.
fn check(session: &Session, returning: &Returning) -> Result<()> {
    let mut items = returning.items.clone();
    let found = walk::own_expressions_mut(&mut items, |expr| match expr {
        ast::Expr::Function(function) if function.over.is_some() => {
            ControlFlow::Break(Error::new(SqlState("42P20"), "window functions are not allowed in RETURNING"))
        }
        ast::Expr::Function(function)
            if session.engine.functions().is_aggregate(&function.name.to_string().to_lowercase()) =>
        {
            let message = "aggregate functions are not allowed in RETURNING";
            ControlFlow::Break(Error::new(SqlState::GROUPING_ERROR, message))
        }
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Break(error) => Err(error.at(returning.position)),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Lets the clause read the changed rows, and beside them those that they met.
fn give(
    select: &mut Select,
    reading: &mut Reading,
    alias: &str,
    rows: &RecordBatch,
    others: &[OtherColumn],
) -> Result<()> {
    let rows = shown(rows)?;
    if others.is_empty() {
        reading.given.push(Given { name: CHANGED.to_string(), rows });
        return Ok(());
    }
    beside::give(select, reading, (CHANGED, alias), &rows, others)
}

/// The rows without what tells those of a table without a key apart.
fn shown(rows: &RecordBatch) -> Result<RecordBatch> {
    let schema = rows.schema();
    let shown: Vec<usize> = (0..rows.num_columns()).filter(|at| schema.field(*at).name() != ROW_KEY).collect();
    rows.project(&shown).map_err(|error| Error::internal("the shown columns of changed rows").caused_by(error))
}

/// The columns of a RETURNING clause; parameters that are not told yet take the types that it tells.
pub(super) async fn describe(
    session: &Session,
    relation: &Relation,
    returning: Option<&Returning>,
    alias: &str,
    others: &[OtherColumn],
    params: &mut Vec<Option<SqlType>>,
) -> Result<Option<Vec<OutputField>>> {
    let Some(returning) = returning else { return Ok(None) };
    check(session, returning)?;
    let mut select = modify::select_items(&returning.items, &Source { name: CHANGED, alias })?;
    let mut reading = Planner::pin(session)?;
    give(&mut select, &mut reading, alias, &modify::no_rows(relation), others)?;
    let planned = modify::tell_parameters(session, &select, &reading, params).await?;
    let types: Vec<SqlType> = params.iter().map(|told| told.clone().unwrap_or(SqlType::Text)).collect();
    let typed = match types.is_empty() {
        true => planned,
        false => planned.bind(session, &nulls(&types)?).await?,
    };
    Ok(Some(typed.fields()))
}
