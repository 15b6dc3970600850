//! What statements see: all views of a node, as of one commit.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Weak;

use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::pages::ViewMemory;
use super::partition::ViewDelta;
use super::partition::ViewPartition;
use super::snapshot::Frontier;
use super::snapshot::ViewSnapshot;
use crate::model::Offset;
use crate::model::RelationId;
use crate::model::TopicPartition;
use crate::state::StateError;

/// All views as of one commit. Holding it pins them.
#[derive(Clone, Default)]
pub struct Published {
    commit_number: u64,
    views: HashMap<RelationId, Arc<ViewSnapshot>>,
    /// Told once this version must be given up.
    given_up: Arc<watch::Sender<bool>>,
    /// The version that one with other views was made of: it is pinned too.
    of: Option<Arc<Published>>,
}

impl Published {
    /// The node's number of the commit.
    pub fn commit_number(&self) -> u64 {
        self.commit_number
    }

    /// A view, `None` if it is not kept here.
    pub fn view(&self, relation: RelationId) -> Option<&Arc<ViewSnapshot>> {
        self.views.get(&relation)
    }

    /// The same with other versions of some views; what it was made of stays pinned.
    pub fn with(self: Arc<Self>, views: impl IntoIterator<Item = (RelationId, Arc<ViewSnapshot>)>) -> Self {
        let mut other = Published::clone(&self);
        other.views.extend(views);
        other.of = Some(self);
        other
    }

    /// Resolves when the version must be given up since too much memory is held for old ones. Whoever holds it then drops it.
    pub async fn given_up(&self) {
        let mut given_up = self.given_up.subscribe();
        if given_up.wait_for(|given_up| *given_up).await.is_err() {
            // This version has the sender.
            std::future::pending::<()>().await;
        }
    }

    /// Rows in memory that no page has, and their bytes.
    fn warm(&self) -> impl Iterator<Item = (*const (), usize)> {
        self.views.values().flat_map(|view| &view.partitions).flat_map(ViewPartition::warm)
    }

    /// All views.
    pub fn views(&self) -> impl Iterator<Item = (RelationId, &Arc<ViewSnapshot>)> {
        self.views.iter().map(|(relation, view)| (*relation, view))
    }
}

/// What a commit changes in one partition of one view.
pub struct PartitionChange {
    /// The view.
    pub relation: RelationId,
    /// The partition, from 0.
    pub partition: usize,
    /// Changes in the order in which they are applied; none if only the frontier moved.
    pub deltas: Vec<ViewDelta>,
    /// The partition of the view's topic that has them as records.
    pub topic: TopicPartition,
    /// Where that topic ends after them; the committer knows. `None` if nothing was written to it.
    pub upto: Option<Offset>,
    /// Offsets of root sources that this partition now reflects; sources left out stay where they were.
    pub frontier: Frontier,
}

/// Old commits that statements still hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pins {
    /// How many, the current one left out.
    pub live: usize,
    /// The oldest of them.
    pub oldest: Option<u64>,
    /// Bytes in memory that only they hold. Pages that can be read again are not counted.
    pub bytes: usize,
}

/// Leaves that are folded together when memory is short.
const FOLD_LEAVES: usize = 64;

/// The partition that has the most leaves with changes, `None` if none has any.
fn most_changed(published: &Published) -> Option<(RelationId, usize)> {
    let partitions = published.views().flat_map(|(relation, view)| {
        let partitions = view.partitions.iter().enumerate();
        partitions.map(move |(number, partition)| (partition.changed_leaves(), relation, number))
    });
    let most = partitions.max_by_key(|(leaves, _, number)| (*leaves, *number))?;
    (0 < most.0).then_some((most.1, most.2))
}

/// Publishes commits of queries, and changes of tables between them. One writer at a time; readers never wait for it.
pub struct Publisher {
    current: watch::Sender<Arc<Published>>,
    writer: Mutex<VecDeque<Weak<Published>>>,
    memory: Arc<ViewMemory>,
}

