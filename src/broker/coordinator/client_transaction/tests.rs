//! Transactional ids of clients, step by step.

use super::*;
use crate::model::TopicId;

const ID: ProducerId = ProducerId(7);

fn stamp(epoch: i16) -> Stamp {
    (ID, ProducerEpoch(epoch))
}

fn init(transaction: &mut ClientTransaction, expected: Option<Stamp>) -> Result<Vec<Status>, TransactionError> {
    let event = |fresh| ClientEvent::Init { timeout_ms: 1000, expected, fresh };
    let mut written = Vec::new();
    loop {
        let fresh = transaction.producer().is_none().then_some(ID);
        let effects = transaction.step(0, event(fresh))?;
        if effects != [ClientEffect::AbortFirst] {
            written.extend(statuses(&effects));
            return Ok(written);
        }
        written.extend(statuses(&transaction.step(0, ClientEvent::Abort)?));
        written.extend(statuses(&transaction.step(0, ClientEvent::Marked)?));
    }
}

fn add(transaction: &mut ClientTransaction, producer: Stamp, partition: i32) -> Result<Vec<Status>, TransactionError> {
    add_in(transaction, producer, partition, TransactionVersion::One)
}

fn add_in(
    transaction: &mut ClientTransaction,
    producer: Stamp,
    partition: i32,
    version: TransactionVersion,
) -> Result<Vec<Status>, TransactionError> {
    let partitions = BTreeMap::from([(TopicPartition::new(TopicId([1; 16]), partition), "t".to_string())]);
    transaction.step(0, ClientEvent::Add { producer, partitions, version }).map(|effects| statuses(&effects))
}

fn end(
    transaction: &mut ClientTransaction,
    producer: Stamp,
    outcome: ControlMarker,
) -> Result<Vec<Status>, TransactionError> {
    let event = ClientEvent::End { producer, outcome, version: TransactionVersion::One, fresh: None };
    let mut written = statuses(&transaction.step(0, event)?);
    written.extend(statuses(&transaction.step(0, ClientEvent::Marked)?));
    Ok(written)
}

/// Ends a transaction in version 2: the epoch of its markers, and the stamp that the producer has from then on.
fn end_in_two(
    transaction: &mut ClientTransaction,
    producer: Stamp,
    outcome: ControlMarker,
    fresh: Option<ProducerId>,
) -> Result<(Option<i16>, Stamp), TransactionError> {
    let event = ClientEvent::End { producer, outcome, version: TransactionVersion::Two, fresh };
    let effects = transaction.step(0, event)?;
    let marked = effects.iter().find_map(|effect| match effect {
        ClientEffect::Mark { epoch, .. } => Some(epoch.0),
        _ => None,
    });
    if effects != [ClientEffect::TakeProducerId] {
        transaction.step(0, ClientEvent::Marked)?;
    }
    Ok((marked, transaction.producer().expect("it has one")))
}

/// An id of which a start reads what was written last.
fn restarted(transaction: &ClientTransaction, epoch_max: i16) -> ClientTransaction {
    let written = transaction.clone().record(0, transaction.status());
    let bytes = written.encode("id");
    let read = TransactionRecord::decode(&bytes.key, bytes.value.as_deref()).expect("it reads").expect("it is one");
    assert_eq!(read.1.as_ref(), Some(&written));
    ClientTransaction::restored(&written, epoch_max, |_, number| Some(TopicPartition::new(TopicId([1; 16]), number)))
}

fn statuses(effects: &[ClientEffect]) -> Vec<Status> {
    let status = |effect: &ClientEffect| match effect {
        ClientEffect::Write(record) | ClientEffect::WriteLater(record) => Some(record.status),
        ClientEffect::TakeProducerId
        | ClientEffect::AbortFirst
        | ClientEffect::Close { .. }
        | ClientEffect::Settle { .. }
        | ClientEffect::Mark { .. } => None,
    };
    effects.iter().filter_map(status).collect()
}

