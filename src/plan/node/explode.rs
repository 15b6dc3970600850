//! Rows of a stream, each as often as its longest list has elements.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Field;
use datafusion::common::DFSchema;
use datafusion::common::DFSchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::UserDefinedLogicalNodeCore;

use super::only_input;
use super::order_of_equal;
use super::unaliased;
use crate::model::OperatorId;

/// One row per element of its lists, side by side: the shorter ones end with nulls. A row whose lists are null or empty is gone.
///
/// The schema is the input's columns, then one for the elements of each list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Explode {
    /// The operator.
    pub id: OperatorId,
    /// Facts.
    pub input: LogicalPlan,
    /// Arrays.
    pub lists: Vec<Expr>,
    /// What the columns of their elements are called.
    pub names: Vec<String>,
    /// See above.
    pub schema: DFSchemaRef,
}

impl Explode {
    /// The node over an input.
    pub fn new(id: OperatorId, input: LogicalPlan, lists: Vec<Expr>, names: Vec<String>) -> Result<Self> {
        let mut fields: Vec<_> =
            input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect();
        for (list, name) in lists.iter().zip(&names) {
            let DataType::List(item) = list.get_type(input.schema())? else {
                return datafusion::common::internal_err!("{list} is no list");
            };
            fields.push((None, Arc::new(Field::new(name, item.data_type().clone(), true))));
        }
        let schema = DFSchemaRef::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(Self { id, input, lists, names, schema })
    }
}

impl PartialOrd for Explode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        order_of_equal(self, other)
    }
}

impl UserDefinedLogicalNodeCore for Explode {
    fn name(&self) -> &str {
        "Explode"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.lists.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Explode {}", self.id)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let lists = exprs.into_iter().map(unaliased).collect();
        Self::new(self.id.clone(), only_input(inputs)?, lists, self.names.clone())
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let border = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|column| *column < border).collect()])
    }
}
