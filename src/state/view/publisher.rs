//! What statements see: all views of a node, as of one commit.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Weak;

use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::partition::ViewDelta;
use super::snapshot::Frontier;
use super::snapshot::ViewSnapshot;
use crate::model::RelationId;
use crate::state::StateError;

/// All views as of one commit. Holding it pins them.
#[derive(Clone, Default)]
pub struct Published {
    commit_number: u64,
    views: HashMap<RelationId, Arc<ViewSnapshot>>,
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
}

/// Publishes commits. One writer at a time; readers never wait for it.
pub struct Publisher {
    current: watch::Sender<Arc<Published>>,
    writer: Mutex<VecDeque<Weak<Published>>>,
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new()
    }
}

impl Publisher {
    /// No views, commit 0.
    pub fn new() -> Self {
        Self { current: watch::channel(Arc::default()).0, writer: Mutex::default() }
    }

    /// The newest commit; the clone is the pin.
    pub fn current(&self) -> Arc<Published> {
        self.current.borrow().clone()
    }

    /// Tells of each new commit.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Published>> {
        self.current.subscribe()
    }

    /// Adds an empty view, at the current commit; a view that is there is replaced.
    pub fn define(&self, relation: RelationId, schema: SchemaRef, partitions: usize) -> Arc<Published> {
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
        let mut next = Published::clone(&self.current());
        assert!(next.commit_number <= commit_number, "commit {commit_number} after {}", next.commit_number);
        next.commit_number = commit_number;
        for change in changes {
            let Some(view) = next.views.get_mut(&change.relation) else { continue };
            let Some(partition) = view.partitions.get(change.partition) else { continue };
            let mut partition = partition.clone();
            for delta in &change.deltas {
                partition = partition.apply(delta)?;
            }
            *view = view.clone().with(change.partition, partition, change.frontier);
        }
        Ok(self.replace(&mut pins, next))
    }

    fn replace(&self, pins: &mut VecDeque<Weak<Published>>, next: Published) -> Arc<Published> {
        let next = Arc::new(next);
        pins.retain(|pin| 0 < pin.strong_count());
        pins.push_back(Arc::downgrade(&next));
        self.current.send_replace(next.clone());
        next
    }

    /// Old commits that are still held. A limit on their age (72000) goes here.
    pub fn pins(&self) -> Pins {
        let pins = self.writer.lock();
        let current = self.current();
        let held: Vec<Arc<Published>> =
            pins.iter().filter_map(Weak::upgrade).filter(|pin| !Arc::ptr_eq(pin, &current)).collect();
        Pins { live: held.len(), oldest: held.iter().map(|pin| pin.commit_number).min() }
    }
}
