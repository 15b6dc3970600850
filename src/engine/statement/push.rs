//! SELECT .. EMIT CHANGES: rows as they come, until the client ends it or a LIMIT is reached.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::compute::not;
use arrow::compute::nullif;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::datatypes::TimeUnit;
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use futures::stream;
use sqlparser::ast;

use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::RelationKind;
use crate::engine::outcome::Description;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::RowStream;
use crate::engine::outcome::Value;
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
use crate::plan::StandingPlan;
use crate::plan::describe_push;
use crate::plan::placeholder;
use crate::plan::plan_push;
use crate::plan::shown_name;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::Select;

pub(super) async fn execute(session: &mut Session, select: &Select, parameters: &[Value]) -> Result<Outcome> {
    let (plan, limit) = plan(session, select, parameters)?;
    let fields = fields(&plan);
    for warning in &plan.warnings {
        session.notice(Notice::warning(SqlState::WARNING, warning.as_str()));
    }
    let start = match session.settings.is("auto_offset_reset", "earliest") {
        true => PushStart::Earliest,
        false => PushStart::Latest,
    };
    let valueless = Valueless::of(&plan);
    let spec = PushSpec { plan: Arc::new(plan), start, rows_max: session.engine.limits().push_rows_max };
    let stream = session.engine.runtime().push(spec).await?;
    let rows = rows(stream, &fields, valueless, session.settings.zone_name(), limit);
    Ok(Outcome::Rows { fields, rows, push: limit.is_none(), tag: "SELECT" })
}

/// The plan of a push query, and its LIMIT.
pub(super) fn plan(session: &Session, select: &Select, parameters: &[Value]) -> Result<(StandingPlan, Option<usize>)> {
    let mut select = select.clone();
    let limit = take_limit(&mut select.ast)?.map(|limit| limit.rows(parameters)).transpose()?.flatten();
    let catalog = session.catalog()?;
    let semantics = session.settings.semantics();
    let plan = plan_push(&select, &catalog, session.engine.functions(), semantics, parameters)?;
    may_read(session, &catalog, &plan)?;
    Ok((plan, limit))
}

/// What a push query takes and gives; `known` are the types that the client told.
pub(super) fn describe(session: &Session, select: &Select, known: &[Option<SqlType>]) -> Result<Description> {
    let mut select = select.clone();
    let mut known = known.to_vec();
    if let Some(Limit::Parameter(number)) = take_limit(&mut select.ast)? {
        known.resize(known.len().max(number), None);
        known[number - 1].get_or_insert(SqlType::BigInt);
    }
    let catalog = session.catalog()?;
    let semantics = session.settings.semantics();
    let (plan, params) = describe_push(&select, &catalog, session.engine.functions(), semantics, &known)?;
    may_read(session, &catalog, &plan)?;
    Ok(Description::new(params, Some(fields(&plan))))
}

fn may_read(session: &Session, catalog: &Catalog, plan: &StandingPlan) -> Result<()> {
    for source in plan.sources.iter().filter_map(|id| catalog.relation_by_id(*id)) {
        authorize(&session.principal, Operation::Read, Resource::Relation(&source.name))?;
    }
    Ok(())
}

/// The columns of a push query's answer.
pub(super) fn fields(plan: &StandingPlan) -> Vec<OutputField> {
    let columns = shown_columns(plan).iter();
    let field = |column: &Column| OutputField::new(shown_name(&column.name), column.sql_type.clone());
    columns.map(field).collect()
}

fn shown_columns(plan: &StandingPlan) -> &[Column] {
    let columns = &plan.output.columns;
    &columns[..columns.len() - plan.output.hidden]
}

/// After how many rows a push query ends.
enum Limit {
    Rows(usize),
    /// The number of a parameter, from 1.
    Parameter(usize),
}

