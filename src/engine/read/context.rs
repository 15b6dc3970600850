//! What a pull query is planned in: functions, catalog lists, options.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::Weak;

use arrow::record_batch::RecordBatch;
use datafusion::catalog::CatalogProvider;
use datafusion::catalog::CatalogProviderList;
use datafusion::catalog::MemoryCatalogProvider;
use datafusion::catalog::MemoryCatalogProviderList;
use datafusion::catalog::SchemaProvider;
use datafusion::common::config::Dialect;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::planner::RelationPlanner;
use datafusion::prelude::SessionConfig;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as PlannerStatement;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;
use datafusion_pg_catalog::setup_pg_catalog;
use datafusion_pg_catalog::sql::rules::RewriteRegCastToSubquery;
use datafusion_pg_catalog::sql::rules::SqlStatementRewriteRule;
use sqlparser::ast;

use super::advisory;
use super::call_rows;
use super::client_functions;
use super::client_syntax;
use super::clock_timestamp::clock_timestamp;
use super::clock_timestamp::start_time;
use super::distinct_groups;
use super::parameters::told_types;
use super::pg_catalog::PgCatalog;
use super::pg_functions::FunctionTexts;
use super::pg_sleep::pg_sleep;
use super::pg_temporary;
use super::pg_temporary::LiveTemporary;
use super::pg_temporary::PinnedTemporary;
use super::planned::Planned;
use super::planned::panicked;
use super::public_schema::LivePublic;
use super::public_schema::PinnedPublic;
use super::records_function;
use super::records_function::RecordsFunction;
use super::reg_names;
use super::reg_texts;
use super::session_settings;
use super::statement_memory;
use super::version::version;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::engine::core::Engine;
use crate::engine::outcome::Value;
use crate::engine::session::Session;
use crate::engine::system;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::functions;
use crate::model::SessionNumber;
use crate::model::SqlType;
use crate::plan::EveryRow;
use crate::plan::NestedTypes;
use crate::plan::Typing;
use crate::plan::expression_planners;
use crate::plan::fold;
use crate::plan::in_ksqldb_words;
use crate::plan::keep_digits;
use crate::plan::missing_functions;
use crate::plan::name_all_items;
use crate::plan::placeholder;
use crate::plan::planning_error;
use crate::plan::prepare_pull;
use crate::plan::pull_planners;
use crate::plan::system_columns;
use crate::plan::type_arguments;
use crate::plan::type_operands;
use crate::plan::unfold_lists;
use crate::plan::with_rules;
use crate::sql::DATABASE;
use crate::sql::Select;
use crate::sql::nearest;
use crate::sql::walk;
use crate::state::Frontier;
use crate::state::Published;

const PUBLIC: &str = "public";
const SYSTEM: &str = "tidemill";
const PG_CATALOG: &str = "pg_catalog";

/// What all statements share: functions, and the catalogs that clients ask about. Made for the first statement.
pub(in crate::engine) struct Planner {
    engine: Weak<Engine>,
    base: OnceLock<Base>,
}

struct Base {
    state: SessionState,
    catalog: Arc<MemoryCatalogProvider>,
    system: Arc<dyn SchemaProvider>,
    pg_catalog: PgCatalog,
    reg_casts: RewriteRegCastToSubquery,
}

/// What a statement reads: pinned once, at its start.
pub(in crate::engine) struct Reading {
    pub(in crate::engine) catalog: Arc<Catalog>,
    pub(in crate::engine) published: Arc<Published>,
    /// Rows that stand beside the relations, under names that no relation has.
    pub(in crate::engine) given: Vec<Given>,
    /// The table that the statement changes if it has no key: under the name [`WHOLE`] the number of its rows is a column too.
    pub(in crate::engine) whole: Option<Arc<Relation>>,
    /// Where topics that are read themselves end for the statement, as far as they are named here.
    pub(in crate::engine) ends: Frontier,
}

/// The name under which a table is read with what tells its rows apart; no relation has it.
pub(in crate::engine) const WHOLE: &str = "__whole";

/// Rows that a statement reads under a name of their own.
#[derive(Clone)]
pub(in crate::engine) struct Given {
    pub(in crate::engine) name: String,
    pub(in crate::engine) rows: RecordBatch,
}