#[test]
fn a_transaction_begins_with_its_first_partition_and_ends_as_it_is_told_once() {
    let mut transaction = ClientTransaction::new(100, 0);
    assert_eq!(init(&mut transaction, None), Ok(vec![Status::Empty]));
    assert_eq!(end(&mut transaction, stamp(0), ControlMarker::Commit), Err(TransactionError::InvalidState));
    assert_eq!(add(&mut transaction, stamp(0), 1), Ok(vec![Status::Ongoing]));
    assert_eq!(add(&mut transaction, stamp(0), 1), Ok(vec![]), "it is in already");
    assert_eq!(add(&mut transaction, stamp(0), 2), Ok(vec![Status::Ongoing]));
    assert_eq!(transaction.open().map(|(_, partitions)| partitions.len()), Some(2));
    let ended = vec![Status::PrepareCommit, Status::CompleteCommit];
    assert_eq!(end(&mut transaction, stamp(0), ControlMarker::Commit), Ok(ended));
    assert_eq!(end(&mut transaction, stamp(0), ControlMarker::Commit), Ok(vec![]), "asked again");
    assert_eq!(end(&mut transaction, stamp(0), ControlMarker::Abort), Err(TransactionError::InvalidState));
    assert_eq!(transaction.open(), None);
}

#[test]
fn a_new_producer_fences_the_one_before_and_aborts_what_it_left() {
    let mut transaction = ClientTransaction::new(100, 0);
    init(&mut transaction, None).expect("begun");
    add(&mut transaction, stamp(0), 1).expect("added");
    let mut aborting = transaction.clone();
    let effects = aborting.step(0, ClientEvent::Abort).expect("aborted");
    let marked = effects.iter().find_map(|effect| match effect {
        ClientEffect::Mark { marker, epoch, .. } => Some((*marker, *epoch)),
        _ => None,
    });
    assert_eq!(marked, Some((ControlMarker::Abort, ProducerEpoch(1))), "under an epoch that nobody was given");
    let ended = vec![Status::PrepareAbort, Status::CompleteAbort, Status::Empty];
    assert_eq!(init(&mut transaction, None), Ok(ended));
    assert_eq!(transaction.producer(), Some(stamp(2)));
    assert_eq!(add(&mut transaction, stamp(0), 1), Err(TransactionError::Fenced));
    let other = (ProducerId(8), ProducerEpoch(0));
    assert_eq!(add(&mut transaction, other, 1), Err(TransactionError::InvalidProducerIdMapping));
}

#[test]
fn a_producer_goes_on_with_its_stamp_and_asks_again_when_the_answer_was_lost() {
    let mut transaction = ClientTransaction::new(100, 0);
    init(&mut transaction, None).expect("begun");
    assert_eq!(init(&mut transaction, Some(stamp(0))), Ok(vec![Status::Empty]));
    assert_eq!(transaction.producer(), Some(stamp(1)));
    assert_eq!(init(&mut transaction, Some(stamp(0))), Ok(vec![]), "the same answer");
    assert_eq!(transaction.producer(), Some(stamp(1)));
    init(&mut transaction, None).expect("another producer");
    assert_eq!(init(&mut transaction, Some(stamp(1))), Err(TransactionError::Fenced));
}

#[test]
fn after_the_last_epoch_comes_a_new_producer_id() {
    let mut transaction = ClientTransaction::new(3, 0);
    let mut given = Vec::new();
    for fresh in 10..16 {
        let event = |fresh| ClientEvent::Init { timeout_ms: 1, expected: None, fresh };
        let mut effects = transaction.step(0, event(None)).expect("begun");
        if effects == [ClientEffect::TakeProducerId] {
            effects = transaction.step(0, event(Some(ProducerId(fresh)))).expect("begun");
        }
        assert_eq!(statuses(&effects), [Status::Empty]);
        given.push(transaction.producer().map(|(id, epoch)| (id.0, epoch.0)).expect("given"));
    }
    assert_eq!(given, [(10, 0), (10, 1), (10, 2), (13, 0), (13, 1), (13, 2)]);
}