impl Publisher {
    /// No views, commit 0. All views are to be opened with this memory.
    pub fn new(memory: Arc<ViewMemory>) -> Self {
        Self { current: watch::channel(Arc::default()).0, writer: Mutex::default(), memory }
    }

    /// Where views have their rows.
    pub fn memory(&self) -> &Arc<ViewMemory> {
        &self.memory
    }

    /// The newest commit; the clone is the pin.
    pub fn current(&self) -> Arc<Published> {
        self.current.borrow().clone()
    }

    /// Tells of each new commit.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Published>> {
        self.current.subscribe()
    }

    /// Adds a view, at the current commit; a view that is there is replaced.
    pub fn define(&self, relation: RelationId, schema: SchemaRef, partitions: Vec<ViewPartition>) -> Arc<Published> {
        let mut pins = self.writer.lock();
        let mut next = Published::clone(&self.current());
        next.views.insert(relation, Arc::new(ViewSnapshot::new(schema, partitions)));
        self.replace(&mut pins, next)
    }

    /// Removes a view, at the current commit; who holds an older one still reads it.
    pub fn remove(&self, relation: RelationId) -> Arc<Published> {
        let mut pins = self.writer.lock();
        let mut next = Published::clone(&self.current());
        next.views.remove(&relation);
        self.replace(&mut pins, next)
    }

    /// Makes a commit visible, all of its changes at once. Changes of views that are not kept here are left out.
    ///
    /// After an error nothing of the commit is visible.
    pub fn publish(&self, commit_number: u64, changes: Vec<PartitionChange>) -> Result<Arc<Published>, StateError> {
        let mut pins = self.writer.lock();
        self.publish_locked(&mut pins, commit_number, changes)
    }

    fn publish_locked(
        &self,
        pins: &mut VecDeque<Weak<Published>>,
        commit_number: u64,
        changes: Vec<PartitionChange>,
    ) -> Result<Arc<Published>, StateError> {
        let mut next = Published::clone(&self.current());
        assert!(next.commit_number <= commit_number, "commit {commit_number} after {}", next.commit_number);
        next.commit_number = commit_number;
        let mut changed = Vec::new();
        for change in changes {
            let Some(view) = next.views.get_mut(&change.relation) else { continue };
            let Some(partition) = view.partitions.get(change.partition) else { continue };
            let mut partition = partition.clone();
            let mut rows = 0;
            for delta in &change.deltas {
                partition = partition.apply(delta)?;
                rows += delta.changes();
            }
            if let Some(upto) = change.upto {
                partition = partition.reflecting(upto);
            }
            if 0 < rows {
                changed.push((change.relation, change.partition, rows));
            }
            *view = view.clone().with(change.partition, partition, change.frontier);
        }
        let published = self.replace(pins, next);
        let published = self.fold(pins, &changed).unwrap_or(published);
        self.bound(pins);
        Ok(published)
    }

    /// Has the oldest version given up that is still held, if old ones hold more memory than they may, or there is no other way
    /// to make room. One at a time: what it held is free only when its readers have dropped it.
    fn bound(&self, pins: &VecDeque<Weak<Published>>) {
        let pool = self.memory.pool();
        // What old versions hold is part of what the pool holds.
        if pool.used() <= self.memory.pinned_max() && !pool.is_full() {
            return;
        }
        let held = self.held(pins);
        let bytes = self.held_bytes(&held);
        if bytes <= self.memory.pinned_max() && !(pool.is_full() && 0 < bytes) {
            return;
        }
        if let Some(oldest) = held.iter().find(|pin| !*pin.given_up.borrow()) {
            tracing::info!(commit_number = oldest.commit_number, bytes, "an old version of the views is given up");
            oldest.given_up.send_replace(true);
        }
    }

    /// Old versions that somebody holds, oldest first.
    fn held(&self, pins: &VecDeque<Weak<Published>>) -> Vec<Arc<Published>> {
        let current = self.current();
        pins.iter().filter_map(Weak::upgrade).filter(|pin| !Arc::ptr_eq(pin, &current)).collect()
    }

    /// Bytes in memory that `held` have and the current version has not.
    fn held_bytes(&self, held: &[Arc<Published>]) -> usize {
        let mut warm: HashMap<*const (), usize> = held.iter().flat_map(|pin| pin.warm()).collect();
        for (batch, _) in self.current().warm() {
            warm.remove(&batch);
        }
        warm.values().sum()
    }

    /// Makes changes visible that belong to no commit of queries, all at once, at the current commit.
    ///
    /// After an error nothing of them is visible.
    pub fn show(&self, changes: Vec<PartitionChange>) -> Result<Arc<Published>, StateError> {
        let mut pins = self.writer.lock();
        let commit_number = self.current().commit_number;
        self.publish_locked(&mut pins, commit_number, changes)
    }

    /// Writes rows into pages, as many leaves as the changes call for, and makes room if there is none. Readers see the
    /// same rows before and after.
    fn fold(
        &self,
        pins: &mut VecDeque<Weak<Published>>,
        changed: &[(RelationId, usize, usize)],
    ) -> Option<Arc<Published>> {
        let mut next = None;
        for (relation, partition, rows) in changed {
            let current = next.clone().unwrap_or_else(|| Published::clone(&self.current()));
            let Some(view) = current.views.get(relation) else { continue };
            let oldest = view.partitions[*partition].leaves_due(*rows);
            next = self.fold_oldest(&current, *relation, *partition, oldest).or(next);
        }
        self.memory.evict();
        while self.memory.pool().is_full() {
            let current = next.clone().unwrap_or_else(|| Published::clone(&self.current()));
            let Some((relation, partition)) = most_changed(&current) else { break };
            let Some(folded) = self.fold_oldest(&current, relation, partition, FOLD_LEAVES) else { break };
            // What the version before holds is given back only when it is gone.
            drop(current);
            self.replace(pins, folded);
            next = None;
            self.memory.evict();
        }
        next.map(|next| self.replace(pins, next))
    }

    /// What is published, with the `oldest` changed leaves of a partition in pages; `None` if there is nothing to fold, or
    /// if it could not be written, which the next commit tries again.
    fn fold_oldest(
        &self,
        current: &Published,
        relation: RelationId,
        partition: usize,
        oldest: usize,
    ) -> Option<Published> {
        let view = current.views.get(&relation)?;
        match view.partitions[partition].folded(oldest) {
            Ok(folded) => {
                let mut next = current.clone();
                let folded = view.clone().with(partition, folded?, Frontier::new());
                next.views.insert(relation, folded);
                Some(next)
            }
            Err(error) => {
                tracing::warn!(relation = relation.0, partition, %error, "rows of a view stay in memory");
                None
            }
        }
    }

    /// Writes all rows of all views into pages, so that the next start need not read them again.
    pub fn checkpoint(&self) {
        let mut pins = self.writer.lock();
        let places: Vec<(RelationId, usize)> = self
            .current()
            .views()
            .flat_map(|(relation, view)| (0..view.partitions.len()).map(move |partition| (relation, partition)))
            .collect();
        for (relation, partition) in places {
            if let Some(next) = self.fold_oldest(&self.current(), relation, partition, usize::MAX) {
                self.replace(&mut pins, next);
            }
        }
    }

    fn replace(&self, pins: &mut VecDeque<Weak<Published>>, next: Published) -> Arc<Published> {
        let next = Arc::new(Published { given_up: Arc::default(), of: None, ..next });
        pins.retain(|pin| 0 < pin.strong_count());
        pins.push_back(Arc::downgrade(&next));
        self.current.send_replace(next.clone());
        next
    }

    /// Old commits that are still held.
    pub fn pins(&self) -> Pins {
        let pins = self.writer.lock();
        let held = self.held(&pins);
        let oldest = held.iter().map(|pin| pin.commit_number).min();
        Pins { live: held.len(), oldest, bytes: self.held_bytes(&held) }
    }
}
