//! One committer a node: sealed cuts of all tasks become one commit of the log, then visible, then settled.
//!
//! While a commit is under way further cuts gather; they are the next commit. So commits are in order, and publishing
//! has one writer.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tracing::debug;
use tracing::error;
use tracing::warn;

use super::CutId;
use super::ExecError;
use super::task::SealedCut;
use crate::broker::Appended;
use crate::broker::Client;
use crate::broker::CommitOutcome;
use crate::error::Error;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::state::PartitionChange;
use crate::state::Publisher;

/// Cuts that may wait for the committer; each task has one at most.
const QUEUE_MAX: usize = 4_096;

/// What became of a cut.
pub type Settled = Result<(CutId, Vec<Option<Offset>>), ExecError>;

/// Told when a cut is settled; short, since it runs in the committer.
pub type Settle = Box<dyn FnOnce(Settled) + Send>;

/// What the committer is asked.
pub enum Request {
    /// To commit a cut.
    Cut(Box<SealedCut>, Settle),
    /// To show rows of views that were restored.
    Show(Vec<PartitionChange>),
    /// To answer when everything asked before is settled.
    Barrier(oneshot::Sender<()>),
}

/// The committer, to be driven by one loop.
pub struct Committer {
    client: Arc<dyn Client>,
    publisher: Arc<Publisher>,
    transactional_id: String,
    on_fatal: Arc<dyn Fn(Error) + Send + Sync>,
    queue: mpsc::Receiver<Request>,
}

/// A committer and the door to it.
pub fn committer(
    client: Arc<dyn Client>,
    publisher: Arc<Publisher>,
    transactional_id: String,
    on_fatal: Arc<dyn Fn(Error) + Send + Sync>,
) -> (mpsc::Sender<Request>, Committer) {
    let (sender, queue) = mpsc::channel(QUEUE_MAX);
    (sender, Committer { client, publisher, transactional_id, on_fatal, queue })
}

impl Committer {
    /// Serves requests until all doors are closed.
    pub async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            self.serve(first).await;
        }
    }

    /// Serves what lies in the queue, for manual mode.
    pub async fn run_queued(&mut self) {
        while let Ok(first) = self.queue.try_recv() {
            self.serve(first).await;
        }
    }

    async fn serve(&mut self, first: Request) {
        let (mut cuts, mut settles, mut barriers) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Cut(cut, settle) => {
                    cuts.push(*cut);
                    settles.push(settle);
                }
                Request::Show(changes) => self.publish(self.publisher.current().commit_number(), changes),
                Request::Barrier(done) => barriers.push(done),
            }
            next = self.queue.try_recv().ok();
        }
        if !cuts.is_empty() {
            self.commit(cuts, settles).await;
        }
        for done in barriers {
            // Who asked may have gone away.
            let _ = done.send(());
        }
    }

    async fn commit(&mut self, cuts: Vec<SealedCut>, settles: Vec<Settle>) {
        let mut shares = Vec::with_capacity(cuts.len());
        let mut rests = Vec::with_capacity(cuts.len());
        let mut held = Vec::with_capacity(cuts.len());
        for cut in cuts {
            shares.push(cut.commit);
            rests.push((cut.cut, cut.views, cut.changelogs, cut.purge));
            held.push(cut.held);
        }
        let queries = shares.len();
        let committed = match self.client.commit(&self.transactional_id, shares).await {
            Ok(committed) => committed,
            Err(failure) => {
                let fatal = failure.is_fatal();
                let told = Error::from(failure);
                if fatal {
                    error!(error = %told, "a commit is in doubt, the process must end");
                    (self.on_fatal)(told.clone());
                }
                settles.into_iter().for_each(|settle| settle(Err(ExecError::Data(told.clone()))));
                return;
            }
        };
        drop(held);
        debug!(commit_number = committed.commit_number, queries, "cut committed");
        let (mut views, mut settled, mut purges) = (Vec::new(), Vec::new(), Vec::new());
        for ((cut, changes, changelogs, purge), (query, outcome)) in rests.into_iter().zip(committed.outcomes) {
            settled.push(match outcome {
                CommitOutcome::Committed { appended } => {
                    views.extend(changes.into_iter().map(|change| reaching(change, &appended)));
                    purges.extend(purge);
                    let end = |wanted: Option<TopicPartition>| {
                        let found = appended.iter().find(|(partition, _)| Some(*partition) == wanted);
                        found.and_then(|(_, appended)| appended.as_ref()).map(|appended| appended.next_offset)
                    };
                    Ok((cut, changelogs.into_iter().map(end).collect()))
                }
                CommitOutcome::LeftOut(reason) => {
                    warn!(%query, %reason, "a cut was left out of a commit");
                    Err(ExecError::LeftOut(Arc::new(reason)))
                }
            });
        }
        self.publish(committed.commit_number, views);
        settles.into_iter().zip(settled).for_each(|(settle, settled)| settle(settled));
        for (partition, offset) in purges {
            // What is not dropped now is dropped after a later commit.
            if let Err(failure) = self.client.advance_log_start(partition, offset).await {
                debug!(%partition, error = %failure, "a repartition topic could not be trimmed");
            }
        }
    }

    fn publish(&self, commit_number: u64, changes: Vec<PartitionChange>) {
        let commit_number = commit_number.max(self.publisher.current().commit_number());
        if let Err(failure) = self.publisher.publish(commit_number, changes) {
            let told = Error::from(failure);
            error!(error = %told, "a commit could not be shown to readers");
            (self.on_fatal)(told);
        }
    }
}

/// A change of a view with the end of what was appended to the view's topic.
fn reaching(change: PartitionChange, appended: &[(TopicPartition, Option<Appended>)]) -> PartitionChange {
    let written = appended.iter().filter(|(partition, _)| *partition == change.topic);
    let upto = written.filter_map(|(_, appended)| appended.as_ref()).map(|appended| appended.next_offset).max();
    PartitionChange { upto, ..change }
}

/// Settled cuts on their way back to a task.
#[derive(Default)]
pub struct Mailbox(Mutex<Vec<Settled>>);

impl Mailbox {
    /// Puts one down.
    pub fn put(&self, settled: Settled) {
        self.0.lock().push(settled);
    }

    /// Takes all.
    pub fn take(&self) -> Vec<Settled> {
        std::mem::take(&mut *self.0.lock())
    }
}
