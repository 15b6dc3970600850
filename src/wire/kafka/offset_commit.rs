//! OffsetCommit: durable when it answers.

use std::time::Duration;

use super::context::Context;
use super::error_code::code_of_group;
use super::error_code::code_of_outcome;
use super::table::Answer;
use crate::broker::CommitOffsets;
use crate::broker::CommittedOffset;
use crate::broker::OffsetToCommit;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::TopicId;
use crate::protocol::ErrorCode;
use crate::protocol::offset_commit;

/// From here on a generation may be the epoch of a member.
const MEMBER_EPOCHS_FROM: i16 = 9;
/// From here on topics have ids in place of names.
const IDS_FROM: i16 = 10;

impl Answer for offset_commit::Request {
    async fn answer(self, context: &Context) -> offset_commit::Response {
        let by_id = IDS_FROM <= context.version;
        let metadata = context.broker().metadata();
        let name_of = |id: TopicId| metadata.topic_by_id(id).map(|topic| topic.name.clone());
        let mut offsets = Vec::new();
        let mut topics = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let partition = context.partition(&topic.name, topic.topic_id, by_id, asked.partition_index);
                let error_code = partition.err().unwrap_or_default();
                if let Ok(partition) = partition {
                    let committed = CommittedOffset {
                        offset: Offset(asked.committed_offset),
                        leader_epoch: LeaderEpoch(asked.committed_leader_epoch),
                        metadata: asked.committed_metadata.unwrap_or_default(),
                    };
                    let topic = name_of(partition.topic).unwrap_or_else(|| topic.name.clone());
                    offsets.push(OffsetToCommit { topic, partition, committed });
                }
                partitions
                    .push(offset_commit::CommittedPartition { partition_index: asked.partition_index, error_code });
            }
            let (name, topic_id) = (topic.name, topic.topic_id);
            topics.push(offset_commit::CommittedTopic { name, topic_id, partitions });
        }
        let request = CommitOffsets {
            group: self.group_id,
            member: self.member_id,
            instance: self.group_instance_id,
            generation: self.generation_id_or_member_epoch,
            knows_member_epochs: MEMBER_EPOCHS_FROM <= context.version,
            retention: u64::try_from(self.retention_time_ms).ok().map(Duration::from_millis),
            offsets,
        };
        let outcomes = context.broker().commit_offsets(request).await;
        // The outcomes are those of the partitions that are there.
        let known = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let known = known.filter(|partition| partition.error_code == ErrorCode::NONE);
        match &outcomes {
            Ok(outcomes) => known.zip(outcomes).for_each(|(it, outcome)| it.error_code = code_of_outcome(outcome)),
            Err(error) => known.for_each(|partition| partition.error_code = code_of_group(error)),
        }
        offset_commit::Response { topics, ..offset_commit::Response::default() }
    }
}
