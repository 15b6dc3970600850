//! Cold stores on disk: one fjall database for a node, with two keyspaces for all of its stores.
//!
//! A keyspace of its own for each store would cost several syncs to make and a memtable to keep. Instead the keyspace
//! `stores` gives each store a number, and `entries` holds the keys of all under their number. Wiping a store gives
//! it a new number; what lies under the old one is removed then, or at the next start.
//!
//! Writes reach the page cache with each batch and are not synced: after a power loss a store stands at an earlier
//! position and catches up from its changelog. fjall opens its files itself, past `env`; `SimulatedStores` is the twin.
//!
//! Invariants:
//!   * a number is given once, and durably before the first entry under it
//!   * under a number, the position and the entries are told apart by a byte, so that an empty key is a key
//!   * memtables are closed here, never by fjall's wish: see `Inner::note_written`

use std::collections::BTreeSet;
use std::io;
use std::io::ErrorKind;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use fjall::Database;
use fjall::Keyspace;
use fjall::KeyspaceCreateOptions;
use fjall::KvSeparationOptions;
use fjall::PersistMode;
use fjall::config::PartitioningPolicy;
use parking_lot::Mutex;

use super::ColdStore;
use super::ColdStores;
use super::StateError;
use super::StoreName;
use super::StoreOwner;
use super::StorePosition;
use super::cold_store::Change;
use super::error::KEY_BYTES_MAX;
use crate::env::Env;
use crate::env::caught;

/// Number and tag.
const KEY_PREFIX_BYTES: usize = 9;
const POSITION_TAG: u8 = 0;
const ENTRY_TAG: u8 = 1;
/// In `stores`, beside the names, which begin with a letter: the next number to give.
const NEXT_NUMBER_KEY: &[u8] = &[0];
/// Entries of a wiped store that are removed in one batch.
const SWEEP_ENTRIES: usize = 4096;

/// What fjall counts of an entry in its memtable beside the bytes of key and value.
const ENTRY_BYTES: u64 = 64;

/// Values of so many bytes are not copied when tables are merged.
const LARGE_VALUE_BYTES: u32 = 16 << 10;

/// Memory and threads that the stores of a node take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Blocks of tables kept in memory, in bytes.
    pub cache_bytes: u64,
    /// Newest entries of all stores kept in memory until they are in a table, in bytes. A memtable is closed at half of it:
    /// one is filled while another is written. Up to four wait if the thread that writes them is merging tables.
    pub memtable_bytes: u64,
    /// fjall's own journals on disk, in bytes; at least 64 MiB.
    pub journal_bytes_max: u64,
    /// Threads that write and merge tables.
    pub threads: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, memtable_bytes: 64 << 20, journal_bytes_max: 256 << 20, threads: 1 }
    }
}

/// The stores of a node on its disk.
pub struct FjallStores(Arc<Inner>);

struct Inner {
    database: Database,
    stores: Keyspace,
    entries: Keyspace,
    /// Held while a number is given.
    numbering: Mutex<()>,
    memtable_bytes_max: u64,
    /// Bytes written since the memtable was last closed, as fjall counts them.
    memtable_bytes: AtomicU64,
}

impl FjallStores {
    /// Opens the stores in `directory`; if they are damaged they are removed, and start empty. What the system refuses is no damage.
    pub fn open(env: &Env, directory: &Path, limits: StoreLimits) -> Result<Self, StateError> {
        let limits = StoreLimits { threads: limits.threads.max(1), ..limits };
        let found = match open_inner(directory, limits) {
            Ok(inner) => return Ok(Self(Arc::new(inner))),
            Err(Unopened::Failed(fjall::Error::Locked)) => return Err(StateError::Locked),
            Err(Unopened::Failed(source)) => match refusal(&source) {
                Some(refused) => {
                    let cause = refused.to_string();
                    return Err(StateError::Open { cause, source });
                }
                None => source.to_string(),
            },
            Err(Unopened::Panicked(said)) => said,
        };
        tracing::warn!(found, "the state directory is damaged: all state is restored from its changelogs");
        env.disk.remove_dir_all(directory)?;
        env.disk.create_dir_all(directory)?;
        match open_inner(directory, limits) {
            Ok(inner) => Ok(Self(Arc::new(inner))),
            Err(Unopened::Failed(source)) => {
                let cause = refusal(&source).map_or_else(|| source.to_string(), |refused| refused.to_string());
                Err(StateError::Open { cause, source })
            }
            Err(Unopened::Panicked(cause)) => Err(StateError::Open { cause, source: fjall::Error::Unrecoverable }),
        }
    }
}

