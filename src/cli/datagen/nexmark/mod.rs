//! Nexmark: the events of an auction site. Persons register, open auctions, and bid.
//!
//! Each event is a pure function of the seed and its number, so that any part can be made alone. Of each 50 events one is a
//! person, three are auctions and 46 are bids. Hot sellers, bidders and auctions get most of the traffic; bids stay near
//! the newest auctions; times go forward with the number, some of them falling back a little.
//!
//! Invariants:
//!   * the bytes follow from the options alone, on any machine
//!   * no event lies before `BASE_MS`, nor further back than the options allow

mod command;
mod event;
mod files;
mod random;
mod server;

pub use command::NexmarkArguments;
pub use command::run;
pub use event::Auction;
pub use event::Bid;
pub use event::Event;
pub use event::EventKind;
pub use event::Person;

use event::CHANNELS;
use event::CITIES;
use event::FIRST_NAMES;
use event::HOT_CHANNELS;
use event::LAST_NAMES;
use event::STATES;
use random::Random;

/// 2026-01-01 00:00:00 UTC, milliseconds since 1970: when the first event happens.
pub const BASE_MS: i64 = 1_767_225_600_000;

/// The pool of letters that texts are cut from.
const POOL_LETTERS: u64 = 1 << 20;
/// The stream of chance that the pool is drawn from.
const POOL_STREAM: u64 = u64::MAX - 1;
/// Persons among which one is active, and how many of them are not yet born.
const ACTIVE_PERSONS: u64 = 1_000;
const UNBORN_PERSONS: u64 = 10;
/// Events in which as many auctions begin as are open at a time.
const OPEN_EVENTS: u64 = 1_666;
/// Auctions that bids go to, back from the newest, and on from it.
const OPEN_AUCTIONS: u64 = 100;
const FUTURE_AUCTIONS: u64 = 10;
/// One in so many persons and auctions is hot.
const HOT_STRIDE: u64 = 100;
/// Events that are made of one person, three auctions and the rest bids.
const ROUND: u64 = 50;
const AUCTIONS_OF_ROUND: u64 = 3;
/// The first id.
const FIRST_ID: u64 = 1_000;

/// What the events follow from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Chance.
    pub seed: u64,
    /// Events in a second of event time, at least 1.
    pub rate: u64,
    /// How likely an event's time falls back, 0 to 1.
    pub late_probability: f64,
    /// By how much at most, milliseconds.
    pub late_ms_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 42, rate: 10_000, late_probability: 0.1, late_ms_max: 3_000 }
    }
}

/// Makes events.
pub struct Generator {
    options: Options,
    pool: String,
}

impl Generator {
    /// A generator; it draws its pool of letters first.
    pub fn new(options: Options) -> Self {
        assert!(0 < options.rate, "time goes on");
        let mut random = Random::new(options.seed, POOL_STREAM);
        let pool = (0..POOL_LETTERS).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
        Self { options, pool }
    }

    /// When an event would happen if none fell back.
    fn nominal_ms(&self, number: u64) -> i64 {
        BASE_MS + (u128::from(number) * 1_000 / u128::from(self.options.rate)) as i64
    }

    /// Event `number`, from 0.
    pub fn event(&self, number: u64) -> Event<'_> {
        let mut random = Random::new(self.options.seed, number);
        let (falls_back, back_ms) = (random.unit(), random.below(self.options.late_ms_max.saturating_add(1)));
        let nominal_ms = self.nominal_ms(number);
        let at_ms = match falls_back < self.options.late_probability {
            true => nominal_ms.saturating_sub_unsigned(back_ms).max(BASE_MS),
            false => nominal_ms,
        };
        let (person, slot) = (number / ROUND, number % ROUND);
        let auction = person * AUCTIONS_OF_ROUND + slot.min(AUCTIONS_OF_ROUND);
        let mut drawing = Drawing { generator: self, random, number, at_ms, person };
        match slot {
            0 => Event::Person(drawing.person()),
            1..=AUCTIONS_OF_ROUND => Event::Auction(drawing.auction(auction - 1)),
            _ => Event::Bid(drawing.bid(auction - 1)),
        }
    }
}

/// An event that is being drawn. The order of the draws is part of what the bytes follow from.
struct Drawing<'g> {
    generator: &'g Generator,
    random: Random,
    number: u64,
    at_ms: i64,
    /// The newest person.
    person: u64,
}

