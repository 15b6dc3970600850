//! A pull query that was planned: its parameters, its columns, its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::CastOptions;
use arrow::compute::cast_with_options;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use arrow::datatypes::TimeUnit;
use arrow::record_batch::RecordBatch;
use arrow::record_batch::RecordBatchOptions;
use datafusion::common::ParamValues;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use futures::StreamExt;
use futures::stream;
use sqlparser::ast;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tracing::debug;

use super::lease::Lease;
use super::null_on_failure::null_on_failure;
use super::origins;
use super::turns::giving_way;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::RowStream;
use crate::engine::outcome::Value;
use crate::engine::session::Session;
use crate::env::Clock;
use crate::env::Spawned;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::plan::Typing;
use crate::plan::execution_error;
use crate::plan::in_ksqldb_words;
use crate::plan::planning_error;
use crate::plan::shown_name;
use crate::plan::with_rules;
use crate::state::Published;

/// Partitions of joins that sort both sides.
const SORTING_PARTITIONS: usize = 2;
/// A sort keeps this part of the memory of statements for its merge.
const SORT_RESERVES: usize = 16;

/// Batches that are computed before they are asked for.
pub(super) const BATCHES_AHEAD: usize = 1;

/// A plan and the state that it runs in.
pub(in crate::engine) struct Planned {
    catalog: Arc<Catalog>,
    published: Arc<Published>,
    state: SessionState,
    plan: LogicalPlan,
    casts: BTreeMap<usize, SqlType>,
    /// As it was written: where errors point.
    origin: Box<ast::Query>,
    /// What becomes of a value that cannot be computed.
    rules: Compatibility,
}

impl Planned {
    pub(super) fn new(
        (catalog, published): (Arc<Catalog>, Arc<Published>),
        state: SessionState,
        plan: LogicalPlan,
        casts: BTreeMap<usize, SqlType>,
        origin: Box<ast::Query>,
        rules: Compatibility,
    ) -> Self {
        Self { catalog, published, state, plan, casts, origin, rules }
    }

    /// The columns.
    pub(in crate::engine) fn fields(&self) -> Vec<OutputField> {
        let mut fields = fields(self.plan.schema().as_arrow());
        origins::tell(&mut fields, &self.plan, &self.catalog);
        fields
    }

    /// The columns with the tables that they are of, where they are of one.
    pub(in crate::engine) fn qualified_names(&self) -> Vec<(Option<String>, String, DataType)> {
        let name = |(table, field): (Option<&datafusion::common::TableReference>, &Arc<Field>)| {
            let table = table.map(|table| table.table().to_string());
            (table, shown_name(field.name()).to_string(), field.data_type().clone())
        };
        self.plan.schema().iter().map(name).collect()
    }

    /// The numbers of the parameters that stand beside UUIDs.
    pub(in crate::engine) fn uuid_parameters(&self) -> Vec<usize> {
        origins::uuid_parameters(&self.plan, &self.catalog)
    }

    /// The type of each parameter: as the client told, as a cast tells, as the plan needs, else TEXT.
    pub(in crate::engine) fn parameters(&self, known: &[Option<SqlType>]) -> Result<Vec<SqlType>> {
        let told = self.told_parameters(known)?;
        Ok(told.into_iter().map(|told| told.unwrap_or(SqlType::Text)).collect())
    }

    /// The type of each parameter, as far as anything tells.
    pub(in crate::engine) fn told_parameters(&self, known: &[Option<SqlType>]) -> Result<Vec<Option<SqlType>>> {
        let inferred = self.plan.get_parameter_types().map_err(execution_error)?;
        let mut types: BTreeMap<usize, Option<SqlType>> = BTreeMap::new();
        for (name, data_type) in inferred {
            let Some(number) = parameter_number(&name) else { continue };
            types.insert(number, data_type.as_ref().and_then(SqlType::from_arrow));
        }
        for (number, array) in arrays(&self.plan).map_err(execution_error)? {
            types.entry(number).or_default().get_or_insert(array);
        }
        for number in conditions(&self.plan).map_err(execution_error)? {
            types.entry(number).or_default().get_or_insert(SqlType::Boolean);
        }
        let count = types.keys().chain(self.casts.keys()).copied().max().unwrap_or(0).max(known.len());
        let of = |number: usize| {
            let told = known.get(number - 1).cloned().flatten();
            told.or_else(|| self.casts.get(&number).cloned()).or_else(|| types.get(&number).cloned().flatten())
        };
        Ok((1..=count).map(of).collect())
    }

