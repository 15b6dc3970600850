//! Rows of several streams as those of one.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::DFSchema;
use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::common::TableReference;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;

use super::order_of_equal;
use crate::model::OperatorId;

/// All rows of all inputs, in the order in which they were read.
///
/// The inputs are append-only and have the same columns, which are the schema; any of them may be null.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Union {
    /// The place of the union in FROM.
    pub id: OperatorId,
    /// The branches, in the order of the text.
    pub branches: Vec<LogicalPlan>,
    /// See above.
    pub schema: DFSchemaRef,
}

impl Union {
    /// The union of branches that have the same columns.
    pub fn of(id: OperatorId, branches: Vec<LogicalPlan>) -> Result<Self> {
        let Some(first) = branches.first() else {
            return datafusion::common::internal_err!("a union of nothing");
        };
        if let Some(other) = branches.iter().find(|branch| !columns(branch).eq(columns(first))) {
            return datafusion::common::internal_err!("a union of {} and {}", first.schema(), other.schema());
        }
        // A column that the first branch never leaves null may be null in another.
        let fields = first
            .schema()
            .iter()
            .map(|(qualifier, field)| (qualifier.cloned(), Arc::new(field.as_ref().clone().with_nullable(true))));
        let schema = DFSchema::new_with_metadata(fields.collect(), Default::default())?;
        Ok(Self { id, branches, schema: Arc::new(schema) })
    }
}

/// The qualified names of a plan's columns.
fn columns(plan: &LogicalPlan) -> impl Iterator<Item = (Option<&TableReference>, &str)> {
    plan.schema().iter().map(|(qualifier, field)| (qualifier, field.name().as_str()))
}

/// The branches without the columns that not all of them have, in the order of the first. An optimiser takes from each branch
/// what nobody asks for, but a branch that is sent on keeps the columns by which it is sent.
fn in_shared_columns(branches: Vec<LogicalPlan>) -> Result<Vec<LogicalPlan>> {
    let Some(first) = branches.first() else { return Ok(branches) };
    let is_everywhere = |column: &(Option<&TableReference>, &str)| {
        branches.iter().all(|branch| columns(branch).any(|other| other == *column))
    };
    let shared = columns(first).filter(is_everywhere);
    let shared: Vec<Column> = shared.map(|(qualifier, name)| Column::new(qualifier.cloned(), name)).collect();
    let narrow = |branch: LogicalPlan| {
        let is_same = columns(&branch).eq(shared.iter().map(|column| (column.relation.as_ref(), column.name.as_str())));
        match is_same {
            true => Ok(branch),
            false => LogicalPlanBuilder::from(branch).project(shared.iter().cloned().map(Expr::Column))?.build(),
        }
    };
    branches.into_iter().map(narrow).collect()
}

impl PartialOrd for Union {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for Union {
    fn name(&self) -> &str {
        "Union"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.branches.iter().collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Union {}", self.id)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        Self::of(self.id.clone(), in_shared_columns(inputs)?)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec(); self.branches.len()])
    }
}
