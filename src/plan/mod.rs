//! Statement and catalog into a plan: names and types bound, optimised, cut into fragments; and its EXPLAIN.
//!
//! Invariants:
//!   * a plan is made from its bound text alone, at CREATE as at every start, so both are the same
//!   * below `bind` nothing knows the compatibility mode: its rules are expressions, functions and fields of nodes
//!   * nodes other than Projection and Filter are ours; no physical optimizer rule runs over a standing plan
//!
//! Not here: reading topics and running operators (`exec`), life cycle and durability of queries (`engine`).

mod array_of_rows;
mod assigned;
mod bind;
mod build;
mod column_aliases;
mod dependent_columns;
mod edge;
mod error;
mod every_row;
mod explain;
mod fragments;
mod functions;
mod intervals;
mod json_operators;
mod ksqldb_text;
mod lateral_unnest;
mod layout;
mod missing;
mod named_arguments;
mod nested;
pub mod node;
mod operands;
mod optimise;
mod ordered_sets;
mod parameter_arguments;
mod parameters;
mod pg_casts;
mod public_names;
mod pull;
mod pull_keys;
mod pull_words;
mod reference;
mod relation_names;
mod request;
mod select_words;
mod series;
mod standing;
mod statement_text;
pub mod system_columns;
#[cfg(test)]
mod tests;
mod text_sum;
mod told_casts;
mod using;
mod whole_rows;
mod window_calls;

pub use array_of_rows::array_of_rows;
pub use assigned::assign_item;
pub use assigned::assigned_value;
pub use assigned::cast_to;
pub use assigned::check_fields;
pub use bind::fold;
pub use bind::in_other_case;
pub use bind::no_such_alias;
use bind::position;
pub use build::Typing;
pub use build::call;
pub use build::escape_in_pattern;
pub use build::not_assignable;
pub use edge::Edge;
pub use edge::EdgeKind;
pub use edge::edge;
pub use error::PlanError;
pub use every_row::EveryRow;
pub use explain::explain;
pub use explain::kept_part;
pub use functions::Functions;
pub use functions::NestedTypes;
pub use intervals::expression_planners;
pub use lateral_unnest::unfold_lists;
pub use missing::missing_functions;
pub use node::Aggregate;
pub use node::AggregateCall;
pub use node::AggregateChanges;
pub use node::AggregateFunction;
pub use node::Alone;
pub use node::BitOperation;
pub use node::Consolidate;
pub use node::Direction;
pub use node::EmptyGroup;
pub use node::Exchange;
pub use node::ExchangeSource;
pub use node::Explode;
pub use node::ForeignJoin;
pub use node::Join;
pub use node::JoinKind;
pub use node::JumpedWindows;
pub use node::NoRow;
pub use node::Node;
pub use node::Normalise;
pub use node::NullGroup;
pub use node::Nulls;
pub use node::OffsetNulls;
pub use node::PseudoColumn;
pub use node::RankColumn;
pub use node::Ranking;
pub use node::Relocated;
pub use node::Retraction;
pub use node::Sink;
pub use node::Source;
pub use node::StreamJoin;
pub use node::TopN;
pub use node::TopRows;
pub use node::Window;
pub use operands::pull_planners;
pub use parameter_arguments::type_arguments;
pub use parameters::cast_types;
pub use parameters::keep_digits;
pub use parameters::nulls;
pub use parameters::placeholder;
pub use parameters::type_operands;
pub use parameters::uuid_casts;
pub use pg_casts::assignable;
pub use pull::execution_error;
pub use pull::name_all_items;
pub use pull::planning_error;
pub use pull::prepare_pull;
pub use pull::shown_name;
pub use pull::with_rules;
pub use pull_keys::Scans;
pub use pull_keys::check_pull_keys;
pub use pull_words::in_ksqldb_words;
pub use reference::FunctionKind;
pub use reference::FunctionUsage;
pub use request::Destination;
pub use request::StandingRequest;
pub use select_words::number_elements;
pub use select_words::three_valued;
pub use standing::Fragment;
pub use standing::Leaf;
pub use standing::Output;
pub use standing::StandingPlan;

use datafusion::common::ScalarValue;
use sqlparser::ast;

use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::catalog::Semantics;
use crate::error::Result;
use crate::model::ColumnRole;
use crate::model::RelationId;
use crate::model::SqlType;
use crate::sql::Select;
use bind::BoundQuery;

