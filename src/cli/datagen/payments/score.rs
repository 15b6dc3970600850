//! Alerts held against labels: which attacks were caught, and which alerts were right.
//!
//! An attack is *caught* when an alert of its own kind names one of its payments. An alert is *right* when a payment
//! that it names is a thief's, of whatever kind. Attacks of which not all payments have been made are not counted.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt::Write;

use serde_json::Value;

use super::payment::Fraud;
use super::payment::KINDS;
use super::payment::Kind;
use super::payment::Payment;

/// What is known to be fraud.
#[derive(Debug, Default)]
pub(in crate::cli) struct Labels {
    by_payment: HashMap<u64, Fraud>,
    /// How many payments of an attack were seen.
    seen: HashMap<u32, u32>,
}

impl Labels {
    /// Takes in the label of a payment, if it has one.
    pub fn learn(&mut self, payment: &Payment) {
        if let Some(fraud) = payment.fraud {
            self.insert(payment.payment_id, fraud);
        }
    }

    /// Reads the lines that `datagen payments --labels` writes; an error tells the line, from 1.
    pub fn read(text: &str) -> Result<Self, usize> {
        let mut labels = Self::default();
        for (index, line) in text.lines().enumerate() {
            let (payment_id, fraud) = label(line).ok_or(index + 1)?;
            labels.insert(payment_id, fraud);
        }
        Ok(labels)
    }

    fn insert(&mut self, payment_id: u64, fraud: Fraud) {
        if self.by_payment.insert(payment_id, fraud).is_none() {
            *self.seen.entry(fraud.attack).or_default() += 1;
        }
    }

    fn whole(&self, fraud: &Fraud) -> bool {
        self.seen.get(&fraud.attack) == Some(&fraud.attack_payments)
    }
}

fn label(line: &str) -> Option<(u64, Fraud)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| value.get(name)?.as_u64();
    let small = |name: &str| u32::try_from(number(name)?).ok();
    let kind = Kind::named(value.get("kind")?.as_str()?)?;
    let fraud = Fraud { kind, attack: small("attack")?, attack_payments: small("attack_payments")? };
    Some((number("payment_id")?, fraud))
}

/// What an alert says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Alert {
    pub reason: Kind,
    /// The payments that it names.
    pub payments: Vec<u64>,
}

/// How well one kind is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::cli) struct KindScore {
    pub attacks: usize,
    pub caught: usize,
    pub alerts: usize,
    pub right: usize,
}

/// How well all kinds are told, in the order of `Kind::ALL`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Score([KindScore; KINDS]);

impl Score {
    /// Holds alerts against labels.
    pub fn of(labels: &Labels, alerts: &[Alert]) -> Self {
        let mut score = Self::default();
        let mut attacks: HashMap<u32, Kind> = HashMap::new();
        for fraud in labels.by_payment.values().filter(|fraud| labels.whole(fraud)) {
            attacks.insert(fraud.attack, fraud.kind);
        }
        for kind in attacks.values() {
            score.0[*kind as usize].attacks += 1;
        }
        let mut caught = HashSet::new();
        for alert in alerts {
            let of_kind = &mut score.0[alert.reason as usize];
            of_kind.alerts += 1;
            let frauds: Vec<&Fraud> = alert.payments.iter().filter_map(|id| labels.by_payment.get(id)).collect();
            of_kind.right += usize::from(!frauds.is_empty());
            caught.extend(frauds.iter().filter(|fraud| fraud.kind == alert.reason).map(|fraud| fraud.attack));
        }
        for attack in caught {
            if let Some(kind) = attacks.get(&attack) {
                score.0[*kind as usize].caught += 1;
            }
        }
        score
    }

    /// The score of a kind.
    pub fn of_kind(&self, kind: Kind) -> KindScore {
        self.0[kind as usize]
    }

    /// A table for people, at most `width` characters wide and never narrower than 38.
    pub fn table(&self, width: usize) -> String {
        let mut text = match width < WIDE {
            true => format!("{:<18}{:>9}{:>11}\n", "", "caught", "right"),
            false => {
                format!("{:<18}{:>16}{:>9}{:>18}{:>11}\n", "", "attacks caught", "recall", "alerts right", "precision")
            }
        };
        for kind in Kind::ALL {
            let KindScore { attacks, caught, alerts, right } = self.of_kind(kind);
            let (recall, precision) = (percent(caught, attacks), percent(right, alerts));
            let line = match width < WIDE {
                true => writeln!(text, "{:<18}{recall:>9}{precision:>11}", kind.name()),
                false => {
                    let caught = format!("{caught} of {attacks}");
                    let right = format!("{right} of {alerts}");
                    writeln!(text, "{:<18}{caught:>16}{recall:>9}{right:>18}{precision:>11}", kind.name())
                }
            };
            line.expect("a String takes what is written");
        }
        text
    }
}

/// From here on a table has counts beside shares.
const WIDE: usize = 72;

fn percent(part: usize, of: usize) -> String {
    if of == 0 { "-".to_string() } else { format!("{:.1} %", 100.0 * part as f64 / of as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        let lines = [
            (1, "velocity", 1, 2),
            (2, "velocity", 1, 2),
            (5, "card testing", 2, 1),
            // One payment of this attack is missing.
            (9, "velocity", 3, 2),
        ];
        let lines = lines.map(|(payment, kind, attack, of)| {
            format!("{{\"payment_id\":{payment},\"kind\":\"{kind}\",\"attack\":{attack},\"attack_payments\":{of}}}\n")
        });
        Labels::read(&lines.concat()).expect("they are right")
    }

    fn alert(reason: Kind, payments: &[u64]) -> Alert {
        Alert { reason, payments: payments.to_vec() }
    }

    #[test]
    fn an_attack_is_caught_by_its_own_kind_and_an_alert_is_right_by_any() {
        let alerts = [
            alert(Kind::Velocity, &[2]),
            alert(Kind::Velocity, &[5]),
            alert(Kind::Velocity, &[7]),
            alert(Kind::ImpossibleTravel, &[6, 5]),
            alert(Kind::Velocity, &[9]),
        ];
        let score = Score::of(&labels(), &alerts);
        assert_eq!(score.of_kind(Kind::Velocity), KindScore { attacks: 1, caught: 1, alerts: 4, right: 3 });
        assert_eq!(score.of_kind(Kind::CardTesting), KindScore { attacks: 1, caught: 0, alerts: 0, right: 0 });
        assert_eq!(score.of_kind(Kind::ImpossibleTravel), KindScore { attacks: 0, caught: 0, alerts: 1, right: 1 });
    }

    #[test]
    fn a_table_fits_its_width() {
        let score = Score::of(&labels(), &[alert(Kind::Velocity, &[2]), alert(Kind::Velocity, &[7])]);
        let wide = score.table(80);
        assert!(wide.contains("velocity                    1 of 1  100.0 %            1 of 2     50.0 %\n"), "{wide}");
        let narrow = score.table(40);
        assert!(narrow.contains("velocity            100.0 %     50.0 %\n"), "{narrow}");
        assert!(narrow.lines().all(|line| line.len() <= 40), "{narrow}");
    }

    #[test]
    fn a_line_that_is_no_label_is_told_by_its_number() {
        let right = "{\"payment_id\":1,\"kind\":\"velocity\",\"attack\":1,\"attack_payments\":1}";
        for wrong in ["", "{}", "{\"payment_id\":1,\"kind\":\"honest\",\"attack\":1,\"attack_payments\":1}", "7"] {
            assert_eq!(Labels::read(&format!("{right}\n{wrong}\n{right}\n")).err(), Some(2), "{wrong}");
        }
    }
}
