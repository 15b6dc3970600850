//! DEFAULT: what rows have in a column for which their statement tells no value.
//!
//! The expression is kept as it was written, and planned for each statement that needs it: what stands still within a statement,
//! such as `now()`, is one value for all its rows, and `gen_random_uuid()` is another one for each.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use arrow::record_batch::RecordBatchOptions;
use datafusion::physical_plan::PhysicalExpr;
use sqlparser::ast;

use super::one_row;
use super::read::Planner;
use super::session::Session;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::Column;
use crate::plan::assigned_value;
use crate::plan::execution_error;
use crate::plan::placeholder;
use crate::sql::ColumnDefault;
use crate::sql::walk;

/// The values of the columns that a statement does not name.
#[derive(Default)]
pub(super) struct Defaults {
    columns: Vec<(usize, Arc<dyn PhysicalExpr>)>,
}

impl Defaults {
    /// Those of the columns for which the statement tells nothing.
    pub(super) async fn of(session: &Session, relation: &Relation, is_told: impl Fn(usize) -> bool) -> Result<Self> {
        let mut columns = Vec::new();
        for index in relation.defaults.keys().copied().filter(|index| !is_told(*index)) {
            columns.extend(expression(relation, index)?.map(|expression| (index, expression)));
        }
        if columns.is_empty() {
            return Ok(Self::default());
        }
        let values = columns.iter().map(|(index, expression)| (&relation.columns[*index], expression));
        let planned = planned(session, values).await?;
        Ok(Self { columns: columns.into_iter().map(|(index, _)| index).zip(planned).collect() })
    }

    /// The rows, in which the columns have their defaults.
    pub(super) fn fill(&self, rows: RecordBatch) -> Result<RecordBatch> {
        if self.columns.is_empty() {
            return Ok(rows);
        }
        let count = rows.num_rows();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let misfit = |error| Error::internal("defaults do not fit").caused_by(error);
        let none =
            RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).map_err(misfit)?;
        let mut columns = rows.columns().to_vec();
        for (index, expression) in &self.columns {
            let value =
                expression.evaluate(&none).and_then(|value| value.into_array(count)).map_err(execution_error)?;
            columns[*index] = arrow::compute::cast(&value, columns[*index].data_type()).map_err(misfit)?;
        }
        RecordBatch::try_new(rows.schema(), columns).map_err(misfit)
    }
}

/// The default of a column, without places in the text that is asked now; `None` is NULL.
pub(super) fn expression(relation: &Relation, column: usize) -> Result<Option<ast::Expr>> {
    let Some(text) = relation.defaults.get(&column) else { return Ok(None) };
    let query = crate::sql::parse_view_query(&format!("SELECT {text}"))?;
    let ast::SetExpr::Select(body) = *query.body else { return Err(Error::internal("a DEFAULT that is a query")) };
    match body.projection.into_iter().next() {
        Some(ast::SelectItem::UnnamedExpr(expression)) => Ok(Some(expression)),
        _ => Err(Error::internal("a DEFAULT that is no expression")),
    }
}

/// Refuses what is no value of the column, or needs more than nothing to be computed.
pub(super) async fn check(session: &Session, default: &ColumnDefault, column: &Column) -> Result<()> {
    let refused = |state, what: String| Err(Error::new(state, what));
    let flow = walk::expressions(&default.expression, |part| {
        let what = match part {
            ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) => "column reference",
            ast::Expr::Subquery(_) | ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. } => "subquery",
            part if placeholder(part).is_some() => "parameter",
            _ => return ControlFlow::Continue(()),
        };
        ControlFlow::Break(what)
    });
    let checked = match flow {
        ControlFlow::Break(what) => {
            refused(SqlState::FEATURE_NOT_SUPPORTED, format!("cannot use {what} in DEFAULT expression"))
        }
        ControlFlow::Continue(()) => planned(session, [(column, &default.expression)]).await.map(|_| ()),
    };
    checked.map_err(|error| match error.position() {
        Some(_) => error,
        None => error.at(default.position),
    })
}

/// What computes these values of columns, for any number of rows.
async fn planned<'a>(
    session: &Session,
    values: impl IntoIterator<Item = (&'a Column, &'a ast::Expr)>,
) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
    let assigned = values.into_iter().map(|(column, expression)| {
        let value = assigned_value(expression, &column.sql_type, &column.name)?;
        Ok((&column.sql_type, value))
    });
    let assigned = assigned.collect::<Result<Vec<_>>>()?;
    let select = one_row::query(assigned.iter().map(|(sql_type, value)| (Some(*sql_type), value)))?;
    let reading = Planner::pin(session)?;
    let planned = session.engine.planner().plan(session, &select, &reading, &[]).await?;
    planned.expressions().await
}