/// Why stores were not opened.
#[derive(Debug)]
enum Unopened {
    Failed(fjall::Error),
    /// fjall does not promise to answer damaged files with an error.
    Panicked(String),
}

/// The system's own refusal, if that is what an error comes from: too many open files, no permission, a disk that does not
/// answer. A file that is not there, or shorter than it says, is damage.
fn refusal(error: &fjall::Error) -> Option<&io::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = cause {
        if let Some(failed) = found.downcast_ref::<io::Error>() {
            let is_damage = matches!(
                failed.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::InvalidInput
            );
            return (failed.raw_os_error().is_some() && !is_damage).then_some(failed);
        }
        cause = found.source();
    }
    None
}

fn open_inner(directory: &Path, limits: StoreLimits) -> Result<Inner, Unopened> {
    let open = || {
        let database = Database::builder(directory)
            .cache_size(limits.cache_bytes)
            .max_journaling_size(limits.journal_bytes_max.max(64 << 20))
            .worker_threads_unchecked(limits.threads)
            .open()?;
        // Pages of views lie apart from the tables of rows, which are merged again and again.
        let apart = KvSeparationOptions::default().separation_threshold(LARGE_VALUE_BYTES);
        let options = || {
            let options = KeyspaceCreateOptions::default().max_memtable_size(u64::MAX);
            // Whole filters and indexes of large tables would push all else out of the cache, one for each key that is read.
            // Parts of them are blocks as all others; only those of the newest, small tables stay in memory whole.
            let parts = || PartitioningPolicy::new([false, true]);
            options
                .index_block_partitioning_policy(parts())
                .filter_block_partitioning_policy(parts())
                .with_kv_separation(Some(apart.clone()))
        };
        let stores = database.keyspace("stores", KeyspaceCreateOptions::default)?;
        let entries = database.keyspace("entries", options)?;
        let (memtable_bytes_max, memtable_bytes) = (limits.memtable_bytes / 2, AtomicU64::new(0));
        let inner = Inner { database, stores, entries, numbering: Mutex::new(()), memtable_bytes_max, memtable_bytes };
        inner.sweep_unnamed()?;
        Ok(inner)
    };
    caught(open).map_err(Unopened::Panicked)?.map_err(Unopened::Failed)
}

impl Inner {
    /// Closes the memtable when so much was written to it.
    ///
    /// fjall would leave that to its worker: each batch over the limit asks for it, through a channel of 1,000 messages. While
    /// the worker merges tables they pile up, and a worker that then closes the memtable waits for a place in the channel
    /// which it alone reads: nothing is written any more. So the limit that fjall knows is never reached; in directories
    /// that were made with another one, what is counted here as fjall counts it reaches this one no later.
    fn note_written(&self, entries: usize, bytes: usize) -> Result<(), fjall::Error> {
        let bytes = bytes as u64 + entries as u64 * ENTRY_BYTES;
        let written = self.memtable_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.memtable_bytes_max <= written {
            self.memtable_bytes.store(0, Ordering::Relaxed);
            self.entries.rotate_memtable()?;
        }
        Ok(())
    }

    fn number_of(&self, name: &str) -> Result<Option<u64>, fjall::Error> {
        Ok(self.stores.get(name)?.and_then(|bytes| number_at(&bytes)))
    }

