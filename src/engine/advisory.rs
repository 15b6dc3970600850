//! Advisory locks: numbers that sessions lock for what they agree on. Migration tools take one before they change a schema.
//!
//! A session may hold one several times, and lets go as often; what is held for a transaction goes at its end, all else at the
//! session's. They are in memory: a restart ends the sessions that held them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;

const DEADLOCK_DETECTED: SqlState = SqlState("40P01");
/// Keys that are locked at a time, by all sessions together.
const KEYS_MAX: usize = 100_000;

/// What is locked. One BIGINT and two INTs are two spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    One(i64),
    Two(i32, i32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Mode {
    Exclusive,
    Shared,
}

/// For how long it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Level {
    Session,
    Transaction,
}

type Owner = u64;
/// How often it is held.
type Held = BTreeMap<(Mode, Level), u32>;

/// Those of a server.
#[derive(Default)]
pub(super) struct AdvisoryLocks {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    last_owner: Owner,
    held: BTreeMap<Key, BTreeMap<Owner, Held>>,
    waiting: BTreeMap<Owner, (Key, Mode)>,
}

/// Those of a session. It lets go of all when it is dropped.
pub(super) struct SessionLocks {
    owner: Owner,
    locks: Arc<AdvisoryLocks>,
    /// For each level whether something was locked for so long since all of it went: most sessions lock nothing.
    locked: [AtomicBool; 2],
}

impl State {
    /// Who stands in the way.
    fn blockers(&self, owner: Owner, key: Key, mode: Mode) -> impl Iterator<Item = Owner> {
        let in_the_way = move |held: &Held| {
            mode == Mode::Exclusive || held.keys().any(|(held_mode, _)| *held_mode == Mode::Exclusive)
        };
        let others = self.held.get(&key).into_iter().flatten().filter(move |(other, _)| **other != owner);
        others.filter(move |(_, held)| in_the_way(held)).map(|(other, _)| *other)
    }

    /// Whether those who stand in the way wait for the owner, by way of others too.
    fn is_circle(&self, owner: Owner, key: Key, mode: Mode) -> bool {
        let mut left: Vec<Owner> = self.blockers(owner, key, mode).collect();
        let mut seen = BTreeSet::new();
        while let Some(other) = left.pop() {
            if other == owner {
                return true;
            }
            if seen.insert(other)
                && let Some((key, mode)) = self.waiting.get(&other)
            {
                left.extend(self.blockers(other, *key, *mode));
            }
        }
        false
    }

    /// Lets go of what fits; whether there was any.
    fn release(&mut self, owner: Owner, goes: impl Fn(Key, Level) -> bool) -> bool {
        let mut gone = false;
        self.held.retain(|key, owners| {
            if let Some(held) = owners.get_mut(&owner) {
                let before = held.len();
                held.retain(|(_, level), _| !goes(*key, *level));
                gone |= held.len() < before;
                if held.is_empty() {
                    owners.remove(&owner);
                }
            }
            !owners.is_empty()
        });
        gone
    }
}

/// A session in the line, until it is no longer.
struct Waiting<'a>(&'a SessionLocks);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.locks.state.lock().waiting.remove(&self.0.owner);
    }
}

impl SessionLocks {
    pub(super) fn new(locks: &Arc<AdvisoryLocks>) -> Self {
        let mut state = locks.state.lock();
        state.last_owner += 1;
        Self { owner: state.last_owner, locks: Arc::clone(locks), locked: Default::default() }
    }

    /// Locks, if nobody stands in the way; whether it did.
    pub(super) fn attempt(&self, key: Key, mode: Mode, level: Level) -> Result<bool> {
        let mut state = self.locks.state.lock();
        if state.blockers(self.owner, key, mode).next().is_some() {
            return Ok(false);
        }
        if KEYS_MAX <= state.held.len() && !state.held.contains_key(&key) {
            return Err(Error::new(SqlState::OUT_OF_MEMORY, "out of shared memory")
                .detail(format!("Sessions hold advisory locks on {KEYS_MAX} keys.")));
        }
        let held = state.held.entry(key).or_default().entry(self.owner).or_default();
        *held.entry((mode, level)).or_default() += 1;
        self.locked[level as usize].store(true, Ordering::Release);
        Ok(true)
    }

    /// Locks when nobody stands in the way any more. Cancel-safe.
    pub(super) async fn lock(&self, key: Key, mode: Mode, level: Level) -> Result<()> {
        loop {
            let freed = self.locks.freed.notified();
            tokio::pin!(freed);
            // Whoever lets go from here on wakes this one.
            freed.as_mut().enable();
            if self.attempt(key, mode, level)? {
                return Ok(());
            }
            {
                let mut state = self.locks.state.lock();
                if state.is_circle(self.owner, key, mode) {
                    return Err(Error::new(DEADLOCK_DETECTED, "deadlock detected")
                        .detail("Who holds this advisory lock waits for one that this session holds."));
                }
                state.waiting.insert(self.owner, (key, mode));
            }
            let _waiting = Waiting(self);
            freed.await;
        }
    }

