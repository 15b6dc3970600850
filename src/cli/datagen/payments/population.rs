//! Who pays, and where: cards with their habits, terminals with their shops.

use super::dice::Dice;
use super::payment::instant;
use super::places::CITIES;
use super::places::FIRST_NAMES;
use super::places::LAST_NAMES;
use super::places::ONLINE;
use super::places::TRADES;
use super::places::Trade;
use super::places::kilometres;
use super::rows::Cell;
use super::rows::Rows;

const HOUR_MS: i64 = 3_600_000;
/// Since when cards and terminals are known, 2020-01-01: before every payment.
const SINCE_MS: i64 = 1_577_836_800_000;
/// A shop lies no farther than this from the middle of its city, in degrees.
const SPREAD_DEGREES: f64 = 0.08;

/// A card and the habits of its holder.
#[derive(Debug)]
pub(super) struct Card {
    pub holder: String,
    /// Where it lives, a place in `CITIES`.
    pub home: usize,
    /// Mean and standard deviation of its amounts' natural logarithm.
    pub amount_mean: f64,
    pub amount_deviation: f64,
    /// How often it pays, beside the others.
    pub weight: f64,
    /// Where it is now, and until when it stays if that is not its home.
    pub city: usize,
    pub away_until_ms: i64,
    /// It is on its way until then, and pays nothing.
    pub travels_until_ms: i64,
    /// No further attack on it begins before.
    pub attacked_until_ms: i64,
    /// Payments so far.
    pub payments: u32,
}

/// A terminal and its shop.
#[derive(Debug)]
pub(super) struct Terminal {
    pub trade: &'static str,
    /// None for a shop without a place.
    pub city: Option<usize>,
    pub position: Option<(f64, f64)>,
    /// Hours of the day in UTC; it never closes if they are equal.
    pub opens: i64,
    pub closes: i64,
}

impl Terminal {
    /// Whether its shop is open.
    pub fn is_open(&self, at_ms: i64) -> bool {
        let hour = at_ms.div_euclid(HOUR_MS).rem_euclid(24);
        match self.opens < self.closes {
            _ if self.opens == self.closes => true,
            true => self.opens <= hour && hour < self.closes,
            false => self.opens <= hour || hour < self.closes,
        }
    }

    /// When it closes next, and for how long; none if it never does.
    pub fn next_closed(&self, after_ms: i64) -> Option<(i64, i64)> {
        if self.opens == self.closes {
            return None;
        }
        let next = after_ms.div_euclid(HOUR_MS) + 1;
        let wait = (self.closes - next).rem_euclid(24);
        Some(((next + wait) * HOUR_MS, (self.opens - self.closes).rem_euclid(24) * HOUR_MS))
    }
}

/// All cards and terminals.
pub(super) struct Population {
    pub cards: Vec<Card>,
    pub terminals: Vec<Terminal>,
    /// Places of the terminals of each city.
    in_city: Vec<Vec<usize>>,
    /// Places of the terminals without a city.
    pub online: Vec<usize>,
    /// Places of the cards that live in each city.
    pub living_in: Vec<Vec<usize>>,
    /// Sum of the weights of the cards up to each.
    weights: Vec<f64>,
}

impl Population {
    /// So many cards, and a shop for every ten of them, at least one of each trade in each city.
    pub fn new(dice: &Dice, cards: usize) -> Self {
        let per_city = (cards / 10 / CITIES.len()).max(TRADES.len());
        let mut terminals = Vec::new();
        let mut in_city = Vec::new();
        for (city, place) in CITIES.iter().enumerate() {
            let first = terminals.len();
            terminals.extend((0..per_city).map(|shop| {
                let near = |degrees: f64| degrees + dice.between(-SPREAD_DEGREES, SPREAD_DEGREES);
                let position = (near(place.latitude), near(place.longitude));
                terminal(&TRADES[shop % TRADES.len()], Some(city), Some(position))
            }));
            in_city.push((first..terminals.len()).collect());
        }
        let first = terminals.len();
        terminals.extend((0..(per_city * 2)).map(|_| terminal(&ONLINE, None, None)));
        let online = (first..terminals.len()).collect();
        let cards: Vec<Card> = (0..cards).map(|_| card(dice)).collect();
        let mut living_in = vec![Vec::new(); CITIES.len()];
        for (place, card) in cards.iter().enumerate() {
            living_in[card.home].push(place);
        }
        let mut total = 0.0;
        let weights = cards.iter().map(|card| {
            total += card.weight;
            total
        });
        let weights = weights.collect();
        Self { cards, terminals, in_city, online, living_in, weights }
    }

    /// A card, the busier the likelier.
    pub fn any_card(&self, dice: &Dice) -> usize {
        let total = self.weights.last().copied().unwrap_or_default();
        let drawn = dice.unit() * total;
        self.weights.partition_point(|weight| *weight <= drawn).min(self.cards.len() - 1)
    }

    /// A terminal of the city that is open; fuel always is.
    pub fn open_terminal(&self, dice: &Dice, city: usize, at_ms: i64) -> usize {
        let here = &self.in_city[city];
        let mut found = here[dice.index(here.len())];
        for _ in 0..4 {
            if self.terminals[found].is_open(at_ms) {
                return found;
            }
            found = here[dice.index(here.len())];
        }
        let open: Vec<usize> = here.iter().copied().filter(|place| self.terminals[*place].is_open(at_ms)).collect();
        open[dice.index(open.len())]
    }

