//! A view as a plan reads it: page by page, on several threads, only the columns and the keys that are asked for.
//!
//! What a statement says of the leading columns of the key becomes one range of encoded keys. It may hold more rows than
//! are wanted: the conditions stay in the plan.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Operator;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream;

use super::relation_scan::RelationScan;
use crate::catalog::Relation;
use crate::error::Error;
use crate::format::RowKeys;
use crate::plan::relation_key;
use crate::state::ViewPart;
use crate::state::ViewSnapshot;

/// Encoded keys from one (inclusive) to another (exclusive).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct KeyRange {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

/// The rows of a view, as a plan: the columns at `projection`, whose schema is given.
pub(super) fn scan(
    view: &ViewSnapshot,
    schema: &SchemaRef,
    projection: &[usize],
    range: &KeyRange,
    limit: Option<usize>,
    threads: usize,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let each = threads.div_ceil(view.partitions().len().max(1));
    let parts = view.partitions().iter().flat_map(|partition| partition.parts(&range.from, range.to.as_deref(), each));
    let parts: Vec<ViewPart> = parts.collect();
    let rows_max = parts.iter().map(ViewPart::rows_max).sum();
    let rows = |part| -> Arc<dyn PartitionStream> {
        Arc::new(ViewRows { schema: Arc::clone(schema), part, projection: projection.to_vec() })
    };
    RelationScan::plan(schema, parts.into_iter().map(rows).collect(), rows_max, limit)
}

/// The keys that conditions, all of which hold, leave.
pub(super) fn key_range(relation: &Relation, conditions: &[Expr]) -> Result<KeyRange, DataFusionError> {
    let bounds: Vec<Bound<'_>> = conditions.iter().flat_map(conjuncts).filter_map(Bound::of).collect();
    let mut fixed: Vec<ArrayRef> = Vec::new();
    let mut range = KeyRange::default();
    for index in relation_key(relation) {
        let column = &relation.columns[index];
        let own = bounds.iter().filter(|bound| bound.column == column.name);
        let own: Vec<&Bound<'_>> = own.filter(|bound| bound.value.data_type() == *column.field().data_type()).collect();
        let encoded = |bound: &Bound<'_>| -> Result<(ArrayRef, Vec<u8>), DataFusionError> {
            let value = bound.value.to_array()?;
            let columns: Vec<ArrayRef> = fixed.iter().chain([&value]).map(Arc::clone).collect();
            let key = RowKeys::encode_row(&columns, 0).map_err(|error| external(error.into()))?;
            Ok((value, key))
        };
        if let Some(equal) = own.iter().find(|bound| bound.operator == Operator::Eq) {
            let (value, key) = encoded(equal)?;
            fixed.push(value);
            range = KeyRange { to: after_prefix(&key), from: key };
            continue;
        }
        for bound in own {
            let (_, key) = encoded(bound)?;
            let (from, to) = match bound.operator {
                Operator::Gt => (after_prefix(&key), None),
                Operator::GtEq => (Some(key), None),
                Operator::Lt => (None, Some(key)),
                Operator::LtEq => (None, after_prefix(&key)),
                _ => continue,
            };
            range.from = from.into_iter().fold(range.from, Ord::max);
            range.to = match (range.to, to) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        break;
    }
    Ok(range)
}

/// Whether a condition may narrow the keys.
pub(super) fn is_of_key(relation: &Relation, condition: &Expr) -> bool {
    let keys = relation_key(relation);
    Bound::of(condition).is_some_and(|bound| keys.iter().any(|at| relation.columns[*at].name == bound.column))
}

/// A column compared with a value.
struct Bound<'a> {
    column: &'a str,
    operator: Operator,
    value: &'a ScalarValue,
}

impl<'a> Bound<'a> {
    fn of(condition: &'a Expr) -> Option<Self> {
        let Expr::BinaryExpr(binary) = condition else { return None };
        let (column, operator, value) = match (binary.left.as_ref(), binary.right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) => (column, binary.op, value),
            (Expr::Literal(value, _), Expr::Column(column)) => (column, binary.op.swap()?, value),
            _ => return None,
        };
        let compares = matches!(operator, Operator::Eq | Operator::Gt | Operator::GtEq | Operator::Lt | Operator::LtEq);
        (compares && !value.is_null()).then_some(Self { column: &column.name, operator, value })
    }
}

fn conjuncts(condition: &Expr) -> Vec<&Expr> {
    match condition {
        Expr::BinaryExpr(binary) if binary.op == Operator::And => {
            [conjuncts(&binary.left), conjuncts(&binary.right)].concat()
        }
        other => vec![other],
    }
}

/// The least key above all that begin with `prefix`; `None` if there is none.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// One part of a view's rows.
struct ViewRows {
    schema: SchemaRef,
    part: ViewPart,
    projection: Vec<usize>,
}

impl fmt::Debug for ViewRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewRows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl PartitionStream for ViewRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = self.part.clone().batches(Some(self.projection.clone()));
        let batches = batches.map(|batch| batch.map_err(|error| external(error.into())));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream::iter(batches)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_after_a_prefix_is_above_all_that_begin_with_it() {
        assert_eq!(after_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(&[1, 255]), Some(vec![2]));
        assert_eq!(after_prefix(&[255]), None);
    }
}