impl Base {
    fn new(engine: &Weak<Engine>) -> Result<Self> {
        let internal = |error: datafusion::error::DataFusionError| Error::internal("functions").caused_by(error);
        let memory = engine
            .upgrade()
            .map(|engine| statement_memory::runtime(&engine.memory().statements, engine.temporary_files()));
        let runtime = memory.transpose().map_err(internal)?.unwrap_or_default();
        let mut config = config();
        if let MemoryLimit::Finite(limit) = runtime.memory_pool.memory_limit() {
            // What each of a sort's partitions keeps to merge its files: not all that there is.
            let execution = &mut config.options_mut().execution;
            execution.sort_spill_reservation_bytes = execution.sort_spill_reservation_bytes.min(limit / 32);
        }
        let context = SessionContext::new_with_config_rt(config, runtime);
        let catalog = Arc::new(MemoryCatalogProvider::new());
        let system = system::schema(engine.clone());
        catalog.register_schema(PUBLIC, Arc::new(LivePublic::new(engine.clone()))).map_err(internal)?;
        let temporary = Arc::new(LiveTemporary(engine.clone()));
        catalog.register_schema(pg_temporary::ALL, temporary).map_err(internal)?;
        catalog.register_schema(SYSTEM, Arc::clone(&system)).map_err(internal)?;
        let list = Arc::new(MemoryCatalogProviderList::new());
        list.register_catalog(DATABASE.to_string(), Arc::clone(&catalog) as Arc<dyn CatalogProvider>);
        context.register_catalog_list(list);
        setup_pg_catalog(&context, DATABASE, EmptyContextProvider).map_err(|error| internal(*error))?;
        let pg_catalog = catalog.schema(PG_CATALOG).ok_or_else(|| Error::internal("pg_catalog was not set up"))?;
        let functions = engine.upgrade().map(|engine| engine.functions().reference()).unwrap_or_default();
        let texts = Arc::new(FunctionTexts::new(functions));
        let pg_catalog = PgCatalog::new(pg_catalog, engine.clone(), Arc::clone(&texts));
        for function in crate::functions::all().into_iter().chain(crate::functions::lenient()) {
            context.register_udf(function.as_ref().clone());
        }
        for function in functions::aggregates() {
            context.register_udaf(function.as_ref().clone());
        }
        context.register_udf(version());
        client_functions::all().for_each(|function| context.register_udf(function));
        FunctionTexts::functions(&texts).into_iter().for_each(|function| context.register_udf(function));
        let clock = engine.upgrade().map(|engine| Arc::clone(&engine.env().clock));
        if let Some(clock) = clock {
            context.register_udf(start_time(clock.as_ref()));
            context.register_udf(clock_timestamp(Arc::clone(&clock)));
            context.register_udf(pg_sleep(clock));
        }
        let planners = expression_planners(Compatibility::Postgres);
        let counted: Arc<dyn RelationPlanner> = Arc::new(EveryRow);
        let state = SessionStateBuilder::new_from_existing(context.state())
            .with_expr_planners(planners)
            .with_relation_planners(vec![counted])
            .with_optimizer_rules(distinct_groups::optimizer_rules())
            .build();
        Ok(Self { state, catalog, system, pg_catalog, reg_casts: RewriteRegCastToSubquery::new() })
    }
}

/// The functions that a query calls and that are not there. What is called over a window alone is told from them.
fn unknown_functions(state: &SessionState, query: &ast::Query) -> Vec<ScalarUDF> {
    let is_known = |name: &str| {
        state.scalar_functions().contains_key(name)
            || state.aggregate_functions().contains_key(name)
            || state.window_functions().contains_key(name)
            || state.table_functions().contains_key(name)
            || state.higher_order_functions().contains_key(name)
            || name == "unnest"
            || name == "grouping"
    };
    missing_functions(query, &is_known)
}

impl Drop for Base {
    /// pg_catalog lists the catalogs that it stands in: a circle, which nothing else would ever free.
    fn drop(&mut self) {
        if let Err(error) = self.catalog.deregister_schema(PG_CATALOG, true) {
            tracing::warn!(%error, "pg_catalog stays in memory");
        }
    }
}

impl Planner {
    pub(in crate::engine) fn new(engine: Weak<Engine>) -> Self {
        Self { engine, base: OnceLock::new() }
    }

    fn base(&self) -> Result<&Base> {
        if let Some(base) = self.base.get() {
            return Ok(base);
        }
        let base = Base::new(&self.engine)?;
        // Of two statements that come first, one makes it for both.
        Ok(self.base.get_or_init(|| base))
    }

