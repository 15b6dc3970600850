//! What honest holders do. `noise` is how often they do what looks like fraud.

use super::generator::Draft;
use super::generator::Payments;
use super::places::CITIES;
use super::population::city_kilometres;

const SECOND_MS: f64 = 1000.0;
const MINUTE_MS: f64 = 60.0 * SECOND_MS;
const HOUR_MS: f64 = 60.0 * MINUTE_MS;
/// Payments without a place, of all.
const ONLINE: f64 = 0.15;
/// An aeroplane with the ways to it and from it; the hour is for both.
const FLIGHT_KILOMETRES_PER_HOUR: f64 = 850.0;

/// How often a payment brings each of these along when `noise` is 1.
mod odd {
    /// Several payments within minutes: the car park, coffee, a newspaper.
    pub const SERIES: f64 = 4e-3;
    /// An amount of two to five times what is usual.
    pub const LARGE: f64 = 1e-2;
    /// Tiny amounts at machines; sometimes a purchase after them.
    pub const MACHINES: f64 = 4e-3;
    /// A shop that stays open: a handful of cards pay after it should have closed.
    pub const LATE_EVENING: f64 = 5e-4;
    /// A journey to another city.
    pub const JOURNEY: f64 = 2e-3;
    /// A terminal tells a place in another city.
    pub const WRONG_PLACE: f64 = 4e-5;
    /// A terminal without a line sends it up to two minutes later.
    pub const LATE: f64 = 2e-2;
}

impl Payments {
    /// Makes the next honest payment, with what it brings along.
    pub(super) fn honest_payment(&mut self) {
        let now = self.next_moment();
        let Some(card) = self.card_awake(now) else { return };
        let online = self.dice.chance(ONLINE);
        let terminal = self.terminal_for(card, online, now);
        let amount = match self.odd(odd::LARGE) {
            true => self.population.cards[card].amount_mean.exp() * self.dice.between(2.0, 5.0),
            false => self.population.usual_amount(&self.dice, card),
        };
        let draft = Draft { card, terminal, amount, paid_at_ms: now };
        let delay = if self.odd(odd::LATE) { self.dice.between(5.0, 120.0) * SECOND_MS } else { 0.0 };
        let place = (!online && self.odd(odd::WRONG_PLACE)).then(|| {
            let city = &CITIES[self.dice.index(CITIES.len())];
            (city.latitude, city.longitude)
        });
        self.schedule(&draft, delay as i64, place, None);
        self.population.cards[card].payments += 1;
        if self.odd(odd::SERIES) {
            self.series(card, now);
        }
        if self.odd(odd::MACHINES) {
            self.machines(card, now);
        }
        if self.odd(odd::LATE_EVENING) {
            self.late_evening(now);
        }
        self.attacks_on(card, now, !online);
        if !online && self.odd(odd::JOURNEY) {
            self.journey(card, now);
        }
    }

    fn odd(&self, probability: f64) -> bool {
        self.dice.chance(probability * self.options.noise)
    }

    /// A card whose holder is up and not on the way, if one is soon found.
    fn card_awake(&mut self, now: i64) -> Option<usize> {
        (0..1000).find_map(|_| {
            let place = self.population.any_card(&self.dice);
            let card = &self.population.cards[place];
            if now < card.travels_until_ms {
                return None;
            }
            if card.city != card.home && card.away_until_ms <= now {
                self.send_to(place, card.home, now);
                return None;
            }
            let hour = (now.div_euclid(HOUR_MS as i64) + CITIES[card.city].hours_ahead).rem_euclid(24);
            let awake = match hour {
                7..=22 => 1.0,
                6 | 23 => 0.3,
                _ => 0.05,
            };
            self.dice.chance(awake).then_some(place)
        })
    }

    /// A terminal where the card is, or one without a place.
    pub(super) fn terminal_for(&self, card: usize, online: bool, at_ms: i64) -> usize {
        match online {
            true => self.population.online_terminal(&self.dice),
            false => self.population.open_terminal(&self.dice, self.population.cards[card].city, at_ms),
        }
    }

    fn series(&mut self, card: usize, now: i64) {
        for _ in 0..self.dice.whole(2, 4) {
            let paid_at_ms = now + self.dice.between(0.3 * MINUTE_MS, 6.0 * MINUTE_MS) as i64;
            let terminal = self.terminal_for(card, false, paid_at_ms);
            let amount = self.population.usual_amount(&self.dice, card);
            self.schedule_honest(&Draft { card, terminal, amount, paid_at_ms });
        }
    }

    fn machines(&mut self, card: usize, now: i64) {
        let mut paid_at_ms = now;
        for _ in 0..self.dice.whole(2, 4) {
            paid_at_ms += self.dice.between(0.5 * MINUTE_MS, 4.0 * MINUTE_MS) as i64;
            let terminal = self.terminal_for(card, false, paid_at_ms);
            let amount = self.dice.between(0.5, 2.5);
            self.schedule_honest(&Draft { card, terminal, amount, paid_at_ms });
        }
        if self.dice.chance(0.2) {
            paid_at_ms += self.dice.between(1.0 * MINUTE_MS, 12.0 * MINUTE_MS) as i64;
            let terminal = self.terminal_for(card, false, paid_at_ms);
            let amount = self.population.usual_amount(&self.dice, card) * self.dice.between(1.0, 3.0);
            self.schedule_honest(&Draft { card, terminal, amount, paid_at_ms });
        }
    }

    fn late_evening(&mut self, now: i64) {
        let terminal = self.population.closing_terminal(&self.dice);
        let shop = &self.population.terminals[terminal];
        let (Some(city), Some((closes, _))) = (shop.city, shop.next_closed(now)) else { return };
        for card in self.cards_in(city, self.dice.whole(1, 6)) {
            let paid_at_ms = closes + self.dice.between(0.0, 40.0 * MINUTE_MS) as i64;
            let amount = self.population.usual_amount(&self.dice, card);
            self.schedule_honest(&Draft { card, terminal, amount, paid_at_ms });
        }
    }

    /// Up to so many different cards that live in the city and are there.
    pub(super) fn cards_in(&self, city: usize, count: usize) -> Vec<usize> {
        let living = &self.population.living_in[city];
        let mut found = Vec::new();
        for _ in 0..(count * 4) {
            if living.is_empty() || found.len() == count {
                break;
            }
            let card = living[self.dice.index(living.len())];
            if self.population.cards[card].city == city && !found.contains(&card) {
                found.push(card);
            }
        }
        found
    }

    fn journey(&mut self, card: usize, now: i64) {
        let to = self.dice.index(CITIES.len());
        if to == self.population.cards[card].city {
            return;
        }
        self.send_to(card, to, now);
        let card = &mut self.population.cards[card];
        card.away_until_ms = card.travels_until_ms + (self.dice.between(24.0, 144.0) * HOUR_MS) as i64;
    }

    fn send_to(&mut self, card: usize, city: usize, now: i64) {
        let card = &mut self.population.cards[card];
        let hours = city_kilometres(card.city, city) / FLIGHT_KILOMETRES_PER_HOUR + 1.0;
        card.travels_until_ms = now + (hours * HOUR_MS) as i64;
        card.city = city;
    }
}
