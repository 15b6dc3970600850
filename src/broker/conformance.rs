//! What every `Client` must do, whatever log stands behind it.

use std::sync::Arc;
use std::time::Duration;

use super::Acks;
use super::BrokerError;
use super::Client;
use super::CommitOutcome;
use super::CommittedOffset;
use super::Fetched;
use super::Generation;
use super::Isolation;
use super::LeftOutReason;
use super::PendingBatch;
use super::Position;
use super::QueryCommit;
use super::TailBatch;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::QueryId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::BatchBuilder;
use crate::protocol::Control;

/// Holds `client` to its contract. `input` and `output` are fresh topics with two partitions each.
pub(crate) async fn conforms(client: Arc<dyn Client>, input: TopicId, output: TopicId) {
    appended_records_are_fetched_in_order(&*client, TopicPartition::new(input, 0)).await;
    positions_outside_are_refused(&*client, TopicPartition::new(input, 0)).await;
    commits_are_whole_and_fenced(&*client, TopicPartition::new(input, 0), output).await;
    groups_are_told_and_forgotten(&*client, TopicPartition::new(input, 0)).await;
    marks_stand_between_records_and_come_apart(&*client, TopicPartition::new(output, 0)).await;
}

/// The next unread values, markers passed.
pub(super) async fn values(client: &dyn Client, partition: TopicPartition, isolation: Isolation) -> Vec<String> {
    let mut offset = client.ends(partition).await.expect("it is there").log_start_offset;
    let mut values = Vec::new();
    loop {
        let fetched = fetch(client, partition, offset, isolation).await;
        for tail in fetched.batches.iter().filter(|tail| !tail.batch.is_control()) {
            for record in tail.batch.payload().expect("uncompressed").records() {
                let record = record.expect("well formed");
                values.push(String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned());
            }
        }
        if fetched.next == offset {
            return values;
        }
        offset = fetched.next;
    }
}

pub(super) async fn fetch(
    client: &dyn Client,
    partition: TopicPartition,
    offset: Offset,
    isolation: Isolation,
) -> Fetched {
    let position = Position { partition, offset, leader_epoch: None };
    client.fetch(position, isolation, 1 << 20, Duration::ZERO).await.expect("a fetch inside the partition")
}

/// A share of a commit: one record `value` to each of `partitions`, and the position `offset` in `input`.
pub(super) fn share(
    query: u64,
    generation: Generation,
    partitions: &[TopicPartition],
    value: &str,
    position: (TopicPartition, i64),
) -> QueryCommit {
    let append = |partition: &TopicPartition| {
        let mut pending = PendingBatch::new();
        pending.append(1, Some(b"key"), Some(value.as_bytes()), &[]);
        (*partition, pending)
    };
    let committed =
        CommittedOffset { offset: Offset(position.1), leader_epoch: LeaderEpoch(0), metadata: value.to_string() };
    QueryCommit {
        query: QueryId(query),
        group: QueryId(query).group(),
        generation,
        member: "member".to_string(),
        appends: partitions.iter().map(append).collect(),
        offsets: vec![(position.0, committed)],
    }
}

async fn appended_records_are_fetched_in_order(client: &dyn Client, partition: TopicPartition) {
    for number in 0..5i64 {
        let mut builder = BatchBuilder::new();
        builder.append(number, None, Some(number.to_string().as_bytes()), &[]);
        let appended = client.append(partition, builder.finish(), Acks::All).await.expect("appended");
        assert_eq!((appended.base_offset, appended.next_offset), (Offset(number), Offset(number + 1)));
    }
    assert_eq!(values(client, partition, Isolation::ReadCommitted).await, ["0", "1", "2", "3", "4"]);
    assert_eq!(client.ends(partition).await.expect("there").readable_end(), Offset(5));
}

async fn positions_outside_are_refused(client: &dyn Client, partition: TopicPartition) {
    for offset in [Offset(-1), Offset(6)] {
        let position = Position { partition, offset, leader_epoch: None };
        let answer = client.fetch(position, Isolation::ReadCommitted, 1, Duration::ZERO).await;
        assert!(matches!(answer, Err(BrokerError::OffsetOutOfRange { .. })), "{offset}");
    }
    let elsewhere =
        Position { partition: TopicPartition::new(TopicId([255; 16]), 0), offset: Offset(0), leader_epoch: None };
    let answer = client.fetch(elsewhere, Isolation::ReadCommitted, 1, Duration::ZERO).await;
    assert!(matches!(answer, Err(BrokerError::UnknownPartition { .. })));
}

