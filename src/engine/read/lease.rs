//! How long a statement may hold what it pinned: a client that reads slowly, or not at all, must not keep old rows in memory
//! for ever.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::core::Engine;
use crate::env::Clock;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::state::Published;

/// A statement's right to what it pinned.
pub(super) struct Lease {
    published: Arc<Published>,
    clock: Arc<dyn Clock>,
    age_max: Duration,
}

impl Lease {
    /// From now on, by the engine's limits.
    pub(super) fn new(engine: &Engine, published: Arc<Published>) -> Self {
        Self { published, clock: Arc::clone(&engine.env().clock), age_max: engine.limits().snapshot_age_max }
    }

    /// Resolves when what was pinned is too old.
    async fn age(&self) {
        match self.age_max {
            Duration::ZERO => std::future::pending().await,
            age_max => self.clock.sleep(age_max).await,
        }
    }

    /// Reads to the end, or drops `reading` when the lease is over: 72000.
    pub(super) async fn over(self, reading: impl Future<Output = ()>) -> Result<()> {
        tokio::select! {
            // First what ends it: rows may be ready for as long as somebody takes them.
            biased;
            () = self.published.given_up() => {
                let detail = "The rows that it still had to read were changed since, and what is kept of old rows is too much.";
                Err(too_old(detail, "limits.snapshot_bytes_max"))
            }
            () = self.age() => {
                let detail = format!("It was read for more than {:?}.", self.age_max);
                Err(too_old(detail, "limits.snapshot_age_max"))
            }
            () = reading => Ok(()),
        }
    }
}

fn too_old(detail: impl Into<String>, knob: &str) -> Error {
    Error::new(SqlState::SNAPSHOT_TOO_OLD, "snapshot too old")
        .detail(detail)
        .hint(format!("Take the rows sooner, or in several statements by key; the server's {knob} sets the limit."))
}
