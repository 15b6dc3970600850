//! Transactions of version 2 (KIP-890) over a log: each has an epoch of its own.

use std::sync::Arc;
use std::time::Duration;

use super::Node;
use super::run;
use super::transactions::ID;
use super::transactions::TIMEOUT_MS;
use super::transactions::commit_offset;
use super::transactions::config;
use super::transactions::init;
use super::transactions::local;
use super::transactions::outputs;
use super::transactions::position;
use super::transactions::prepared;
use super::transactions::produce;
use super::transactions::read;
use crate::broker::Broker;
use crate::broker::BrokerConfig;
use crate::broker::BrokerError;
use crate::broker::GroupError;
use crate::broker::TransactionError;
use crate::broker::TransactionVersion;
use crate::broker::coordinator::Stamp;
use crate::env::Env;
use crate::env::Scenario;
use crate::env::Simulation;
use crate::env::for_each_fault;
use crate::log::LogError;
use crate::model::ProducerEpoch;
use crate::protocol::ControlMarker;

const COMMIT: ControlMarker = ControlMarker::Commit;
const ABORT: ControlMarker = ControlMarker::Abort;

/// Two transactions use up a producer id.
fn few_epochs() -> BrokerConfig {
    BrokerConfig { producer_epoch_max: 2, ..config() }
}

/// A record to both outputs and a position, of which nothing was said before.
async fn fill(broker: &Arc<Broker>, producer: Stamp, value: &str) -> bool {
    let door = local(broker);
    let offset = value.parse().expect("a number");
    door.hold_in_transaction(ID, producer, &outputs()).await.is_ok()
        && produce(broker, producer, 0, value).await.is_ok()
        && door.add_offsets_to_transaction(ID, producer, "g", TransactionVersion::Two).await.is_ok()
        && commit_offset(broker, producer, offset).await.is_ok()
}

async fn end(broker: &Arc<Broker>, producer: Stamp, outcome: ControlMarker) -> Result<Stamp, TransactionError> {
    local(broker).end_transaction(ID, producer, outcome, TransactionVersion::Two).await
}

#[test]
fn nothing_that_is_late_of_a_transaction_is_taken_into_the_next() {
    run(async {
        let simulation = Simulation::new(61);
        let node = prepared(&simulation.env).await;
        let first = init(&node.broker).await.expect("a stamp");
        assert!(fill(&node.broker, first, "1").await);
        let second = end(&node.broker, first, COMMIT).await.expect("committed");
        assert_eq!(second, (first.0, ProducerEpoch(first.1.0 + 1)));
        let check_late = async || {
            let held = local(&node.broker).hold_in_transaction(ID, first, &outputs()).await;
            assert_eq!(held, Err(TransactionError::Fenced));
            let refused = produce(&node.broker, first, 1, "9").await;
            assert!(matches!(refused, Err(BrokerError::Log(LogError::StaleProducerEpoch { .. }))), "{refused:?}");
            assert_eq!(commit_offset(&node.broker, first, 9).await, Err(GroupError::FencedProducer));
        };
        check_late().await;
        assert_eq!(end(&node.broker, first, COMMIT).await, Ok(second), "asked again");
        assert!(fill(&node.broker, second, "2").await);
        check_late().await;
        for outcome in [COMMIT, ABORT] {
            assert_eq!(end(&node.broker, first, outcome).await, Err(TransactionError::Fenced));
        }
        assert_eq!(read(&node).await, [vec!["1"], vec!["1"]], "the second is still open");
        end(&node.broker, second, ABORT).await.expect("aborted");
        assert_eq!(read(&node).await, [vec!["1"], vec!["1"]]);
        assert_eq!(position(&node.broker, true), Ok(Some(1)));
    });
}

#[test]
fn an_abort_that_overtakes_its_records_keeps_them_out() {
    run(async {
        let simulation = Simulation::new(62);
        let node = prepared(&simulation.env).await;
        let first = init(&node.broker).await.expect("a stamp");
        let second = end(&node.broker, first, ABORT).await.expect("there was nothing to abort");
        assert!(!fill(&node.broker, first, "1").await, "its records come now");
        assert!(fill(&node.broker, second, "2").await);
        end(&node.broker, second, COMMIT).await.expect("committed");
        assert_eq!(read(&node).await, [vec!["2"], vec!["2"]]);
    });
}

#[test]
fn what_took_too_long_is_aborted_and_its_producer_goes_on_after_its_own_abort() {
    run(async {
        let simulation = Simulation::new(63);
        let node = prepared(&simulation.env).await;
        let first = init(&node.broker).await.expect("a stamp");
        assert!(fill(&node.broker, first, "1").await);
        simulation.clock.advance(Duration::from_millis(TIMEOUT_MS as u64));
        node.broker.end_overdue_transactions().await.expect("aborted");
        assert!(produce(&node.broker, first, 1, "1").await.is_err());
        assert_eq!(end(&node.broker, first, COMMIT).await, Err(TransactionError::InvalidState));
        let second = end(&node.broker, first, ABORT).await.expect("it was");
        assert!(fill(&node.broker, second, "2").await);
        end(&node.broker, second, COMMIT).await.expect("committed");
        assert_eq!(read(&node).await, [vec!["2"], vec!["2"]]);
    });
}