impl Limit {
    /// `None` is for ever: LIMIT NULL.
    fn rows(self, parameters: &[Value]) -> Result<Option<usize>> {
        let number = match self {
            Limit::Rows(rows) => return Ok(Some(rows)),
            Limit::Parameter(number) => number,
        };
        let value = parameters
            .get(number - 1)
            .ok_or_else(|| Error::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter ${number}")))?;
        match value.cast_to(&DataType::Int64) {
            Ok(Value::Int64(None)) => Ok(None),
            Ok(Value::Int64(Some(rows))) => match usize::try_from(rows) {
                Ok(rows) => Ok(Some(rows)),
                Err(_) => Err(Error::new(SqlState("2201W"), "LIMIT must not be negative")),
            },
            _ => Err(Error::new(SqlState::DATATYPE_MISMATCH, "argument of LIMIT must be type bigint")),
        }
    }
}

/// A LIMIT ends a push query; it is not part of what is planned.
fn take_limit(query: &mut ast::Query) -> Result<Option<Limit>> {
    let Some(clause) = query.limit_clause.take() else { return Ok(None) };
    let unsupported = || Error::new(SqlState::FEATURE_NOT_SUPPORTED, "a push query's LIMIT must be a number");
    let ast::LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by } = clause else {
        return Err(Error::unsupported("a push query cannot have OFFSET"));
    };
    if !limit_by.is_empty() {
        return Err(Error::unsupported("a push query cannot have LIMIT BY"));
    }
    if let Some(number) = placeholder(&limit).filter(|number| 0 < *number) {
        return Ok(Some(Limit::Parameter(number)));
    }
    match &limit {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(digits, _) => {
                digits.parse().map(|rows| Some(Limit::Rows(rows))).map_err(|_| unsupported())
            }
            _ => Err(unsupported()),
        },
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, .. } => {
            Err(Error::new(SqlState("2201W"), "LIMIT must not be negative"))
        }
        ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) => {
            let message = "argument of LIMIT must not contain variables";
            Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message))
        }
        _ => Err(unsupported()),
    }
}

/// What is shown of a row without a value.
enum Valueless {
    /// Nothing: to ksqlDB's push queries a stream's record without a value is none.
    Nothing,
    /// The columns of the key, the others null: a table's row is gone. Whether each column is of the key.
    Key(Vec<bool>),
}

impl Valueless {
    fn of(plan: &StandingPlan) -> Self {
        if plan.output.kind == RelationKind::Stream && plan.semantics.compatibility == Compatibility::Ksqldb {
            return Self::Nothing;
        }
        let is_key = |column: &Column| !matches!(column.role, ColumnRole::Value) && !column.role.is_of_headers();
        Self::Key(plan.output.columns.iter().map(is_key).collect())
    }

    fn shown(&self, batch: PushBatch) -> Result<RecordBatch> {
        let PushBatch { rows, deleted } = batch;
        if !deleted.contains(&true) {
            return Ok(rows);
        }
        let gone = BooleanArray::from(deleted);
        let shown = match self {
            Self::Nothing => not(&gone).and_then(|kept| filter_record_batch(&rows, &kept)),
            Self::Key(keys) => {
                let columns = rows.columns().iter().zip(keys).map(|(column, is_key)| match is_key {
                    true => Ok(Arc::clone(column)),
                    false => nullif(column, &gone),
                });
                let columns = columns.collect::<std::result::Result<Vec<_>, _>>();
                columns.and_then(|columns| RecordBatch::try_new(rows.schema(), columns))
            }
        };
        shown.map_err(|error| Error::internal("rows that are gone").caused_by(error))
    }
}

fn rows(
    stream: PushStream,
    fields: &[OutputField],
    valueless: Valueless,
    zone: &str,
    limit: Option<usize>,
) -> RowStream {
    let types = fields.iter().map(|field| {
        let data_type = match &field.sql_type {
            SqlType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into())),
            other => other.arrow(),
        };
        Field::new(&field.name, data_type, true)
    });
    let target = Arc::new(Schema::new(types.collect::<Vec<_>>()));
    let left = limit.unwrap_or(usize::MAX);
    stream::try_unfold((stream, target, valueless, left), |(mut stream, target, valueless, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(batch) = stream.next().await else { return Ok(None) };
        let rows = valueless.shown(batch?)?;
        let shown: Vec<usize> = (0..target.fields().len()).collect();
        let rows = rows.project(&shown).map_err(|error| Error::internal("columns that are shown").caused_by(error))?;
        let rows = conform(&rows.slice(0, rows.num_rows().min(left)), &target)?;
        let left = left - rows.num_rows();
        Ok(Some((rows, (stream, target, valueless, left))))
    })
    .boxed()
}