    /// Pins what a statement of the session reads.
    pub(in crate::engine) fn pin(session: &Session) -> Result<Reading> {
        let (catalog, published) = (session.catalog()?, session.engine.published());
        Ok(Reading { catalog, published, given: session.given.clone(), whole: None, ends: Frontier::new() })
    }

    /// The state in which a statement over `reading` is planned and run; ROWTIME and its kin are columns under the rules of whoever asks
    /// for them.
    fn state(
        &self,
        session: &Session,
        reading: &Reading,
        system_columns: Option<Compatibility>,
    ) -> Result<SessionState> {
        let base = self.base()?;
        let pinned = || PinnedPublic::new(session, reading, system_columns);
        let catalog = MemoryCatalogProvider::new();
        let internal = |error: datafusion::error::DataFusionError| Error::internal("schemas").caused_by(error);
        catalog.register_schema(PUBLIC, Arc::new(pinned())).map_err(internal)?;
        if let Some(session) = with_temporary(session, reading) {
            let temporary = PinnedTemporary { session, pinned: pinned() };
            catalog.register_schema(&session.schema(), Arc::new(temporary)).map_err(internal)?;
        }
        catalog.register_schema(SYSTEM, Arc::clone(&base.system)).map_err(internal)?;
        let pg_catalog: Arc<dyn SchemaProvider> = Arc::new(base.pg_catalog.clone());
        catalog.register_schema(PG_CATALOG, pg_catalog).map_err(internal)?;
        let list = MemoryCatalogProviderList::new();
        list.register_catalog(DATABASE.to_string(), Arc::new(catalog));
        let zone: Arc<str> = Arc::from(session.settings.zone_name());
        let mut state = SessionStateBuilder::new_from_existing(base.state.clone())
            .with_catalog_list(Arc::new(list))
            .with_type_planner(Arc::new(NestedTypes {
                others: Some(Arc::new(PgOidTypePlanner)),
                zone: Some(zone.clone()),
            }))
            .with_expr_planners(pull_planners(session.settings.compatibility()))
            .build();
        let env = session.engine.env();
        let options = state.config_mut().options_mut();
        options.execution.time_zone = Some(zone.to_string());
        let context = functions::Context::new(env.clock.wall_micros(), env.random.next_u64(), zone.to_string());
        options.extensions.insert(context);
        let principal = session.principal.clone();
        let records = RecordsFunction { client: session.engine.client(&principal), principal };
        state.register_udtf(records_function::NAME, Arc::new(records));
        // Only now do expressions get to see the options.
        state.mark_start_execution();
        Ok(state)
    }

    /// Plans a pull query; parameters stay open, but the values of those that are known tell types and digits.
    pub(in crate::engine) async fn plan(
        &self,
        session: &Session,
        select: &Select,
        reading: &Reading,
        parameters: &[Value],
    ) -> Result<Planned> {
        let known: Vec<_> = parameters.iter().map(|value| SqlType::from_arrow(&value.data_type())).collect();
        self.plan_typed(session, select, reading, parameters, &known).await
    }

