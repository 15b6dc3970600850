//! Tables beside each other: rows that are given and taken back, told apart by their branch and its key.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::TableReference;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::lit;

use super::expression::Expressions;
use super::failure;
use super::inner_table;
use super::output::Selected;
use super::rows::Rows;
use super::rows::column_at;
use super::union::in_partitions_of;
use super::union::typed;
use crate::error::Error;
use crate::error::Result;
use crate::model::OperatorId;
use crate::plan::bind::BoundQuery;
use crate::plan::bind::BoundSource;
use crate::plan::node::Union;
use crate::plan::node::plan_of;

/// The number of a row's branch, and what is its key there, under names that no word can be.
const BRANCH: &str = "?branch";
const KEY: &str = "?key";

/// Columns that hold the keys of branches: those of one type share a column.
#[derive(Default)]
struct Slots {
    types: Vec<DataType>,
}

impl Slots {
    /// The places of the keys of a branch.
    fn of(&mut self, keys: &[DataType]) -> Vec<usize> {
        let mut places: Vec<usize> = Vec::with_capacity(keys.len());
        for key in keys {
            let free = |place: &usize| self.types[*place] == *key && !places.contains(place);
            let place = (0..self.types.len()).find(free).unwrap_or_else(|| {
                self.types.push(key.clone());
                self.types.len() - 1
            });
            places.push(place);
        }
        places
    }
}

/// One branch: what it selects, its key and the places of that.
struct Branch {
    selected: Selected,
    key: Vec<Expr>,
    places: Vec<usize>,
}

/// The rows of all branches, in the partitions of the first.
pub fn build(source: &BoundSource, id: &OperatorId, expressions: &Expressions<'_>) -> Result<Rows> {
    let mut slots = Slots::default();
    let mut branches = Vec::with_capacity(source.queries.len());
    for (number, query) in source.queries.iter().enumerate() {
        let selected = inner_table::placed(query, &id.inserted("branch", number), expressions)?;
        let key = inner_table::key_of(&selected);
        let types = key.iter().map(|key| key.get_type(selected.rows.schema()));
        let types = types.collect::<datafusion::common::Result<Vec<_>>>();
        let places = slots.of(&types.map_err(|error| failure::of_datafusion(error, None))?);
        branches.push(Branch { selected, key, places });
    }
    let mut built: Vec<Rows> = Vec::with_capacity(branches.len());
    for (number, (branch, query)) in branches.into_iter().zip(&source.queries).enumerate() {
        let id = id.inserted("branch", number);
        let rows = branch.project(number, query, source, (&slots, &id))?;
        built.push(match built.first() {
            Some(first) => in_partitions_of(first, rows, &id)?,
            None => rows,
        });
    }
    let first = built.first().ok_or_else(|| Error::internal("a union of nothing"))?;
    let (spread, key, changes) = (first.spread.clone(), first.key.clone(), first.changes);
    let plans = built.into_iter().map(|rows| rows.plan).collect();
    let union = Union::of(id.clone(), plans).map_err(|error| failure::of_datafusion(error, None))?;
    Ok(Rows { plan: plan_of(union), spread, key, changes })
}

impl Branch {
    /// The rows as retractions in the columns of the union, and behind these what tells them apart.
    fn project(
        self,
        number: usize,
        query: &BoundQuery,
        source: &BoundSource,
        (slots, id): (&Slots, &OperatorId),
    ) -> Result<Rows> {
        let Self { selected: Selected { rows, items, .. }, key, places } = self;
        let rows = rows.normalised(id)?;
        let schema = Arc::clone(rows.schema());
        let qualifier = TableReference::bare(source.alias.as_str());
        let mut projected = Vec::with_capacity(items.len() + 1 + slots.types.len());
        for ((item, column), bound) in items.into_iter().zip(&source.relation.columns).zip(&query.items) {
            let expr = typed(item, &column.sql_type.arrow(), &schema, &bound.expr)?;
            projected.push(expr.alias_qualified(Some(qualifier.clone()), &column.name));
        }
        let shown = projected.len();
        let number = i32::try_from(number).map_err(|_| Error::internal("a union of so many branches"))?;
        projected.push(lit(number).alias_qualified(Some(qualifier.clone()), BRANCH));
        for (slot, data_type) in slots.types.iter().enumerate() {
            let own = places.iter().position(|place| *place == slot).map(|place| key[place].clone());
            let none = ScalarValue::try_from(data_type).map_err(|error| failure::of_datafusion(error, None))?;
            let expr = own.unwrap_or(Expr::Literal(none, None));
            projected.push(expr.alias_qualified(Some(qualifier.clone()), format!("{KEY}{slot}")));
        }
        let plan = LogicalPlanBuilder::from(rows.plan)
            .project(projected)
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| failure::of_datafusion(error, None))?;
        let key = (shown..plan.schema().fields().len()).map(|place| column_at(plan.schema(), place)).collect();
        Ok(Rows { spread: rows.spread.told_by(None), key, plan, changes: rows.changes })
    }
}