#[test]
fn what_took_too_long_at_the_last_epoch_goes_on_under_a_new_producer_id_which_is_told_again_after_a_restart() {
    run(async {
        let simulation = Simulation::new(65);
        drop(prepared(&simulation.env).await);
        let one_epoch = BrokerConfig { producer_epoch_max: 1, ..config() };
        let node = Node::open(&simulation.env, one_epoch).await.expect("opens");
        let first = init(&node.broker).await.expect("a stamp");
        assert!(fill(&node.broker, first, "1").await);
        simulation.clock.advance(Duration::from_millis(TIMEOUT_MS as u64));
        node.broker.end_overdue_transactions().await.expect("aborted");
        assert_eq!(end(&node.broker, first, COMMIT).await, Err(TransactionError::InvalidState));
        let second = end(&node.broker, first, ABORT).await.expect("it was");
        assert_eq!((second.0 != first.0, second.1), (true, ProducerEpoch(0)));
        drop(node);
        simulation.disk.lose_power();
        let node = Node::open(&simulation.env, one_epoch).await.expect("opens");
        assert_eq!(end(&node.broker, first, ABORT).await, Ok(second), "asked again");
        assert!(!fill(&node.broker, first, "1").await);
        assert!(fill(&node.broker, second, "2").await);
        end(&node.broker, second, COMMIT).await.expect("committed");
        assert_eq!(read(&node).await, [vec!["2"], vec!["2"]]);
        // A producer that begins anew gets an id of its own, as it always did.
        let third = init(&node.broker).await.expect("a stamp");
        assert!(fill(&node.broker, third, "3").await);
        simulation.clock.advance(Duration::from_millis(TIMEOUT_MS as u64));
        node.broker.end_overdue_transactions().await.expect("aborted");
        let fourth = local(&node.broker).init_producer(Some(ID), TIMEOUT_MS, Some(third)).await.expect("a stamp");
        assert_eq!((fourth.0 != third.0, fourth.1), (true, ProducerEpoch(0)));
    });
}

#[test]
fn who_asks_again_after_a_restart_is_told_the_same_under_a_new_producer_id_too() {
    run(async {
        let simulation = Simulation::new(64);
        drop(prepared(&simulation.env).await);
        let mut node = Node::open(&simulation.env, few_epochs()).await.expect("opens");
        let mut producer = init(&node.broker).await.expect("a stamp");
        let mut given = vec![producer.1.0];
        for value in ["1", "2", "3", "4"] {
            assert!(fill(&node.broker, producer, value).await);
            let next = end(&node.broker, producer, COMMIT).await.expect("committed");
            drop(node);
            simulation.disk.lose_power();
            node = Node::open(&simulation.env, few_epochs()).await.expect("opens");
            assert_eq!(end(&node.broker, producer, COMMIT).await, Ok(next), "after {value}");
            producer = next;
            given.push(producer.1.0);
        }
        assert_eq!(given, [0, 1, 0, 1, 0], "two epochs an id");
        assert_eq!(read(&node).await[1], ["1", "2", "3", "4"]);
        assert_eq!(position(&node.broker, true), Ok(Some(4)));
    });
}

/// Two transactions that commit and one that aborts; what was told: values, and how the last answered end can be asked again.
async fn three_transactions(env: &Env) -> (Vec<String>, Option<(Stamp, ControlMarker, Stamp)>) {
    let (mut told, mut last) = (vec!["1".to_string()], None);
    let Ok(node) = Node::open(env, few_epochs()).await else { return (told, last) };
    let Ok(mut producer) = init(&node.broker).await else { return (told, last) };
    for (value, outcome) in [("2", COMMIT), ("3", ABORT), ("4", COMMIT)] {
        last = None;
        if !fill(&node.broker, producer, value).await {
            break;
        }
        let Ok(next) = end(&node.broker, producer, outcome).await else { break };
        if outcome == COMMIT {
            told.push(value.to_string());
        }
        last = Some((producer, outcome, next));
        producer = next;
    }
    (told, last)
}

#[test]
fn a_transaction_of_version_2_is_whole_or_absent_after_each_fault_at_each_disk_call() {
    let scenario = Scenario {
        name: "three transactions of version 2 over two producer ids",
        seed: 45,
        prepare: &|env| {
            run(async {
                let node = prepared(env).await;
                let producer = init(&node.broker).await.expect("a stamp");
                assert!(fill(&node.broker, producer, "1").await);
                end(&node.broker, producer, COMMIT).await.expect("committed");
                node.broker.close().await.expect("closed");
            });
        },
        run: &|env| run(three_transactions(env)),
        check: &|env, (told, last): &(Vec<String>, Option<(Stamp, ControlMarker, Stamp)>), _| {
            run(async {
                let node = Node::open(env, few_epochs()).await.expect("opens after any fault");
                if let Some((asked, outcome, answer)) = *last {
                    assert_eq!(end(&node.broker, asked, outcome).await, Ok(answer), "asked again");
                }
                let producer = init(&node.broker).await.expect("a stamp after any fault");
                let [first, second] = read(&node).await;
                assert_eq!(first, second, "in both partitions or in none");
                assert!(told.iter().all(|value| first.contains(value)), "told {told:?}, found {first:?}");
                assert!(!first.contains(&"3".to_string()), "it was aborted");
                let newest: i64 = first.last().expect("one was there before").parse().expect("a number");
                assert_eq!(position(&node.broker, true), Ok(Some(newest)));
                assert!(fill(&node.broker, producer, "9").await);
                end(&node.broker, producer, COMMIT).await.expect("it goes on");
                assert_eq!(read(&node).await[1].last().map(String::as_str), Some("9"));
            });
        },
    };
    let report = for_each_fault(&scenario);
    eprintln!("{report}");
    assert!(report.is_complete(), "{report}");
}
