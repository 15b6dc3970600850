//! SELECT .. EMIT CHANGES: rows as they come, until the client ends it or a LIMIT is reached.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::nullif;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::datatypes::TimeUnit;
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use futures::stream;
use sqlparser::ast;

use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::RowStream;
use crate::engine::read::conform;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::exec::PushBatch;
use crate::exec::PushSpec;
use crate::exec::PushStart;
use crate::exec::PushStream;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::SqlType;
use crate::plan::Destination;
use crate::plan::StandingPlan;
use crate::plan::StandingRequest;
use crate::plan::plan_standing;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::Select;

pub(super) async fn execute(session: &mut Session, select: &Select) -> Result<Outcome> {
    let (plan, limit) = plan(session, select)?;
    let fields = fields(&plan);
    for warning in &plan.warnings {
        session.notice(Notice::new(warning));
    }
    let start = match session.settings.is("auto_offset_reset", "earliest") {
        true => PushStart::Earliest,
        false => PushStart::Latest,
    };
    let is_key = |column: &Column| !matches!(column.role, ColumnRole::Value);
    let keys: Vec<bool> = plan.output.columns.iter().map(is_key).collect();
    let spec = PushSpec { plan: Arc::new(plan), start, rows_max: session.engine.limits().push_rows_max };
    let stream = session.engine.runtime().push(spec).await?;
    let rows = rows(stream, &fields, keys, &session.settings.zone_name(), limit);
    Ok(Outcome::Rows { fields, rows, push: limit.is_none(), tag: "SELECT" })
}

/// The plan of a push query, and its LIMIT.
pub(super) fn plan(session: &Session, select: &Select) -> Result<(StandingPlan, Option<usize>)> {
    let mut select = select.clone();
    let limit = take_limit(&mut select.ast)?;
    let catalog = session.engine.catalog()?;
    let request = StandingRequest::new(session.settings.semantics(), Destination::Client);
    let plan = plan_standing(&select, &catalog, session.engine.functions(), &request)?;
    for source in plan.sources.iter().filter_map(|id| catalog.relation_by_id(*id)) {
        authorize(&session.principal, Operation::Read, Resource::Relation(&source.name))?;
    }
    Ok((plan, limit))
}

/// The columns of a push query's answer.
pub(super) fn fields(plan: &StandingPlan) -> Vec<OutputField> {
    let columns = plan.output.columns.iter();
    columns.map(|column| OutputField { name: column.name.clone(), sql_type: column.sql_type.clone() }).collect()
}

/// A LIMIT ends a push query; it is not part of what is planned.
fn take_limit(query: &mut ast::Query) -> Result<Option<usize>> {
    let Some(clause) = query.limit_clause.take() else { return Ok(None) };
    let unsupported = || Error::new(SqlState::FEATURE_NOT_SUPPORTED, "a push query's LIMIT must be a number");
    match clause {
        ast::LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by } if limit_by.is_empty() => {
            match limit {
                ast::Expr::Value(value) => match value.value {
                    ast::Value::Number(digits, _) => digits.parse().map(Some).map_err(|_| unsupported()),
                    _ => Err(unsupported()),
                },
                _ => Err(unsupported()),
            }
        }
        _ => Err(Error::unsupported("a push query cannot have OFFSET")),
    }
}

/// `keys`: which columns tell a row that is gone; the others are null in it.
fn rows(stream: PushStream, fields: &[OutputField], keys: Vec<bool>, zone: &str, limit: Option<usize>) -> RowStream {
    let types = fields.iter().map(|field| {
        let data_type = match &field.sql_type {
            SqlType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into())),
            other => other.arrow(),
        };
        Field::new(&field.name, data_type, true)
    });
    let target = Arc::new(Schema::new(types.collect::<Vec<_>>()));
    let left = limit.unwrap_or(usize::MAX);
    stream::try_unfold((stream, target, keys, left), |(mut stream, target, keys, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(batch) = stream.next().await else { return Ok(None) };
        let rows = without_values(batch?, &keys)?;
        let rows = conform(&rows.slice(0, rows.num_rows().min(left)), &target)?;
        let left = left - rows.num_rows();
        Ok(Some((rows, (stream, target, keys, left))))
    })
    .boxed()
}

/// The rows; of those that are gone only the key.
fn without_values(batch: PushBatch, keys: &[bool]) -> Result<RecordBatch> {
    let PushBatch { rows, deleted } = batch;
    if !deleted.contains(&true) {
        return Ok(rows);
    }
    let gone = BooleanArray::from(deleted);
    let columns = rows.columns().iter().zip(keys).map(|(column, is_key)| match is_key {
        true => Ok(Arc::clone(column)),
        false => nullif(column, &gone),
    });
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>();
    columns
        .and_then(|columns| RecordBatch::try_new(rows.schema(), columns))
        .map_err(|error| Error::internal("rows that are gone").caused_by(error))
}