#[test]
fn what_took_too_long_is_aborted_and_its_producer_is_fenced() {
    let mut transaction = ClientTransaction::new(100, 0);
    init(&mut transaction, None).expect("begun");
    add(&mut transaction, stamp(0), 1).expect("added");
    assert!(!transaction.is_overdue(999));
    assert!(transaction.is_overdue(1000));
    let effects = transaction.step(1000, ClientEvent::Abort).expect("aborted");
    assert_eq!(statuses(&effects), [Status::PrepareAbort]);
    let effects = transaction.step(1000, ClientEvent::Marked).expect("marked");
    assert_eq!(statuses(&effects), [Status::CompleteAbort]);
    assert_eq!(end(&mut transaction, stamp(0), ControlMarker::Commit), Err(TransactionError::Fenced));
    // It was slow, and nobody took its place: it may go on (KIP-588).
    assert_eq!(init(&mut transaction, Some(stamp(0))), Ok(vec![Status::Empty]));
    assert_eq!(transaction.producer(), Some(stamp(2)));
}

#[test]
fn a_transaction_that_is_prepared_takes_nothing_and_ends_only_as_it_was_decided() {
    let mut transaction = ClientTransaction::new(100, 0);
    init(&mut transaction, None).expect("begun");
    add(&mut transaction, stamp(0), 1).expect("added");
    let ending =
        |outcome| ClientEvent::End { producer: stamp(0), outcome, version: TransactionVersion::One, fresh: None };
    let effects = transaction.step(0, ending(ControlMarker::Commit)).expect("prepared");
    assert!(matches!(
        effects[..],
        [
            ClientEffect::Close { .. },
            ClientEffect::Settle { .. },
            ClientEffect::Write(_),
            ClientEffect::Mark { marker: ControlMarker::Commit, .. }
        ]
    ));
    // The markers could not be written. It takes long, another producer comes, the first one tries what it can.
    assert!(transaction.is_prepared());
    assert!(!transaction.is_overdue(i64::MAX));
    assert_eq!(transaction.idle_since_ms(), None);
    assert_eq!(transaction.step(0, ClientEvent::Abort), Ok(vec![]));
    assert_eq!(init(&mut transaction, None), Err(TransactionError::Concurrent));
    assert_eq!(add(&mut transaction, stamp(0), 2), Err(TransactionError::Concurrent));
    assert_eq!(transaction.step(0, ending(ControlMarker::Abort)), Err(TransactionError::Concurrent));
    let resumed = transaction.step(0, ClientEvent::Resume).expect("it goes on");
    assert_eq!(statuses(&resumed), [Status::PrepareCommit]);
    let of = |effects: &[ClientEffect]| effects.last().cloned();
    assert_eq!(of(&resumed), of(&effects), "the same markers");
    let marked = transaction.step(0, ClientEvent::Marked).expect("marked");
    assert_eq!(statuses(&marked), [Status::CompleteCommit]);
    assert!(transaction.partitions().is_empty());
}

#[test]
fn who_comes_with_a_stamp_to_an_id_that_was_forgotten_gets_a_new_one() {
    let mut transaction = ClientTransaction::new(100, 0);
    let event = |fresh| ClientEvent::Init { timeout_ms: 1, expected: Some(stamp(5)), fresh };
    assert_eq!(transaction.step(0, event(None)), Ok(vec![ClientEffect::TakeProducerId]));
    transaction.step(0, event(Some(ProducerId(9)))).expect("begun");
    assert_eq!(transaction.producer(), Some((ProducerId(9), ProducerEpoch(0))));
}

const COMMIT: ControlMarker = ControlMarker::Commit;
const ABORT: ControlMarker = ControlMarker::Abort;

fn begun_in_two() -> ClientTransaction {
    let mut transaction = ClientTransaction::new(100, 0);
    init(&mut transaction, None).expect("begun");
    add_in(&mut transaction, stamp(0), 1, TransactionVersion::Two).expect("added");
    transaction
}

