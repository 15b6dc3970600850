//! INSERT INTO .. SELECT: read once and appended, all rows or none; with EMIT, or under ksqlDB's rules, a standing query.
//!
//! Rows are kept encoded until the query has ended, and appended as one flush group: a query that fails has written nothing,
//! and one that reads what it writes into reads what was there before.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::new_null_array;
use arrow::compute::CastOptions;
use arrow::compute::cast_with_options;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;

use super::done;
use super::insert_standing;
use super::lookup::insert_target;
use super::lookup::target_columns;
use super::select;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::config::ByteSize;
use crate::engine::append::Appending;
use crate::engine::append::record_times;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::Value;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::functions;
use crate::model::SqlType;
use crate::plan::execution_error;
use crate::sql::InsertSelect;

pub(super) async fn execute(
    session: &mut Session,
    insert: &InsertSelect,
    text: &str,
    parameters: &[Value],
) -> Result<Outcome> {
    let standing = insert.select.emit.is_some() || session.settings.compatibility() == Compatibility::Ksqldb;
    if standing {
        return insert_standing::execute(session, insert, text).await;
    }
    let relation = insert_target(session, &insert.target)?;
    let targets = target_columns(session, &relation, &insert.columns)?;
    let Outcome::Rows { fields, mut rows, .. } = select::execute(session, &insert.select, parameters).await? else {
        return Err(Error::internal("a query without rows"));
    };
    let problem = match fields.len() {
        count if targets.len() < count => Some("more expressions than target columns"),
        count if count < targets.len() && !insert.columns.is_empty() => Some("more target columns than expressions"),
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(Error::new(SqlState::SYNTAX_ERROR, format!("INSERT has {problem}")).at(insert.target.position));
    }
    let client = session.client.as_ref();
    let bytes_max = session.engine.limits().insert_bytes_max;
    let mut appending = Appending::new(&session.engine, client, &relation)?;
    while let Some(batch) = rows.try_next().await? {
        let batch = shaped(&relation, &targets, &batch)?;
        let times = record_times(&session.engine, &relation, &batch)?;
        appending.add(&batch, &times)?;
        if bytes_max.as_usize() < appending.bytes() {
            return Err(too_large(&relation, bytes_max));
        }
    }
    let inserted = appending.rows();
    let ends = appending.append(client).await?;
    session.written.note(ends);
    Ok(done(format!("INSERT 0 {inserted}")))
}

fn too_large(relation: &Relation, bytes_max: ByteSize) -> Error {
    let message = format!("the rows of one INSERT into \"{}\" take more than {bytes_max}", relation.name);
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
        .detail("Nothing was inserted.")
        .hint("Insert in parts, use COPY, or raise limits.insert_bytes_max.")
}

/// The relation's columns, cast from the query's; those without a value are null.
fn shaped(relation: &Relation, targets: &[usize], batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = Arc::new(Schema::new(relation.columns.iter().map(|column| column.field()).collect::<Vec<_>>()));
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(relation.columns.len());
    for (index, field) in schema.fields().iter().enumerate() {
        let source = targets.iter().position(|target| *target == index).filter(|place| *place < batch.num_columns());
        columns.push(match source {
            None => new_null_array(field.data_type(), batch.num_rows()),
            Some(place) => assigned(batch.column(place), field).map_err(execution_error)?,
        });
    }
    RecordBatch::try_new(schema, columns)
        .map_err(|error| Error::internal("inserted columns do not fit").caused_by(error))
}

/// A value as its column takes it, as PostgreSQL assigns it: a fraction is rounded where Arrow's cast would cut it off.
fn assigned(column: &ArrayRef, field: &Field) -> datafusion::error::Result<ArrayRef> {
    let has_fraction = matches!(column.data_type(), DataType::Float64 | DataType::Decimal128(_, _));
    let whole = match SqlType::from_arrow(field.data_type()).filter(|_| has_fraction) {
        Some(SqlType::Int) => Some(functions::CastTarget::Int),
        Some(SqlType::BigInt) => Some(functions::CastTarget::BigInt),
        _ => None,
    };
    // A value that does not fit is an error, never a null.
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    match whole {
        Some(target) => target.whole(column),
        None => Ok(cast_with_options(column, field.data_type(), &strict)?),
    }
}
