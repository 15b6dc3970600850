//! TxnOffsetCommit: durable when it answers, and counts once the transaction is committed.

use super::context::Context;
use super::error_code::code_of_group;
use super::error_code::code_of_outcome;
use super::table::Answer;
use crate::broker::CommitOffsets;
use crate::broker::CommittedOffset;
use crate::broker::OffsetToCommit;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::protocol::ErrorCode;
use crate::protocol::txn_offset_commit;

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
        let outcomes = context.broker().commit_offsets_in_transaction(producer, request).await;
        // The outcomes are those of the partitions that are there.
        let known = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let known = known.filter(|partition| partition.error_code == ErrorCode::NONE);
        match &outcomes {
            Ok(outcomes) => known.zip(outcomes).for_each(|(it, outcome)| it.error_code = code_of_outcome(outcome)),
            Err(error) => known.for_each(|partition| partition.error_code = code_of_group(error)),
        }
        txn_offset_commit::Response { topics, ..txn_offset_commit::Response::default() }
    }
}
