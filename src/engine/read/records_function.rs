//! `tidemill.records('topic')`: the records of a topic as a table, without a stream over it.
//!
//! Conditions on partition and offset, and a lower bound on the time, decide what is read at all.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session as PlanningSession;
use datafusion::catalog::TableFunctionArgs;
use datafusion::catalog::TableFunctionImpl;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::TableType;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::TableProviderFilterPushDown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use sqlparser::ast;

use super::record_bounds::RecordBounds;
use super::topic_reader::TopicReader;
use super::topic_reader::Until;
use crate::broker::Client;
use crate::engine::records;
use crate::engine::records::RecordColumn;
use crate::engine::records::Shown;
use crate::engine::topic;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::Offset;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::security::Principal;
use crate::sql::walk;

/// The name under which DataFusion, whose functions have no schema, knows the function.
pub(super) const NAME: &str = "tidemill.records";

/// The function, for one session.
pub(super) struct RecordsFunction {
    pub(super) client: Arc<dyn Client>,
    pub(super) principal: Principal,
}

impl fmt::Debug for RecordsFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

impl TableFunctionImpl for RecordsFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        let name = match args.exprs() {
            [Expr::Literal(literal, _)] => literal.try_as_str().flatten(),
            _ => None,
        };
        let Some(name) = name else {
            let error = Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("{NAME} takes the name of a topic"));
            return Err(external(error.hint(format!("Write it as a text: {NAME}('payments')."))));
        };
        let metadata = self.client.metadata();
        let topic = topic::readable(&self.principal, &metadata, name).map_err(external)?;
        Ok(Arc::new(RecordsTable {
            client: Arc::clone(&self.client),
            topic: topic.id,
            partitions: topic.partitions,
            schema: records::schema(&RecordColumn::ALL, Shown::Bytes),
        }))
    }
}

/// Gives calls of the function the name that DataFusion knows.
pub(super) fn rename_calls(statement: &mut ast::Statement) {
    let _ = walk::walk_mut(statement, |node| {
        if let walk::NodeMut::TableFactor(ast::TableFactor::Table { name, args: Some(_), .. }) = node
            && name.to_string().eq_ignore_ascii_case(NAME)
        {
            *name = ast::ObjectName::from(vec![ast::Ident::new(NAME)]);
        }
        ControlFlow::<()>::Continue(())
    });
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The records of one topic.
struct RecordsTable {
    client: Arc<dyn Client>,
    topic: TopicId,
    partitions: i32,
    schema: SchemaRef,
}

impl RecordsTable {
    /// The partitions to read, and from where to where.
    async fn partitions(
        &self,
        bounds: &RecordBounds,
        columns: &Arc<[RecordColumn]>,
    ) -> Result<Vec<Arc<dyn PartitionStream>>, Error> {
        let schema = records::schema(columns, Shown::Bytes);
        let mut streams: Vec<Arc<dyn PartitionStream>> = Vec::new();
        for partition in (0..self.partitions).filter(|partition| bounds.has_partition(*partition)) {
            let partition = TopicPartition::new(self.topic, partition);
            // All ends are taken before the first record is read: records that come later belong to the next statement.
            let ends = self.client.ends(partition).await?;
            let mut from = ends.log_start_offset.max(bounds.offset_from());
            if let Some(time) = bounds.time_from() {
                let first = self.client.offset_for_time(partition, time).await?;
                from = from.max(first.map_or(ends.readable_end(), |(offset, _)| offset));
            }
            let upto = ends.readable_end().min(bounds.offset_upto());
            if from < upto {
                let (client, columns) = (Arc::clone(&self.client), Arc::clone(columns));
                streams.push(Arc::new(PartitionRecords {
                    client,
                    partition,
                    from,
                    upto,
                    columns,
                    schema: schema.clone(),
                }));
            }
        }
        Ok(streams)
    }
}

impl fmt::Debug for RecordsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecordsTable").field(&self.topic).finish()
    }
}

#[async_trait]
impl TableProvider for RecordsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        // What is read is bounded by them; DataFusion looks at each row again.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn PlanningSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let columns: Arc<[RecordColumn]> = match projection {
            Some(projection) => projection.iter().map(|index| RecordColumn::ALL[*index]).collect(),
            None => RecordColumn::ALL.into(),
        };
        let bounds = RecordBounds::of(filters);
        let streams = self.partitions(&bounds, &columns).await.map_err(external)?;
        let table = StreamingTable::try_new(records::schema(&columns, Shown::Bytes), streams)?;
        table.scan(state, None, &[], limit).await
    }
}

/// The records of one partition between two offsets.
struct PartitionRecords {
    client: Arc<dyn Client>,
    partition: TopicPartition,
    from: Offset,
    upto: Offset,
    columns: Arc<[RecordColumn]>,
    schema: SchemaRef,
}

impl fmt::Debug for PartitionRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {} up to {}", self.partition, self.from, self.upto)
    }
}

impl PartitionStream for PartitionRecords {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let reader = TopicReader {
            client: Arc::clone(&self.client),
            partition: self.partition,
            next: self.from,
            until: Until::Offset(self.upto),
        };
        let rows = records::stream(reader, Arc::clone(&self.columns), Shown::Bytes).map_err(external);
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}
