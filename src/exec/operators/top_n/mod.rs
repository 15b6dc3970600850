//! The first rows of each partition in an order: each change takes rows back that have lost their rank and gives those that
//! have got one.
//!
//! | rows that come | kept | by |
//! |---|---|---|
//! | facts, numbered one by one | those with a number, in as many places as there are numbers | `places` |
//! | facts, equal ones with one rank | those with a rank | `ordered` |
//! | rows that may be taken back | all | `ordered` |

mod changes;
mod intake;
mod order;
mod ordered;
mod places;
#[cfg(test)]
mod tests;

pub use order::OrderSpec;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::physical_expr::PhysicalExpr;

use crate::catalog::EmitMode;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::Progress;
use crate::exec::Step;
use crate::plan::RankColumn;
use crate::plan::Ranking;
use crate::plan::TopRows;
use changes::Changed;
use intake::Intake;

/// Rows that leave in one call, about.
const BATCH_ROWS: usize = 8_192;

/// What a top-N is.
#[derive(Clone)]
pub struct TopSpec {
    /// What rows are counted together.
    pub partition: Vec<Arc<dyn PhysicalExpr>>,
    /// In which order.
    pub order: Vec<OrderSpec>,
    /// The row's key, where rows may be taken back.
    pub key: Vec<Arc<dyn PhysicalExpr>>,
    /// How they are counted.
    pub ranking: Ranking,
    /// The greatest rank that stays, at least 1.
    pub limit: usize,
    /// What is kept.
    pub rows: TopRows,
    /// Whether the rank is the last of the user columns that go out.
    pub rank: RankColumn,
    /// Every change, or those that a batch makes.
    pub emit: EmitMode,
    /// The edge that comes in: `Append` or `Retract`.
    pub input: Layout,
    /// The retract edge that goes out.
    pub output: Layout,
}

impl TopSpec {
    /// The most rows whose changes are made together, so that they do not grow without bound.
    fn unit_rows(&self) -> usize {
        match self.rank {
            RankColumn::Shown => (BATCH_ROWS / 2 / self.limit).max(1),
            RankColumn::Hidden => BATCH_ROWS / 2,
        }
    }
}

/// How rows are kept.
trait Keeper: Send {
    /// Takes rows of a batch, and tells what becomes of the ranks.
    fn take(&self, cx: &mut Cx<'_>, spec: &TopSpec, intake: &Intake, rows: Range<usize>) -> Result<Changed, ExecError>;
}

/// The operator.
pub struct TopN {
    spec: TopSpec,
    keeper: Box<dyn Keeper>,
    waiting: Option<Intake>,
}

impl TopN {
    /// Nothing taken yet.
    pub fn new(spec: TopSpec) -> Self {
        let keeper: Box<dyn Keeper> = match spec.rows {
            TopRows::Places => Box::new(places::Places),
            TopRows::Ranked | TopRows::All => Box::new(ordered::Ordered),
        };
        Self { spec, keeper, waiting: None }
    }
}

impl Step for TopN {
    fn input(&mut self, cx: &mut Cx<'_>, _: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        self.waiting = Some(Intake::new(cx, &self.spec, batch)?);
        self.resume(cx)
    }

    fn resume(&mut self, cx: &mut Cx<'_>) -> Result<Progress, ExecError> {
        let Some(intake) = &mut self.waiting else { return Ok(Progress::Done) };
        let mut emitted = 0;
        while let Some(rows) = intake.next_unit(&self.spec) {
            let changed = self.keeper.take(cx, &self.spec, intake, rows)?;
            emitted += changed.emit(cx, &self.spec, intake)?;
            if BATCH_ROWS <= emitted {
                return Ok(Progress::More);
            }
        }
        self.waiting = None;
        Ok(Progress::Done)
    }
}
