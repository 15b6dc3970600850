//! A view that nothing keeps, for those who ask what there is: its columns. Statements that read it have its query instead.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::catalog::TableProvider;
use datafusion::datasource::TableType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use crate::catalog::PlainView;

pub(super) struct ViewColumns {
    name: String,
    schema: SchemaRef,
}

impl ViewColumns {
    pub(super) fn of(view: &PlainView) -> Self {
        let fields: Vec<_> = view.columns.iter().map(|column| column.field()).collect();
        Self { name: view.name.clone(), schema: Arc::new(Schema::new(fields)) }
    }
}

impl fmt::Debug for ViewColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ViewColumns").field(&self.name).finish()
    }
}

#[async_trait]
impl TableProvider for ViewColumns {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        Err(DataFusionError::Internal(format!("the view {} was not replaced by its query", self.name)))
    }
}
