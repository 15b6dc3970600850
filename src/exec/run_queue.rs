//! What worker threads wait at: what is to run, first come first served, until the queue is closed.

use std::collections::VecDeque;

use parking_lot::Condvar;
use parking_lot::Mutex;

/// A queue between those who wake and the threads that run.
#[derive(Debug)]
pub(super) struct RunQueue<T> {
    /// That it is closed lies under the same lock as what waits: a worker that has found neither is waiting before anybody
    /// can change it, so no close is missed.
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
}

impl<T> Default for RunQueue<T> {
    fn default() -> Self {
        let state = State { waiting: VecDeque::new(), is_closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl<T> RunQueue<T> {
    /// Puts one at the end, for one worker.
    pub(super) fn push(&self, item: T) {
        self.state.lock().waiting.push_back(item);
        self.changed.notify_one();
    }

    /// Waits for the next one; `None` once the queue is closed, whatever is left in it.
    pub(super) fn pop(&self) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            if state.is_closed {
                return None;
            }
            match state.waiting.pop_front() {
                Some(item) => return Some(item),
                None => self.changed.wait(&mut state),
            }
        }
    }

    /// Sends all workers home.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::env::Env;

    /// A worker that looks just before the close and waits just after it would sleep for ever, and this test with it.
    #[test]
    fn no_worker_misses_that_the_queue_is_closed() {
        let threads = Env::real().threads;
        for _ in 0..5_000 {
            let queue = Arc::new(RunQueue::<u32>::default());
            let workers: Vec<_> = (0..2)
                .map(|_| {
                    let queue = Arc::clone(&queue);
                    threads.spawn("worker", move || while queue.pop().is_some() {}).expect("a thread")
                })
                .collect();
            queue.push(1);
            queue.close();
            for worker in workers {
                worker.join().expect("a worker ends");
            }
        }
    }

    #[test]
    fn first_come_first_served_until_it_is_closed() {
        let queue = RunQueue::default();
        queue.push(1);
        queue.push(2);
        assert_eq!(queue.pop(), Some(1));
        queue.close();
        assert_eq!(queue.pop(), None, "2 is left");
    }
}
