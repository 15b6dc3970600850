//! `lock_timeout`: how long a statement waits for what others have locked.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::session::Session;
use crate::env::Clock;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;

/// That of a session, as it is set now.
#[derive(Clone)]
pub(super) struct LockTimeout {
    clock: Arc<dyn Clock>,
    /// `None` is for ever.
    after: Option<Duration>,
}

impl LockTimeout {
    pub(super) fn of(session: &Session) -> Self {
        let clock = Arc::clone(&session.engine.env().clock);
        Self { clock, after: session.settings.duration("lock_timeout") }
    }

    /// Waits for no longer than that; 55P03 beyond.
    pub(super) async fn bound<T>(&self, waiting: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(after) = self.after else { return waiting.await };
        tokio::select! {
            biased;
            done = waiting => done,
            () = self.clock.sleep(after) => {
                Err(Error::new(SqlState::LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout"))
            }
        }
    }
}