    /// The same where parameters have types before they have values.
    pub(in crate::engine) async fn plan_typed(
        &self,
        session: &Session,
        select: &Select,
        reading: &Reading,
        parameters: &[Value],
        known: &[Option<SqlType>],
    ) -> Result<Planned> {
        let select = &*with_typed_arguments(select, known, session.settings.compatibility());
        let asked = system_columns::are_asked(&select.ast).then(|| session.settings.compatibility());
        let mut state = self.state(session, reading, asked)?;
        let mut statement = ast::Statement::Query(select.ast.clone());
        let functions = session_settings::called(&statement, &session.settings);
        let of_session = session_settings::users(&session.principal).into_iter();
        let of_session = of_session.chain([session_settings::backend(session.process)]);
        let of_session = of_session.chain(advisory::called(&statement, session));
        for function in functions.into_iter().chain(of_session) {
            let registered = state.register_udf(function);
            registered.map_err(|error| Error::internal("functions").caused_by(error))?;
        }
        let of_clients = self.in_our_words(session, &state, reading, &mut statement)?;
        // What clients ask of the catalogs they ask of PostgreSQL.
        let rules = if of_clients { Compatibility::Postgres } else { session.settings.compatibility() };
        // Types there are other than PostgreSQL's.
        let typing = if of_clients { Typing::Accepted } else { Typing::Checked };
        if rules == Compatibility::Postgres {
            let is_scalar = |name: &str| {
                state.scalar_functions().contains_key(name)
                    && !state.table_functions().contains_key(name)
                    && name != "unnest"
            };
            call_rows::rewrite(&mut statement, &is_scalar);
        }
        self.check_relations(session, reading, &statement)?;
        let query = prepare_pull(&told(select, statement), &reading.catalog, session.engine.functions(), rules)?;
        if rules == Compatibility::Postgres {
            for function in unknown_functions(&state, &query) {
                let registered = state.register_udf(Arc::new(function));
                registered.map_err(|error| Error::internal("functions").caused_by(error))?;
            }
        }
        let mut statement = ast::Statement::Query(Box::new(query));
        records_function::rename_calls(&mut statement);
        type_operands(&mut statement, known);
        let casts = told_types(&statement, rules)?;
        keep_digits(&mut statement, parameters);
        let (engine, origin) = (Arc::clone(&session.engine), select.ast.clone());
        let pinned = (Arc::clone(&reading.catalog), Arc::clone(&reading.published));
        let zone = session.settings.zone_name().to_string();
        // Some statements take long to plan: a connection's thread is not theirs, and a cancel need not wait for them.
        let planning = session.engine.query_threads()?.spawn(async move {
            let plan = state.statement_to_plan(PlannerStatement::Statement(Box::new(statement))).await;
            let plan = plan.and_then(unfold_lists);
            let plan = plan.and_then(|plan| with_rules(plan, engine.functions(), rules, &zone, typing));
            let plan = plan.map_err(|error| match rules {
                Compatibility::Ksqldb => in_ksqldb_words(planning_error(error, &origin), &origin),
                Compatibility::Postgres => planning_error(error, &origin),
            })?;
            Ok(Planned::new(pinned, state, plan, casts, origin, rules))
        });
        planning.join().await.map_err(|panic| panicked(&panic))?
    }

    /// Has the catalogs tell of the session.
    fn show_session(&self, session: &Session, state: &SessionState, reading: &Reading) -> Result<()> {
        let base = self.base()?;
        let user = session.principal.name().to_string();
        let own = base.pg_catalog.of_session(session.settings.all(), user, with_temporary(session, reading));
        let catalog = state.catalog_list().catalog(DATABASE);
        let catalog = catalog.ok_or_else(|| Error::internal("a session without a catalog"))?;
        let registered = catalog.register_schema(PG_CATALOG, Arc::new(own));
        registered.map(|_| ()).map_err(|error| Error::internal("pg_settings").caused_by(error))
    }

    /// What psql and drivers ask of PostgreSQL's catalogs, in words that tables here are asked in; whether they ask anything.
    fn in_our_words(
        &self,
        session: &Session,
        state: &SessionState,
        reading: &Reading,
        statement: &mut ast::Statement,
    ) -> Result<bool> {
        let base = self.base()?;
        let is_catalog = |name: &str| base.pg_catalog.table_exist(name);
        if !client_syntax::are_catalogs_asked(statement, &is_catalog) && !reg_names::are_in(statement) {
            return Ok(false);
        }
        self.show_session(session, state, reading)?;
        if let ast::Statement::Query(query) = statement {
            // As they were written.
            name_all_items(query);
        }
        reg_texts::show(statement);
        reg_names::rewrite(statement, &reading.catalog)?;
        *statement = base.reg_casts.rewrite(statement.clone());
        client_syntax::rewrite(statement, &is_catalog)?;
        Ok(true)
    }

    /// Names of relations that do not exist are told with their place, before DataFusion looks.
    fn check_relations(&self, session: &Session, reading: &Reading, statement: &ast::Statement) -> Result<()> {
        let mut common: BTreeSet<String> = reading.given.iter().map(|given| given.name.to_lowercase()).collect();
        common.extend(common_names(statement));
        common.extend(reading.whole.iter().map(|_| WHOLE.to_string()));
        let compatibility = session.settings.compatibility();
        self.check_schemas(statement)?;
        let Some((name, column)) = missing_relation(statement, &reading.catalog, &common, compatibility) else {
            return Ok(());
        };
        Err(no_such_relation(&name, column, reading.catalog.nearest_relation(&name).map(str::to_string)))
    }