#[test]
fn in_version_2_every_end_gives_another_epoch_and_what_is_late_of_the_one_before_is_refused() {
    let mut transaction = begun_in_two();
    assert_eq!(end_in_two(&mut transaction, stamp(0), COMMIT, None), Ok((Some(1), stamp(1))), "marked under the next");
    // Asked again, it has the same answer, and nothing is marked; not that it was aborted.
    assert_eq!(end_in_two(&mut transaction, stamp(0), COMMIT, None), Ok((None, stamp(1))));
    assert_eq!(end_in_two(&mut transaction, stamp(0), ABORT, None), Err(TransactionError::InvalidState));
    assert_eq!(end_in_two(&mut restarted(&transaction, 100), stamp(0), COMMIT, None), Ok((None, stamp(1))));
    assert_eq!(add_in(&mut transaction, stamp(0), 2, TransactionVersion::Two), Err(TransactionError::Fenced));
    add_in(&mut transaction, stamp(1), 2, TransactionVersion::Two).expect("the next begins");
    // The next one is open: what is late must not end it, in neither version.
    assert_eq!(end_in_two(&mut transaction, stamp(0), COMMIT, None), Err(TransactionError::Fenced));
    assert_eq!(end_in_two(&mut transaction, stamp(0), ABORT, None), Err(TransactionError::Fenced));
    assert_eq!(end(&mut transaction, stamp(0), COMMIT), Err(TransactionError::Fenced));
    assert_eq!(end_in_two(&mut transaction, stamp(1), ABORT, None), Ok((Some(2), stamp(2))));
    assert_eq!(
        end_in_two(&mut transaction, stamp(2), COMMIT, None),
        Err(TransactionError::InvalidState),
        "none is open"
    );
}

#[test]
fn in_version_2_an_abort_of_which_nothing_came_fences_what_is_under_way() {
    let mut transaction = ClientTransaction::new(100, 0);
    init(&mut transaction, None).expect("begun");
    assert_eq!(end_in_two(&mut transaction, stamp(0), ABORT, None), Ok((Some(1), stamp(1))));
    assert_eq!(end_in_two(&mut transaction, stamp(1), ABORT, None), Ok((Some(2), stamp(2))));
    assert_eq!(end_in_two(&mut transaction, stamp(1), ABORT, None), Ok((None, stamp(2))), "asked again");
    assert_eq!(add_in(&mut transaction, stamp(1), 1, TransactionVersion::Two), Err(TransactionError::Fenced));
    assert_eq!(
        end(&mut transaction, stamp(2), ABORT),
        Err(TransactionError::InvalidState),
        "version 1 begins with a partition"
    );
}

#[test]
fn in_version_2_after_the_last_epoch_comes_a_new_producer_id_and_who_asks_again_gets_it_again() {
    let mut transaction = ClientTransaction::new(2, 0);
    init(&mut transaction, None).expect("begun");
    add_in(&mut transaction, stamp(0), 1, TransactionVersion::Two).expect("added");
    assert_eq!(end_in_two(&mut transaction, stamp(0), COMMIT, None), Ok((Some(1), stamp(1))));
    add_in(&mut transaction, stamp(1), 1, TransactionVersion::Two).expect("added");
    assert_eq!(end_in_two(&mut transaction, stamp(1), COMMIT, None), Ok((None, stamp(1))), "it needs an id");
    let next = (ProducerId(8), ProducerEpoch(0));
    let mut prepared = transaction.clone();
    let version = TransactionVersion::Two;
    let event = ClientEvent::End { producer: stamp(1), outcome: COMMIT, version, fresh: Some(next.0) };
    prepared.step(0, event).expect("prepared");
    assert_eq!(prepared.producer(), Some(stamp(2)), "the markers are the old id's");
    let mut after_a_start = restarted(&prepared, 2);
    assert_eq!(end_in_two(&mut transaction, stamp(1), COMMIT, Some(next.0)), Ok((Some(2), next)));
    for known in [&mut transaction, &mut after_a_start] {
        assert_eq!(end_in_two(known, stamp(1), COMMIT, None), Ok((None, next)));
        add_in(known, next, 1, TransactionVersion::Two).expect("the next begins");
        assert_eq!(end_in_two(known, stamp(1), COMMIT, None), Err(TransactionError::InvalidProducerIdMapping));
    }
}

