//! What thieves do. Each attack is on a card that has just paid honestly, or on a shop's terminal at night.

use super::generator::Draft;
use super::generator::Payments;
use super::payment::Kind;
use super::places::CITIES;
use super::population::city_kilometres;

const MINUTE_MS: f64 = 60_000.0;
const HOUR_MS: f64 = 60.0 * MINUTE_MS;
/// A card that was attacked is left alone for so long.
const PAUSE_MS: i64 = 2 * 86_400_000;
/// An amount is out of character only if there is a character: payments that the victim has made.
const HISTORY: u32 = 25;
/// How far away a copy of the card turns up at least.
const FAR_KILOMETRES: f64 = 1200.0;
/// Cards that a stolen terminal is worth the trouble for.
const TERMINAL_CARDS: usize = 12;

impl Payments {
    /// Begins attacks now and then.
    pub(super) fn attacks_on(&mut self, card: usize, now: i64, in_person: bool) {
        let probability = self.options.attacks_per_million / 1e6;
        for kind in Kind::ALL {
            if !self.dice.chance(probability) || now < self.population.cards[card].attacked_until_ms {
                continue;
            }
            let drafts = match kind {
                Kind::CardTesting => self.card_testing(card, now),
                Kind::ImpossibleTravel if in_person => self.impossible_travel(card, now),
                Kind::OutOfCharacter if HISTORY <= self.population.cards[card].payments => {
                    self.out_of_character(card, now)
                }
                Kind::StolenTerminal => self.stolen_terminal(now),
                Kind::Velocity => self.velocity(card, now),
                Kind::ImpossibleTravel | Kind::OutOfCharacter => continue,
            };
            if drafts.is_empty() {
                continue;
            }
            if kind != Kind::StolenTerminal {
                self.population.cards[card].attacked_until_ms = now + PAUSE_MS;
            }
            self.schedule_attack(kind, &drafts);
        }
    }

    /// Four to eight tiny amounts online, minutes apart; then one to three purchases.
    fn card_testing(&self, card: usize, now: i64) -> Vec<Draft> {
        let mut paid_at_ms = now + self.minutes(2.0, 30.0);
        let mut drafts = Vec::new();
        for _ in 0..self.dice.whole(4, 8) {
            paid_at_ms += self.minutes(0.3, 4.0);
            let terminal = self.terminal_for(card, true, paid_at_ms);
            drafts.push(Draft { card, terminal, amount: self.dice.between(0.5, 2.8), paid_at_ms });
        }
        for _ in 0..self.dice.whole(1, 3) {
            paid_at_ms += self.minutes(1.0, 12.0);
            let terminal = self.terminal_for(card, self.dice.chance(0.7), paid_at_ms);
            let amount = 250.0 * (0.5 * self.dice.normal()).exp();
            drafts.push(Draft { card, terminal, amount, paid_at_ms });
        }
        drafts
    }

    /// A copy of the card pays far away, up to three times, minutes after its holder paid.
    fn impossible_travel(&self, card: usize, now: i64) -> Vec<Draft> {
        let here = self.population.cards[card].city;
        let far: Vec<usize> = (0..CITIES.len()).filter(|city| FAR_KILOMETRES <= city_kilometres(here, *city)).collect();
        let city = far[self.dice.index(far.len())];
        let mut paid_at_ms = now + self.minutes(5.0, 75.0);
        let mut drafts = Vec::new();
        for _ in 0..self.dice.whole(1, 3) {
            let terminal = self.population.open_terminal(&self.dice, city, paid_at_ms);
            let amount = self.population.usual_amount(&self.dice, card) * self.dice.between(1.0, 3.0);
            drafts.push(Draft { card, terminal, amount, paid_at_ms });
            paid_at_ms += self.minutes(2.0, 20.0);
        }
        drafts
    }

    /// One or two amounts that lie 5.2 to 8 deviations above what the card usually pays.
    fn out_of_character(&self, card: usize, now: i64) -> Vec<Draft> {
        let habits = &self.population.cards[card];
        let mut paid_at_ms = now + self.minutes(10.0, 180.0);
        let mut drafts = Vec::new();
        for _ in 0..self.dice.whole(1, 2) {
            let terminal = self.terminal_for(card, self.dice.chance(0.6), paid_at_ms);
            let amount = (habits.amount_mean + habits.amount_deviation * self.dice.between(5.2, 8.0)).exp();
            drafts.push(Draft { card, terminal, amount, paid_at_ms });
            paid_at_ms += self.minutes(5.0, 60.0);
        }
        drafts
    }

    /// Twelve to forty copied cards of a city within 15 to 40 minutes, at a terminal of it whose shop is closed.
    fn stolen_terminal(&self, now: i64) -> Vec<Draft> {
        let terminal = self.population.closing_terminal(&self.dice);
        let shop = &self.population.terminals[terminal];
        let (Some(city), Some((closes, closed_ms))) = (shop.city, shop.next_closed(now)) else { return Vec::new() };
        let span = self.minutes(15.0, 40.0);
        let latest = (closed_ms - span) as f64;
        let start = closes + self.dice.between(HOUR_MS.min(latest), latest) as i64;
        let cards = self.cards_in(city, self.dice.whole(TERMINAL_CARDS, 40));
        if cards.len() < TERMINAL_CARDS {
            return Vec::new();
        }
        let drafts = cards.into_iter().map(|card| {
            let amount = self.dice.between(40f64.ln(), 250f64.ln()).exp();
            Draft { card, terminal, amount, paid_at_ms: start + (self.dice.unit() * span as f64) as i64 }
        });
        drafts.collect()
    }

    /// Six to fifteen payments within 2 to 12 minutes.
    fn velocity(&self, card: usize, now: i64) -> Vec<Draft> {
        let start = now + self.minutes(2.0, 60.0);
        let span = self.minutes(2.0, 12.0) as f64;
        let drafts = (0..self.dice.whole(6, 15)).map(|_| {
            let paid_at_ms = start + (self.dice.unit() * span) as i64;
            let terminal = self.terminal_for(card, self.dice.chance(0.5), paid_at_ms);
            let amount = self.population.usual_amount(&self.dice, card) * self.dice.between(0.5, 2.0);
            Draft { card, terminal, amount, paid_at_ms }
        });
        drafts.collect()
    }

    fn minutes(&self, low: f64, high: f64) -> i64 {
        (self.dice.between(low, high) * MINUTE_MS) as i64
    }
}
