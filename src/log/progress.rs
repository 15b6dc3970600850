//! How far a start has come, told about once a second so that a person sees a long one go on.

use std::time::Duration;

use parking_lot::Mutex;

/// How long nothing is told.
const QUIET: Duration = Duration::from_secs(1);

/// Partitions that are done, of all.
pub(super) struct Progress {
    all: usize,
    state: Mutex<State>,
}

struct State {
    done: usize,
    told_at: Duration,
}

impl Progress {
    /// Of `all` partitions none is done yet.
    pub(super) fn new(all: usize, now: Duration) -> Self {
        Self { all, state: Mutex::new(State { done: 0, told_at: now }) }
    }

    /// One more is done. How many are, if it is time to tell.
    pub(super) fn step(&self, now: Duration) -> Option<usize> {
        let mut state = self.state.lock();
        state.done += 1;
        if now < state.told_at + QUIET || state.done == self.all {
            return None;
        }
        state.told_at = now;
        Some(state.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_start_is_told_once_a_second_and_a_short_one_not_at_all() {
        let progress = Progress::new(5, Duration::ZERO);
        let told: Vec<_> = [999, 1_000, 1_999, 2_000, 9_000].map(|ms| progress.step(Duration::from_millis(ms))).into();
        assert_eq!(told, [None, Some(2), None, Some(4), None], "that all are done is told by another line");
    }
}
