//! One table, kept.

use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex as SyncMutex;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::sync::RwLock;
use tokio::task::AbortHandle;
use tracing::debug;
use tracing::warn;

use super::expiry::Expiry;
use super::locks::TableLocks;
use crate::broker::Acks;
use crate::broker::Appended;
use crate::broker::BrokerError;
use crate::broker::Client;
use crate::broker::Isolation;
use crate::broker::Position;
use crate::catalog::Relation;
use crate::env::Env;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::exec::ExecError;
use crate::exec::RuntimeParts;
use crate::exec::course::Restoring;
use crate::exec::task::ViewReader;
use crate::exec::task::restore_view;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::Batch;
use crate::state::ColdStores;
use crate::state::Frontier;
use crate::state::PartitionChange;
use crate::state::Publisher;
use crate::state::StoreOwner;
use crate::state::ViewDelta;

/// Rows that are gathered before they are shown: what is further behind is shown in steps.
const ROWS_SHOWN_MAX: usize = 1_000_000;
/// How long one look for new records waits.
const LOOK_WAIT: Duration = Duration::from_secs(30);
/// Before a table that could not be read is read again.
const RETRY: Duration = Duration::from_secs(1);

/// See the room's head.
pub struct KeptTable {
    relation: Arc<Relation>,
    pub(super) client: Arc<dyn Client>,
    pub(super) env: Env,
    stores: Arc<dyn ColdStores>,
    pub(super) publisher: Arc<Publisher>,
    reader: ViewReader,
    /// The next offset of each partition that is not shown yet; `None` until the view is there.
    shown: Mutex<Option<Vec<Offset>>>,
    /// Held alone while several batches are appended together, shared while ends are taken.
    appending: RwLock<()>,
    locks: TableLocks,
    /// When rows go, if they do by themselves.
    pub(super) expiry: Option<Expiry>,
    closed: AtomicBool,
    followers: SyncMutex<Vec<AbortHandle>>,
}

impl Drop for KeptTable {
    fn drop(&mut self) {
        self.stop_following();
    }
}

impl KeptTable {
    /// A table whose rows nobody has read yet.
    pub(in crate::exec) fn new(relation: Arc<Relation>, parts: &RuntimeParts) -> Result<Arc<Self>> {
        let reader = ViewReader::new(&relation, &parts.client)?;
        let expiry = Expiry::of(&relation)?;
        Ok(Arc::new(Self {
            relation,
            client: Arc::clone(&parts.client),
            env: parts.env.clone(),
            stores: Arc::clone(&parts.stores),
            publisher: Arc::clone(&parts.publisher),
            reader,
            shown: Mutex::new(None),
            appending: RwLock::default(),
            locks: TableLocks::default(),
            expiry,
            closed: AtomicBool::new(false),
            followers: SyncMutex::default(),
        }))
    }

    /// The table.
    pub fn relation(&self) -> &Arc<Relation> {
        &self.relation
    }

    /// Who may change which rows.
    pub fn locks(&self) -> &TableLocks {
        &self.locks
    }

    /// Shows all that the topic has now. What it has is published when this returns.
    pub async fn catch_up(&self) -> Result<()> {
        let mut shown = self.shown.lock().await;
        if self.closed.load(Ordering::Acquire) {
            let message = format!("table \"{}\" was dropped", self.relation.name);
            return Err(Error::new(SqlState::UNDEFINED_TABLE, message));
        }
        let ends = self.ends().await?;
        let is_behind_compaction =
            |positions: &[Offset]| positions.iter().zip(&ends).any(|(position, (first, _))| position < first);
        // What is gone from the topic may hold a deletion that was not seen.
        if shown.as_deref().is_none_or(is_behind_compaction) {
            *shown = Some(self.open().await?);
        }
        let Some(positions) = shown.as_mut() else { return Ok(()) };
        self.show(positions, &ends).await
    }

    /// Appends batches, so that every look finds all of them or none; they are durable and shown when this returns.
    ///
    /// Run it to its end: a caller that is dropped may leave rows that are appended and not shown before the next look.
    pub async fn append(
        &self,
        client: &dyn Client,
        batches: Vec<(TopicPartition, Batch)>,
    ) -> Result<Vec<(TopicPartition, Offset)>> {
        let partitions: Vec<TopicPartition> = batches.iter().map(|(partition, _)| *partition).collect();
        let appended = match batches.len() {
            0 | 1 => client.append_many(batches, Acks::All).await?,
            _ => {
                let _alone = self.appending.write().await;
                client.append_many(batches, Acks::All).await?
            }
        };
        self.catch_up().await?;
        let end = |(partition, appended): (TopicPartition, Appended)| (partition, appended.next_offset);
        Ok(partitions.into_iter().zip(appended).map(end).collect())
    }

    /// First position that can be read on from, and end, of each partition, taken together.
    async fn ends(&self) -> Result<Vec<(Offset, Offset)>> {
        let _no_append_under_way = self.appending.read().await;
        let mut ends = Vec::new();
        for partition in self.partitions() {
            let found = self.client.ends(partition).await?;
            ends.push((found.log_start_offset.max(found.tombstones_from), found.readable_end()));
        }
        Ok(ends)
    }

    fn partitions(&self) -> impl Iterator<Item = TopicPartition> {
        let topic = self.relation.topic_id;
        (0..self.relation.partitions.max(1)).map(move |number| TopicPartition::new(topic, number))
    }