    /// A relation of a schema that is not there, or of `tidemill` and not one of its.
    fn check_schemas(&self, statement: &ast::Statement) -> Result<()> {
        let system = self.base()?.system.table_names();
        let missing = walk::walk(statement, |node| {
            let walk::Node::TableFactor(ast::TableFactor::Table { name, args: None, .. }) = node else {
                return ControlFlow::Continue(());
            };
            let [schema, table] = name.0.as_slice() else { return ControlFlow::Continue(()) };
            let (Some(schema), Some(table)) = (schema.as_ident(), table.as_ident()) else {
                return ControlFlow::Continue(());
            };
            let (schema_name, table_name) = (schema.value.to_lowercase(), table.value.to_lowercase());
            let meant = match schema_name.as_str() {
                SYSTEM if system.contains(&table_name) => return ControlFlow::Continue(()),
                SYSTEM => {
                    nearest(&table_name, system.iter().map(String::as_str)).map(|known| format!("{SYSTEM}.{known}"))
                }
                PUBLIC | PG_CATALOG | "information_schema" => return ControlFlow::Continue(()),
                other => nearest(other, [SYSTEM, PUBLIC, PG_CATALOG]).map(|known| format!("{known}.{table_name}")),
            };
            ControlFlow::Break(no_such_relation(&name.to_string(), schema.span.start.column, meant))
        });
        missing.break_value().map_or(Ok(()), Err)
    }
}

/// The number of a session that has temporary tables.
fn with_temporary(session: &Session, reading: &Reading) -> Option<SessionNumber> {
    session.temporary.session().filter(|number| reading.catalog.temporary_of(*number).next().is_some())
}

/// The query with types for parameters that stand where one is known.
fn with_typed_arguments<'a>(select: &'a Select, known: &[Option<SqlType>], rules: Compatibility) -> Cow<'a, Select> {
    let has_parameter = walk::expressions(select.ast.as_ref(), |expr| match placeholder(expr) {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    });
    if rules == Compatibility::Ksqldb || has_parameter.is_continue() {
        return Cow::Borrowed(select);
    }
    let mut typed = select.clone();
    type_arguments(&mut typed.ast, known);
    Cow::Owned(typed)
}

/// The query with another statement's words.
fn told(select: &Select, statement: ast::Statement) -> Select {
    match statement {
        ast::Statement::Query(ast) => Select { ast, ..select.clone() },
        _ => select.clone(),
    }
}

/// The error for a relation with a place and the name that was perhaps meant.
fn no_such_relation(name: &str, column: u64, meant: Option<String>) -> Error {
    let mut error = Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"));
    if let Some(column) = u32::try_from(column).ok().filter(|column| 0 < *column) {
        error = error.at(crate::error::Position(column));
    }
    match meant {
        Some(known) => error.hint(format!("Did you mean \"{known}\"?")),
        None => error,
    }
}

/// Finds the first relation that is neither in the catalog nor named by WITH. Names with arguments are functions,
/// names with a schema are not ours to know.
fn missing_relation(
    statement: &ast::Statement,
    catalog: &Catalog,
    common: &BTreeSet<String>,
    compatibility: Compatibility,
) -> Option<(String, u64)> {
    let flow = walk::walk(statement, |node| {
        let walk::Node::TableFactor(ast::TableFactor::Table { name, args: None, .. }) = node else {
            return ControlFlow::Continue(());
        };
        let [ast::ObjectNamePart::Identifier(identifier)] = name.0.as_slice() else {
            return ControlFlow::Continue(());
        };
        let folded = fold(identifier, compatibility);
        match catalog.relation(&folded).is_some() || common.contains(&folded.to_lowercase()) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break((folded, identifier.span.start.column)),
        }
    });
    flow.break_value()
}

/// The names that WITH gives, at any depth; one that is wrong here is found by DataFusion.
fn common_names(statement: &ast::Statement) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let _ = walk::walk(statement, |node| {
        if let walk::Node::Query(query) = node {
            let tables = query.with.iter().flat_map(|with| &with.cte_tables);
            names.extend(tables.map(|table| table.alias.name.value.to_lowercase()));
        }
        ControlFlow::<()>::Continue(())
    });
    names
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(DATABASE, PUBLIC)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true);
    let options = config.options_mut();
    // A number with a point is exact, as PostgreSQL's is.
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    // `x IS TRUE` is never NULL for a logical plan and may be for a physical one: DataFusion would refuse to group by it.
    options.execution.skip_physical_aggregate_schema_check = true;
    config
}
