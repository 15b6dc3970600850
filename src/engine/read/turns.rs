//! Plans that give way: between two turns of a query others have theirs, and one that nobody waits for any more ends there.
//!
//! DataFusion's leaves give way after every few batches. A join makes many rows of few: one without an equality, or with a
//! condition beside it, compares each row that it looks up with many that it holds, and computes until it has a batch of those
//! that meet. So it is given the rows that it looks up in pieces, and each piece is as large as a turn is long.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::RecordBatchStream;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ChildrenPropertiesMode;
use datafusion::physical_plan::DisplayAs;
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::PlanProperties;
use datafusion::physical_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use futures::Stream;
use futures::StreamExt;

use crate::env::Clock;

/// How long a join may take for a piece of the rows that it looks up, about.
const TURN: Duration = Duration::from_millis(10);
/// Rows of the first piece, of which nothing tells how long it takes.
const FIRST_ROWS: usize = 1;
/// By what pieces grow that take far less than a turn.
const GROWTH: usize = 4;

/// The plan, which gives way after every few batches of each join, and within the computation of one.
pub(super) fn giving_way(plan: Arc<dyn ExecutionPlan>, clock: &Arc<dyn Clock>) -> Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        if node.children().len() < 2 {
            return Ok(Transformed::no(node));
        }
        let node = if compares_pairs(&node) { in_pieces(node, clock)? } else { node };
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>))
    });
    wrapped.map(|transformed| transformed.data)
}

/// Whether a join may compare far more pairs of rows than meet.
fn compares_pairs(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let has_condition = |join: &HashJoinExec| join.filter().is_some();
    plan.downcast_ref::<NestedLoopJoinExec>().is_some()
        || plan.downcast_ref::<HashJoinExec>().is_some_and(has_condition)
}

/// The join, whose right side, which it looks up in what it holds of the left one, comes in pieces.
fn in_pieces(join: Arc<dyn ExecutionPlan>, clock: &Arc<dyn Clock>) -> Result<Arc<dyn ExecutionPlan>> {
    let mut children: Vec<Arc<dyn ExecutionPlan>> = join.children().into_iter().cloned().collect();
    if let Some(right) = children.last_mut() {
        *right = Arc::new(InPieces { input: Arc::clone(right), clock: Arc::clone(clock) });
    }
    join.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

/// The rows of its input, in pieces.
struct InPieces {
    input: Arc<dyn ExecutionPlan>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for InPieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InPieces").field("input", &self.input).finish_non_exhaustive()
    }
}

impl DisplayAs for InPieces {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InPieces")
    }
}

impl ExecutionPlan for InPieces {
    fn name(&self) -> &str {
        "InPieces"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(match children.pop() {
            Some(input) => Arc::new(Self { input, clock: Arc::clone(&self.clock) }),
            None => self,
        })
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(Pieces {
            input: self.input.execute(partition, context)?,
            clock: Arc::clone(&self.clock),
            rest: None,
            rows: FIRST_ROWS,
            handed_out: None,
        }))
    }
}

struct Pieces {
    input: SendableRecordBatchStream,
    clock: Arc<dyn Clock>,
    /// What of a batch is still to come.
    rest: Option<RecordBatch>,
    /// Rows of the next piece.
    rows: usize,
    /// Rows of the last piece, and when it was handed out.
    handed_out: Option<(usize, Duration)>,
}

impl Stream for Pieces {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let pieces = &mut *self;
        if let Some((rows, since)) = pieces.handed_out.take() {
            let took = pieces.clock.monotonic().saturating_sub(since);
            pieces.rows = rows_after(rows, took);
            if TURN <= took {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        let batch = match pieces.rest.take() {
            Some(rest) => rest,
            None => match ready!(pieces.input.poll_next_unpin(context)) {
                Some(Ok(batch)) => batch,
                ended => return Poll::Ready(ended),
            },
        };
        let count = pieces.rows.min(batch.num_rows());
        pieces.rest = (count < batch.num_rows()).then(|| batch.slice(count, batch.num_rows() - count));
        if 0 < count {
            pieces.handed_out = Some((count, pieces.clock.monotonic()));
        }
        Poll::Ready(Some(Ok(batch.slice(0, count))))
    }
}

impl RecordBatchStream for Pieces {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

/// Rows that take about a turn, if so many took so long.
fn rows_after(rows: usize, took: Duration) -> usize {
    if took.saturating_mul(2) < TURN {
        return rows.saturating_mul(GROWTH);
    }
    let wanted = rows as u128 * TURN.as_nanos() / took.as_nanos().max(1);
    usize::try_from(wanted).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;

    use datafusion::physical_plan::execute_stream;
    use datafusion::prelude::SessionConfig;
    use datafusion::prelude::SessionContext;
    use futures::future::BoxFuture;
    use futures::task::noop_waker;

    use super::*;

    /// So much later at each look.
    struct Ticking(Duration, AtomicU64);

    impl Clock for Ticking {
        fn wall_micros(&self) -> i64 {
            0
        }

        fn monotonic(&self) -> Duration {
            self.0 * self.1.fetch_add(1, Ordering::SeqCst) as u32
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    /// How often a query over sides of 100 and 200 rows gives way if each piece takes so long; it has one row.
    async fn times_given_way(query: &str, each: Duration) -> usize {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        let sides = "CREATE TABLE l AS SELECT value AS x FROM generate_series(1, 100); \
                     CREATE TABLE r AS SELECT value AS y FROM generate_series(1, 200)";
        for side in sides.split(';') {
            drop(context.sql(side).await.expect("a side").collect().await.expect("its rows"));
        }
        let plan = context.sql(query).await.expect("it is SQL").create_physical_plan().await.expect("a plan");
        let clock: Arc<dyn Clock> = Arc::new(Ticking(each, AtomicU64::new(0)));
        let plan = giving_way(plan, &clock).expect("a plan");
        let mut rows = execute_stream(plan, context.task_ctx()).expect("it starts");
        let (waker, mut times, mut found) = (noop_waker(), 0, 0);
        loop {
            match rows.poll_next_unpin(&mut Context::from_waker(&waker)) {
                Poll::Pending => times += 1,
                Poll::Ready(Some(batch)) => found += batch.expect("rows").num_rows(),
                Poll::Ready(None) => break,
            }
        }
        assert_eq!(found, 1, "{query}");
        times
    }

    #[tokio::test]
    async fn a_join_that_compares_for_long_gives_way_within_a_batch() {
        let without_equality = "SELECT * FROM l JOIN r ON x + y < 3";
        let with_condition = "SELECT * FROM l JOIN r ON x % 2 = y % 2 AND x + y < 3";
        for query in [without_equality, with_condition] {
            // A row alone takes a turn, and either side may be the one that is looked up.
            assert!(100 <= times_given_way(query, TURN).await, "{query}");
            assert!(times_given_way(query, Duration::ZERO).await < 10, "{query}");
        }
        assert!(times_given_way("SELECT * FROM l JOIN r ON x = y WHERE y = 7", TURN).await < 10);
    }

    #[test]
    fn pieces_are_as_large_as_a_turn_is_long() {
        assert_eq!(rows_after(1, Duration::ZERO), GROWTH);
        assert_eq!(rows_after(1_000, TURN * 10), 100);
        assert_eq!(rows_after(1_000, TURN), 1_000);
        assert_eq!(rows_after(1, TURN * 1_000), 1);
        assert_eq!(rows_after(usize::MAX, Duration::ZERO), usize::MAX);
    }
}
