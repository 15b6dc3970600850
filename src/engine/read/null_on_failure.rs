//! ksqlDB's rule for a value that cannot be computed: it is NULL and its row stays; a condition that fails does not hold.

use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::datatypes::FieldRef;
use arrow::datatypes::Schema;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::exec::evaluate;

/// The plan in which what is computed for lists and conditions of WHERE is NULL where it fails.
pub(super) fn null_on_failure(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
            let columns = projection.expr().iter();
            let wrapped =
                columns.map(|column| ProjectionExpr { expr: wrap(&column.expr), alias: column.alias.clone() });
            let wrapped = ProjectionExec::try_new(wrapped.collect::<Vec<_>>(), Arc::clone(projection.input()))?;
            return Ok(Transformed::yes(Arc::new(wrapped) as Arc<dyn ExecutionPlan>));
        }
        if let Some(filter) = node.downcast_ref::<FilterExec>() {
            let wrapped = FilterExecBuilder::from(filter).with_predicate(wrap(filter.predicate())).build()?;
            return Ok(Transformed::yes(Arc::new(wrapped) as Arc<dyn ExecutionPlan>));
        }
        Ok(Transformed::no(node))
    });
    wrapped.map(|transformed| transformed.data)
}

/// Columns and literals cannot fail.
fn wrap(expr: &Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
    match expr.children().is_empty() {
        true => Arc::clone(expr),
        false => Arc::new(NullOnFailure { inner: Arc::clone(expr) }),
    }
}

/// An expression's values, NULL in the rows in which it fails.
#[derive(Debug, Eq)]
struct NullOnFailure {
    inner: Arc<dyn PhysicalExpr>,
}

impl PartialEq for NullOnFailure {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Hash for NullOnFailure {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for NullOnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for NullOnFailure {
    fn data_type(&self, input_schema: &Schema) -> Result<DataType> {
        self.inner.data_type(input_schema)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        // The client that asks is not told of each row: the processing log is for queries that run on.
        let values = evaluate(&self.inner, batch, &mut Vec::new());
        values.map(ColumnarValue::Array).map_err(|error| DataFusionError::External(Box::new(error)))
    }

    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        let field = self.inner.return_field(input_schema)?;
        Ok(Arc::new(field.as_ref().clone().with_nullable(true)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match <[_; 1]>::try_from(children) {
            Ok([inner]) => Ok(Arc::new(Self { inner })),
            Err(_) => Err(DataFusionError::Internal("one expression is wrapped, not several".to_owned())),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