    /// Gives a store a number that no store has had.
    fn give_number(&self, name: &str) -> Result<u64, fjall::Error> {
        let _one_at_a_time = self.numbering.lock();
        let number = self.stores.get(NEXT_NUMBER_KEY)?.and_then(|bytes| number_at(&bytes)).unwrap_or(0);
        // Synced, or a power loss could keep entries in a table and forget whose they are.
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&self.stores, NEXT_NUMBER_KEY, (number + 1).to_be_bytes());
        batch.insert(&self.stores, name, number.to_be_bytes());
        batch.commit()?;
        Ok(number)
    }

    /// Removes what lies under `number`.
    fn sweep(&self, number: u64) -> Result<(), fjall::Error> {
        let end = (number + 1).to_be_bytes().to_vec();
        // Each batch goes on behind the last key: from the start it would pass all that was removed again.
        let mut from = Bound::Included(number.to_be_bytes().to_vec());
        loop {
            let keys = self.entries.range((from, Bound::Excluded(end.clone()))).take(SWEEP_ENTRIES);
            let keys = keys.map(|entry| entry.key()).collect::<Result<Vec<_>, _>>()?;
            let Some(last) = keys.last() else { return Ok(()) };
            from = Bound::Excluded(last.to_vec());
            let (entries, bytes) = (keys.len(), keys.iter().map(|key| key.len()).sum());
            let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
            keys.into_iter().for_each(|key| batch.remove(&self.entries, key));
            batch.commit()?;
            self.note_written(entries, bytes)?;
        }
    }

    /// Removes what lies under numbers that no store has: what a kill left of a wipe.
    fn sweep_unnamed(&self) -> Result<(), fjall::Error> {
        let mut named = BTreeSet::new();
        for entry in self.stores.iter() {
            let (name, number) = entry.into_inner()?;
            if name != NEXT_NUMBER_KEY {
                named.extend(number_at(&number));
            }
        }
        let mut from = 0u64;
        while let Some(entry) = self.entries.range(from.to_be_bytes()..).next() {
            let Some(number) = number_at(&entry.key()?) else { break };
            if !named.contains(&number) {
                self.sweep(number)?;
            }
            from = number + 1;
        }
        Ok(())
    }
}

