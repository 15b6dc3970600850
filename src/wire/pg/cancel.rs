//! CancelRequest: who runs under which process number and key.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::env::Random;

/// The sessions that can be asked to cancel their statement.
#[derive(Default)]
pub(super) struct CancelRegistry {
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    last_process: i32,
    by_process: HashMap<i32, Entry>,
}

struct Entry {
    secret: i32,
    requests: watch::Sender<u64>,
}

impl CancelRegistry {
    /// A number and a key for a new session.
    pub fn register(self: &Arc<Self>, random: &dyn Random) -> CancelKey {
        let secret = random.next_u64() as i32;
        let (requests, received) = watch::channel(0);
        let mut sessions = self.sessions.lock();
        let mut process = sessions.last_process;
        loop {
            process = process.checked_add(1).unwrap_or(1);
            if !sessions.by_process.contains_key(&process) {
                break;
            }
        }
        sessions.last_process = process;
        sessions.by_process.insert(process, Entry { secret, requests });
        CancelKey { process, secret, received, registry: self.clone() }
    }

    /// Asks a session to cancel what it runs. A wrong key is not answered, as the protocol wants.
    pub fn cancel(&self, process: i32, secret: i32) {
        if let Some(entry) = self.sessions.lock().by_process.get(&process)
            && entry.secret == secret
        {
            entry.requests.send_modify(|count| *count += 1);
        }
    }
}

/// A session's number and key; its drop forgets them.
pub(super) struct CancelKey {
    /// The number that the client is told.
    pub process: i32,
    /// The key that the client is told.
    pub secret: i32,
    received: watch::Receiver<u64>,
    registry: Arc<CancelRegistry>,
}

impl CancelKey {
    /// Forgets requests that came while nothing ran.
    pub fn ignore_past(&mut self) {
        self.received.mark_unchanged();
    }

    /// Resolves when a request comes. Cancel-safe.
    pub async fn requested(&mut self) {
        if self.received.changed().await.is_err() {
            // The registry owns the sender for as long as this key lives.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for CancelKey {
    fn drop(&mut self) {
        self.registry.sessions.lock().by_process.remove(&self.process);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::env::SeededRandom;

    #[test]
    fn only_the_right_key_cancels_and_only_what_runs() {
        let registry = Arc::new(CancelRegistry::default());
        let mut key = registry.register(&SeededRandom::new(1));
        registry.cancel(key.process, key.secret.wrapping_add(1));
        assert_eq!(key.requested().now_or_never(), None);
        registry.cancel(key.process, key.secret);
        key.ignore_past();
        assert_eq!(key.requested().now_or_never(), None);
        registry.cancel(key.process, key.secret);
        assert_eq!(key.requested().now_or_never(), Some(()));
        let (process, secret) = (key.process, key.secret);
        drop(key);
        registry.cancel(process, secret);
        assert!(registry.sessions.lock().by_process.is_empty());
    }
}
