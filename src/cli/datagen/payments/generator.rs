//! Payments one after the other, in the order in which they reach the bank.
//!
//! Honest payments come by themselves, at random moments; each may bring others along that lie ahead: a series, an attack.
//! What lies ahead waits in a queue, so memory does not grow with the number of payments.
//!
//! Invariants:
//!   * the same options give the same payments, and more of them only go on where fewer ended
//!   * arrival times never go back; times of payment may, by `noise`

use std::cmp::Ordering;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::dice::Dice;
use super::payment::Fraud;
use super::payment::Kind;
use super::payment::Payment;
use super::population::Population;
use super::rows::Rows;

/// The first payments are of 2024-01-01 06:00 UTC.
const START_MS: f64 = 1_704_088_800_000.0;
const DAY_MS: f64 = 86_400_000.0;
/// Honest payments of a card, in the mean.
const PAYMENTS_PER_CARD_AND_DAY: f64 = 6.0;

/// What decides on all payments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cli) struct PaymentOptions {
    pub seed: u64,
    /// How many cards there are, at least 1.
    pub cards: usize,
    /// How odd honest holders are, from 0 to 1.
    pub noise: f64,
    /// Attacks of each kind for a million honest payments.
    pub attacks_per_million: f64,
}

/// All payments from the first on; it never ends.
pub(in crate::cli) struct Payments {
    pub(super) options: PaymentOptions,
    pub(super) dice: Dice,
    pub(super) population: Population,
    /// Milliseconds since 1970, with a fraction, so that the mean holds.
    now_ms: f64,
    queue: BinaryHeap<Reverse<Arrival>>,
    scheduled: u64,
    attacks: u32,
    given: u64,
}

/// A payment that is not there yet.
pub(super) struct Draft {
    pub card: usize,
    pub terminal: usize,
    pub amount: f64,
    pub paid_at_ms: i64,
}

impl Payments {
    /// The payments that follow from `options`.
    pub fn new(options: PaymentOptions) -> Self {
        let dice = Dice::new(options.seed);
        let population = Population::new(&dice, options.cards);
        Self {
            options,
            dice,
            population,
            now_ms: START_MS,
            queue: BinaryHeap::new(),
            scheduled: 0,
            attacks: 0,
            given: 0,
        }
    }

    /// The rows of the tables `cards` and `merchants`.
    pub fn tables(&self) -> [Rows; 2] {
        [self.population.card_rows(), self.population.merchant_rows()]
    }

    /// When the next honest payment is made.
    pub(super) fn next_moment(&mut self) -> i64 {
        self.now_ms += self.dice.exponential(DAY_MS / PAYMENTS_PER_CARD_AND_DAY / self.options.cards as f64);
        self.now_ms as i64
    }

    /// A payment that arrives `delay_ms` after it was made, at the terminal's place unless another is told.
    pub(super) fn schedule(&mut self, draft: &Draft, delay_ms: i64, place: Option<(f64, f64)>, fraud: Option<Fraud>) {
        let payment = Payment {
            payment_id: 0,
            card: draft.card,
            terminal: draft.terminal,
            amount_cents: (draft.amount.max(0.5) * 100.0).round() as u64,
            position: place.or(self.population.terminals[draft.terminal].position),
            paid_at_ms: draft.paid_at_ms,
            fraud,
        };
        self.scheduled += 1;
        self.queue.push(Reverse(Arrival { at_ms: draft.paid_at_ms + delay_ms, place: self.scheduled, payment }));
    }

    /// An honest payment that arrives when it is made.
    pub(super) fn schedule_honest(&mut self, draft: &Draft) {
        self.schedule(draft, 0, None, None);
    }

    /// The payments of one attack.
    pub(super) fn schedule_attack(&mut self, kind: Kind, drafts: &[Draft]) {
        self.attacks += 1;
        let fraud = Fraud { kind, attack: self.attacks, attack_payments: drafts.len() as u32 };
        for draft in drafts {
            self.schedule(draft, 0, None, Some(fraud));
        }
    }
}

impl Iterator for Payments {
    type Item = Payment;

    fn next(&mut self) -> Option<Payment> {
        loop {
            if let Some(Reverse(first)) = self.queue.peek()
                && first.at_ms <= self.now_ms as i64
                && let Some(Reverse(Arrival { payment, .. })) = self.queue.pop()
            {
                self.given += 1;
                return Some(Payment { payment_id: self.given, ..payment });
            }
            self.honest_payment();
        }
    }
}

/// A payment and when it reaches the bank.
struct Arrival {
    at_ms: i64,
    /// Which was scheduled first, among those of one moment.
    place: u64,
    payment: Payment,
}

impl Arrival {
    fn order(&self) -> (i64, u64) {
        (self.at_ms, self.place)
    }
}

impl Ord for Arrival {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Arrival {}

impl PartialEq for Arrival {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}
