//! Threads for work that blocks.

use std::io;
use std::thread;

/// The stack of every thread: room for the deepest statement (`sql::DEPTH_MAX`), whose tree is walked by recursion. What is
/// never used of it takes no memory.
pub const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Starts threads; nothing else in the project does.
#[derive(Debug, Clone, Copy)]
pub struct Threads;

impl Threads {
    /// A named thread of its own, for a loop that lives long.
    pub fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle> {
        Ok(JoinHandle(thread::Builder::new().name(name.to_string()).stack_size(STACK_BYTES).spawn(body)?))
    }

    /// Runs a short blocking call on tokio's pool and waits for it without blocking.
    ///
    /// Panics if `call` panics. Must be called inside a tokio runtime.
    pub async fn blocking<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(call).await.expect("a blocking call does not panic")
    }

    /// Cores that this process may use, at least 1.
    pub fn cores(&self) -> usize {
        thread::available_parallelism().map_or(1, usize::from)
    }
}

/// A running thread.
pub struct JoinHandle(thread::JoinHandle<()>);

impl JoinHandle {
    /// Waits for the end; `Err` with the panic's message if it panicked.
    pub fn join(self) -> Result<(), String> {
        self.0.join().map_err(|panic| match panic.downcast_ref::<&str>() {
            Some(text) => (*text).to_string(),
            None => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a thread panicked".to_string()),
        })
    }
}