#[test]
fn in_version_2_who_took_too_long_aborts_and_goes_on_unless_another_came() {
    let mut transaction = begun_in_two();
    transaction.step(1000, ClientEvent::Abort).expect("aborted");
    assert_eq!(
        end_in_two(&mut transaction, stamp(0), ABORT, None),
        Err(TransactionError::Concurrent),
        "not marked yet"
    );
    transaction.step(1000, ClientEvent::Marked).expect("marked");
    assert_eq!(end_in_two(&mut transaction, stamp(0), COMMIT, None), Err(TransactionError::InvalidState));
    let mut other = transaction.clone();
    init(&mut other, None).expect("another producer");
    assert_eq!(end_in_two(&mut other, stamp(0), ABORT, None), Err(TransactionError::Fenced));
    let mut initial = transaction.clone();
    assert_eq!(init(&mut initial, Some(stamp(0))), Ok(vec![Status::Empty]), "or begins anew");
    assert_eq!(end_in_two(&mut restarted(&transaction, 100), stamp(0), ABORT, None), Ok((None, stamp(1))));
    assert_eq!(end_in_two(&mut transaction, stamp(0), ABORT, None), Ok((None, stamp(1))));
    add_in(&mut transaction, stamp(1), 1, TransactionVersion::Two).expect("it goes on");
}

#[test]
fn in_version_2_who_took_too_long_at_the_last_epoch_goes_on_under_a_new_producer_id() {
    let mut last = ClientTransaction::new(1, 0);
    init(&mut last, None).expect("begun");
    add_in(&mut last, stamp(0), 1, TransactionVersion::Two).expect("added");
    last.step(1000, ClientEvent::Abort).expect("aborted");
    last.step(1000, ClientEvent::Marked).expect("marked");
    assert_eq!(last.producer(), Some(stamp(1)), "which nobody was given");
    let next = (ProducerId(8), ProducerEpoch(0));
    for mut aborted in [restarted(&last, 1), last] {
        assert_eq!(end_in_two(&mut aborted, stamp(0), COMMIT, None), Err(TransactionError::InvalidState));
        assert_eq!(end_in_two(&mut aborted, stamp(0), ABORT, None), Ok((None, stamp(1))), "it needs an id");
        let mut initial = aborted.clone();
        let event = |fresh| ClientEvent::Init { timeout_ms: 1, expected: Some(stamp(0)), fresh };
        assert_eq!(initial.step(0, event(None)), Ok(vec![ClientEffect::TakeProducerId]), "or begins anew");
        initial.step(0, event(Some(next.0))).expect("begun");
        assert_eq!(initial.producer(), Some(next));
        assert_eq!(end_in_two(&mut initial, stamp(0), ABORT, None), Err(TransactionError::InvalidProducerIdMapping));
        assert_eq!(end_in_two(&mut aborted, stamp(0), ABORT, Some(next.0)), Ok((None, next)));
        for known in [&mut restarted(&aborted, 1), &mut aborted] {
            assert_eq!(end_in_two(known, stamp(0), ABORT, None), Ok((None, next)), "asked again");
            add_in(known, next, 1, TransactionVersion::Two).expect("it goes on");
            let late = end_in_two(known, stamp(0), ABORT, None);
            assert_eq!(late, Err(TransactionError::InvalidProducerIdMapping), "the next is open");
        }
    }
}

#[test]
fn versions_follow_one_another_under_one_producer() {
    let mut transaction = ClientTransaction::new(100, 0);
    init(&mut transaction, None).expect("begun");
    add(&mut transaction, stamp(0), 1).expect("added");
    end(&mut transaction, stamp(0), COMMIT).expect("committed in version 1");
    add_in(&mut transaction, stamp(0), 1, TransactionVersion::Two).expect("added");
    assert_eq!(end_in_two(&mut transaction, stamp(0), COMMIT, None), Ok((Some(1), stamp(1))));
    add(&mut transaction, stamp(1), 1).expect("added");
    end(&mut transaction, stamp(1), ABORT).expect("aborted in version 1");
    assert_eq!(transaction.producer(), Some(stamp(1)), "which keeps the epoch");
    assert_eq!(end(&mut transaction, stamp(0), COMMIT), Err(TransactionError::Fenced));
}
