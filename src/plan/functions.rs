//! The functions that a query may call, as DataFusion's SQL planner asks for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::common::DataFusionError;
use datafusion::common::Result;
use datafusion::common::TableReference;
use datafusion::common::config::ConfigOptions;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::HigherOrderUDF;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::TableSource;
use datafusion::logical_expr::WindowUDF;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::planner::ContextProvider;
use sqlparser::ast;

use super::intervals::expression_planners;
use crate::catalog::Compatibility;

/// The aggregates that `node::AggregateFunction` has.
const STANDING_AGGREGATES: [&str; 27] = [
    "attr",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "collect_list",
    "collect_set",
    "corr",
    "correlation",
    "count",
    "count_distinct",
    "earliest_by_offset",
    "histogram",
    "latest_by_offset",
    "max",
    "min",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "stddev_sample",
    "sum",
    "sum_list",
    "topk",
    "topkdistinct",
    "var_pop",
    "var_samp",
    "variance",
];

/// Functions of the SELECT list that give several rows.
pub const TABLE_FUNCTIONS: [&str; 3] = ["cube_explode", "explode", "unnest"];

/// Plans ARRAY, MAP, STRUCT and JSON as the Arrow types that carry them, whose names of fields come folded and quoted, and timestamps in
/// microseconds: DataFusion's nanoseconds have room for few years.
#[derive(Debug, Default)]
pub struct NestedTypes {
    /// Who plans the other types, before DataFusion does.
    pub others: Option<Arc<dyn TypePlanner>>,
    /// The session's zone; UTC without.
    pub zone: Option<Arc<str>>,
}

impl TypePlanner for NestedTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        if let ast::DataType::Timestamp(None, info) = sql_type {
            let zone = match info {
                ast::TimezoneInfo::WithTimeZone | ast::TimezoneInfo::Tz => {
                    Some(self.zone.clone().unwrap_or_else(|| Arc::from("UTC")))
                }
                ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone => None,
            };
            return Ok(Some(Arc::new(Field::new("", DataType::Timestamp(TimeUnit::Microsecond, zone), true))));
        }
        let is_ours = matches!(
            sql_type,
            ast::DataType::Array(_)
                | ast::DataType::Map(..)
                | ast::DataType::Struct(..)
                | ast::DataType::JSON
                | ast::DataType::JSONB
        );
        if !is_ours {
            return self.others.as_ref().map_or(Ok(None), |others| others.plan_type_field(sql_type));
        }
        let found = crate::catalog::sql_type(sql_type, Compatibility::Postgres);
        let found = found.map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(Some(Arc::new(Field::new("", found.arrow(), true))))
    }
}

/// Functions by name, lower case.
#[derive(Debug)]
pub struct Functions {
    pub(super) scalar: BTreeMap<String, Arc<ScalarUDF>>,
    pub(super) aggregate: BTreeMap<String, Arc<AggregateUDF>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
    options: ConfigOptions,
}

impl Functions {
    /// DataFusion's, without those that read a clock or draw lots behind the query's back, and ours over them.
    pub fn new() -> Self {
        let unwanted = ["now", "random", "uuid", "current_date", "current_time", "today", "version"];
        let mut scalar = BTreeMap::new();
        for function in SessionStateDefaults::default_scalar_functions() {
            for name in std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)) {
                scalar.insert(name.to_string(), Arc::clone(&function));
            }
        }
        scalar.retain(|name, function| !unwanted.contains(&name.as_str()) && !unwanted.contains(&function.name()));
        for function in crate::functions::all() {
            for name in std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)) {
                scalar.insert(name.to_lowercase(), Arc::clone(&function));
            }
        }
        let mut aggregate = BTreeMap::new();
        for function in SessionStateDefaults::default_aggregate_functions() {
            for name in std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)) {
                aggregate.insert(name.to_string(), Arc::clone(&function));
            }
        }
        for function in crate::functions::aggregates() {
            for name in std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)) {
                aggregate.insert(name.to_string(), Arc::clone(&function));
            }
        }
        let mut options = ConfigOptions::default();
        options.sql_parser.parse_float_as_decimal = true;
        options.sql_parser.map_string_types_to_utf8view = false;
        // Without a zone TIMESTAMP WITH TIME ZONE would be read as TIMESTAMP.
        options.execution.time_zone = Some("UTC".to_string());
        Self { scalar, aggregate, planners: expression_planners(Compatibility::Postgres), options }
    }

    /// Whether a standing query can keep this aggregate.
    pub fn is_standing_aggregate(&self, name: &str) -> bool {
        STANDING_AGGREGATES.contains(&name)
    }

    /// Whether it is an aggregate at all.
    pub fn is_aggregate(&self, name: &str) -> bool {
        self.aggregate.contains_key(name)
    }

    /// Whether it is a scalar function.
    pub fn is_scalar(&self, name: &str) -> bool {
        self.scalar.contains_key(name)
    }

    /// A scalar function.
    pub fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalar.get(name).cloned()
    }

    /// An aggregate.
    pub fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregate.get(name).cloned()
    }

    /// All names that a user may type.
    pub fn names(&self) -> Vec<&str> {
        let aggregates = STANDING_AGGREGATES.iter().copied();
        self.scalar.keys().map(String::as_str).filter(|name| !name.starts_with("__")).chain(aggregates).collect()
    }
}

impl Default for Functions {
    fn default() -> Self {
        Self::new()
    }
}

impl ContextProvider for Functions {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        datafusion::common::plan_err!("relation {name} is not looked up here")
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalar.get(name).cloned()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(NestedTypes::default()))
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregate.get(name).cloned()
    }

    fn get_window_meta(&self, _: &str) -> Option<Arc<WindowUDF>> {
        None
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        self.scalar.keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.aggregate.keys().filter(|name| !name.starts_with("__")).cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}
