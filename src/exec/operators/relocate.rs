//! Rows that lie in another partition than that of their key, sent there, and those that others have sent here.
//!
//! No marker goes with them, as an exchange's do: rows that lie where they belong wait for nobody.

use arrow::array::RecordBatch;

use super::Exchange;
use super::ExchangeSpec;
use super::exchange::Stays;
use crate::exec::CutId;
use crate::exec::Cx;
use crate::exec::ExecError;
use crate::exec::Progress;
use crate::exec::Step;
use crate::plan::Relocated;

/// The port of rows that were sent here.
const SENT: usize = 1;

/// Gathers rows of other partitions until the cut.
pub struct Relocate {
    exchange: Exchange,
    which: Relocated,
}

impl Relocate {
    /// Nothing gathered yet.
    pub fn new(spec: ExchangeSpec, which: Relocated) -> Self {
        Self { exchange: Exchange::new(spec), which }
    }
}

impl Step for Relocate {
    fn input(&mut self, cx: &mut Cx<'_>, port: usize, batch: RecordBatch) -> Result<Progress, ExecError> {
        let here = usize::try_from(cx.partition()).unwrap_or(0);
        let stays = match self.which {
            Relocated::All => Stays::OfPartition(here),
            Relocated::Keyless => Stays::OfPartitionAndKeyed(here),
        };
        let kept = if port == SENT { Some(batch) } else { self.exchange.gather(cx, batch, stays)? };
        if let Some(kept) = kept {
            cx.emit(kept);
        }
        Ok(Progress::Done)
    }

    fn flush(&mut self, cx: &mut Cx<'_>, _: CutId) -> Result<Progress, ExecError> {
        self.exchange.write_gathered(cx)?;
        Ok(Progress::Done)
    }
}
