//! Time: the wall clock for records, the monotonic clock for waiting.

use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

/// Tells the time and waits.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970-01-01 UTC. May jump, both ways.
    fn wall_micros(&self) -> i64;

    /// Time since an arbitrary start. Never goes back.
    fn monotonic(&self) -> Duration;

    /// Resolves once `monotonic()` has grown by `duration`. Cancel-safe.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Milliseconds since 1970-01-01 UTC, the unit of Kafka's timestamps.
    fn wall_millis(&self) -> i64 {
        self.wall_micros().div_euclid(1000)
    }
}

/// The machine's clock.
pub struct RealClock {
    start: Instant,
}

impl RealClock {
    /// A clock whose monotonic time starts now.
    #[expect(clippy::new_without_default, reason = "a default would hide that the start is read here")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for RealClock {
    fn wall_micros(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that moves only when told to.
pub struct SimulatedClock {
    now: Mutex<Now>,
    moved: watch::Sender<Duration>,
}

struct Now {
    wall_micros: i64,
    monotonic: Duration,
}

impl SimulatedClock {
    /// A clock that stands at `wall_micros`, its monotonic time at zero.
    pub fn new(wall_micros: i64) -> Self {
        let now = Mutex::new(Now { wall_micros, monotonic: Duration::ZERO });
        Self { now, moved: watch::channel(Duration::ZERO).0 }
    }

    /// Moves both clocks forward and wakes who waited for it.
    pub fn advance(&self, duration: Duration) {
        let mut now = self.now.lock();
        now.monotonic += duration;
        now.wall_micros += i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        self.moved.send_replace(now.monotonic);
    }

    /// Sets the wall clock, also backwards; the monotonic clock stays.
    pub fn set_wall_micros(&self, wall_micros: i64) {
        self.now.lock().wall_micros = wall_micros;
    }
}

impl Clock for SimulatedClock {
    fn wall_micros(&self) -> i64 {
        self.now.lock().wall_micros
    }

    fn monotonic(&self) -> Duration {
        self.now.lock().monotonic
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut moved = self.moved.subscribe();
        let until = self.monotonic() + duration;
        Box::pin(async move {
            // The clock itself owns the sender; when it is gone nobody can move time, and nobody should wait.
            let _ = moved.wait_for(|now| until <= *now).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn simulated_sleep_ends_when_time_is_moved() {
        let clock = SimulatedClock::new(5);
        let sleep = clock.sleep(Duration::from_secs(3));
        clock.advance(Duration::from_secs(3));
        sleep.await;
        assert_eq!(clock.wall_micros(), 3_000_005);
        assert_eq!(clock.wall_millis(), 3_000);
    }
}
