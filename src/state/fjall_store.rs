//! Cold stores on disk: one fjall database for a node, one keyspace for a store.
//!
//! Writes reach the page cache with each batch and are not synced: after a power loss a store stands at an earlier
//! position and catches up from its changelog. fjall opens its files itself, past `env`; `SimulatedStores` is the twin.
//!
//! In a keyspace, position and entries are told apart by the first byte, so that an empty key is a key.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fjall::Database;
use fjall::Keyspace;
use fjall::KeyspaceCreateOptions;
use fjall::PersistMode;

use super::ColdStore;
use super::ColdStores;
use super::StateError;
use super::StoreName;
use super::StorePosition;
use super::cold_store::Change;
use crate::env::Env;
use crate::model::QueryId;

const POSITION_KEY: &[u8] = &[0];
const ENTRY_TAG: u8 = 1;
/// Just after the last entry.
const ENTRIES_END: &[u8] = &[ENTRY_TAG + 1];

/// Memory and threads that the stores of a node take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Blocks of tables kept in memory, in bytes.
    pub cache_bytes: u64,
    /// Newest entries of one store kept in memory before they go to a table, in bytes.
    pub memtable_bytes: u64,
    /// fjall's own journals on disk, in bytes; at least 64 MiB.
    pub journal_bytes_max: u64,
    /// Threads that write and merge tables.
    pub threads: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, memtable_bytes: 16 << 20, journal_bytes_max: 256 << 20, threads: 1 }
    }
}

/// The stores of a node on its disk.
pub struct FjallStores {
    database: Database,
    limits: StoreLimits,
}

impl FjallStores {
    /// Opens the stores in `directory`; if they cannot be read they are removed, and start empty.
    pub fn open(env: &Env, directory: &Path, limits: StoreLimits) -> Result<Self, StateError> {
        let found = match open_database(directory, limits) {
            Ok(database) => return Ok(Self { database, limits }),
            Err(Some(fjall::Error::Locked)) => return Err(StateError::Locked),
            Err(found) => found,
        };
        tracing::warn!(?found, "the state directory could not be read: all state is restored from its changelogs");
        env.disk.remove_dir_all(directory)?;
        env.disk.create_dir_all(directory)?;
        match open_database(directory, limits) {
            Ok(database) => Ok(Self { database, limits }),
            Err(source) => Err(StateError::Open { source: source.unwrap_or(fjall::Error::Unrecoverable) }),
        }
    }
}

/// `Err(None)` is a panic: fjall does not promise to answer damaged files with an error.
fn open_database(directory: &Path, limits: StoreLimits) -> Result<Database, Option<fjall::Error>> {
    let open = || {
        Database::builder(directory)
            .cache_size(limits.cache_bytes)
            .max_journaling_size(limits.journal_bytes_max.max(64 << 20))
            .worker_threads(limits.threads.max(1))
            .open()
    };
    catch_unwind(AssertUnwindSafe(open)).map_err(|_| None)?.map_err(Some)
}

impl ColdStores for FjallStores {
    fn open(&self, name: &StoreName) -> Result<Arc<dyn ColdStore>, StateError> {
        let name = name.to_string();
        let options = || KeyspaceCreateOptions::default().max_memtable_size(self.limits.memtable_bytes);
        match self.database.keyspace(&name, options) {
            Ok(keyspace) => Ok(Arc::new(FjallStore { name, database: self.database.clone(), keyspace })),
            Err(source) => Err(StateError::Store { store: name, source }),
        }
    }

    fn remove(&self, query: QueryId) -> Result<(), StateError> {
        let prefix = format!("{query}.");
        for name in self.database.list_keyspace_names().iter().filter(|name| name.starts_with(&prefix)) {
            self.database
                .keyspace(name, KeyspaceCreateOptions::default)
                .and_then(|keyspace| self.database.delete_keyspace(keyspace))
                .map_err(|source| StateError::Store { store: name.to_string(), source })?;
        }
        Ok(())
    }
}

struct FjallStore {
    name: String,
    database: Database,
    keyspace: Keyspace,
}

impl FjallStore {
    fn failed(&self, source: fjall::Error) -> StateError {
        StateError::Store { store: self.name.clone(), source }
    }
}

fn entry_key(key: &[u8]) -> Vec<u8> {
    let mut tagged = Vec::with_capacity(key.len() + 1);
    tagged.push(ENTRY_TAG);
    tagged.extend(key);
    tagged
}

impl ColdStore for FjallStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        let value = self.keyspace.get(entry_key(key)).map_err(|error| self.failed(error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StateError> {
        let to = to.map_or_else(|| ENTRIES_END.to_vec(), entry_key);
        let from = entry_key(from);
        if to <= from {
            return Ok(Vec::new());
        }
        let entries = self.keyspace.range(from..to).take(limit);
        entries
            .map(|entry| {
                let (key, value) = entry.into_inner().map_err(|error| self.failed(error))?;
                Ok((Bytes::copy_from_slice(&key[1..]), Bytes::copy_from_slice(&value)))
            })
            .collect()
    }

    fn apply(&self, changes: &[Change], position: &StorePosition) -> Result<(), StateError> {
        // The page cache is enough for a kill; without this mode fjall keeps the batch in its own buffer.
        let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&self.keyspace, entry_key(key), &value[..]),
                None => batch.remove(&self.keyspace, entry_key(key)),
            }
        }
        batch.insert(&self.keyspace, POSITION_KEY, position.encode());
        batch.commit().map_err(|error| self.failed(error))
    }

    fn position(&self) -> Result<Option<StorePosition>, StateError> {
        let Some(bytes) = self.keyspace.get(POSITION_KEY).map_err(|error| self.failed(error))? else {
            return Ok(None);
        };
        match StorePosition::decode(&bytes) {
            Some(position) => Ok(Some(position)),
            None => Err(StateError::Corrupt { store: self.name.clone() }),
        }
    }

    fn wipe(&self) -> Result<(), StateError> {
        self.keyspace.clear().map_err(|error| self.failed(error))
    }
}
