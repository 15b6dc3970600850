//! Advisory locks: numbers that sessions lock for what they agree on. Migration tools take one before they change a schema.
//!
//! A session may hold one several times, and lets go as often; what is held for a transaction goes at its end, all else at the
//! session's. Who comes later gets it later: a shared one too is not given past a session that waits for it alone, but to who
//! holds the lock already, since those in the line wait for them. They are in memory: a restart ends the sessions that held them.

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

/// A place in the line, by arrival.
type Ticket = u64;

/// A session in the line.
struct Waiter {
    owner: Owner,
    mode: Mode,
}

#[derive(Default)]
struct State {
    last_owner: Owner,
    last_ticket: Ticket,
    held: BTreeMap<Key, BTreeMap<Owner, Held>>,
    waiting: BTreeMap<(Key, Ticket), Waiter>,
}

/// Those of a session. It lets go of all when it is dropped.
pub(super) struct SessionLocks {
    owner: Owner,
    locks: Arc<AdvisoryLocks>,
    /// For each level whether something was locked for so long since all of it went: most sessions lock nothing.
    locked: [AtomicBool; 2],
}

impl Mode {
    /// Whether two sessions cannot hold these together.
    fn excludes(self, other: Mode) -> bool {
        self == Mode::Exclusive || other == Mode::Exclusive
    }
}

impl State {
    /// Who stands in the way of one that came at `ticket`: those who hold it, and those who came before.
    fn blockers(&self, owner: Owner, key: Key, mode: Mode, ticket: Ticket) -> impl Iterator<Item = Owner> {
        let owners = self.held.get(&key);
        let in_the_way = move |held: &Held| held.keys().any(|(held_mode, _)| mode.excludes(*held_mode));
        let others = owners.into_iter().flatten().filter(move |(other, held)| **other != owner && in_the_way(held));
        let holds_it = owners.is_some_and(|owners| owners.contains_key(&owner));
        let line = self.waiting.range((key, 0)..(key, ticket)).filter(move |_| !holds_it);
        let before = line.filter(move |(_, waiter)| waiter.owner != owner && mode.excludes(waiter.mode));
        others.map(|(other, _)| *other).chain(before.map(|(_, waiter)| waiter.owner))
    }

    /// Whether those who stand in the way wait for the owner, by way of others too.
    fn is_circle(&self, owner: Owner, key: Key, mode: Mode, ticket: Ticket) -> bool {
        let mut left: Vec<Owner> = self.blockers(owner, key, mode, ticket).collect();
        let mut seen = BTreeSet::new();
        while let Some(other) = left.pop() {
            if other == owner {
                return true;
            }
            if seen.insert(other) {
                let waits = self.waiting.iter().filter(|(_, waiter)| waiter.owner == other);
                left.extend(waits.flat_map(|((key, ticket), waiter)| self.blockers(other, *key, waiter.mode, *ticket)));
            }
        }
        false
    }

    /// Locks, if nobody stands in the way of one that came at `ticket`; whether it did.
    fn take(&mut self, owner: Owner, key: Key, mode: Mode, level: Level, ticket: Ticket) -> Result<bool> {
        if self.blockers(owner, key, mode, ticket).next().is_some() {
            return Ok(false);
        }
        if KEYS_MAX <= self.held.len() && !self.held.contains_key(&key) {
            return Err(Error::new(SqlState::OUT_OF_MEMORY, "out of shared memory")
                .detail(format!("Sessions hold advisory locks on {KEYS_MAX} keys.")));
        }
        let held = self.held.entry(key).or_default().entry(owner).or_default();
        *held.entry((mode, level)).or_default() += 1;
        Ok(true)
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

/// A place in the line, until it is left.
struct Waiting<'a> {
    locks: &'a AdvisoryLocks,
    place: (Key, Ticket),
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.locks.state.lock().waiting.remove(&self.place);
        // Those behind may have waited for this one only.
        self.locks.freed.notify_waiters();
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
        self.attempt_at(&mut self.locks.state.lock(), key, mode, level, Ticket::MAX)
    }

    fn attempt_at(&self, state: &mut State, key: Key, mode: Mode, level: Level, ticket: Ticket) -> Result<bool> {
        let is_taken = state.take(self.owner, key, mode, level, ticket)?;
        if is_taken {
            self.locked[level as usize].store(true, Ordering::Release);
        }
        Ok(is_taken)
    }

    /// Locks when nobody stands in the way any more. Cancel-safe.
    pub(super) async fn lock(&self, key: Key, mode: Mode, level: Level) -> Result<()> {
        let mut waiting: Option<Waiting<'_>> = None;
        loop {
            let freed = self.locks.freed.notified();
            tokio::pin!(freed);
            // Whoever lets go from here on wakes this one.
            freed.as_mut().enable();
            {
                let mut state = self.locks.state.lock();
                let ticket = waiting.as_ref().map_or(Ticket::MAX, |waiting| waiting.place.1);
                if self.attempt_at(&mut state, key, mode, level, ticket)? {
                    return Ok(());
                }
                if state.is_circle(self.owner, key, mode, ticket) {
                    return Err(Error::new(DEADLOCK_DETECTED, "deadlock detected").detail(
                        "Who holds this advisory lock, or waits for it, waits for one that this session holds.",
                    ));
                }
                if waiting.is_none() {
                    state.last_ticket += 1;
                    let place = (key, state.last_ticket);
                    state.waiting.insert(place, Waiter { owner: self.owner, mode });
                    waiting = Some(Waiting { locks: &self.locks, place });
                }
            }
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
    fn those_who_wait_get_it_in_the_order_in_which_they_came() {
        let (one, other) = two();
        let (third, fourth) = (SessionLocks::new(&one.locks), SessionLocks::new(&one.locks));
        let key = Key::One(1);
        assert!(gets(&one, key, Mode::Shared, Level::Session));
        let mut alone = other.lock(key, Mode::Exclusive, Level::Session).boxed();
        assert!(alone.as_mut().now_or_never().is_none());
        // Shared ones go with the one that is held, but not past the one that waits.
        let mut shared = third.lock(key, Mode::Shared, Level::Session).boxed();
        assert!(shared.as_mut().now_or_never().is_none());
        assert!(!gets(&fourth, key, Mode::Shared, Level::Session));
        assert!(gets(&one, key, Mode::Shared, Level::Transaction), "the one that waits waits for its holder anyway");
        one.release(Level::Transaction);
        one.release(Level::Session);
        assert!(shared.as_mut().now_or_never().is_none(), "it came later");
        assert!(alone.now_or_never().expect("it came first").is_ok());
        assert!(shared.as_mut().now_or_never().is_none());
        drop(other);
        assert!(shared.now_or_never().expect("it is free").is_ok());
    }

    #[test]
    fn who_waits_no_longer_stands_in_nobodys_way() {
        let (one, other) = two();
        let third = SessionLocks::new(&one.locks);
        assert!(gets(&one, Key::One(1), Mode::Shared, Level::Session));
        let mut alone = other.lock(Key::One(1), Mode::Exclusive, Level::Session).boxed();
        assert!(alone.as_mut().now_or_never().is_none());
        let mut shared = third.lock(Key::One(1), Mode::Shared, Level::Session).boxed();
        assert!(shared.as_mut().now_or_never().is_none());
        drop(alone);
        assert!(shared.now_or_never().expect("it goes with the one that is held").is_ok());
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
