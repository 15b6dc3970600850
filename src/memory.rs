//! One limit on memory, in named pools: what fills a pool asks it, and makes room when it is full.
//!
//! A pool counts; it does not allocate. Whoever holds bytes says so with `add` or by a `Held`, and looks at `is_full`
//! before it takes more: a full `state` pool forces cuts and evicts rows, a full `views` pool sends pages to the cold
//! store, a full `decode` pool shares no decoded rows, a full `statements` pool refuses a statement (53200).

use std::sync::Arc;

use crate::config;
use crate::config::ByteSize;
use crate::metrics::Gauge;
use crate::metrics::Metrics;

/// A named share of the memory; clones are the same pool.
#[derive(Clone)]
pub struct MemoryPool(Arc<Pool>);

struct Pool {
    name: &'static str,
    limit: usize,
    used: Gauge,
}

impl MemoryPool {
    /// An empty pool of `limit` bytes that no server has: for tests and benches.
    pub fn new(name: &'static str, limit: usize) -> Self {
        Self::measured(name, limit, &Metrics::new())
    }

    fn measured(name: &'static str, limit: usize, metrics: &Metrics) -> Self {
        let used = metrics.gauge("tidemill_memory_bytes", "Bytes that a pool of memory holds.", &[("pool", name)]);
        let help = "Bytes that a pool of memory may hold.";
        let gauge = metrics.gauge("tidemill_memory_limit_bytes", help, &[("pool", name)]);
        gauge.set(i64::try_from(limit).unwrap_or(i64::MAX));
        Self(Arc::new(Pool { name, limit, used }))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Bytes that it may hold.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Bytes that it holds.
    pub fn used(&self) -> usize {
        usize::try_from(self.0.used.value()).unwrap_or(0)
    }

    /// Whether it holds more than it may.
    pub fn is_full(&self) -> bool {
        self.0.limit < self.used()
    }

    /// Counts `bytes` more, which may be negative.
    pub fn add(&self, bytes: isize) {
        self.0.used.add(bytes as i64);
    }

    /// Counts bytes until the answer is dropped.
    pub fn hold(&self, bytes: usize) -> Held {
        self.add(bytes as isize);
        Held { pool: self.clone(), bytes }
    }

    /// As `hold`, if there is room.
    pub fn try_hold(&self, bytes: usize) -> Option<Held> {
        let held = self.hold(bytes);
        (!self.is_full()).then_some(held)
    }
}

/// Bytes of a pool, given back when dropped.
pub struct Held {
    pool: MemoryPool,
    bytes: usize,
}

impl Held {
    /// How many.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.pool.add(-(self.bytes as isize));
    }
}

/// The pools of a server.
#[derive(Clone)]
pub struct Memory {
    limit: usize,
    /// Newest batches of the log.
    pub tail: MemoryPool,
    /// Decoded columns beside them.
    pub decode: MemoryPool,
    /// State of standing queries: uncommitted changes, rows in front of the cold store, the store's own caches.
    pub state: MemoryPool,
    /// Rows and pages of views.
    pub views: MemoryPool,
    /// Statements that are read once.
    pub statements: MemoryPool,
}

impl Memory {
    /// Empty pools of the sizes that the configuration says. A quarter of the limit is left for what no pool counts: code,
    /// connections, keys that a compaction remembers, what the allocator keeps.
    pub fn new(config: &config::Memory, metrics: &Metrics) -> Self {
        let shared = config.limit.0 - config.limit.0 / 4;
        let pool = |name, own: ByteSize, share: u64| {
            let limit = if own.0 == 0 { ByteSize(shared / share) } else { own };
            MemoryPool::measured(name, limit.as_usize(), metrics)
        };
        Self {
            limit: config.limit.as_usize(),
            tail: pool("tail", config.tail, 8),
            decode: pool("decode", config.decode, 8),
            state: pool("state", config.state, 4),
            views: pool("views", config.views, 4),
            statements: pool("statements", config.statements, 4),
        }
    }

    /// Bytes that the whole process shall take at most.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// All of them.
    pub fn pools(&self) -> [&MemoryPool; 5] {
        [&self.tail, &self.decode, &self.state, &self.views, &self.statements]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fill_three_quarters_of_the_limit_and_a_size_of_ones_own_stands() {
        let config = config::Memory { limit: ByteSize::mebibytes(256), ..config::Memory::default() };
        let memory = Memory::new(&config, &Metrics::new());
        assert_eq!(memory.pools().iter().map(|pool| pool.limit()).sum::<usize>(), 192 << 20);
        let own = Memory::new(&config::Memory { views: ByteSize(7), ..config }, &Metrics::new());
        assert_eq!((own.views.limit(), own.state.limit()), (7, 48 << 20));
    }

    #[test]
    fn held_bytes_return_when_dropped() {
        let pool = MemoryPool::new("views", 10);
        let held = pool.hold(8);
        assert!(pool.try_hold(3).is_none());
        assert!(pool.try_hold(2).is_some());
        assert_eq!(pool.used(), 8);
        pool.add(3);
        assert!(pool.is_full());
        drop(held);
        assert_eq!(pool.used(), 3);
    }
}