    /// Puts values in the place of parameters.
    pub(in crate::engine) async fn bind(mut self, session: &Session, parameters: &[Value]) -> Result<Self> {
        if !parameters.is_empty() {
            let values = ParamValues::from(parameters.to_vec());
            let (engine, rules) = (Arc::clone(&session.engine), session.settings.compatibility());
            let zone = session.settings.zone_name().to_string();
            let binding = session.engine.query_threads()?.spawn(async move {
                let bound = self.plan.with_param_values(values);
                // Types that only the values tell.
                let bound = bound.and_then(|plan| with_rules(plan, engine.functions(), rules, &zone, Typing::Accepted));
                self.plan = bound.map_err(|error| match rules {
                    Compatibility::Ksqldb => in_ksqldb_words(planning_error(error, &self.origin), &self.origin),
                    Compatibility::Postgres => planning_error(error, &self.origin),
                })?;
                Ok(self)
            });
            return binding.join().await.map_err(|panic| panicked(&panic))?;
        } else if !self.plan.get_parameter_names().map_err(execution_error)?.is_empty() {
            return Err(Error::new(SqlState::UNDEFINED_PARAMETER, "there is no parameter $1"));
        }
        Ok(self)
    }

    /// What computes the columns of a query of one row, for any number of rows.
    pub(in crate::engine) async fn expressions(&self) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
        let fail = |error| planning_error(error, &self.origin);
        let physical = self.state.create_physical_plan(&self.plan).await.map_err(fail)?;
        let projection = physical.downcast_ref::<ProjectionExec>();
        match projection.filter(|projection| projection.input().is::<PlaceholderRowExec>()) {
            Some(projection) => Ok(projection.expr().iter().map(|item| Arc::clone(&item.expr)).collect()),
            None => {
                let message = "aggregates, window functions and set-returning functions are not allowed here";
                Err(Error::new(SqlState::GROUPING_ERROR, message))
            }
        }
    }

    /// The plans as EXPLAIN shows them.
    pub(in crate::engine) async fn explain(&self) -> Result<String> {
        let fail = |error| planning_error(error, &self.origin);
        let optimized = self.state.optimize(&self.plan).map_err(fail)?;
        let physical = self.state.create_physical_plan(&self.plan).await.map_err(fail)?;
        let physical = datafusion::physical_plan::displayable(physical.as_ref()).indent(false).to_string();
        Ok(format!("{}\n{}", optimized.display_indent(), physical.trim_end()))
    }

    /// Starts it on threads for queries; rows are computed a little ahead of those who take them, for as long as what was
    /// pinned may be held. Instants come in `zone`.
    pub(in crate::engine) async fn run(self, session: &Session, zone: &str) -> Result<(Vec<OutputField>, RowStream)> {
        let threads = session.engine.query_threads()?;
        let lease = Lease::new(&session.engine, Arc::clone(&self.published));
        let clock = Arc::clone(&session.engine.env().clock);
        let fields = self.fields();
        let target = Arc::new(output_schema(&fields, self.plan.schema().as_arrow(), zone));
        let (started, start) = oneshot::channel();
        let (rows, taken) = mpsc::channel(BATCHES_AHEAD);
        let computing = threads.spawn(async move {
            match self.start(JoinBy::Hash, &clock).await {
                Ok(stream) => {
                    // Whoever does not wait for the start does not wait for rows either.
                    if started.send(Ok(())).is_ok() {
                        return lease.over(self.hand_over(stream, &target, &clock, rows)).await;
                    }
                }
                Err(error) => drop(started.send(Err(error))),
            }
            Ok(())
        });
        match start.await {
            Ok(started) => started?,
            Err(_) => return Err(ended_early(computing).await),
        }
        Ok((fields, receive(taken, computing)))
    }

    async fn start(&self, joins: JoinBy, clock: &Arc<dyn Clock>) -> Result<SendableRecordBatchStream> {
        let fail = |error| planning_error(error, &self.origin);
        let mut state = self.state.clone();
        if joins == JoinBy::Sort {
            let memory = state.runtime_env().memory_pool.memory_limit();
            let options = state.config_mut().options_mut();
            options.optimizer.prefer_hash_join = false;
            // Of one partition DataFusion makes no joins that sort; each partition has two sorts, which share the memory.
            options.execution.target_partitions = SORTING_PARTITIONS;
            if let MemoryLimit::Finite(bytes) = memory {
                let reserved = &mut options.execution.sort_spill_reservation_bytes;
                *reserved = (*reserved).min(bytes / SORT_RESERVES);
            }
        }
        let mut physical = state.create_physical_plan(&self.plan).await.map_err(fail)?;
        if joins_read_again(&physical) {
            state.config_mut().options_mut().execution.target_partitions = 1;
            physical = state.create_physical_plan(&self.plan).await.map_err(fail)?;
        }
        let mut physical = giving_way(physical, clock).map_err(fail)?;
        if self.rules == Compatibility::Ksqldb {
            physical = null_on_failure(physical).map_err(fail)?;
        }
        execute_stream(physical, state.task_ctx()).map_err(fail)
    }

    /// Computes rows until there are no more, one failed, or nobody takes them.
    ///
    /// A join holds all rows of one side, and cannot write files. If there is no room for them, and no row has left yet, all
    /// is computed again with joins that sort both sides, which can.
    async fn hand_over(
        &self,
        stream: SendableRecordBatchStream,
        target: &SchemaRef,
        clock: &Arc<dyn Clock>,
        rows: mpsc::Sender<Result<RecordBatch>>,
    ) {
        let mut stream = Some(stream);
        let mut may_sort = true;
        while let Some(running) = &mut stream {
            let Some(batch) = running.next().await else { return };
            if let Err(error) = &batch
                && std::mem::take(&mut may_sort)
                && matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
            {
                // What it holds is needed.
                stream = None;
                debug!(%error, "joins sort their sides");
                match self.start(JoinBy::Sort, clock).await {
                    Ok(sorting) => stream = Some(sorting),
                    Err(error) => drop(rows.send(Err(error)).await),
                }
                continue;
            }
            may_sort = false;
            let batch = batch.map_err(|error| planning_error(error, &self.origin));
            let batch = batch.and_then(|batch| conform(&batch, target));
            let failed = batch.is_err();
            if rows.send(batch).await.is_err() || failed {
                return;
            }
        }
    }
}

