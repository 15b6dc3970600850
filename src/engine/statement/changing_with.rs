//! `WITH gone AS (DELETE .. RETURNING *) SELECT ..`: statements in WITH, and WITH before INSERT, UPDATE and DELETE.
//!
//! The parts run one after the other, each once and to its end, and their rows are given to those behind them. What queries
//! read is pinned before the first part runs, so that they do not see what the others change.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use sqlparser::ast;

use super::select;
use super::set_config;
use crate::engine::outcome::Description;
use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::RowStream;
use crate::engine::outcome::Value;
use crate::engine::prepared::Prepared;
use crate::engine::read::Given;
use crate::engine::read::Reading;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::plan::placeholder;
use crate::sql;
use crate::sql::Select;
use crate::sql::walk;

/// As many parameters as the protocol can count.
const PARAMETERS_MAX: usize = 65_535;

/// Whether a query has statements in its WITH, or is one behind it.
pub(super) fn is_one(query: &ast::Query) -> bool {
    let in_with = query.with.iter().flat_map(|with| &with.cte_tables).any(|table| changes(&table.query.body));
    in_with || changes(&query.body)
}

fn changes(body: &ast::SetExpr) -> bool {
    matches!(body, ast::SetExpr::Insert(_) | ast::SetExpr::Update(_) | ast::SetExpr::Delete(_))
}

/// A query that stands in WITH, or behind it.
struct Part {
    /// What the rows are called, and their columns as far as they are told.
    alias: Option<ast::TableAlias>,
    query: Box<ast::Query>,
}

/// The parts in their order, the last of them without a name.
fn parts(query: &ast::Query) -> Result<Vec<Part>> {
    let mut last = query.clone();
    let Some(with) = last.with.take() else { return Err(Error::internal("a statement behind no WITH")) };
    if with.recursive {
        return Err(Error::unsupported("WITH RECURSIVE with statements that change rows is not supported"));
    }
    let tables = with.cte_tables.into_iter();
    let mut parts: Vec<Part> = tables.map(|table| Part { alias: Some(table.alias), query: table.query }).collect();
    parts.push(Part { alias: None, query: Box::new(last) });
    Ok(parts)
}

impl Part {
    fn select(&self) -> Select {
        Select { ast: self.query.clone(), emit: None, text: self.query.to_string() }
    }

    /// The statement that the part is, `None` for a query. Nothing in it has a place in the text that was sent.
    fn statement(&self) -> Result<Option<Prepared>> {
        if !changes(&self.query.body) {
            return Ok(None);
        }
        let parsed = sql::parse(&self.query.to_string()).map_err(Error::without_place)?.pop();
        Ok(parsed.map(Prepared::from))
    }

    /// The part's rows under its name.
    fn given(&self, fields: &[OutputField], batches: &[RecordBatch]) -> Result<Option<Given>> {
        let Some(alias) = &self.alias else { return Ok(None) };
        let told = |place: usize| alias.columns.get(place).map(|column| folded(&column.name));
        if let Some(more) = alias.columns.get(fields.len()) {
            let message = format!("WITH query \"{}\" has no column for \"{}\"", folded(&alias.name), more.name);
            return Err(Error::new(SqlState("42P10"), message));
        }
        let field = |(place, field): (usize, &OutputField)| {
            let of_rows = batches.first().map(|batch| batch.schema().field(place).data_type().clone());
            let name = told(place).unwrap_or_else(|| field.name.clone());
            Field::new(name, of_rows.unwrap_or_else(|| field.sql_type.arrow()), true)
        };
        let schema = Arc::new(Schema::new(fields.iter().enumerate().map(field).collect::<Vec<_>>()));
        let misfit = |error| Error::internal("rows of one statement do not fit together").caused_by(error);
        let named = |batch: &RecordBatch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec());
        let batches = batches.iter().map(named).collect::<std::result::Result<Vec<_>, _>>().map_err(misfit)?;
        let rows = concat_batches(&schema, &batches).map_err(misfit)?;
        Ok(Some(Given { name: folded(&alias.name), rows }))
    }
}