impl<'g> Drawing<'g> {
    /// A text of so many letters.
    fn words(&mut self, letters: u64) -> &'g str {
        let at = self.random.below(POOL_LETTERS - letters) as usize;
        &self.generator.pool[at..at + letters as usize]
    }

    /// A text of about so many letters, that makes a row as long as rows of this kind are.
    fn extra(&mut self, mean: u64) -> &'g str {
        let spread = mean / 5;
        let letters = mean - spread + self.random.below(2 * spread + 1);
        self.words(letters)
    }

    fn one_of(&mut self, of: &[&'static str]) -> &'static str {
        of[self.random.below(of.len() as u64) as usize]
    }

    /// A person who is about.
    fn active(&mut self) -> u64 {
        let persons = self.person + 1;
        let window = persons.min(ACTIVE_PERSONS);
        persons - window + self.random.below(window + UNBORN_PERSONS)
    }

    fn person(&mut self) -> Person<'g> {
        Person {
            id: self.person + FIRST_ID,
            name: (self.one_of(&FIRST_NAMES), self.one_of(&LAST_NAMES)),
            email_address: (self.words(7), self.words(5)),
            credit_card: [(); 4].map(|()| self.random.below(10_000)),
            city: self.one_of(&CITIES),
            state: self.one_of(&STATES),
            date_time_ms: self.at_ms,
            extra: self.extra(130),
        }
    }

    fn auction(&mut self, auction: u64) -> Auction<'g> {
        let hot = 0 < self.random.below(4);
        let seller = if hot { self.person / HOT_STRIDE * HOT_STRIDE } else { self.active() };
        let category = 10 + self.random.below(5);
        let initial_bid = self.random.price();
        let reserve = initial_bid + self.random.price();
        let open_ms = self.generator.nominal_ms(self.number + OPEN_EVENTS) - self.generator.nominal_ms(self.number);
        let expires_ms = self.at_ms + 1 + self.random.below((2 * open_ms.unsigned_abs()).max(1)) as i64;
        let name_letters = 3 + self.random.below(17);
        let item_name = self.words(name_letters);
        let description_letters = 3 + self.random.below(97);
        Auction {
            id: auction + FIRST_ID,
            item_name,
            description: self.words(description_letters),
            initial_bid,
            reserve,
            date_time_ms: self.at_ms,
            expires_ms,
            seller: seller + FIRST_ID,
            category,
            extra: self.extra(390),
        }
    }

    fn bid(&mut self, newest: u64) -> Bid<'g> {
        let oldest = newest.saturating_sub(OPEN_AUCTIONS);
        let hot = 0 < self.random.below(2);
        let auction = match hot {
            true => newest / HOT_STRIDE * HOT_STRIDE,
            false => oldest + self.random.below(newest - oldest + FUTURE_AUCTIONS + 1),
        };
        let hot = 0 < self.random.below(4);
        let bidder = if hot { self.person / HOT_STRIDE * HOT_STRIDE + 1 } else { self.active() };
        let price = self.random.price();
        let channel = match 0 < self.random.below(2) {
            true => self.random.below(HOT_CHANNELS.len() as u64),
            false => HOT_CHANNELS.len() as u64 + self.random.below(CHANNELS),
        };
        let path = [0, 1, 2].map(|part| {
            let at = channel as usize * 15 + part * 5;
            &self.generator.pool[at..at + 5]
        });
        Bid {
            auction: auction + FIRST_ID,
            bidder: bidder + FIRST_ID,
            price,
            channel,
            path,
            date_time_ms: self.at_ms,
            extra: self.extra(68),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(options: Options, events: u64) -> Vec<u8> {
        let generator = Generator::new(options);
        let mut out = Vec::new();
        for number in 0..events {
            generator.event(number).write_tagged(&mut out);
            out.push(b'\n');
        }
        out
    }

    /// FNV-1a, 64 bits: to hold many bytes to what they were.
    fn hash(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let bytes = lines(Options::default(), 100_000);
        // Of the text whose SHA-256 is f963fd8e31ceba62d982df5ddf2f794f784b00dd7590859af034702c8d87ade2.
        assert_eq!((bytes.len(), hash(&bytes)), (30_641_952, 0x8fdb_e86e_403a_8c68));
    }

    #[test]
    fn times_fall_back_no_further_than_they_may() {
        let options = Options { late_probability: 0.5, late_ms_max: 20, ..Options::default() };
        let generator = Generator::new(options);
        let mut late = 0;
        for number in 0..2_000 {
            let behind = generator.nominal_ms(number) - generator.event(number).date_time_ms();
            assert!((0..=20).contains(&behind), "event {number} is {behind} ms behind");
            late += u64::from(0 < behind);
        }
        assert!((700..1_100).contains(&late), "about half of them fall back, {late}");
        assert_ne!(lines(options, 50), lines(Options { seed: 43, ..options }, 50));
    }
}
