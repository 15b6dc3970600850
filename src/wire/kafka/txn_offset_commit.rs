//! TxnOffsetCommit: durable when it answers, and counts once the transaction is committed.

use super::context::Context;
use super::error_code::code_of_group;
use super::error_code::code_of_transaction;
use super::table::Answer;
use crate::broker::CommitOffsets;
use crate::broker::CommittedOffset;
use crate::broker::GroupError;
use crate::broker::OffsetToCommit;
use crate::broker::TransactionVersion;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::ErrorCode;
use crate::protocol::txn_offset_commit;

/// From here on a client understands TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 4;
/// From here on the commit adds the group's positions to the transaction (KIP-890).
const ADDS_FROM: i16 = 5;

impl Answer for txn_offset_commit::Request {
    async fn answer(self, context: &Context) -> txn_offset_commit::Response {
        let mut offsets = Vec::new();
        let mut topics = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let partition = context.partition(&topic.name, [0; 16], false, asked.partition_index);
                let error_code = partition.err().unwrap_or_default();
                if let Ok(partition) = partition {
                    let committed = CommittedOffset {
                        offset: Offset(asked.committed_offset),
                        leader_epoch: LeaderEpoch(asked.committed_leader_epoch),
                        metadata: asked.committed_metadata.unwrap_or_default(),
                    };
                    offsets.push(OffsetToCommit { topic: topic.name.clone(), partition, committed });
                }
                partitions
                    .push(txn_offset_commit::CommittedPartition { partition_index: asked.partition_index, error_code });
            }
            topics.push(txn_offset_commit::CommittedTopic { name: topic.name, partitions });
        }
        let producer = (ProducerId(self.producer_id), ProducerEpoch(self.producer_epoch));
        let request = CommitOffsets {
            group: self.group_id,
            member: self.member_id,
            instance: self.group_instance_id,
            generation: self.generation_id,
            knows_member_epochs: false,
            retention: None,
            offsets,
        };
        let outcomes = commit(context, &self.transactional_id, producer, request).await;
        // The outcomes are those of the partitions that are there.
        let known = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let known = known.filter(|partition| partition.error_code == ErrorCode::NONE);
        match outcomes {
            Ok(outcomes) => known.zip(outcomes).for_each(|(it, outcome)| it.error_code = outcome),
            Err(code) => known.for_each(|partition| partition.error_code = code),
        }
        txn_offset_commit::Response { topics, ..txn_offset_commit::Response::default() }
    }
}

async fn commit(
    context: &Context,
    transactional_id: &str,
    producer: (ProducerId, ProducerEpoch),
    request: CommitOffsets,
) -> Result<Vec<ErrorCode>, ErrorCode> {
    let broker = context.broker();
    if ADDS_FROM <= context.version {
        let version = TransactionVersion::Two;
        let added = broker.add_offsets_to_transaction(transactional_id, producer, &request.group, version).await;
        added.map_err(|error| code_of_transaction(&error, false))?;
    }
    let code = |error: &GroupError| match error {
        GroupError::NotInTransaction if ABORTABLE_FROM <= context.version => ErrorCode::TRANSACTION_ABORTABLE,
        error => code_of_group(error),
    };
    let outcomes = broker.commit_offsets_in_transaction(producer, request).await.map_err(|error| code(&error))?;
    Ok(outcomes.iter().map(|outcome| outcome.as_ref().err().map(code).unwrap_or_default()).collect())
}