/// How rows of two sides that are equal in something are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JoinBy {
    /// One side is held.
    Hash,
    /// Both are sorted.
    Sort,
}

pub(super) fn parameter_number(name: &str) -> Option<usize> {
    name.strip_prefix('$').and_then(|digits| digits.parse().ok())
}

/// The parameters `x = ANY($1)`, which the plan leaves open: arrays of what they are compared with.
fn arrays(plan: &LogicalPlan) -> datafusion::error::Result<BTreeMap<usize, SqlType>> {
    let mut types = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && call.func.name() == "array_has"
                    && let [Expr::Placeholder(array), value] = call.args.as_slice()
                    && let Some(number) = parameter_number(&array.id)
                    && let Some(item) = value.get_type(&schema).ok().and_then(|of| SqlType::from_arrow(&of))
                {
                    types.insert(number, SqlType::Array(Box::new(item)));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(types)
}

/// The parameters that are conditions: `WHERE $1`, `NOT $1`, `CASE WHEN $1`.
fn conditions(plan: &LogicalPlan) -> datafusion::error::Result<Vec<usize>> {
    let mut numbers = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Filter(filter) = node {
            numbers.extend(condition(&filter.predicate));
        }
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    Expr::Not(inner) => numbers.extend(condition(inner)),
                    Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
                        numbers.extend([left, right].into_iter().filter_map(|side| condition(side)));
                    }
                    Expr::Case(case) if case.expr.is_none() => {
                        numbers.extend(case.when_then_expr.iter().filter_map(|(when, _)| condition(when)));
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(numbers)
}

fn condition(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Placeholder(placeholder) => parameter_number(&placeholder.id),
        _ => None,
    }
}

