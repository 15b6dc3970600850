//! SQL over a view's pages beside the same rows in DataFusion's own table in memory: one run, one plan, both warm.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::MemTable;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::SessionConfig;
use datafusion::prelude::SessionContext;
use tidemill::state::ViewPart;
use tidemill::state::ViewPartition;

const QUERY: &str = "SELECT c1 % 100 AS bucket, COUNT(*), SUM(c3), MAX(c5) FROM rows GROUP BY bucket";
/// The columns of it, which a server's scan would be asked for.
const COLUMNS: [usize; 3] = [1, 3, 5];
const THREADS: usize = 2;
const RUNS: usize = 30;

/// A part of the view as a plan's partition.
struct Part {
    schema: SchemaRef,
    part: ViewPart,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Part")
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = self.part.clone().batches(Some(COLUMNS.to_vec())).map(|batch| Ok(batch.expect("read")));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::iter(batches)))
    }
}

/// Prints the median time of one query over a view and over the same rows in memory.
pub fn measure(what: &str, view: &ViewPartition) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().expect("a runtime");
    let schema = Arc::clone(view.schema());
    let rows: Vec<RecordBatch> = view.batches(None).map(|batch| batch.expect("read")).collect();
    let plain: Vec<Vec<RecordBatch>> = rows.chunks(rows.len().div_ceil(THREADS)).map(<[RecordBatch]>::to_vec).collect();
    let memory = Arc::new(MemTable::try_new(Arc::clone(&schema), plain).expect("rows of the schema"));
    let asked = Arc::new(schema.project(&COLUMNS).expect("columns of the view"));
    let part = |part| Arc::new(Part { schema: Arc::clone(&asked), part }) as Arc<dyn PartitionStream>;
    let parts = view.parts(&[], None, THREADS).into_iter().map(part).collect();
    let pages = Arc::new(StreamingTable::try_new(Arc::clone(&asked), parts).expect("parts of the schema"));
    let of_memory = runtime.block_on(median(memory));
    let of_view = runtime.block_on(median(pages));
    let ratio = of_view.as_secs_f64() / of_memory.as_secs_f64();
    println!("scan and aggregate, {what}: view {of_view:.2?}, MemTable {of_memory:.2?}, {ratio:.2} times");
}

async fn median(table: Arc<dyn TableProvider>) -> Duration {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(THREADS));
    context.register_table("rows", table).expect("a name");
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let begun = Instant::now();
        let answer = context.sql(QUERY).await.expect("planned").collect().await.expect("computed");
        times.push(begun.elapsed());
        assert_eq!(answer.iter().map(RecordBatch::num_rows).sum::<usize>(), 100);
    }
    times.sort();
    times[RUNS / 2]
}