    /// Lets go once; whether the session held it.
    pub(super) fn unlock(&self, key: Key, mode: Mode) -> bool {
        let mut state = self.locks.state.lock();
        let Some(owners) = state.held.get_mut(&key) else { return false };
        let Some(held) = owners.get_mut(&self.owner) else { return false };
        let Some(count) = held.get_mut(&(mode, Level::Session)) else { return false };
        *count -= 1;
        if *count == 0 {
            held.remove(&(mode, Level::Session));
        }
        if held.is_empty() {
            owners.remove(&self.owner);
        }
        if owners.is_empty() {
            state.held.remove(&key);
        }
        drop(state);
        self.locks.freed.notify_waiters();
        true
    }

    /// Lets go of all that is held for this long.
    pub(super) fn release(&self, level: Level) {
        if !self.locked[level as usize].swap(false, Ordering::AcqRel) {
            return;
        }
        if self.locks.state.lock().release(self.owner, |_, held| held == level) {
            self.locks.freed.notify_waiters();
        }
    }
}

impl Drop for SessionLocks {
    fn drop(&mut self) {
        if self.locks.state.lock().release(self.owner, |_, _| true) {
            self.locks.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn gets(locks: &SessionLocks, key: Key, mode: Mode, level: Level) -> bool {
        locks.attempt(key, mode, level).expect("there is room")
    }

    fn two() -> (SessionLocks, SessionLocks) {
        let locks = Arc::new(AdvisoryLocks::default());
        (SessionLocks::new(&locks), SessionLocks::new(&locks))
    }

    #[test]
    fn a_lock_is_let_go_of_as_often_as_it_was_taken() {
        let (one, other) = two();
        let key = Key::One(1);
        assert!(gets(&one, key, Mode::Exclusive, Level::Session) && gets(&one, key, Mode::Exclusive, Level::Session));
        assert!(!gets(&other, key, Mode::Shared, Level::Session), "another's");
        assert!(gets(&other, Key::Two(0, 1), Mode::Exclusive, Level::Session), "another space");
        assert!(one.unlock(key, Mode::Exclusive) && !gets(&other, key, Mode::Exclusive, Level::Session), "once more");
        assert!(!one.unlock(key, Mode::Shared), "held otherwise");
        assert!(one.unlock(key, Mode::Exclusive) && !one.unlock(key, Mode::Exclusive));
        assert!(gets(&other, key, Mode::Exclusive, Level::Session));
    }

    #[test]
    fn those_who_share_keep_out_who_does_not() {
        let (one, other) = two();
        let key = Key::Two(1, 2);
        assert!(gets(&one, key, Mode::Shared, Level::Transaction) && gets(&other, key, Mode::Shared, Level::Session));
        assert!(!gets(&one, key, Mode::Exclusive, Level::Session));
        one.release(Level::Session);
        assert!(!gets(&other, key, Mode::Exclusive, Level::Session), "the transaction goes on");
        one.release(Level::Transaction);
        assert!(gets(&other, key, Mode::Exclusive, Level::Session), "its own share is in nobody's way");
    }

    #[test]
    fn who_waits_gets_it_when_the_other_is_gone() {
        let (one, other) = two();
        assert!(gets(&one, Key::One(1), Mode::Exclusive, Level::Session));
        let mut waiting = other.lock(Key::One(1), Mode::Exclusive, Level::Session).boxed();
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(one);
        assert!(waiting.now_or_never().expect("it is free").is_ok());
    }

    #[test]
    fn two_who_wait_for_each_other_are_told() {
        let (one, other) = two();
        assert!(gets(&one, Key::One(1), Mode::Exclusive, Level::Session));
        assert!(gets(&other, Key::One(2), Mode::Exclusive, Level::Session));
        let mut waiting = one.lock(Key::One(2), Mode::Exclusive, Level::Session).boxed();
        assert!(waiting.as_mut().now_or_never().is_none());
        let told = other.lock(Key::One(1), Mode::Exclusive, Level::Session).now_or_never().expect("at once");
        assert_eq!(told.expect_err("a circle").state().0, "40P01");
        // Who waits no longer is in no circle.
        drop(waiting);
        assert!(other.lock(Key::One(1), Mode::Exclusive, Level::Session).now_or_never().is_none());
    }

    #[test]
    fn keys_are_locked_up_to_a_number() {
        let (one, other) = two();
        for key in 0..KEYS_MAX {
            assert!(gets(&one, Key::One(key as i64), Mode::Shared, Level::Transaction));
        }
        let more = other.attempt(Key::One(-1), Mode::Exclusive, Level::Session);
        assert_eq!(more.expect_err("there are too many").state(), SqlState::OUT_OF_MEMORY);
        assert!(gets(&other, Key::One(1), Mode::Shared, Level::Session), "it is locked anyway");
        one.release(Level::Transaction);
        assert!(gets(&other, Key::One(-1), Mode::Exclusive, Level::Session));
    }
}
