//! A payment, what it is labelled with, and their forms as lines.

use std::fmt::Write;

use chrono::DateTime;

use super::population::card_id;
use super::population::terminal_id;

/// What thieves do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::cli) enum Kind {
    CardTesting,
    ImpossibleTravel,
    OutOfCharacter,
    StolenTerminal,
    Velocity,
}

/// How many kinds there are.
pub(in crate::cli) const KINDS: usize = 5;

impl Kind {
    pub const ALL: [Self; KINDS] =
        [Self::CardTesting, Self::ImpossibleTravel, Self::OutOfCharacter, Self::StolenTerminal, Self::Velocity];

    /// Its name in labels, and in the `reason` of the alert that is for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CardTesting => "card testing",
            Self::ImpossibleTravel => "impossible travel",
            Self::OutOfCharacter => "out of character",
            Self::StolenTerminal => "stolen terminal",
            Self::Velocity => "velocity",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// That a payment is a thief's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Fraud {
    pub kind: Kind,
    /// Which attack it belongs to, from 1.
    pub attack: u32,
    /// How many payments that attack has.
    pub attack_payments: u32,
}

/// One payment. Its label is not part of its lines.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Payment {
    /// From 1, in the order of arrival.
    pub payment_id: u64,
    /// Place of the card in the population.
    pub card: usize,
    /// Place of the terminal in the population.
    pub terminal: usize,
    pub amount_cents: u64,
    /// Latitude and longitude in degrees; none if it was made online.
    pub position: Option<(f64, f64)>,
    /// Milliseconds since 1970.
    pub paid_at_ms: i64,
    /// What a thief's payment is labelled with.
    pub fraud: Option<Fraud>,
}

/// Columns of `copy_line`, for COPY.
pub(in crate::cli) const PAYMENT_COLUMNS: &str = "card_id, payment_id, terminal_id, amount, lat, lon, paid_at";

impl Payment {
    /// The card's identity.
    pub fn card_id(&self) -> String {
        card_id(self.card)
    }

    /// A line of JSON.
    pub fn json_line(&self, out: &mut String) {
        let Self { payment_id, .. } = self;
        let (card, terminal, amount, at) = self.texts();
        let position = match self.position {
            Some((latitude, longitude)) => format!("\"lat\":{latitude:.4},\"lon\":{longitude:.4}"),
            None => "\"lat\":null,\"lon\":null".to_string(),
        };
        writeln!(
            out,
            "{{\"payment_id\":{payment_id},\"card_id\":\"{card}\",\"terminal_id\":\"{terminal}\",\"amount\":{amount},\
             {position},\"paid_at\":\"{at}\"}}"
        )
        .expect("a String takes what is written");
    }

    /// A line of COPY's text format, its columns as in `PAYMENT_COLUMNS`.
    pub fn copy_line(&self, out: &mut String) {
        let Self { payment_id, .. } = self;
        let (card, terminal, amount, at) = self.texts();
        let position = match self.position {
            Some((latitude, longitude)) => format!("{latitude:.4}\t{longitude:.4}"),
            None => "\\N\t\\N".to_string(),
        };
        writeln!(out, "{card}\t{payment_id}\t{terminal}\t{amount}\t{position}\t{at}")
            .expect("a String takes what is written");
    }

    fn texts(&self) -> (String, String, String, String) {
        let amount = format!("{}.{:02}", self.amount_cents / 100, self.amount_cents % 100);
        (self.card_id(), terminal_id(self.terminal), amount, instant(self.paid_at_ms))
    }

    /// Its label as a line of JSON, if it is a thief's.
    pub fn label_line(&self, out: &mut String) {
        let Some(Fraud { kind, attack, attack_payments }) = self.fraud else { return };
        writeln!(
            out,
            "{{\"payment_id\":{},\"kind\":\"{}\",\"attack\":{attack},\"attack_payments\":{attack_payments}}}",
            self.payment_id,
            kind.name()
        )
        .expect("a String takes what is written");
    }
}

/// ISO 8601 in UTC, to the millisecond.
pub(super) fn instant(ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(ms).expect("years of this century");
    time.format("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment() -> Payment {
        Payment {
            payment_id: 7,
            card: 3,
            terminal: 12,
            amount_cents: 1205,
            position: Some((52.52, 13.41)),
            paid_at_ms: 1_704_067_200_250,
            fraud: Some(Fraud { kind: Kind::Velocity, attack: 2, attack_payments: 9 }),
        }
    }

    fn line(write: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        write(&mut text);
        text
    }

    #[test]
    fn a_payment_is_a_line_and_its_label_another() {
        let payment = payment();
        assert_eq!(
            line(|out| payment.json_line(out)),
            "{\"payment_id\":7,\"card_id\":\"c00003\",\"terminal_id\":\"t00012\",\"amount\":12.05,\
             \"lat\":52.5200,\"lon\":13.4100,\"paid_at\":\"2024-01-01T00:00:00.250\"}\n"
        );
        assert_eq!(
            line(|out| payment.copy_line(out)),
            "c00003\t7\tt00012\t12.05\t52.5200\t13.4100\t2024-01-01T00:00:00.250\n"
        );
        assert_eq!(
            line(|out| payment.label_line(out)),
            "{\"payment_id\":7,\"kind\":\"velocity\",\"attack\":2,\"attack_payments\":9}\n"
        );
    }

    #[test]
    fn an_honest_payment_online_has_no_place_and_no_label() {
        let payment = Payment { position: None, fraud: None, ..payment() };
        assert!(line(|out| payment.json_line(out)).contains("\"lat\":null,\"lon\":null,"));
        assert!(line(|out| payment.copy_line(out)).contains("\t\\N\t\\N\t"));
        assert_eq!(line(|out| payment.label_line(out)), "");
    }

    #[test]
    fn kinds_are_known_by_their_names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("honest"), None);
    }
}