    /// A terminal whose shop closes each day.
    pub fn closing_terminal(&self, dice: &Dice) -> usize {
        loop {
            let place = dice.index(self.terminals.len());
            if self.terminals[place].opens != self.terminals[place].closes {
                return place;
            }
        }
    }

    /// A terminal of a shop without a place.
    pub fn online_terminal(&self, dice: &Dice) -> usize {
        self.online[dice.index(self.online.len())]
    }

    /// An amount as the card usually pays.
    pub fn usual_amount(&self, dice: &Dice, card: usize) -> f64 {
        let card = &self.cards[card];
        (card.amount_mean + card.amount_deviation * dice.normal()).exp()
    }

    /// The rows of the table `cards`.
    pub fn card_rows(&self) -> Rows {
        let since = instant(SINCE_MS);
        let rows = self.cards.iter().enumerate().map(|(place, card)| {
            let city = &CITIES[card.home];
            let texts = [card_id(place), card.holder.clone(), city.name.to_string(), city.country.to_string()];
            texts.into_iter().chain([since.clone()]).map(Cell::Text).collect()
        });
        Rows { relation: "cards", columns: &["card_id", "holder", "city", "country", "since"], rows: rows.collect() }
    }

    /// The rows of the table `merchants`.
    pub fn merchant_rows(&self) -> Rows {
        let since = instant(SINCE_MS);
        let rows = self.terminals.iter().enumerate().map(|(place, terminal)| {
            let (id, trade) = (terminal_id(place), terminal.trade);
            let city = terminal.city.map(|city| &CITIES[city]);
            let text = |text: &str| Cell::Text(text.to_string());
            vec![
                text(&id),
                Cell::Text(city.map_or(format!("Shop {id}"), |city| format!("{} {trade} {id}", city.name))),
                text(trade),
                city.map_or(Cell::Null, |city| text(city.name)),
                city.map_or(Cell::Null, |city| text(city.country)),
                Cell::Number(terminal.opens),
                Cell::Number(terminal.closes),
                text(&since),
            ]
        });
        Rows {
            relation: "merchants",
            columns: &["terminal_id", "merchant", "category", "city", "country", "opens", "closes", "since"],
            rows: rows.collect(),
        }
    }
}

/// The identity of the card at a place.
pub(super) fn card_id(place: usize) -> String {
    format!("c{place:05}")
}

/// The identity of the terminal at a place.
pub(super) fn terminal_id(place: usize) -> String {
    format!("t{place:05}")
}

/// Kilometres between the middles of two cities.
pub(super) fn city_kilometres(from: usize, to: usize) -> f64 {
    let middle = |city: usize| (CITIES[city].latitude, CITIES[city].longitude);
    kilometres(middle(from), middle(to))
}

fn terminal(trade: &Trade, city: Option<usize>, position: Option<(f64, f64)>) -> Terminal {
    let in_utc = |hour: i64| (hour - city.map_or(0, |city| CITIES[city].hours_ahead)).rem_euclid(24);
    Terminal { trade: trade.name, city, position, opens: in_utc(trade.opens), closes: in_utc(trade.closes) }
}

fn card(dice: &Dice) -> Card {
    let home = dice.index(CITIES.len());
    let first = FIRST_NAMES[dice.index(FIRST_NAMES.len())];
    let last = LAST_NAMES[dice.index(LAST_NAMES.len())];
    Card {
        holder: format!("{first} {last}"),
        home,
        amount_mean: 25f64.ln() + 0.5 * dice.normal(),
        amount_deviation: dice.between(0.45, 0.75),
        weight: (0.5 * dice.normal()).exp(),
        city: home,
        away_until_ms: 0,
        travels_until_ms: 0,
        attacked_until_ms: 0,
        payments: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(opens: i64, closes: i64) -> Terminal {
        Terminal { trade: "bar", city: Some(0), position: None, opens, closes }
    }

    #[test]
    fn shops_open_and_close_also_over_midnight() {
        let at = |hour: i64| 3 * 24 * HOUR_MS + hour * HOUR_MS + 5;
        let open = |shop: &Terminal| -> Vec<i64> { (0..24).filter(|hour| shop.is_open(at(*hour))).collect() };
        assert_eq!(open(&shop(9, 12)), [9, 10, 11]);
        assert_eq!(open(&shop(22, 2)), [0, 1, 22, 23]);
        assert_eq!(open(&shop(0, 0)).len(), 24);
        let day = 3 * 24 * HOUR_MS;
        assert_eq!(shop(9, 12).next_closed(at(10)), Some((day + 12 * HOUR_MS, 21 * HOUR_MS)));
        assert_eq!(shop(22, 2).next_closed(at(10)), Some((day + 26 * HOUR_MS, 20 * HOUR_MS)));
        assert_eq!(shop(0, 0).next_closed(at(10)), None);
    }

    #[test]
    fn a_terminal_is_open_in_every_city_at_every_hour() {
        let dice = Dice::new(1);
        let population = Population::new(&dice, 10);
        for hour in 0..24 {
            for city in 0..CITIES.len() {
                let place = population.open_terminal(&dice, city, hour * HOUR_MS);
                assert!(population.terminals[place].is_open(hour * HOUR_MS));
                assert_eq!(population.terminals[place].city, Some(city));
            }
        }
    }
}
