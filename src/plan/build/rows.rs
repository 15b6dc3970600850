//! A plan that is being built, with what the next step must know of its rows.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::when;
use sqlparser::ast;

use super::expression::Expressions;
use super::failure;
use crate::catalog::Format;
use crate::error::Error;
use crate::error::Result;
use crate::model::OperatorId;
use crate::plan::edge::column_index;
use crate::plan::node::Exchange;
use crate::plan::node::Node;
use crate::plan::node::Normalise;
use crate::plan::node::Relocate;
use crate::plan::node::Relocated;
use crate::plan::node::plan_of;

/// How rows are spread over the partitions of a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// The expressions whose bytes are hashed, `None` if rows lie anywhere.
    pub keys: Option<Vec<Expr>>,
    /// What the keys are called in these bytes: of several columns JSON has the names in them, so that equal values under
    /// other names lie elsewhere. Empty where names are not written.
    pub names: Vec<String>,
    /// How they are encoded.
    pub format: Format,
    /// The number of partitions.
    pub partitions: i32,
}

impl Spread {
    /// By the values of keys, under their own names.
    pub fn by(keys: Vec<Expr>, format: Format, partitions: i32) -> Self {
        let names = keys.iter().map(|key| key.qualified_name().1).collect();
        Self::named(keys, names, format, partitions)
    }

    /// By the values of keys, under other names.
    pub fn named(keys: Vec<Expr>, names: Vec<String>, format: Format, partitions: i32) -> Self {
        let names = if format == Format::Json && 1 < keys.len() { names } else { Vec::new() };
        Self { keys: Some(keys), names, format, partitions }
    }

    /// The same rows in the same places: other expressions have the values of the keys, none if it is not known which.
    pub fn told_by(self, keys: Option<Vec<Expr>>) -> Self {
        let names = if keys.is_some() { self.names } else { Vec::new() };
        Self { keys, names, ..self }
    }

    /// What the keys are called where these are not their own names.
    fn other_names(&self) -> Option<Vec<String>> {
        let is_own = |(key, name): (&Expr, &String)| matches!(key, Expr::Column(column) if column.name == *name);
        let own = self.keys.iter().flatten().zip(&self.names).all(is_own);
        (!own).then(|| self.names.clone())
    }

    /// Rows, sent on to these partitions.
    fn exchange(&self, id: OperatorId, input: LogicalPlan) -> Exchange {
        Exchange {
            id,
            input,
            keys: self.keys.clone().unwrap_or_default(),
            names: self.other_names(),
            key_format: self.format,
            partitions: self.partitions,
        }
    }
}

/// How rows change what they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// Each is a fact.
    Append,
    /// Each replaces the one of its key.
    Upsert,
    /// Each is added or taken back.
    Retract,
}

/// Rows so far.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The plan.
    pub plan: LogicalPlan,
    /// How they are spread.
    pub spread: Spread,
    /// The columns that make a row's identity, empty if nothing does.
    pub key: Vec<Expr>,
    /// How they change.
    pub changes: Changes,
}

impl Rows {
    /// Their columns.
    pub fn schema(&self) -> &DFSchemaRef {
        self.plan.schema()
    }

    /// The rows as facts or retractions: upserts go through a state that knows the row before.
    pub fn normalised(self, consumer: &OperatorId) -> Result<Self> {
        if self.changes != Changes::Upsert {
            return Ok(self);
        }
        let schema = Arc::clone(self.schema());
        let key = self.key.iter().filter_map(|key| column_index(key, &schema)).collect::<Vec<_>>();
        if key.len() != self.key.len() || key.is_empty() {
            return Err(Error::unsupported("rows of a table without its whole key cannot be filtered or aggregated"));
        }
        let plan = plan_of(Normalise { id: consumer.inserted("normalise", 0), input: self.plan, key });
        Ok(Self { plan, changes: Changes::Retract, ..self })
    }

