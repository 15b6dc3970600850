//! The metadata log of a single voter: propose, apply, tell.

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::entry::Entry;
use super::error::MetadataError;
use super::metadata::ClusterMetadata;
use super::record::MetadataRecord;
use super::record::NodeId;
use super::storage::MetadataStorage;
use crate::env::Env;
use crate::env::Threads;
use crate::model::LeaderEpoch;
use crate::model::ProducerId;

/// Follows the metadata as it is applied, for example by making directories.
pub trait MetadataSubscriber: Send + Sync {
    /// Called in order, once per version, after it is durable and before its proposal is answered. Blocks the proposer;
    /// what it cannot do now it must do later, since the metadata will not change back.
    fn applied(&self, before: &ClusterMetadata, after: &ClusterMetadata);
}

/// The one truth of a cluster.
pub struct MetadataLog {
    threads: Threads,
    voter: Arc<Mutex<Voter>>,
    current: watch::Receiver<Arc<ClusterMetadata>>,
    failed: watch::Receiver<bool>,
    torn_bytes: u64,
}

struct Voter {
    storage: MetadataStorage,
    term: u32,
    publish: watch::Sender<Arc<ClusterMetadata>>,
    fail: watch::Sender<bool>,
    subscribers: Vec<Arc<dyn MetadataSubscriber>>,
}

impl MetadataLog {
    /// Opens the voter's files in `dir` (`<data>/metadata`) and takes the next term.
    pub fn open(env: &Env, dir: &Path, node: NodeId) -> Result<Arc<Self>, MetadataError> {
        let opened = MetadataStorage::open(env.disk.as_ref(), dir)?;
        let term = i32::try_from(opened.term).map_or(i32::MAX, |term| term);
        let metadata = opened
            .entries
            .iter()
            .fold(ClusterMetadata::default(), |metadata, entry| metadata.apply(entry))
            .led_in(LeaderEpoch(term));
        tracing::info!(node = node.0, version = metadata.version, term, "metadata log opened");
        if 0 < opened.torn_bytes {
            tracing::warn!(bytes = opened.torn_bytes, "cut a torn entry of the metadata log");
        }
        let (publish, current) = watch::channel(Arc::new(metadata));
        let (fail, failed) = watch::channel(false);
        let voter = Voter { storage: opened.storage, term: opened.term, publish, fail, subscribers: Vec::new() };
        let voter = Arc::new(Mutex::new(voter));
        Ok(Arc::new(Self { threads: env.threads, voter, current, failed, torn_bytes: opened.torn_bytes }))
    }

    /// Adds `records` as one entry if the metadata is still at `expected_version`; answers the new version once it is
    /// durable and every subscriber has seen it. Cancel-safe: a proposal that began goes on.
    pub async fn propose(&self, expected_version: u64, records: Vec<MetadataRecord>) -> Result<u64, MetadataError> {
        let voter = Arc::clone(&self.voter);
        self.threads.blocking(move || voter.lock().propose(Some(expected_version), records)).await
    }

    /// The next `count` producer ids, never handed out before.
    pub(crate) async fn take_producer_ids(&self, count: u16) -> Result<ProducerId, MetadataError> {
        let voter = Arc::clone(&self.voter);
        self.threads.blocking(move || voter.lock().take_producer_ids(count)).await
    }

    /// What exists now.
    pub fn snapshot(&self) -> Arc<ClusterMetadata> {
        Arc::clone(&self.current.borrow())
    }

    /// Wakes at every change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<ClusterMetadata>> {
        self.current.clone()
    }

    /// Resolves when a flush has failed: what is durable is not known any more, and the process must end.
    pub fn failed(&self) -> BoxFuture<'static, ()> {
        let mut failed = self.failed.clone();
        async move {
            if failed.wait_for(|failed| *failed).await.is_err() {
                // The log was closed without a failure.
                std::future::pending().await
            }
        }
        .boxed()
    }

    /// Has `subscriber` follow every later change.
    pub fn register(&self, subscriber: Arc<dyn MetadataSubscriber>) {
        self.voter.lock().subscribers.push(subscriber);
    }

    /// Bytes of a torn entry that opening cut.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }
}

impl Voter {
    fn propose(&mut self, expected: Option<u64>, records: Vec<MetadataRecord>) -> Result<u64, MetadataError> {
        let before = Arc::clone(&self.publish.borrow());
        if let Some(expected) = expected.filter(|expected| *expected != before.version) {
            return Err(MetadataError::Stale { expected, current: before.version });
        }
        before.check(&records)?;
        let entry = Entry { version: before.version + 1, term: self.term, records };
        self.storage.append(&entry).inspect_err(|error| {
            if error.is_fatal() {
                self.fail.send_replace(true);
            }
        })?;
        let after = Arc::new(before.apply(&entry));
        assert_eq!(after.version, entry.version, "an entry that was appended is applied");
        for subscriber in &self.subscribers {
            subscriber.applied(&before, &after);
        }
        self.publish.send_replace(after);
        Ok(entry.version)
    }

    fn take_producer_ids(&mut self, count: u16) -> Result<ProducerId, MetadataError> {
        let first = self.publish.borrow().next_producer_id;
        self.propose(None, vec![MetadataRecord::ProducerIds { next: first + i64::from(count) }])?;
        Ok(ProducerId(first))
    }
}
