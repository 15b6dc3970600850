//! Who may change which rows of a table at a moment.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::sync::OwnedRwLockReadGuard;
use tokio::sync::OwnedRwLockWriteGuard;
use tokio::sync::RwLock;

/// Keys share so many locks: two rows wait for each other by chance once in so many times.
const STRIPES: usize = 128;

/// What a statement is about to change.
#[derive(Debug, Clone, Copy)]
pub enum Claim<'a> {
    /// The rows of these encoded keys, which need not exist.
    Keys(&'a [Vec<u8>]),
    /// Any row.
    All,
}

/// The locks of one table. First come, first served, within a lock.
pub struct TableLocks {
    /// Shared by those who know their keys.
    table: Arc<RwLock<()>>,
    stripes: Vec<Arc<Mutex<()>>>,
    hasher: std::hash::RandomState,
}

/// What a statement holds until its change is shown, or given up.
pub struct TableLock {
    _table: TableGuard,
    _stripes: Vec<OwnedMutexGuard<()>>,
}

enum TableGuard {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

impl Default for TableLocks {
    fn default() -> Self {
        let stripes = (0..STRIPES).map(|_| Arc::default()).collect();
        Self { table: Arc::default(), stripes, hasher: Default::default() }
    }
}

impl TableLocks {
    /// Waits until nobody else may change what is claimed. A caller that is dropped waits no more.
    pub async fn lock(&self, claim: Claim<'_>) -> TableLock {
        let keys = match claim {
            Claim::All => {
                let guard = Arc::clone(&self.table).write_owned().await;
                return TableLock { _table: TableGuard::Alone { _guard: guard }, _stripes: Vec::new() };
            }
            Claim::Keys(keys) => keys,
        };
        let guard = Arc::clone(&self.table).read_owned().await;
        // In one order for all, so that nobody waits in a circle.
        let wanted: BTreeSet<usize> = keys.iter().map(|key| self.stripe(key)).collect();
        let mut stripes = Vec::with_capacity(wanted.len());
        for stripe in wanted {
            stripes.push(Arc::clone(&self.stripes[stripe]).lock_owned().await);
        }
        TableLock { _table: TableGuard::Shared { _guard: guard }, _stripes: stripes }
    }

    fn stripe(&self, key: &[u8]) -> usize {
        usize::try_from(self.hasher.hash_one(key) % STRIPES as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn key(key: &str) -> Vec<Vec<u8>> {
        vec![key.as_bytes().to_vec()]
    }

    /// Two keys of different stripes.
    fn apart(locks: &TableLocks) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let first = key("0");
        let other = (1..).map(|number: u32| key(&number.to_string()));
        let other = other.into_iter().find(|other| locks.stripe(&other[0]) != locks.stripe(&first[0]));
        (first, other.expect("there are many stripes"))
    }

    #[test]
    fn a_key_is_claimed_by_one_and_other_keys_by_others() {
        let locks = TableLocks::default();
        let (one, other) = apart(&locks);
        let held = locks.lock(Claim::Keys(&one)).now_or_never().expect("free");
        assert!(locks.lock(Claim::Keys(&one)).now_or_never().is_none());
        assert!(locks.lock(Claim::Keys(&[one[0].clone(), other[0].clone()])).now_or_never().is_none());
        assert!(locks.lock(Claim::Keys(&other)).now_or_never().is_some());
        drop(held);
        assert!(locks.lock(Claim::Keys(&one)).now_or_never().is_some());
    }

    #[test]
    fn a_claim_of_all_stands_alone() {
        let locks = TableLocks::default();
        let (one, other) = apart(&locks);
        let held = locks.lock(Claim::Keys(&one)).now_or_never().expect("free");
        assert!(locks.lock(Claim::All).now_or_never().is_none());
        drop(held);
        let all = locks.lock(Claim::All).now_or_never().expect("free");
        assert!(locks.lock(Claim::Keys(&other)).now_or_never().is_none());
        drop(all);
        assert!(locks.lock(Claim::Keys(&other)).now_or_never().is_some());
    }
}