/// Plans a standing query.
pub fn plan_standing(
    select: &Select,
    catalog: &Catalog,
    functions: &Functions,
    request: &StandingRequest,
) -> Result<StandingPlan> {
    let (unordered, warning) = without_order(select, request);
    let query = bind::bind(unordered.as_ref().unwrap_or(select), catalog, functions, request)?;
    query.refuse_parameters()?;
    let mut plan = plan_query(&query, catalog, functions, Typing::Checked)
        .map_err(|error| statement_text::with_statement(error, &query, request))?;
    plan.warnings.extend(warning);
    Ok(plan)
}

/// A query for a relation without the order that nothing is limited by: what is kept has none, as little as PostgreSQL's tables.
fn without_order(select: &Select, request: &StandingRequest) -> (Option<Select>, Option<String>) {
    let query = &select.ast;
    let is_bare = query.order_by.is_some() && query.limit_clause.is_none() && query.fetch.is_none();
    let is_on = matches!(query.body.as_ref(), ast::SetExpr::Select(body) if matches!(body.distinct, Some(ast::Distinct::On(_))));
    let is_kept = matches!(request.destination, Destination::Create { .. });
    if !is_bare || is_on || !is_kept || request.semantics.compatibility == Compatibility::Ksqldb {
        return (None, None);
    }
    let unordered = ast::Query { order_by: None, ..query.as_ref().clone() };
    let warning = "ORDER BY is left out: what is kept has no order, put it into the query that reads it";
    (Some(Select { ast: Box::new(unordered), ..select.clone() }), Some(warning.to_string()))
}

/// Plans a push query, with these values for its parameters.
pub fn plan_push(
    select: &Select,
    catalog: &Catalog,
    functions: &Functions,
    semantics: Semantics,
    parameters: &[ScalarValue],
) -> Result<StandingPlan> {
    let request = StandingRequest::new(semantics, Destination::Client);
    let query = bind::bind(select, catalog, functions, &request)?.with_parameters(parameters)?;
    plan_query(&query, catalog, functions, Typing::Checked)
}

/// Plans a push query whose parameters have no values yet, and tells their types; `known` are those that the client told.
pub fn describe_push(
    select: &Select,
    catalog: &Catalog,
    functions: &Functions,
    semantics: Semantics,
    known: &[Option<SqlType>],
) -> Result<(StandingPlan, Vec<SqlType>)> {
    let request = StandingRequest::new(semantics, Destination::Client);
    let query = bind::bind(select, catalog, functions, &request)?;
    let types = query.parameter_types(known, functions)?;
    let query = query.with_parameters(&nulls(&types)?)?;
    Ok((plan_query(&query, catalog, functions, Typing::Checked)?, types))
}

/// Plans a standing query again from its bound text; the relations that it reads must have the columns that they had.
pub fn plan_bound(bound_text: &str, catalog: &Catalog, functions: &Functions) -> Result<StandingPlan> {
    let query = BoundQuery::from_text(bound_text, catalog)?;
    plan_query(&query, catalog, functions, Typing::Accepted)
}

fn plan_query(query: &BoundQuery, catalog: &Catalog, functions: &Functions, typing: Typing) -> Result<StandingPlan> {
    let built = build::build(query, catalog, functions, typing)?;
    let optimised = optimise::optimise(built.root)?;
    let fragments = match query.purpose {
        bind::Purpose::Push => fragments::whole(optimised)?,
        _ => fragments::cut(optimised)?,
    };
    let mut sources: Vec<RelationId> = Vec::new();
    for relation in query.sources.iter().flat_map(bind::BoundSource::relations) {
        if !sources.contains(&relation.id) {
            sources.push(relation.id);
        }
    }
    Ok(StandingPlan {
        state_layouts: layout::layouts(&fragments),
        fragments,
        output: built.output,
        bound_text: query.to_text(),
        sources,
        semantics: query.semantics,
        warnings: built.warnings,
    })
}

/// The columns that make a row's identity: the key columns and, in a windowed view, the window's start; a session's end too.
pub fn relation_key(relation: &Relation) -> Vec<usize> {
    let is_session = relation.window.is_some_and(|window| window.size_ms.is_none());
    let in_key = |role: &ColumnRole| match role {
        ColumnRole::Key | ColumnRole::WindowStart => true,
        ColumnRole::WindowEnd => is_session,
        ColumnRole::Value | ColumnRole::Headers | ColumnRole::Header(_) => false,
    };
    (0..relation.columns.len()).filter(|index| in_key(&relation.columns[*index].role)).collect()
}