    /// Makes the view from what its store has and the topic after it.
    async fn open(&self) -> Result<Vec<Offset>> {
        let owner = StoreOwner::Table(self.relation.id);
        let memory = self.publisher.memory();
        let (mut partitions, restoring) = (Vec::new(), Restoring::default());
        for partition in self.partitions() {
            let number = partition.partition.0;
            let (relation, client, stores) = (&self.relation, &self.client, &self.stores);
            partitions.push(restore_view(owner, relation, number, client, stores, memory, &restoring).await?);
        }
        let positions: Vec<Offset> = partitions.iter().map(|partition| partition.upto()).collect();
        if let Some(first) = partitions.first() {
            let schema = Arc::clone(first.schema());
            self.publisher.define(self.relation.id, schema, partitions);
        }
        let moved = positions.iter().enumerate().map(|(number, position)| self.change(number, Vec::new(), *position));
        self.publisher.show(moved.collect())?;
        Ok(positions)
    }

    /// Reads up to `ends` and shows it at once, unless it is far.
    async fn show(&self, positions: &mut [Offset], ends: &[(Offset, Offset)]) -> Result<()> {
        let mut next = positions.to_vec();
        let mut deltas: Vec<Vec<ViewDelta>> = vec![Vec::new(); next.len()];
        let mut rows = 0;
        for (number, (_, end)) in ends.iter().enumerate() {
            while next[number] < *end {
                let partition = i32::try_from(number).unwrap_or(i32::MAX);
                let (position, delta) = self.reader.read(partition, next[number], *end).await?;
                next[number] = position;
                // What is there comes without a wait: others get their turn first.
                tokio::task::yield_now().await;
                rows += delta.as_ref().map_or(0, ViewDelta::changes);
                if let (Some(expiry), Some(delta)) = (&self.expiry, &delta) {
                    expiry.note(&delta.rows);
                }
                deltas[number].extend(delta);
                if ROWS_SHOWN_MAX <= rows {
                    rows = 0;
                    self.publish(positions, &next, &mut deltas)?;
                }
            }
        }
        self.publish(positions, &next, &mut deltas)
    }

    fn publish(&self, positions: &mut [Offset], next: &[Offset], deltas: &mut [Vec<ViewDelta>]) -> Result<()> {
        let moved = (0..next.len()).filter(|number| positions[*number] < next[*number]);
        let changes: Vec<PartitionChange> =
            moved.map(|number| self.change(number, std::mem::take(&mut deltas[number]), next[number])).collect();
        if !changes.is_empty() {
            self.publisher.show(changes)?;
            positions.copy_from_slice(next);
        }
        Ok(())
    }

    fn change(&self, number: usize, deltas: Vec<ViewDelta>, upto: Offset) -> PartitionChange {
        let topic = TopicPartition::new(self.relation.topic_id, i32::try_from(number).unwrap_or(i32::MAX));
        let frontier = Frontier::from([(topic, upto)]);
        PartitionChange { relation: self.relation.id, partition: number, deltas, topic, upto: Some(upto), frontier }
    }

    /// Shows from now on what comes, as it comes.
    pub(in crate::exec) fn follow(self: &Arc<Self>, handle: &Handle) {
        let mut followers = self.followers.lock();
        for partition in self.partitions() {
            followers.push(handle.spawn(follow(Arc::downgrade(self), partition)).abort_handle());
        }
    }

    fn stop_following(&self) {
        self.followers.lock().drain(..).for_each(|follower| follower.abort());
    }

    /// Shows nothing more. Nobody is in the middle of it when this returns.
    pub(in crate::exec) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.stop_following();
        drop(self.shown.lock().await);
    }
}

/// Looks for new records of a partition as long as the table is there.
async fn follow(table: Weak<KeptTable>, partition: TopicPartition) {
    let number = usize::try_from(partition.partition.0).unwrap_or(0);
    loop {
        let Some(kept) = table.upgrade() else { return };
        let clock = Arc::clone(&kept.env.clock);
        let looked = match kept.catch_up().await {
            Ok(()) => kept.expire().await.map(|_| ()),
            failed => failed,
        };
        let position = kept.shown.lock().await.as_ref().and_then(|shown| shown.get(number).copied());
        let client = Arc::clone(&kept.client);
        drop(kept);
        let seen = match (looked, position) {
            (Ok(()), Some(position)) => look(client.as_ref(), partition, position).await.map_err(Error::from),
            (Ok(()), None) => Ok(()),
            (Err(error), _) => Err(error),
        };
        if let Err(error) = seen {
            warn!(%partition, %error, "a table could not be read");
            clock.sleep(RETRY).await;
        }
    }
}

/// Waits for something new after `position`; what it is is read by the table itself.
async fn look(client: &dyn Client, partition: TopicPartition, position: Offset) -> Result<(), ExecError> {
    let position = Position { partition, offset: position, leader_epoch: None };
    match client.fetch(position, Isolation::ReadCommitted, 1, LOOK_WAIT).await {
        // The next look makes the view anew.
        Ok(_) | Err(BrokerError::OffsetOutOfRange { .. }) => Ok(()),
        Err(error) => {
            debug!(%partition, %error, "a look for new records failed");
            Err(error.into())
        }
    }
}
