//! A plan that is being built, with what the next step must know of its rows.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;

use super::failure;
use crate::catalog::Format;
use crate::error::Error;
use crate::error::Result;
use crate::model::OperatorId;
use crate::plan::edge::column_index;
use crate::plan::node::Exchange;
use crate::plan::node::Normalise;
use crate::plan::node::plan_of;

/// How rows are spread over the partitions of a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// The expressions whose bytes are hashed, `None` if rows lie anywhere.
    pub keys: Option<Vec<Expr>>,
    /// How they are encoded.
    pub format: Format,
    /// The number of partitions.
    pub partitions: i32,
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
        self.sent(consumer, spread, None)
    }

    /// The same, where the bytes of the key have these names for its columns.
    pub fn exchanged_as(self, consumer: &OperatorId, spread: Spread, names: Vec<String>) -> Result<Self> {
        self.sent(consumer, spread, Some(names))
    }

    fn sent(self, consumer: &OperatorId, spread: Spread, names: Option<Vec<String>>) -> Result<Self> {
        let rows = self.normalised(consumer)?;
        let plan = plan_of(Exchange {
            id: consumer.inserted("exchange", 0),
            input: rows.plan,
            keys: spread.keys.clone().unwrap_or_default(),
            names,
            key_format: spread.format,
            partitions: spread.partitions,
        });
        Ok(Self { plan, spread, ..rows })
    }

    /// The rows that meet a condition; `consumer` names the filter.
    pub fn filtered(self, condition: Expr, consumer: &OperatorId) -> Result<Self> {
        let rows = self.normalised(consumer)?;
        rows.with_filter(condition)
    }

    fn with_filter(self, condition: Expr) -> Result<Self> {
        let plan = LogicalPlanBuilder::from(self.plan)
            .filter(condition)
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| failure::of_datafusion(error, None))?;
        Ok(Self { plan, ..self })
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
