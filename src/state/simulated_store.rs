//! Cold stores in memory that outlive a simulated process, with what a power loss may do to them.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::ColdStore;
use super::ColdStores;
use super::StateError;
use super::StoreName;
use super::StoreOwner;
use super::StorePosition;
use super::cold_store::Change;
use crate::env::Random;
use crate::env::SeededRandom;

/// Batches that a power loss may take back; older ones count as written to tables.
const UNSYNCED_MAX: usize = 16;

/// The stores of a simulated node. Clones are the same stores: keep one across a restart.
#[derive(Clone, Default)]
pub struct SimulatedStores(Arc<Mutex<BTreeMap<StoreName, Arc<SimulatedStore>>>>);

impl SimulatedStores {
    /// No stores yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores that hold the same and change no more with these.
    pub fn copy(&self) -> Self {
        let copy = |(name, store): (&StoreName, &Arc<SimulatedStore>)| {
            let versions = Mutex::new(store.versions.lock().clone());
            (name.clone(), Arc::new(SimulatedStore { name: name.clone(), versions }))
        };
        Self(Arc::new(Mutex::new(self.0.lock().iter().map(copy).collect())))
    }

    /// Takes back, by `seed`, some of each store's newest batches; one store in eight is gone, one in eight damaged.
    pub fn lose_power(&self, seed: u64) {
        let random = SeededRandom::new(seed);
        for store in self.0.lock().values() {
            let mut versions = store.versions.lock();
            match random.next_u64() % 8 {
                0 => *versions = Versions::default(),
                1 => versions.damaged = true,
                _ => {
                    let back = random.next_u64() as usize % (versions.unsynced.len() + 1);
                    for _ in 0..back {
                        versions.take_back();
                    }
                }
            }
            versions.unsynced.clear();
        }
    }
}

impl ColdStores for SimulatedStores {
    fn open(&self, name: &StoreName) -> Result<Arc<dyn ColdStore>, StateError> {
        let mut stores = self.0.lock();
        let new = || Arc::new(SimulatedStore { name: name.clone(), versions: Mutex::default() });
        Ok(stores.entry(name.clone()).or_insert_with(new).clone())
    }

    fn remove(&self, owner: StoreOwner) -> Result<(), StateError> {
        self.0.lock().retain(|name, _| name.owner != owner);
        Ok(())
    }
}

struct SimulatedStore {
    name: StoreName,
    versions: Mutex<Versions>,
}

#[derive(Default, Clone)]
struct Versions {
    entries: BTreeMap<Bytes, Bytes>,
    position: Option<StorePosition>,
    damaged: bool,
    /// What takes back the newest batches, oldest first.
    unsynced: VecDeque<Undo>,
}

#[derive(Clone)]
struct Undo {
    changes: Vec<Change>,
    position: Option<StorePosition>,
}

impl Versions {
    /// Makes `changes` and returns those that undo them.
    fn change(&mut self, changes: &[Change]) -> Vec<Change> {
        let change = |(key, value): &Change| {
            let before = match value {
                Some(value) => self.entries.insert(key.clone(), value.clone()),
                None => self.entries.remove(key),
            };
            (key.clone(), before)
        };
        changes.iter().map(change).collect()
    }

    fn take_back(&mut self) {
        if let Some(undo) = self.unsynced.pop_back() {
            self.change(&undo.changes);
            self.position = undo.position;
        }
    }
}

impl ColdStore for SimulatedStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        Ok(self.versions.lock().entries.get(key).cloned())
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StateError> {
        if to.is_some_and(|to| to <= from) {
            return Ok(Vec::new());
        }
        let bounds = (Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded));
        let versions = self.versions.lock();
        let entries = versions.entries.range::<[u8], _>(bounds).take(limit);
        Ok(entries.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn apply(&self, changes: &[Change], position: &StorePosition) -> Result<(), StateError> {
        let mut versions = self.versions.lock();
        let undo = Undo { changes: versions.change(changes), position: versions.position.take() };
        versions.unsynced.push_back(undo);
        if UNSYNCED_MAX < versions.unsynced.len() {
            versions.unsynced.pop_front();
        }
        versions.position = Some(position.clone());
        Ok(())
    }

    fn position(&self) -> Result<Option<StorePosition>, StateError> {
        let versions = self.versions.lock();
        match versions.damaged {
            true => Err(StateError::Corrupt { store: self.name.to_string() }),
            false => Ok(versions.position.clone()),
        }
    }

    fn wipe(&self) -> Result<(), StateError> {
        *self.versions.lock() = Versions::default();
        Ok(())
    }
}
