//! Threads for work that blocks.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::sync::Once;
use std::thread;

use parking_lot::Mutex;

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

    /// A pool of threads with a name; they take turns in polling what is spawned on it.
    pub fn pool(&self, name: &str, threads: usize) -> io::Result<Pool> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads.max(1)).thread_name(name).thread_stack_size(STACK_BYTES);
        let runtime = builder.enable_time().build()?;
        Ok(Pool { runtime: Some(runtime) })
    }

    /// What `body` makes of each item, in order, by this thread and up to `threads - 1` others. Panics if `body` panics.
    pub fn each<T: Send, R: Send>(&self, items: Vec<T>, threads: usize, body: impl Fn(T) -> R + Sync) -> Vec<R> {
        let others = threads.min(items.len()).saturating_sub(1);
        let queue = Mutex::new(items.into_iter().enumerate());
        let work = || {
            let mut made = Vec::new();
            // The queue is unlocked before the item is worked on.
            while let Some((at, item)) = { queue.lock().next() } {
                made.push((at, body(item)));
            }
            made
        };
        let mut made = thread::scope(|scope| {
            let start = |_| thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
            // With fewer threads than wished it takes longer.
            let started: Vec<_> = (0..others).map_while(|at| start(at).ok()).collect();
            let mut made = work();
            for thread in started {
                made.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            made
        });
        made.sort_by_key(|(at, _)| *at);
        made.into_iter().map(|(_, result)| result).collect()
    }

    /// Cores that this process may use, at least 1.
    pub fn cores(&self) -> usize {
        thread::available_parallelism().map_or(1, usize::from)
    }
}

thread_local! {
    /// What a panic said that `caught` waits for; `None` outside of it.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What `body` makes, or what it says when it panics: of code that answers what it cannot read with a panic. Such a panic is
/// not told as one, with a backtrace, but by whoever called.
pub fn caught<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let is_caught = SAID.with_borrow_mut(|said| said.as_mut().map(|said| *said = panic.to_string()).is_some());
            if !is_caught {
                told(panic);
            }
        }));
    });
    let before = SAID.replace(Some(String::new()));
    let made = panic::catch_unwind(AssertUnwindSafe(body));
    let said = SAID.replace(before).unwrap_or_default();
    made.map_err(|_| said.replace('\n', " "))
}

/// Threads of their own for futures that compute much: others are polled elsewhere and do not wait for them.
pub struct Pool {
    /// Taken when the pool ends.
    runtime: Option<tokio::runtime::Runtime>,
}

impl Pool {
    /// Starts a future.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Spawned<T> {
        Spawned(self.runtime.as_ref().expect("the runtime is there until the pool is dropped").spawn(future))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Whoever holds it last may be a future of its own, which cannot wait for the end of the threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A future of a pool, which ends when this is dropped.
pub struct Spawned<T>(tokio::task::JoinHandle<T>);

impl<T> Spawned<T> {
    /// What the future gave; `Err` with the panic's message if it panicked or the pool ended.
    pub async fn join(mut self) -> Result<T, String> {
        (&mut self.0).await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => panic_message(panic.as_ref()),
            Err(error) => error.to_string(),
        })
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A running thread.
pub struct JoinHandle(thread::JoinHandle<()>);

impl JoinHandle {
    /// Waits for the end; `Err` with the panic's message if it panicked.
    pub fn join(self) -> Result<(), String> {
        self.0.join().map_err(|panic| panic_message(panic.as_ref()))
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    match panic.downcast_ref::<&str>() {
        Some(text) => (*text).to_string(),
        None => panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic without a message".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::Threads;
    use super::caught;

    #[test]
    fn a_panic_is_caught_in_a_line() {
        assert_eq!(caught(|| 7), Ok(7));
        let said = caught(|| -> i32 { panic!("left\nright") }).expect_err("it panics");
        assert!(said.contains("left right") && !said.contains('\n'), "{said}");
    }

    #[test]
    fn each_item_is_worked_on_once_and_the_results_are_in_order() {
        for threads in [0, 1, 3, 200] {
            let squares = Threads.each((0..100u64).collect(), threads, |number| number * number);
            assert_eq!(squares, (0..100).map(|number| number * number).collect::<Vec<_>>(), "{threads} threads");
        }
        assert_eq!(Threads.each(Vec::<u64>::new(), 4, |number| number), [0; 0]);
    }

    #[test]
    fn a_future_of_a_pool_that_blocks_does_not_hold_its_callers_up() {
        let callers = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let pool = Threads.pool("pool", 1).expect("threads start");
        callers.block_on(async {
            let (go, gone) = mpsc::channel();
            let blocked = pool.spawn(async move { gone.recv() });
            // On the caller's own thread this would never be reached once the future is polled.
            tokio::task::yield_now().await;
            go.send(7).expect("the future waits");
            assert_eq!(blocked.join().await, Ok(Ok(7)));
            let panicked = pool.spawn(async { panic!("on purpose") });
            assert_eq!(panicked.join().await, Err::<(), _>("on purpose".to_string()));
        });
    }

    #[test]
    fn a_spawned_future_ends_with_its_handle() {
        let pool = Threads.pool("pool", 1).expect("threads start");
        let (told, telling) = mpsc::channel::<()>();
        drop(pool.spawn(async move {
            std::future::pending::<()>().await;
            drop(told);
        }));
        assert!(telling.recv().is_err(), "the future was dropped without a word");
    }
}
