//! A relation as a DataFusion table: a view's pages, or a topic read from its start to its readable end.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::Field;
use arrow::datatypes::FieldRef;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::catalog::TableProvider;
use datafusion::datasource::TableType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::TableProviderFilterPushDown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::PartitionStream;

use super::relation_scan::RelationScan;
use super::topic_rows::TopicRows;
use super::view_scan;
use super::view_scan::is_of_key;
use super::view_scan::key_range;
use crate::broker::Client;
use crate::catalog::Compatibility;
use crate::catalog::Relation;
use crate::engine::codec;
use crate::error::Error;
use crate::model::SqlType;
use crate::model::TopicPartition;
use crate::plan::PseudoColumn;
use crate::plan::system_columns;
use crate::state::Frontier;
use crate::state::ViewSnapshot;

/// One relation, as one statement sees it.
pub(super) struct RelationTable {
    relation: Arc<Relation>,
    /// How many of the relation's columns are read, from the first.
    columns: usize,
    schema: SchemaRef,
    /// The last columns of the schema, which are not the relation's own.
    pseudo: Vec<PseudoColumn>,
    rules: Compatibility,
    view: Option<Arc<ViewSnapshot>>,
    client: Arc<dyn Client>,
    /// Where topics end, if not where they can be read to.
    ends: Arc<Frontier>,
}

impl RelationTable {
    /// The first `columns` of a relation; `view` is there when its rows are kept for reading.
    pub(super) fn new(
        relation: Arc<Relation>,
        columns: usize,
        rules: Compatibility,
        view: Option<Arc<ViewSnapshot>>,
        client: Arc<dyn Client>,
        ends: Arc<Frontier>,
    ) -> Self {
        let fields = relation.columns[..columns].iter().map(|column| column.field());
        let schema = Schema::new(fields.collect::<Vec<_>>());
        Self { relation, columns, schema: Arc::new(schema), pseudo: Vec::new(), rules, view, client, ends }
    }

    /// The same with ROWTIME, ROWPARTITION and ROWOFFSET behind its columns, as its topic tells them: what is kept of a view does not.
    pub(super) fn with_system_columns(mut self, rules: Compatibility) -> Self {
        let folded = |column: &PseudoColumn| match rules {
            Compatibility::Postgres => column.word().to_string(),
            Compatibility::Ksqldb => column.word().to_uppercase(),
        };
        let data_type = |column: &PseudoColumn| match (column, rules) {
            (PseudoColumn::RowTime, Compatibility::Postgres) => SqlType::TimestampTz.arrow(),
            (PseudoColumn::RowTime, Compatibility::Ksqldb) | (PseudoColumn::RowOffset, _) => SqlType::BigInt.arrow(),
            (PseudoColumn::RowPartition, _) => SqlType::Int.arrow(),
        };
        self.pseudo = system_columns::of_relation(&self.relation);
        let mut fields: Vec<FieldRef> = self.schema.fields().iter().cloned().collect();
        fields.extend(self.pseudo.iter().map(|column| Arc::new(Field::new(folded(column), data_type(column), true))));
        Self { schema: Arc::new(Schema::new(fields)), view: None, ..self }
    }

    /// The topic's partitions, with only the columns at the places `used`, and the number of their records.
    async fn topic_partitions(
        &self,
        schema: &SchemaRef,
        used: &[usize],
    ) -> Result<(Vec<Arc<dyn PartitionStream>>, usize), Error> {
        let decoder = Arc::new(codec::decoder(&self.relation)?);
        let mut partitions: Vec<Arc<dyn PartitionStream>> = Vec::new();
        let mut records = 0;
        for partition in 0..self.relation.partitions {
            let partition = TopicPartition::new(self.relation.topic_id, partition);
            // All ends are taken before the first record is read: rows that come later belong to the next statement.
            let ends = self.client.ends(partition).await?;
            let upto = self.ends.get(&partition).copied().unwrap_or(ends.readable_end());
            records += usize::try_from(upto.0 - ends.log_start_offset.0).unwrap_or(0);
            partitions.push(Arc::new(TopicRows {
                client: Arc::clone(&self.client),
                decoder: Arc::clone(&decoder),
                schema: Arc::clone(schema),
                used: used.to_vec(),
                pseudo: self.pseudo.clone(),
                columns: self.columns,
                partition,
                from: ends.log_start_offset,
                upto,
                newest_only: self.relation.is_table(),
                null_rows: self.rules == Compatibility::Postgres,
            }));
        }
        Ok((partitions, records))
    }
}

impl fmt::Debug for RelationTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RelationTable").field(&self.relation.name).finish()
    }
}

#[async_trait]
impl TableProvider for RelationTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        if self.relation.materialized_view { TableType::View } else { TableType::Base }
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        let narrows = |filter: &&Expr| match self.view.is_some() && is_of_key(&self.relation, filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(narrows).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let external = |error: Error| DataFusionError::External(Box::new(error));
        // With conditions left in the plan, more rows than the limit may be needed.
        let limit = limit.filter(|_| filters.is_empty());
        // A view may have more columns than its relation.
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let schema = Arc::new(self.schema.project(projection)?);
        let Some(view) = &self.view else {
            let (partitions, records) = self.topic_partitions(&schema, projection).await.map_err(external)?;
            return RelationScan::plan(&schema, partitions, records, limit);
        };
        let range = key_range(&self.relation, filters)?;
        // Columns that were added since the relation was looked up stand before those that nobody sees.
        let place = |at: &usize| -> Result<usize, DataFusionError> {
            let column = &self.relation.columns[*at];
            if column.is_hidden() { Ok(view.schema().index_of(&column.name)?) } else { Ok(*at) }
        };
        let places = projection.iter().map(place).collect::<Result<Vec<usize>, DataFusionError>>()?;
        view_scan::scan(view, &schema, &places, &range, limit, state.config().target_partitions())
    }
}