    /// The rows, sent on to the partitions of `spread`.
    pub fn exchanged(self, consumer: &OperatorId, spread: Spread) -> Result<Self> {
        let rows = self.normalised(consumer)?;
        let plan = plan_of(spread.exchange(consumer.inserted("exchange", 0), rows.plan));
        Ok(Self { plan, spread, ..rows })
    }

    /// The rows, which are spread by keys, each in the partition of its key. Clients put records without a key into any
    /// partition, and such as use another hash than Java's put all of theirs elsewhere.
    pub fn relocated(self, consumer: &OperatorId, which: Relocated) -> Result<Self> {
        let needs_none = self.spread.keys.is_none() || self.spread.partitions == 1;
        if needs_none || self.changes == Changes::Upsert || !lies_as_clients_wrote(&self.plan) {
            return Ok(self);
        }
        let exchange = self.spread.exchange(consumer.inserted("relocate", 0), self.plan);
        let plan = plan_of(Relocate { exchange, leaf: 0, which });
        Ok(Self { plan, ..self })
    }

    /// The rows that meet a condition; `consumer` names the filter.
    pub fn filtered(self, condition: Expr, consumer: &OperatorId) -> Result<Self> {
        let rows = self.normalised(consumer)?;
        rows.with_filter(condition)
    }

    /// The rows with one more column, of a name without a relation.
    pub fn with_column(self, expr: Expr, name: &str) -> Result<Self> {
        let schema = Arc::clone(self.schema());
        let columns = (0..schema.fields().len()).map(|index| column_at(&schema, index));
        let plan = LogicalPlanBuilder::from(self.plan)
            .project(columns.chain([expr.alias(name)]))
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| failure::of_datafusion(error, None))?;
        Ok(Self { plan, ..self })
    }

    /// Rows of a join that keeps one side, with nothing of the other (`optional`) where a pair does not meet what else ON asks.
    pub fn lacking_unless(
        self,
        conditions: &[&ast::Expr],
        optional: &DFSchemaRef,
        expressions: &Expressions<'_>,
    ) -> Result<Self> {
        let schema = Arc::clone(self.schema());
        let planned = conditions.iter().map(|condition| expressions.condition(condition, &schema, "JOIN/ON"));
        let Some(met) = conjunction(planned.collect::<Result<Vec<_>>>()?) else { return Ok(self) };
        let column = |index: usize| {
            let (qualifier, field) = schema.qualified_field(index);
            let column = column_at(&schema, index);
            if optional.index_of_column_by_name(qualifier, field.name()).is_none() {
                return Ok(column);
            }
            let lacking = when(met.clone(), column).end()?;
            Ok(lacking.alias_qualified(qualifier.cloned(), field.name()))
        };
        let projected = (0..schema.fields().len()).map(column).collect::<datafusion::common::Result<Vec<_>>>();
        let plan = projected
            .and_then(|projected| LogicalPlanBuilder::from(self.plan.clone()).project(projected)?.build())
            .map_err(|error| failure::of_datafusion(error, None))?;
        Ok(Self { plan, ..self })
    }

    fn with_filter(self, condition: Expr) -> Result<Self> {
        let plan = LogicalPlanBuilder::from(self.plan)
            .filter(condition)
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| failure::of_datafusion(error, None))?;
        Ok(Self { plan, ..self })
    }
}

/// Whether rows of a stream lie where clients put its records. Queries put those that they write where their key belongs, and
/// nobody else writes their topics.
fn lies_as_clients_wrote(plan: &LogicalPlan) -> bool {
    match Node::of(plan) {
        Some(Node::Source(source)) => !source.relation.is_table() && source.relation.query.is_none(),
        Some(Node::Exchange(_) | Node::Relocate(_)) => false,
        _ => plan.inputs().into_iter().any(lies_as_clients_wrote),
    }
}

/// The column at a place of a schema, as an expression.
pub fn column_at(schema: &DFSchemaRef, index: usize) -> Expr {
    Expr::Column(Column::from(schema.qualified_field(index)))
}

/// The output column of a name, as an expression.
pub fn column_named(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}
