//! Ctrl-C: it cancels what runs and never ends the client.

use std::io;

use futures::FutureExt;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

/// Hears Ctrl-C from the moment it is made on; the process does not end by one any more.
pub(super) struct Interrupts(Signal);

impl Interrupts {
    /// Begins to listen.
    pub fn new() -> io::Result<Self> {
        signal(SignalKind::interrupt()).map(Self)
    }

    /// Resolves at the next one. Cancel-safe.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // No more will come.
            std::future::pending::<()>().await;
        }
    }

    /// Whether there was one since the last call.
    pub fn pressed(&mut self) -> bool {
        self.0.recv().now_or_never().flatten().is_some()
    }
}