fn number_at(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

impl ColdStores for FjallStores {
    fn open(&self, name: &StoreName) -> Result<Arc<dyn ColdStore>, StateError> {
        let name = name.to_string();
        let number = match self.0.number_of(&name) {
            Ok(Some(number)) => Ok(number),
            Ok(None) => self.0.give_number(&name),
            Err(error) => Err(error),
        };
        match number {
            Ok(number) => Ok(Arc::new(FjallStore { name, inner: self.0.clone(), number: AtomicU64::new(number) })),
            Err(source) => Err(StateError::Store { store: name, source }),
        }
    }

    fn remove(&self, owner: StoreOwner) -> Result<(), StateError> {
        let failed = |source| StateError::Store { store: owner.to_string(), source };
        for entry in self.0.stores.prefix(format!("{owner}.")) {
            let (name, number) = entry.into_inner().map_err(failed)?;
            self.0.stores.remove(name).map_err(failed)?;
            if let Some(number) = number_at(&number) {
                self.0.sweep(number).map_err(failed)?;
            }
        }
        Ok(())
    }
}

struct FjallStore {
    name: String,
    inner: Arc<Inner>,
    /// Changes when the store is wiped.
    number: AtomicU64,
}

impl FjallStore {
    fn failed(&self, source: fjall::Error) -> StateError {
        StateError::Store { store: self.name.clone(), source }
    }

    fn tagged(&self, tag: u8, key: &[u8]) -> Vec<u8> {
        let mut tagged = Vec::with_capacity(KEY_PREFIX_BYTES + key.len());
        tagged.extend(self.number.load(Ordering::Acquire).to_be_bytes());
        tagged.push(tag);
        tagged.extend(key);
        tagged
    }

    fn entry_key(&self, key: &[u8]) -> Vec<u8> {
        self.tagged(ENTRY_TAG, key)
    }

    /// The bound of a range. No key is longer than `KEY_BYTES_MAX`: between a longer bound and the one byte after its
    /// first `KEY_BYTES_MAX` lies nothing.
    fn bound_key(&self, key: &[u8]) -> Vec<u8> {
        match key.split_at_checked(KEY_BYTES_MAX) {
            Some((first, [_, ..])) => self.tagged(ENTRY_TAG, &[first, &[0]].concat()),
            _ => self.entry_key(key),
        }
    }

    fn position_key(&self) -> Vec<u8> {
        self.tagged(POSITION_TAG, &[])
    }
}

impl ColdStore for FjallStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        if KEY_BYTES_MAX < key.len() {
            return Ok(None);
        }
        let value = self.inner.entries.get(self.entry_key(key)).map_err(|error| self.failed(error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn range(&self, from: &[u8], to: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StateError> {
        let to = to.map_or_else(|| self.tagged(ENTRY_TAG + 1, &[]), |to| self.bound_key(to));
        let from = self.bound_key(from);
        if to <= from {
            return Ok(Vec::new());
        }
        let entries = self.inner.entries.range(from..to).take(limit);
        entries
            .map(|entry| {
                let (key, value) = entry.into_inner().map_err(|error| self.failed(error))?;
                Ok((Bytes::copy_from_slice(&key[KEY_PREFIX_BYTES..]), Bytes::copy_from_slice(&value)))
            })
            .collect()
    }

    fn apply(&self, changes: &[Change], position: &StorePosition) -> Result<(), StateError> {
        // The page cache is enough for a kill; without this mode fjall keeps the batch in its own buffer.
        let mut batch = self.inner.database.batch().durability(Some(PersistMode::Buffer));
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&self.inner.entries, self.entry_key(key), &value[..]),
                None => batch.remove(&self.inner.entries, self.entry_key(key)),
            }
        }
        let position = position.encode();
        let bytes = |(key, value): &Change| KEY_PREFIX_BYTES + key.len() + value.as_ref().map_or(0, Bytes::len);
        let bytes = KEY_PREFIX_BYTES + position.len() + changes.iter().map(bytes).sum::<usize>();
        batch.insert(&self.inner.entries, self.position_key(), position);
        batch.commit().map_err(|error| self.failed(error))?;
        self.inner.note_written(changes.len() + 1, bytes).map_err(|error| self.failed(error))
    }

    fn position(&self) -> Result<Option<StorePosition>, StateError> {
        let Some(bytes) = self.inner.entries.get(self.position_key()).map_err(|error| self.failed(error))? else {
            return Ok(None);
        };
        match StorePosition::decode(&bytes) {
            Some(position) => Ok(Some(position)),
            None => Err(StateError::Corrupt { store: self.name.clone() }),
        }
    }

    fn wipe(&self) -> Result<(), StateError> {
        let number = self.inner.give_number(&self.name).map_err(|error| self.failed(error))?;
        let wiped = self.number.swap(number, Ordering::AcqRel);
        self.inner.sweep(wiped).map_err(|error| self.failed(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Offset;
    use crate::model::OperatorId;
    use crate::model::PartitionId;
    use crate::model::QueryId;
    use crate::model::TopicId;
    use crate::model::TopicPartition;

    /// A store whose tables nobody writes, as while the worker merges others for long. A thousand batches above the memtable's
    /// limit fill the worker's channel where each asks for the memtable to be closed, and the last line waits for ever.
    #[test]
    fn a_busy_worker_is_not_asked_by_each_batch() {
        let directory = tempfile::tempdir().unwrap();
        let limits = StoreLimits { memtable_bytes: 300 << 10, threads: 0, ..StoreLimits::default() };
        let stores = FjallStores(Arc::new(open_inner(directory.path(), limits).unwrap()));
        let owner = StoreOwner::from(QueryId(1));
        let name = StoreName { owner, operator: OperatorId::new("a"), partition: PartitionId(0) };
        let store = ColdStores::open(&stores, &name).unwrap();
        let changelog = TopicPartition::new(TopicId([7; 16]), 0);
        let position = StorePosition { owner, layout: "a 1".to_string(), changelog, offset: Offset(1) };
        for key in 0..2_000_u32 {
            let change = (Bytes::copy_from_slice(&key.to_be_bytes()), Some(Bytes::from_static(b"1")));
            store.apply(&[change], &position).unwrap();
        }
        stores.0.entries.rotate_memtable().unwrap();
    }

    #[test]
    fn what_the_system_refuses_is_no_damage() {
        let of_system = |code| fjall::Error::Io(io::Error::from_raw_os_error(code));
        for code in [libc::EMFILE, libc::ENFILE, libc::EACCES, libc::EIO, libc::ENOSPC] {
            assert!(refusal(&of_system(code)).is_some(), "{code}");
            let within = fjall::Error::Storage(io::Error::from_raw_os_error(code).into());
            assert!(refusal(&within).is_some(), "{code} of a table");
        }
        assert!(refusal(&of_system(libc::ENOENT)).is_none());
        assert!(refusal(&fjall::Error::Io(ErrorKind::UnexpectedEof.into())).is_none());
        assert!(refusal(&fjall::Error::InvalidTrailer).is_none());
    }
}
