//! Rows of several streams as those of one.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
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
        // A column that the first branch never leaves null may be null in another.
        let fields = first
            .schema()
            .iter()
            .map(|(qualifier, field)| (qualifier.cloned(), Arc::new(field.as_ref().clone().with_nullable(true))));
        let schema = DFSchema::new_with_metadata(fields.collect(), Default::default())?;
        Ok(Self { id, branches, schema: Arc::new(schema) })
    }
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
        Self::of(self.id.clone(), inputs)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec(); self.branches.len()])
    }
}
