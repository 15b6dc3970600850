//! Queries driven by hand: no threads, no timers, no intervals. For `tidemill test` and for oracles.

use std::sync::Arc;
use std::time::Duration;

use super::ExecError;
use super::Runtime;
use super::fetch::fetch;
use super::fetch::gap;
use super::fetch::root_ends;
use super::kept::KeptTable;
use super::runtime::Query;
use super::runtime::now;
use super::runtime::settle;
use super::slot::Slot;
use super::task::Task;
use super::task::Tell;
use crate::error::Result;

/// How `drive` makes rounds and cuts.
pub struct DriveOptions<'a> {
    /// Rows of a round at most.
    pub rows_per_round: usize,
    /// Asked after each round: whether to cut now.
    pub cut: &'a mut (dyn FnMut() -> bool + Send),
    /// Rounds over all tasks after which everything stops where it stands, uncut; `None` runs to the end.
    pub rounds_max: Option<usize>,
}

impl DriveOptions<'_> {
    /// Takes one round; `false` if there was none left.
    fn take_round(&mut self) -> bool {
        match &mut self.rounds_max {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

impl Runtime {
    /// Runs all queries until nothing is left to read and all cuts are committed. Queries are run in the order in which they
    /// were created, each to its end, and again as long as one of them wrote something that another one reads.
    ///
    /// A query that fails is `Failed` in `status` and does not end the others. Only for a runtime made by `manual`.
    pub async fn drive(&self, mut options: DriveOptions<'_>) -> Result<()> {
        loop {
            let mut moved = false;
            let queries: Vec<Arc<Query>> = self.inner.queries.lock().values().cloned().collect();
            for slot in queries.iter().flat_map(|query| &query.slots).filter(|slot| slot.is_open()) {
                moved |= self.drive_slot(slot, &mut options).await;
            }
            if options.rounds_max == Some(0) {
                return Ok(());
            }
            let tables: Vec<Arc<KeptTable>> = self.inner.tables.lock().values().cloned().collect();
            for table in tables.iter().filter(|table| table.expires()) {
                table.catch_up().await?;
                moved |= table.expire().await?;
            }
            if !moved {
                return Ok(());
            }
        }
    }

    /// Runs one task to its end; whether it did anything.
    async fn drive_slot(&self, slot: &Arc<Slot>, options: &mut DriveOptions<'_>) -> bool {
        // The task is taken out of its slot, so that no lock is held over a fetch.
        let Some(mut task) = slot.task.lock().take() else { return false };
        let mut moved = false;
        match self.drive_task(slot, &mut task, options, &mut moved).await {
            Ok(()) => {
                slot.note(&task);
                *slot.task.lock() = Some(task);
            }
            Err(failure) => {
                slot.note(&task);
                slot.end(&failure);
            }
        }
        moved
    }

    async fn drive_task(
        &self,
        slot: &Arc<Slot>,
        task: &mut Task,
        options: &mut DriveOptions<'_>,
        moved: &mut bool,
    ) -> Result<(), ExecError> {
        while options.take_round() {
            self.fill(task).await?;
            let now = now(&self.inner.parts.env);
            let passed = 0 < task.round(now, options.rows_per_round)?.rows;
            *moved |= passed;
            let may_cut = task.inputs.iter().all(|input| !input.mid_slice);
            if may_cut && (!passed || (options.cut)() || task.is_too_large()) && task.is_dirty(now) {
                *moved = true;
                // With nothing left to read nothing else would tell what is left to be said.
                let tell = if passed { Tell::Due } else { Tell::All };
                self.inner.seal(slot, task, now, tell)?;
                self.inner.settled().await;
                settle(slot, task)?;
            }
            // A look at an end that a round has asked for is taken by `fill`.
            if !passed && !task.inputs.iter().any(|input| input.queue.is_asked()) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Fetches what lies ready, as far as the queues have room.
    async fn fill(&self, task: &Task) -> Result<(), ExecError> {
        for input in &task.inputs {
            loop {
                let from = input.fetch_from();
                let end = self.inner.parts.client.ends(input.partition).await?.readable_end();
                let known = input.queue.next().is_some() && !input.queue.is_asked();
                if !input.queue.has_room() || known && end <= from {
                    break;
                }
                let asked = input.queue.asked();
                let roots = if input.queue.wants_answer() { input.roots.as_slice() } else { &[] };
                let ends = root_ends(self.inner.parts.client.as_ref(), roots).await?;
                match fetch(self.inner.parts.client.as_ref(), input.partition, from, Duration::ZERO).await {
                    Ok(fetched) if known && fetched.next <= from => {
                        return Err(ExecError::InternalRecord("a fetch that does not move on"));
                    }
                    Ok(fetched) => drop(input.queue.put(fetched, asked, ends)),
                    Err(failure) => return Err(gap(input.partition, failure)),
                }
            }
        }
        Ok(())
    }
}
