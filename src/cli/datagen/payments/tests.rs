//! Payments as a whole: they repeat, keep their order, and have the attacks that they say.

use std::collections::HashMap;

use super::generator::PaymentOptions;
use super::generator::Payments;
use super::payment::Kind;
use super::payment::Payment;
use super::places::kilometres;

const OPTIONS: PaymentOptions = PaymentOptions { seed: 7, cards: 500, noise: 0.2, attacks_per_million: 1000.0 };

fn payments(options: PaymentOptions, count: usize) -> Vec<Payment> {
    Payments::new(options).take(count).collect()
}

/// Whole attacks of a kind, each in the order of time.
fn attacks(payments: &[Payment], kind: Kind) -> Vec<Vec<&Payment>> {
    let mut found: HashMap<u32, Vec<&Payment>> = HashMap::new();
    for payment in payments {
        if let Some(fraud) = payment.fraud.filter(|fraud| fraud.kind == kind) {
            found.entry(fraud.attack).or_default().push(payment);
        }
    }
    let whole =
        |attack: &Vec<&Payment>| attack[0].fraud.map(|fraud| fraud.attack_payments as usize) == Some(attack.len());
    let mut found: Vec<_> = found.into_values().filter(whole).collect();
    for attack in &mut found {
        attack.sort_by_key(|payment| payment.paid_at_ms);
    }
    found
}

#[test]
fn a_seed_repeats_its_payments_and_another_gives_others() {
    let first = payments(OPTIONS, 5000);
    assert_eq!(first, payments(OPTIONS, 5000));
    assert_eq!(first[..1000], payments(OPTIONS, 1000));
    assert_ne!(first, payments(PaymentOptions { seed: 8, ..OPTIONS }, 5000));
}

#[test]
fn payments_are_numbered_from_one_and_late_only_by_noise() {
    let still = payments(PaymentOptions { noise: 0.0, ..OPTIONS }, 20_000);
    assert!(still.iter().zip(1..).all(|(payment, number)| payment.payment_id == number));
    assert!(still.is_sorted_by_key(|payment| payment.paid_at_ms));
    let noisy = payments(OPTIONS, 20_000);
    assert!(!noisy.is_sorted_by_key(|payment| payment.paid_at_ms));
    let mut latest = 0;
    for payment in &noisy {
        assert!(latest - 120_000 <= payment.paid_at_ms, "it is more than two minutes late");
        latest = latest.max(payment.paid_at_ms);
    }
}

#[test]
fn every_kind_of_attack_comes_at_its_rate() {
    let payments = payments(OPTIONS, 100_000);
    for kind in Kind::ALL {
        let count = attacks(&payments, kind).len();
        assert!((50..=130).contains(&count), "{count} attacks by {kind:?} where about 90 are due");
    }
    let honest = payments.iter().filter(|payment| payment.fraud.is_none()).count();
    assert!(90_000 < honest, "{honest} payments are honest");
}

#[test]
fn attacks_are_what_they_are_called() {
    let payments = payments(OPTIONS, 100_000);
    for attack in attacks(&payments, Kind::CardTesting) {
        assert!(attack.iter().all(|payment| payment.card == attack[0].card));
        assert!(4 <= attack.iter().filter(|payment| payment.amount_cents <= 280).count());
    }
    for attack in attacks(&payments, Kind::Velocity) {
        let span = attack[attack.len() - 1].paid_at_ms - attack[0].paid_at_ms;
        assert!(6 <= attack.len() && span <= 12 * 60_000);
    }
    for attack in attacks(&payments, Kind::StolenTerminal) {
        assert!(12 <= attack.len() && attack.iter().all(|payment| payment.terminal == attack[0].terminal));
    }
    for attack in attacks(&payments, Kind::ImpossibleTravel) {
        let there = attack[0].position.expect("a copy pays in person");
        let here = payments[..attack[0].payment_id as usize - 1].iter().rev();
        let mut here = here.filter(|payment| payment.card == attack[0].card && payment.fraud.is_none());
        let here = here.find_map(|payment| payment.position).expect("its holder paid before");
        assert!(1000.0 < kilometres(here, there));
    }
}

#[test]
fn a_tiny_world_has_payments_too() {
    let payments = payments(PaymentOptions { cards: 1, noise: 1.0, ..OPTIONS }, 200);
    assert!(payments.iter().all(|payment| payment.card == 0));
}
