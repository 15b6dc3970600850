//! One limit on memory, in named pools: what fills a pool asks it, and makes room when it is full.
//!
//! A pool counts; it does not allocate. Whoever holds bytes says so with `add` or by a `Held`, and looks at `is_full`
//! before it takes more: a full `state` pool forces cuts and evicts rows, a full `views` pool sends pages to the cold
//! store, a full `decode` pool shares no decoded rows, a full `statements` pool refuses a statement (53200).
//!
//! What no pool counts (code, connections, what the allocator keeps) is not known beforehand. So the pools whose bytes can go
//! to the disk shrink while the whole process takes more than seven eighths of the limit, and grow again when it takes less:
//! `Memory::fit`.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use crate::config;
use crate::config::ByteSize;
use crate::metrics::Gauge;
use crate::metrics::Metrics;

/// The part of the limit above which the pools shrink: what is taken between two looks shall have room too.
const AIM: f64 = 7.0 / 8.0;
/// All that a pool could give up.
const WHOLE: f64 = 1.0;
/// The least part of it that a pool keeps: with nothing at all each row would be fetched from the disk again and again.
const LEAST: f64 = 0.25;
/// How much of an excess is taken away at each look: what is evicted is gone only when its owners run, a look or two later.
const TAKEN: f64 = 0.25;
/// The part that comes back at most at each look.
const RETURNED: f64 = 1.0 / 64.0;

/// A named share of the memory; clones are the same pool.
#[derive(Clone)]
pub struct MemoryPool(Arc<Pool>);

struct Pool {
    name: &'static str,
    /// Its share of `memory.limit`.
    share: usize,
    /// Bytes of it that stay, whatever else is short.
    fixed: AtomicUsize,
    /// What it may hold now: its share, or less while memory is short.
    limit: Gauge,
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
        let now = metrics.gauge("tidemill_memory_limit_bytes", help, &[("pool", name)]);
        let pool = Self(Arc::new(Pool { name, share: limit, fixed: AtomicUsize::new(0), limit: now, used }));
        pool.grant(WHOLE);
        pool
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Bytes that it may hold now.
    pub fn limit(&self) -> usize {
        usize::try_from(self.0.limit.value()).unwrap_or(0)
    }

    /// Bytes that it may hold when the process takes no more than it may.
    pub fn share(&self) -> usize {
        self.0.share
    }

    /// Counts bytes that are held until the server ends.
    pub fn hold_for_good(&self, bytes: usize) {
        self.0.fixed.fetch_add(bytes, Ordering::Relaxed);
        self.add(bytes as isize);
    }

    /// Bytes of its share that can be given up.
    fn elastic(&self) -> usize {
        self.0.share.saturating_sub(self.0.fixed.load(Ordering::Relaxed))
    }

    /// The part of what it could give up that it may hold.
    fn granted(&self) -> f64 {
        WHOLE - (self.0.share - self.limit()) as f64 / self.elastic().max(1) as f64
    }

    /// The part of what it could give up that it holds.
    fn filled(&self) -> f64 {
        self.used().saturating_sub(self.0.fixed.load(Ordering::Relaxed)) as f64 / self.elastic().max(1) as f64
    }

    /// Lets it hold a part of what it could give up, and all that it cannot.
    fn grant(&self, part: f64) {
        let taken = (self.elastic() as f64 * (WHOLE - part)) as usize;
        self.0.limit.set(i64::try_from(self.0.share - taken).unwrap_or(i64::MAX));
    }

    /// Bytes that it holds.
    pub fn used(&self) -> usize {
        usize::try_from(self.0.used.value()).unwrap_or(0)
    }

    /// Whether it holds more than it may.
    pub fn is_full(&self) -> bool {
        self.limit() < self.used()
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

    /// Counts so many from now on.
    pub fn resize(&mut self, bytes: usize) {
        self.pool.add(bytes as isize - self.bytes as isize);
        self.bytes = bytes;
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

    /// Shrinks the pools whose bytes can go to the disk while the process takes more than seven eighths of the limit
    /// (`resident`, bytes), and lets them grow again afterwards. Called at regular times. Answers the part of these pools that may be used, from a
    /// quarter to 1.
    pub fn fit(&self, resident: usize) -> f64 {
        let pools = [&self.decode, &self.state, &self.views];
        let elastic = pools.iter().map(|pool| pool.elastic()).sum::<usize>().max(1) as f64;
        let granted = pools.iter().map(|pool| pool.granted()).fold(LEAST, f64::max);
        let excess = (resident as f64 - self.limit as f64 * AIM) / elastic * TAKEN;
        let part = match 0.0 < excess {
            // What they may hold but do not hold would take nothing away.
            true => pools.iter().map(|pool| pool.filled()).fold(LEAST, f64::max).min(granted) - excess,
            false => granted + (-excess).min(RETURNED),
        };
        let part = part.clamp(LEAST, WHOLE);
        pools.iter().for_each(|pool| pool.grant(part));
        part
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
    fn pools_shrink_while_the_process_takes_too_much_and_grow_again() {
        let config = config::Memory { limit: ByteSize::mebibytes(256), ..config::Memory::default() };
        let memory = Memory::new(&config, &Metrics::new());
        let aim = 224 << 20;
        memory.state.hold_for_good(24 << 20);
        let shares = memory.pools().map(MemoryPool::share);
        assert_eq!(memory.fit(aim), 1.0);
        // Nothing is held beyond what stays: nothing can be given up, but nothing more is taken either.
        assert_eq!(memory.fit(aim + (44 << 20)), 0.25);
        assert_eq!(memory.state.limit(), (24 << 20) + (6 << 20));
        assert_eq!((memory.tail.limit(), memory.statements.limit()), (shares[0], shares[4]));
        let looks = (0..1000).take_while(|_| memory.fit(aim - (56 << 20)) < 1.0).count();
        assert!((40..60).contains(&looks), "{looks} looks");
        assert_eq!(memory.pools().map(MemoryPool::limit), shares);
        // A pool that is full gives up what is too much, a quarter of it at each look.
        memory.views.add(48 << 20);
        let part = memory.fit(aim + (10 << 20));
        let given_up = (1.0 - part) * (24 + 24 + 48) as f64;
        assert!((2.4..2.6).contains(&given_up), "{given_up} MiB");
        assert!(memory.views.is_full());
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
