//! Queries that are held: for a moment they read no further than certain ends of what they read, so that all of them
//! come to reflect the same prefix of it.
//!
//! A hold begins closed: nothing more is taken from any relation. Then one query after the other is let go up to ends
//! that were taken since, which lie behind all that it has read. What lies at such an end counts as the end of what can
//! be read: a round whose order depends on it does not wait.
//!
//! Invariants:
//!   * a query takes no record at or beyond an end that it is held at
//!   * a hold ends with its value, whatever becomes of who made it

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Weak;

use parking_lot::Mutex;

use super::runtime::Inner;
use super::runtime::Query;
use super::runtime::Runtime;
use crate::model::Offset;
use crate::model::QueryId;
use crate::model::TopicPartition;
use crate::state::Frontier;

/// How far a leaf's partition may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// As far as there is something.
    Free,
    /// Not on.
    Closed,
    /// Up to here.
    Upto(Offset),
}

/// The holds on one leaf.
#[derive(Default)]
pub struct Holds(Mutex<BTreeMap<u64, Option<Arc<Frontier>>>>);

impl Holds {
    /// Calls `take` with how far `partition` may be read. No hold begins before it returns: what is taken lies below all
    /// ends that are taken after a hold began.
    pub fn taking<T>(&self, partition: TopicPartition, take: impl FnOnce(Reach) -> T) -> T {
        let held = self.0.lock();
        take(reach(&held, partition))
    }

    /// The end at which a partition is held, `None` if at none.
    pub fn end(&self, partition: TopicPartition) -> Option<Offset> {
        match reach(&self.0.lock(), partition) {
            Reach::Upto(end) => Some(end),
            Reach::Free | Reach::Closed => None,
        }
    }
}

fn reach(held: &BTreeMap<u64, Option<Arc<Frontier>>>, partition: TopicPartition) -> Reach {
    let mut least = None;
    for ends in held.values() {
        match ends {
            None => return Reach::Closed,
            Some(ends) => least = ends.get(&partition).copied().into_iter().chain(least).min(),
        }
    }
    least.map_or(Reach::Free, Reach::Upto)
}

/// Queries that are held for as long as this lives.
pub struct Hold {
    inner: Weak<Inner>,
    number: u64,
    queries: BTreeMap<QueryId, Arc<Query>>,
}

impl Runtime {
    /// Has those of these queries that run read nothing more.
    pub fn hold(&self, queries: impl IntoIterator<Item = QueryId>) -> Hold {
        let number = self.inner.next_hold();
        let running = self.inner.queries.lock();
        let held = queries.into_iter().filter_map(|id| Some((id, Arc::clone(running.get(&id)?))));
        let hold = Hold { inner: Arc::downgrade(&self.inner), number, queries: held.collect() };
        hold.queries.values().for_each(|query| hold.set(query, None));
        hold
    }
}

impl Hold {
    /// Lets a query read on, up to these ends; it stays where it is in what they do not name.
    pub fn let_go(&self, query: QueryId, ends: Frontier) {
        if let Some(query) = self.queries.get(&query) {
            self.set(query, Some(Arc::new(ends)));
        }
    }

    /// Whether a query of it runs.
    pub fn holds(&self, query: QueryId) -> bool {
        self.queries.contains_key(&query)
    }

    fn set(&self, query: &Query, ends: Option<Arc<Frontier>>) {
        for leaf in query.slots.iter().flat_map(|slot| &slot.spec.leaves) {
            leaf.holds.0.lock().insert(self.number, ends.clone());
        }
        self.wake(query);
    }

    fn wake(&self, query: &Query) {
        if let Some(inner) = self.inner.upgrade() {
            query.slots.iter().for_each(|slot| inner.wake(slot));
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for query in self.queries.values() {
            for leaf in query.slots.iter().flat_map(|slot| &slot.spec.leaves) {
                leaf.holds.0.lock().remove(&self.number);
            }
            self.wake(query);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TopicId;

    #[test]
    fn the_least_end_holds_and_a_closed_hold_holds_all() {
        let of = |number: i32| TopicPartition::new(TopicId([1; 16]), number);
        let holds = Holds::default();
        let reach = |number| holds.taking(of(number), |reach| reach);
        assert_eq!(reach(0), Reach::Free);
        let ends = |ends: &[(i32, i64)]| {
            Some(Arc::new(ends.iter().map(|(number, end)| (of(*number), Offset(*end))).collect::<Frontier>()))
        };
        holds.0.lock().insert(1, ends(&[(0, 7), (1, 3)]));
        holds.0.lock().insert(2, ends(&[(0, 5)]));
        assert_eq!((reach(0), reach(1), reach(2)), (Reach::Upto(Offset(5)), Reach::Upto(Offset(3)), Reach::Free));
        assert_eq!((holds.end(of(0)), holds.end(of(2))), (Some(Offset(5)), None));
        holds.0.lock().insert(3, None);
        assert_eq!((reach(0), reach(2)), (Reach::Closed, Reach::Closed));
        holds.0.lock().remove(&3);
        assert_eq!(reach(2), Reach::Free);
    }
}
