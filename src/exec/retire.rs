//! The end of a query that writes a stream: its readers are told that its tasks hold their time no longer.

use tokio::sync::oneshot;
use tracing::warn;

use super::CutId;
use super::ExecError;
use super::Runtime;
use super::committer::Request;
use super::committer::Settled;
use super::mark::Mark;
use super::task::SealedCut;
use crate::broker::PendingBatch;
use crate::broker::QueryCommit;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::QueryId;
use crate::model::TopicPartition;

/// The member of a query's group that says its end.
const MEMBER: &str = "end";

impl Runtime {
    /// Stops a query for good that wrote `sink`, whose topic stays. Not called for one that goes on later.
    ///
    /// That its end could not be written, on a full disk for instance, does not keep it: readers of the stream then wait
    /// for its time.
    pub async fn retire(&self, id: QueryId, sink: &Relation) {
        self.stop(id).await;
        if sink.is_table() {
            return;
        }
        if let Err(failure) = self.say_end(id, sink).await {
            warn!(query = %id, error = %failure, "the end of a query is not told to the readers of its stream");
        }
    }

    async fn say_end(&self, id: QueryId, sink: &Relation) -> Result<(), ExecError> {
        let group = id.group();
        let generation = self.parts().client.join(&group, MEMBER).await?;
        let mark = Mark::of_end(id).encode();
        let append = |number| {
            let mut pending = PendingBatch::new();
            pending.mark(0, &mark);
            (TopicPartition::new(sink.topic_id, number), pending)
        };
        let appends = (0..sink.partitions).map(append).collect();
        let member = MEMBER.to_string();
        let commit = QueryCommit { query: id, group, generation, member, appends, offsets: Vec::new() };
        let cut = CutId::default();
        let held = self.parts().memory.state.hold(0);
        let sealed = SealedCut { cut, commit, views: Vec::new(), changelogs: Vec::new(), purge: Vec::new(), held };
        let (done, settled) = oneshot::channel();
        let settle = Box::new(move |outcome: Settled| {
            // Nobody waits any more if the statement's client is gone.
            let _ = done.send(outcome);
        });
        let closed = || Error::new(SqlState::ADMIN_SHUTDOWN, "the committer takes no more cuts");
        self.inner.committer.send(Request::Cut(Box::new(sealed), settle)).await.map_err(|_| closed())?;
        self.inner.settled().await;
        settled.await.map_err(|_| closed())??;
        Ok(())
    }
}