async fn commits_are_whole_and_fenced(client: &dyn Client, input: TopicPartition, output: TopicId) {
    let outputs = [TopicPartition::new(output, 0), TopicPartition::new(output, 1)];
    let first = client.join("tidemill.q1", "member").await.expect("joined");
    let other = client.join("tidemill.q2", "member").await.expect("joined");
    let second = client.join("tidemill.q1", "member").await.expect("joined");
    assert!(first < second);
    let queries =
        vec![share(1, first, &outputs, "fenced", (input, 2)), share(2, other, &outputs, "committed", (input, 3))];
    let committed = client.commit("conformance", queries).await.expect("a commit");
    assert!(matches!(committed.outcomes[0].1, CommitOutcome::LeftOut(LeftOutReason::Fenced { .. })));
    assert!(matches!(committed.outcomes[1].1, CommitOutcome::Committed { .. }));
    for partition in outputs {
        assert_eq!(values(client, partition, Isolation::ReadCommitted).await, ["committed"]);
    }
    assert!(client.committed_offsets("tidemill.q1").await.expect("known").is_empty());
    let offsets = client.committed_offsets("tidemill.q2").await.expect("known");
    assert_eq!(offsets[&input].offset, Offset(3));
    assert_eq!(offsets[&input].metadata, "committed");
    let beyond = vec![share(1, second, &outputs, "beyond", (input, 1000))];
    let later = client.commit("conformance", beyond).await.expect("a commit");
    assert!(matches!(later.outcomes[0].1, CommitOutcome::LeftOut(LeftOutReason::Offset(_))));
    let again = vec![share(1, second, &outputs, "again", (input, 5))];
    let later = client.commit("conformance", again).await.expect("a commit");
    assert!(committed.commit_number < later.commit_number);
}

async fn groups_are_told_and_forgotten(client: &dyn Client, input: TopicPartition) {
    let groups = client.groups().await.expect("groups");
    let lag = |name: &str| {
        let group = groups.iter().find(|group| group.group == name).expect("it committed");
        group.offsets.iter().find(|offset| offset.partition == input).and_then(|offset| offset.lag)
    };
    assert_eq!((lag("tidemill.q1"), lag("tidemill.q2")), (Some(0), Some(2)));
    client.delete_group("tidemill.q2").await.expect("deleted");
    client.delete_group("tidemill.q2").await.expect("deleting what is gone is no error");
    assert!(client.committed_offsets("tidemill.q2").await.expect("known").is_empty());
}

async fn marks_stand_between_records_and_come_apart(client: &dyn Client, output: TopicPartition) {
    let generation = client.join("tidemill.q3", "member").await.expect("joined");
    let from = client.ends(output).await.expect("it is there").readable_end();
    let mut pending = PendingBatch::new();
    pending.mark(0, b"first");
    (0..3).for_each(|number| pending.append(number, None, Some(b"row"), &[]));
    pending.mark(2, b"second");
    let commit = QueryCommit {
        query: QueryId(3),
        group: "tidemill.q3".to_string(),
        generation,
        member: "member".to_string(),
        appends: vec![(output, pending)],
        offsets: Vec::new(),
    };
    let committed = client.commit("conformance", vec![commit]).await.expect("a commit");
    assert!(matches!(committed.outcomes[0].1, CommitOutcome::Committed { .. }));
    let fetched = fetch(client, output, from, Isolation::ReadCommitted).await;
    let mark = |tail: &TailBatch| (tail.batch.base_offset().0 - from.0, tail.batch.control());
    let marks: Vec<_> = fetched.marks.iter().map(mark).collect();
    let said = |text: &[u8]| Ok(Some(Control::Mark(text.to_vec())));
    assert_eq!(marks, [(0, said(b"first")), (3, said(b"second"))]);
    let places: Vec<_> =
        fetched.batches.iter().map(|tail| (tail.batch.base_offset().0 - from.0, tail.batch.record_count())).collect();
    assert_eq!(places, [(1, 2), (4, 1)]);
    let lag = client.lag(output, from.plus(5)).await.expect("it is there");
    assert_eq!(lag.records, 0, "the marker is passed");
}
