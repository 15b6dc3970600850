//! The three kinds of events, and their JSON.

use std::fmt::Arguments;
use std::io::Write;

use chrono::DateTime;
use chrono::Datelike;
use chrono::Timelike;

pub(super) const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
pub(super) const LAST_NAMES: [&str; 9] =
    ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
pub(super) const CITIES: [&str; 10] =
    ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
pub(super) const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
pub(super) const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
/// Channels besides the hot ones.
pub(super) const CHANNELS: u64 = 10_000;

/// Somebody registers.
#[derive(Debug, Clone, Copy)]
pub struct Person<'g> {
    pub(super) id: u64,
    pub(super) name: (&'static str, &'static str),
    pub(super) email_address: (&'g str, &'g str),
    pub(super) credit_card: [u64; 4],
    pub(super) city: &'static str,
    pub(super) state: &'static str,
    pub(super) date_time_ms: i64,
    pub(super) extra: &'g str,
}

/// An item is put up.
#[derive(Debug, Clone, Copy)]
pub struct Auction<'g> {
    pub(super) id: u64,
    pub(super) item_name: &'g str,
    pub(super) description: &'g str,
    pub(super) initial_bid: u64,
    pub(super) reserve: u64,
    pub(super) date_time_ms: i64,
    pub(super) expires_ms: i64,
    pub(super) seller: u64,
    pub(super) category: u64,
    pub(super) extra: &'g str,
}

/// Somebody bids.
#[derive(Debug, Clone, Copy)]
pub struct Bid<'g> {
    pub(super) auction: u64,
    pub(super) bidder: u64,
    pub(super) price: u64,
    /// The hot channels first, then the others.
    pub(super) channel: u64,
    /// Of the URL, which is fixed for a channel.
    pub(super) path: [&'g str; 3],
    pub(super) date_time_ms: i64,
    pub(super) extra: &'g str,
}

/// What happens on the site.
#[derive(Debug, Clone, Copy)]
pub enum Event<'g> {
    /// Somebody registers.
    Person(Person<'g>),
    /// An item is put up.
    Auction(Auction<'g>),
    /// Somebody bids.
    Bid(Bid<'g>),
}

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// `person`
    Person,
    /// `auction`
    Auction,
    /// `bid`
    Bid,
}

impl EventKind {
    /// All kinds, in the order of their numbers in `event_type`.
    pub const ALL: [EventKind; 3] = [EventKind::Person, EventKind::Auction, EventKind::Bid];

    /// The name of its stream and directory.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Person => "person",
            EventKind::Auction => "auction",
            EventKind::Bid => "bid",
        }
    }
}

impl Event<'_> {
    /// Which kind it is.
    pub fn kind(&self) -> EventKind {
        match self {
            Event::Person(_) => EventKind::Person,
            Event::Auction(_) => EventKind::Auction,
            Event::Bid(_) => EventKind::Bid,
        }
    }

    /// When it happens, milliseconds since 1970.
    pub fn date_time_ms(&self) -> i64 {
        match self {
            Event::Person(person) => person.date_time_ms,
            Event::Auction(auction) => auction.date_time_ms,
            Event::Bid(bid) => bid.date_time_ms,
        }
    }

    /// Appends its row: `{"id":1000,"name":..}`.
    pub fn write_row(&self, out: &mut Vec<u8>) {
        let mut before = '{';
        self.fields(&mut |name, value| {
            match value {
                Value::Number(number) => put(out, format_args!("{before}\"{name}\":{number}")),
                Value::Text(text) => put(out, format_args!("{before}\"{name}\":\"{text}\"")),
            }
            before = ',';
        });
        out.push(b'}');
    }

    /// Appends its row under its kind: `{"event_type":0,"person":{..}}`; the other kinds are left out.
    pub fn write_tagged(&self, out: &mut Vec<u8>) {
        let kind = self.kind();
        put(out, format_args!("{{\"event_type\":{},\"{}\":", kind as u8, kind.name()));
        self.write_row(out);
        out.push(b'}');
    }

    /// Appends its row as a line of COPY's text format, the columns in the order of `columns`.
    pub fn write_copy_line(&self, out: &mut Vec<u8>) {
        self.fields(&mut |_, value| match value {
            Value::Number(number) => put(out, format_args!("{number}\t")),
            Value::Text(text) => put(out, format_args!("{text}\t")),
        });
        if let Some(last) = out.last_mut() {
            *last = b'\n';
        }
    }

    /// The names of its columns.
    pub fn columns(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        self.fields(&mut |name, _| names.push(name));
        names
    }

    fn fields(&self, each: Each<'_>) {
        match self {
            Event::Person(person) => person.fields(each),
            Event::Auction(auction) => auction.fields(each),
            Event::Bid(bid) => bid.fields(each),
        }
    }
}

