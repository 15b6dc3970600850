//! Plans that give way: between two turns of a query others have theirs, and one that nobody waits for any more ends there.
//!
//! DataFusion's leaves give way after every few batches. A join makes many rows of few: one without an equality, or with a
//! condition beside it, compares each row that it looks up with many that it holds, and computes until it has a batch of those
//! that meet. So it is given the rows that it looks up in pieces, and each piece is as large as a turn is long.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
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
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::Stream;
use futures::StreamExt;

use crate::env::Clock;

/// How long a join may take for a piece of the rows that it looks up, about.
const TURN: Duration = Duration::from_millis(10);
/// Pairs of rows that are compared in a turn, about.
const TURN_PAIRS: usize = 4 << 20;
/// By what pieces grow that take far less than a turn.
const GROWTH: usize = 4;

/// The plan, which gives way after every few batches of each join, and within the computation of one.
pub(super) fn giving_way(plan: Arc<dyn ExecutionPlan>, clock: &Arc<dyn Clock>) -> Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        if node.children().len() < 2 {
            return Ok(Transformed::no(node));
        }
        let node = match compared(&node) {
            Some(compared) => in_pieces(&node, compared, clock)?,
            None => node,
        };
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>))
    });
    wrapped.map(|transformed| transformed.data)
}

/// What a join compares a row with that it looks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// All rows that it holds.
    All,
    /// Those of its key, be they all.
    OfKey,
}

/// Of a join that may compare far more pairs of rows than meet.
fn compared(plan: &Arc<dyn ExecutionPlan>) -> Option<Compared> {
    let has_condition = |join: &HashJoinExec| join.filter().is_some();
    match plan.downcast_ref::<NestedLoopJoinExec>() {
        Some(_) => Some(Compared::All),
        None => plan.downcast_ref::<HashJoinExec>().filter(|join| has_condition(join)).map(|_| Compared::OfKey),
    }
}

/// The join, whose right side, which it looks up in what it holds of the left one, comes in pieces.
fn in_pieces(
    join: &Arc<dyn ExecutionPlan>,
    compared: Compared,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let held = Arc::new(AtomicUsize::new(0));
    let roles = [Role::Held, Role::LookedUp(compared)];
    let side = |(input, role): (&Arc<dyn ExecutionPlan>, Role)| {
        let (input, held, clock) = (Arc::clone(input), Arc::clone(&held), Arc::clone(clock));
        Arc::new(Side { input, role, held, clock }) as Arc<dyn ExecutionPlan>
    };
    let sides = join.children().into_iter().zip(roles).map(side).collect();
    Arc::clone(join).replace_children(sides, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

/// What becomes of the rows of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// They are counted.
    Held,
    /// They come in pieces.
    LookedUp(Compared),
}

/// A side of a join.
struct Side {
    input: Arc<dyn ExecutionPlan>,
    role: Role,
    /// Rows that the join holds.
    held: Arc<AtomicUsize>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").field("role", &self.role).field("input", &self.input).finish_non_exhaustive()
    }
}

impl DisplayAs for Side {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Side: {:?}", self.role)
    }
}

impl ExecutionPlan for Side {
    fn name(&self) -> &str {
        "Side"
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
        let (held, clock) = (Arc::clone(&self.held), Arc::clone(&self.clock));
        Ok(match children.pop() {
            Some(input) => Arc::new(Self { input, role: self.role, held, clock }),
            None => self,
        })
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (input, held) = (self.input.execute(partition, context)?, Arc::clone(&self.held));
        let rows: SendableRecordBatchStream = match self.role {
            Role::Held => {
                let schema = input.schema();
                let counted = input.inspect(move |batch| {
                    held.fetch_add(batch.as_ref().map_or(0, RecordBatch::num_rows), Ordering::Relaxed);
                });
                Box::pin(RecordBatchStreamAdapter::new(schema, counted))
            }
            Role::LookedUp(compared) => {
                let clock = Arc::clone(&self.clock);
                Box::pin(Pieces { input, compared, held, clock, rest: None, rows: None, handed_out: None })
            }
        };
        Ok(rows)
    }
}

struct Pieces {
    input: SendableRecordBatchStream,
    compared: Compared,
    held: Arc<AtomicUsize>,
    clock: Arc<dyn Clock>,
    /// What of a batch is still to come.
    rest: Option<RecordBatch>,
    /// Rows of the next piece, as those before tell; nothing tells of the first.
    rows: Option<usize>,
    /// Rows of the last piece, and when it was handed out.
    handed_out: Option<(usize, Duration)>,
}

impl Stream for Pieces {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let pieces = &mut *self;
        if let Some((rows, since)) = pieces.handed_out.take() {
            let took = pieces.clock.monotonic().saturating_sub(since);
            // All pairs are known beforehand, and the order of rows is to follow from nothing but them.
            if pieces.compared == Compared::OfKey {
                pieces.rows = Some(rows_after(rows, took));
            }
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
        let of_turn = || (TURN_PAIRS / pieces.held.load(Ordering::Relaxed).max(1)).max(1);
        let count = pieces.rows.unwrap_or_else(of_turn).min(batch.num_rows());
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

    /// How often a query over sides of so many rows gives way if each piece takes so long; it has one row.
    async fn times_given_way(query: &str, (left, right): (usize, usize), each: Duration) -> usize {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        for (side, column, rows) in [("l", "x", left), ("r", "y", right)] {
            let side = format!("CREATE TABLE {side} AS SELECT value AS {column} FROM generate_series(1, {rows})");
            drop(context.sql(&side).await.expect("a side").collect().await.expect("its rows"));
        }
        let plan = context.sql(query).await.expect("it is SQL").create_physical_plan().await.expect("a plan");
        let clock: Arc<dyn Clock> = Arc::new(Ticking(each, AtomicU64::new(0)));
        let plan = giving_way(plan, &clock).expect("a plan");
        let mut rows = execute_stream(plan, context.task_ctx()).expect("it starts");
        let (waker, mut times, mut found) = (noop_waker(), 0, 0);
        loop {
            match rows.poll_next_unpin(&mut Context::from_waker(&waker)) {
                Poll::Pending => {
                    times += 1;
                    tokio::task::yield_now().await;
                }
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
        let (small, large) = ((100, 200), (6_000, 6_000));
        for query in [without_equality, with_condition] {
            // Some seven hundred rows are compared with six thousand in a turn.
            assert!(8 <= times_given_way(query, large, TURN).await, "{query}");
            assert!(times_given_way(query, large, Duration::ZERO).await < 8, "{query}");
            assert!(times_given_way(query, small, TURN).await < 8, "{query}");
        }
        assert!(times_given_way("SELECT * FROM l JOIN r ON x = y WHERE y = 7", large, TURN).await < 8);
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
