//! Fetch: whole batches below the readable end, or a wait for them.
//!
//! Under read committed, batches of aborted transactions and markers are left out, and the position passes them; marks
//! come apart from the batches of records.

use std::time::Duration;

use super::Broker;
use super::BrokerError;
use super::Fetched;
use super::Isolation;
use super::Position;
use crate::log::AbortedTransaction;
use crate::log::Ends;
use crate::log::TailBatch;
use crate::model::Offset;

/// Reads of one fetch that find only what is left out, before it answers how far it got.
const READS_MAX: usize = 8;

impl Broker {
    /// See `Client::fetch`; the principal may read.
    pub(super) async fn fetch_at(
        &self,
        position: Position,
        isolation: Isolation,
        max_bytes: usize,
        max_wait: Duration,
    ) -> Result<Fetched, BrokerError> {
        let mut ends_moved = self.log.watch(position.partition)?;
        let deadline = self.env.clock.monotonic() + max_wait;
        loop {
            let ends = *ends_moved.borrow_and_update();
            if ends.deleted {
                return Err(BrokerError::UnknownPartition { partition: position.partition });
            }
            check_position(position, &ends)?;
            let fetched = self.read_below(position, isolation, max_bytes, &ends)?;
            if fetched.next == position.offset && visible_end(isolation, &ends) < ends.log_end_offset {
                self.check_readable_beyond(position.partition, visible_end(isolation, &ends))?;
            }
            let left = deadline.saturating_sub(self.env.clock.monotonic());
            if position.offset < fetched.next || left.is_zero() {
                return Ok(fetched);
            }
            let readable = |ends: &Ends| {
                let moved = position.offset < visible_end(isolation, ends) || position.offset < ends.log_start_offset;
                moved || ends.deleted
            };
            tokio::select! {
                moved = ends_moved.wait_for(readable) => {
                    if moved.is_err() {
                        return Err(BrokerError::UnknownPartition { partition: position.partition });
                    }
                }
                () = self.log.failed() => return Err(BrokerError::Unknown),
                () = self.env.clock.sleep(left) => return Ok(fetched),
            }
        }
    }

    fn read_below(
        &self,
        position: Position,
        isolation: Isolation,
        max_bytes: usize,
        ends: &Ends,
    ) -> Result<Fetched, BrokerError> {
        let end = visible_end(isolation, ends);
        let mut next = position.offset;
        let (mut kept, mut marks) = (Vec::new(), Vec::new());
        for _ in 0..READS_MAX {
            if end <= next || !kept.is_empty() {
                break;
            }
            let batches = self.log.read(position.partition, next, end, max_bytes)?;
            let Some(last) = batches.last() else { break };
            let after = last.batch.next_offset();
            kept = match isolation {
                Isolation::ReadUncommitted => batches,
                Isolation::ReadCommitted => {
                    let aborted = self.log.aborted(position.partition, next, end)?;
                    let (control, records) = not_aborted(batches, &aborted);
                    marks.extend(control.into_iter().filter(|tail| tail.batch.is_mark()));
                    records
                }
            };
            next = after;
        }
        Ok(Fetched {
            batches: kept,
            marks,
            next,
            readable_end: ends.readable_end(),
            log_start: ends.log_start_offset,
            leader_epoch: ends.leader_epoch,
        })
    }
}

fn visible_end(isolation: Isolation, ends: &Ends) -> Offset {
    match isolation {
        Isolation::ReadCommitted => ends.readable_end(),
        Isolation::ReadUncommitted => ends.high_watermark,
    }
}

fn check_position(position: Position, ends: &Ends) -> Result<(), BrokerError> {
    let Position { partition, offset, leader_epoch } = position;
    if offset < ends.log_start_offset || ends.log_end_offset < offset {
        let (start, end) = (ends.log_start_offset, ends.log_end_offset);
        return Err(BrokerError::OffsetOutOfRange { partition, offset, start, end });
    }
    match leader_epoch {
        Some(known) if ends.leader_epoch < known => {
            Err(BrokerError::DivergedEpoch { partition, offset, known, current: ends.leader_epoch })
        }
        _ => Ok(()),
    }
}

/// The control batches and the batches of records that nobody took back.
fn not_aborted(batches: Vec<TailBatch>, aborted: &[AbortedTransaction]) -> (Vec<TailBatch>, Vec<TailBatch>) {
    batches
        .into_iter()
        .filter(|tail| !aborted.iter().any(|transaction| transaction.holds(&tail.batch)))
        .partition(|tail| tail.batch.is_control())
}