/// The rows as they are handed over. Dropping them ends the query.
pub(super) fn receive(taken: mpsc::Receiver<Result<RecordBatch>>, computing: Spawned<Result<()>>) -> RowStream {
    stream::unfold(Some((taken, computing)), |receiving| async move {
        let (mut taken, computing) = receiving?;
        match taken.recv().await {
            Some(batch) => Some((batch, Some((taken, computing)))),
            // The end, unless the query ended before it said so.
            None => match computing.join().await {
                Ok(ended) => ended.err().map(|error| (Err(error), None)),
                Err(panic) => Some((Err(panicked(&panic)), None)),
            },
        }
    })
    .boxed()
}

async fn ended_early(computing: Spawned<Result<()>>) -> Error {
    panicked(&computing.join().await.err().unwrap_or_else(|| "it did not start".to_string()))
}

/// The error of a query whose computation panicked.
pub(super) fn panicked(message: &str) -> Error {
    tracing::error!(message, "a query panicked");
    Error::internal(format!("the query ended unexpectedly: {message}"))
}

/// Whether a plan has a join without an equality whose left side is spread over threads. Where memory does not hold the left
/// side, DataFusion 55 reads it again from its beginning, which such a side cannot be: it panics.
fn joins_read_again(plan: &Arc<dyn ExecutionPlan>) -> bool {
    fn is_spread(plan: &Arc<dyn ExecutionPlan>) -> bool {
        plan.name() == "RepartitionExec" || plan.children().into_iter().any(is_spread)
    }
    let children = plan.children();
    let own = plan.name() == "NestedLoopJoinExec" && children.first().is_some_and(|left| is_spread(left));
    own || children.into_iter().any(joins_read_again)
}

/// The columns of an answer.
pub(in crate::engine) fn fields(schema: &Schema) -> Vec<OutputField> {
    let field = |field: &Arc<Field>| OutputField {
        name: shown_name(field.name()).to_string(),
        sql_type: SqlType::from_arrow(field.data_type()).unwrap_or(SqlType::Text),
        is_interval: matches!(field.data_type(), DataType::Interval(_) | DataType::Duration(_)),
        text_kind: None,
        origin: None,
    };
    schema.fields().iter().map(field).collect()
}

/// The Arrow types that rows go out with: each SQL type's own, instants in the session's zone, lists as they are.
pub(super) fn output_schema(fields: &[OutputField], schema: &Schema, zone: &str) -> Schema {
    let types = fields.iter().zip(schema.fields()).map(|(output, field)| {
        let data_type = match (&output.sql_type, field.data_type()) {
            (_, nested) if nested.is_nested() => nested.clone(),
            (_, other @ (DataType::Interval(_) | DataType::Duration(_) | DataType::Decimal256(_, _))) => other.clone(),
            (SqlType::TimestampTz, _) => DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into())),
            (sql_type, _) => sql_type.arrow(),
        };
        Field::new(&output.name, data_type, true)
    });
    Schema::new(types.collect::<Vec<_>>())
}

/// The batch with the columns' outgoing types.
pub(in crate::engine) fn conform(batch: &RecordBatch, target: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(target.fields());
    let columns: Vec<ArrayRef> = columns
        .map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            // Through its own shortest text: widening 0.1 would show the digits that a double sees.
            false if column.data_type() == &DataType::Float32 => {
                let texts = cast_with_options(column, &DataType::Utf8, &CastOptions::default());
                let widened = texts.and_then(|texts| arrow::compute::cast(&texts, field.data_type()));
                widened.map_err(|error| execution_error(error.into()))
            }
            false => {
                // A value that does not fit is an error, never a null.
                let strict = CastOptions { safe: false, ..CastOptions::default() };
                cast_with_options(column, field.data_type(), &strict).map_err(|error| execution_error(error.into()))
            }
        })
        .collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(target), columns, &options)
        .map_err(|error| Error::internal("a result's columns do not fit").caused_by(error))
}