/// A value of a row.
enum Value<'v> {
    Number(u64),
    /// Only letters, digits, blanks and `- @ . / : ? = & _`: nothing is ever escaped.
    Text(Arguments<'v>),
}

/// Takes the columns of a row one by one.
type Each<'e> = &'e mut dyn FnMut(&'static str, Value<'_>);

fn put(out: &mut Vec<u8>, text: Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes all");
}

/// `2026-01-01 00:00:00.000`
struct Stamp(i64);

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = DateTime::from_timestamp_millis(self.0).ok_or(std::fmt::Error)?;
        let (date, clock) = (at.date_naive(), at.time());
        write!(f, "{:04}-{:02}-{:02} ", date.year(), date.month(), date.day())?;
        write!(f, "{:02}:{:02}:{:02}.{:03}", clock.hour(), clock.minute(), clock.second(), self.0.rem_euclid(1_000))
    }
}

impl Person<'_> {
    fn fields(&self, each: Each<'_>) {
        let ((first, last), (user, host), [a, b, c, d]) = (self.name, self.email_address, self.credit_card);
        each("id", Value::Number(self.id));
        each("name", Value::Text(format_args!("{first} {last}")));
        each("email_address", Value::Text(format_args!("{user}@{host}.com")));
        each("credit_card", Value::Text(format_args!("{a:04} {b:04} {c:04} {d:04}")));
        each("city", Value::Text(format_args!("{}", self.city)));
        each("state", Value::Text(format_args!("{}", self.state)));
        each("date_time", Value::Text(format_args!("{}", Stamp(self.date_time_ms))));
        each("extra", Value::Text(format_args!("{}", self.extra)));
    }
}

impl Auction<'_> {
    fn fields(&self, each: Each<'_>) {
        each("id", Value::Number(self.id));
        each("item_name", Value::Text(format_args!("{}", self.item_name)));
        each("description", Value::Text(format_args!("{}", self.description)));
        each("initial_bid", Value::Number(self.initial_bid));
        each("reserve", Value::Number(self.reserve));
        each("date_time", Value::Text(format_args!("{}", Stamp(self.date_time_ms))));
        each("expires", Value::Text(format_args!("{}", Stamp(self.expires_ms))));
        each("seller", Value::Number(self.seller));
        each("category", Value::Number(self.category));
        each("extra", Value::Text(format_args!("{}", self.extra)));
    }
}

impl Bid<'_> {
    fn fields(&self, each: Each<'_>) {
        let (number, [a, b, c]) = (self.channel.checked_sub(HOT_CHANNELS.len() as u64), self.path);
        each("auction", Value::Number(self.auction));
        each("bidder", Value::Number(self.bidder));
        each("price", Value::Number(self.price));
        match number {
            None => each("channel", Value::Text(format_args!("{}", HOT_CHANNELS[self.channel as usize]))),
            Some(number) => each("channel", Value::Text(format_args!("channel-{number}"))),
        }
        let base = "https://www.nexmark.com";
        match number.filter(|number| !number.is_multiple_of(10)) {
            None => each("url", Value::Text(format_args!("{base}/{a}/{b}/{c}/item.htm?query=1"))),
            Some(id) => each("url", Value::Text(format_args!("{base}/{a}/{b}/{c}/item.htm?query=1&channel_id={id}"))),
        }
        each("date_time", Value::Text(format_args!("{}", Stamp(self.date_time_ms))));
        each("extra", Value::Text(format_args!("{}", self.extra)));
    }
}
