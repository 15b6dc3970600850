//! Changes that go on to their end when the client is gone.

use std::future::Future;

use crate::error::Error;
use crate::error::Result;

/// Runs a change to its end, whatever becomes of the client that asked for it.
pub(super) async fn run_apart<T: Send + 'static>(
    change: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match tokio::spawn(change).await {
        Ok(done) => done,
        Err(cause) => Err(Error::internal("a change ended early").caused_by(cause)),
    }
}