fn folded(ident: &ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// What a part does.
enum Step {
    Statement(Prepared),
    Query(Select, Reading),
}

impl Step {
    async fn of(session: &mut Session, part: &Part, parameters: &[Value]) -> Result<Self> {
        if let Some(statement) = part.statement()? {
            return Ok(Step::Statement(statement));
        }
        let select = set_config::applied(session, &part.select(), parameters)?.into_owned();
        let reading = select::pin(session, &select).await?;
        Ok(Step::Query(select, reading))
    }

    async fn run(self, session: &mut Session, parameters: &[Value]) -> Result<Outcome> {
        let outcome = match self {
            Step::Statement(statement) => Box::pin(super::execute(session, &statement, parameters)).await,
            Step::Query(select, mut reading) => {
                reading.given.clone_from(&session.given);
                select::execute_pinned(session, &select, &reading, parameters).await
            }
        };
        outcome.map_err(Error::without_place)
    }
}

pub(super) async fn execute(session: &mut Session, query: &ast::Query, parameters: &[Value]) -> Result<Outcome> {
    // What is refused is refused before anything is changed.
    let known: Vec<_> = parameters.iter().map(|value| SqlType::from_arrow(&value.data_type())).collect();
    describe(session, query, &known).await?;
    let mut steps = Vec::new();
    for part in parts(query)? {
        steps.push((Step::of(session, &part, parameters).await?, part));
    }
    let Some((last, _)) = steps.pop() else { return Err(Error::internal("no last part")) };
    for (step, part) in steps {
        // Without RETURNING nobody can name its rows.
        let Outcome::Rows { fields, rows, .. } = step.run(session, parameters).await? else { continue };
        let batches = collected(session, rows).await?;
        let given = part.given(&fields, &batches)?;
        session.given.extend(given);
    }
    let outcome = last.run(session, parameters).await;
    session.given.clear();
    outcome
}

async fn collected(session: &Session, mut rows: RowStream) -> Result<Vec<RecordBatch>> {
    let bytes_max = session.engine.limits().insert_bytes_max;
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = rows.try_next().await? {
        bytes += batch.get_array_memory_size();
        if bytes_max.as_usize() < bytes {
            let message = format!("the rows of one WITH query take more than {bytes_max}");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
                .hint("Ask for them in parts, or raise limits.insert_bytes_max."));
        }
        batches.push(batch);
    }
    Ok(batches)
}

pub(super) async fn describe(
    session: &mut Session,
    query: &ast::Query,
    known: &[Option<SqlType>],
) -> Result<Description> {
    let described = described(session, query, known).await;
    session.given.clear();
    described.map_err(Error::without_place)
}

async fn described(session: &mut Session, query: &ast::Query, known: &[Option<SqlType>]) -> Result<Description> {
    let mut params = known.to_vec();
    let (mut fields, mut uuids) = (None, Vec::new());
    for part in parts(query)? {
        let described = match part.statement()? {
            Some(statement) => Box::pin(super::describe(session, &statement, &params)).await?,
            None => select::describe(session, &part.select(), &params).await?,
        };
        for number in parameters_in(&part.query) {
            if params.len() < number {
                params.resize(number, None);
            }
            let told = described.params.get(number - 1).cloned();
            params[number - 1] = params[number - 1].take().or(told);
        }
        if let Some(columns) = &described.fields {
            session.given.extend(part.given(columns, &[])?);
        }
        uuids.extend(described.uuids);
        fields = described.fields;
    }
    let params = params.into_iter().map(|told| told.unwrap_or(SqlType::Text)).collect();
    Ok(Description::new(params, fields).with_uuids(uuids))
}

/// The numbers of the parameters that a query names.
fn parameters_in(query: &ast::Query) -> BTreeSet<usize> {
    let mut numbers = BTreeSet::new();
    let flow = walk::expressions(query, |expr| {
        numbers.extend(placeholder(expr).filter(|number| (1..=PARAMETERS_MAX).contains(number)));
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(flow.is_continue());
    numbers
}
