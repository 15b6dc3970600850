//! What has happened so far: payments sent, alerts come, and how long they took.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

use crate::cli::datagen::Alert;
use crate::cli::datagen::KINDS;
use crate::cli::datagen::Kind;
use crate::cli::datagen::Labels;
use crate::cli::datagen::Payment;

/// Payments whose moment of sending is remembered: an alert for an older one has no delay.
const SENT_MAX: usize = 1 << 20;
/// Seconds that the plots show at most.
pub(super) const PLOT_SECONDS: usize = 120;
/// Alerts that are shown one by one.
pub(super) const NEWEST: usize = 6;

/// One demo's progress; who sends, who watches and who shows share it.
pub(super) struct Shared(Mutex<Progress>);

impl Shared {
    /// Nothing yet.
    pub fn new(started: Duration, found: u64) -> Self {
        Self(Mutex::new(Progress::new(started, found)))
    }

    /// Looks at it, or changes it. `look` must not wait for anything.
    pub fn with<T>(&self, look: impl FnOnce(&mut Progress) -> T) -> T {
        look(&mut self.0.lock())
    }
}

/// An alert as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub card: String,
    pub reason: Kind,
    pub details: String,
}

/// See `Shared`.
pub(super) struct Progress {
    started: Duration,
    /// Payments that were there before.
    found: u64,
    /// Payments that the server has acknowledged, with those found.
    pub acknowledged: u64,
    /// When each payment after `forgotten` was sent.
    sent: VecDeque<Duration>,
    forgotten: u64,
    pub labels: Labels,
    pub alerts: Vec<Alert>,
    /// Alerts of each kind.
    pub per_kind: [u64; KINDS],
    /// The newest alerts, newest last.
    pub newest: VecDeque<Told>,
    delays: Vec<Duration>,
    /// Payments and alerts of each second, the running one last.
    pub seconds: VecDeque<(u64, u64)>,
    second: u64,
    /// Records that queries have still to read; none before it was asked.
    pub behind: Option<u64>,
}

impl Progress {
    fn new(started: Duration, found: u64) -> Self {
        Self {
            started,
            found,
            acknowledged: found,
            sent: VecDeque::new(),
            forgotten: found,
            labels: Labels::default(),
            alerts: Vec::new(),
            per_kind: [0; KINDS],
            newest: VecDeque::new(),
            delays: Vec::new(),
            seconds: VecDeque::from([(0, 0)]),
            second: 0,
            behind: None,
        }
    }

    /// These are sent now.
    pub fn send(&mut self, payments: &[Payment], now: Duration) {
        self.sent.extend(payments.iter().map(|_| now));
        while SENT_MAX < self.sent.len() {
            self.sent.pop_front();
            self.forgotten += 1;
        }
        payments.iter().for_each(|payment| self.labels.learn(payment));
    }

    /// So many were acknowledged.
    pub fn acknowledge(&mut self, count: u64, now: Duration) {
        self.acknowledged += count;
        self.this_second(now).0 += count;
    }

    /// An alert came, and is told so.
    pub fn alert(&mut self, alert: Alert, told: Told, now: Duration) {
        self.per_kind[alert.reason as usize] += 1;
        if let Some(delay) = alert.payments.first().and_then(|payment| self.delay(*payment, now)) {
            self.delays.push(delay);
            self.this_second(now).1 += 1;
        }
        self.newest.push_back(told);
        if NEWEST < self.newest.len() {
            self.newest.pop_front();
        }
        self.alerts.push(alert);
    }

    fn delay(&self, payment_id: u64, now: Duration) -> Option<Duration> {
        let place = usize::try_from(payment_id.checked_sub(self.forgotten + 1)?).ok()?;
        self.sent.get(place).map(|sent| now.saturating_sub(*sent))
    }

    fn this_second(&mut self, now: Duration) -> &mut (u64, u64) {
        let second = now.saturating_sub(self.started).as_secs();
        while self.second < second {
            self.second += 1;
            self.seconds.push_back((0, 0));
            if PLOT_SECONDS < self.seconds.len() {
                self.seconds.pop_front();
            }
        }
        self.seconds.back_mut().expect("there is a running second")
    }

    /// Moves on to the running second, whether something happened in it or not.
    pub fn tick(&mut self, now: Duration) {
        self.this_second(now);
    }

    /// Payments of this run, acknowledged.
    pub fn new_payments(&self) -> u64 {
        self.acknowledged - self.found
    }

    /// How long it has been going on.
    pub fn elapsed(&self, now: Duration) -> Duration {
        now.saturating_sub(self.started)
    }

    /// Median and 99th percentile of the time from a payment's sending to its alert, over the newest `count` alerts.
    pub fn delays(&self, count: usize) -> Option<(Duration, Duration)> {
        let mut delays = self.delays[self.delays.len().saturating_sub(count)..].to_vec();
        delays.sort_unstable();
        let last = delays.len().checked_sub(1)?;
        Some((delays[last / 2], delays[last * 99 / 100]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::datagen::PaymentOptions;
    use crate::cli::datagen::Payments;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn alert(payment: u64) -> Alert {
        Alert { reason: Kind::Velocity, payments: vec![payment] }
    }

    #[test]
    fn delays_are_those_of_payments_sent_in_this_run() {
        let options = PaymentOptions { seed: 7, cards: 10, noise: 0.0, attacks_per_million: 0.0 };
        let payments: Vec<Payment> = Payments::new(options).skip(100).take(3).collect();
        let mut progress = Progress::new(at(1000), 100);
        progress.send(&payments, at(1100));
        progress.acknowledge(3, at(1110));
        assert_eq!(progress.delays(10), None);
        let told = Told { card: "c00001".to_string(), reason: Kind::Velocity, details: String::new() };
        for (payment, now) in [(101, 1120), (100, 1125), (103, 1140), (104, 1200)] {
            progress.alert(alert(payment), told.clone(), at(now));
        }
        assert_eq!(progress.delays(10), Some((at(20), at(20))));
        assert_eq!(progress.delays(1), Some((at(40), at(40))));
        assert_eq!((progress.new_payments(), progress.alerts.len()), (3, 4));
    }

    #[test]
    fn seconds_pass_also_without_payments() {
        let mut progress = Progress::new(at(0), 0);
        progress.acknowledge(5, at(100));
        progress.acknowledge(7, at(3100));
        progress.tick(at(4000));
        assert_eq!(progress.seconds, [(5, 0), (0, 0), (0, 0), (7, 0), (0, 0)]);
    }
}
