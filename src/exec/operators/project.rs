//! The SELECT list: new user columns, the same system columns. A column whose expression fails is null.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::RecordBatch;
use datafusion::physical_expr::PhysicalExpr;

use super::log_errors;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Step;
use crate::exec::expressions::evaluate;

/// Expressions over an edge.
pub struct Project {
    /// One per column that goes out.
    pub exprs: Vec<Arc<dyn PhysicalExpr>>,
    /// The edge that comes in.
    pub input: Layout,
    /// The edge that goes out.
    pub output: Layout,
}

impl Step for Project {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.output.schema.fields().len());
        for (index, expr) in self.exprs.iter().enumerate() {
            let mut errors = Vec::new();
            let column = evaluate(expr, &batch, &mut errors)?;
            if !errors.is_empty() {
                let became = format!("column \"{}\" set to null", self.output.schema.field(index).name());
                log_errors(cx, &self.input, &batch, &errors, &became);
            }
            let wanted = self.output.schema.field(index).data_type();
            columns.push(if column.data_type() == wanted { column } else { arrow::compute::cast(&column, wanted)? });
        }
        columns.extend_from_slice(&batch.columns()[self.input.users()..]);
        cx.emit(RecordBatch::try_new(Arc::clone(&self.output.schema), columns)?);
        Ok(Progress::Done)
    }
}
