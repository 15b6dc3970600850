//! A client commits positions.

use std::time::Duration;

use super::Group;
use super::Members;
use crate::broker::CommitOffsets;
use crate::broker::GroupError;
use crate::broker::coordinator::client_transaction::Stamp;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::EachReply;
use crate::broker::coordinator::event::Pending;
use crate::broker::coordinator::offset_record::GroupRecord;
use crate::broker::coordinator::offset_record::OffsetKey;
use crate::broker::coordinator::offset_record::OffsetValue;

impl Group {
    pub(super) fn commit(
        &mut self,
        cx: &mut Cx<'_>,
        request: CommitOffsets,
        producer: Option<Stamp>,
        reply: EachReply,
    ) {
        let allowed = match &mut self.members {
            Members::Classic(classic) => {
                let instance = request.instance.as_deref();
                match producer {
                    None => classic.check_commit(cx.now, &request.member, instance, request.generation),
                    Some(_) => {
                        classic.check_commit_in_transaction(cx.now, &request.member, instance, request.generation)
                    }
                }
            }
            Members::Consumer(consumer) => match producer {
                None => consumer.check_commit(&request.member, request.generation, request.knows_member_epochs),
                Some(_) => {
                    let instance = request.instance.as_deref();
                    consumer.check_commit_in_transaction(&request.member, instance, request.generation)
                }
            },
            Members::Query(_) => Err(GroupError::QueryGroup),
        };
        if let Err(error) = allowed {
            return cx.answer(reply, Err(error));
        }
        let now_ms = cx.now.wall_ms;
        let millis = |kept: Duration| i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        let expires_ms = request.retention.map(|kept| now_ms.saturating_add(millis(kept)));
        let (mut outcomes, mut offsets, mut records) = (Vec::new(), Vec::new(), Vec::new());
        for offset in request.offsets {
            if cx.config.offset_metadata_bytes_max < offset.committed.metadata.len() {
                outcomes.push(Err(GroupError::OffsetMetadataTooLarge));
                continue;
            }
            let topic = Some(offset.partition.topic);
            let value = OffsetValue { topic, committed: offset.committed, committed_ms: now_ms, expires_ms };
            let (group, partition) = (cx.group.to_string(), offset.partition.partition.0);
            let key = OffsetKey { group, topic: offset.topic.clone(), partition };
            records.push(GroupRecord::Offset { key, value: Some(value.clone()) });
            offsets.push((offset.partition, offset.topic, value));
            outcomes.push(Ok(()));
        }
        if records.is_empty() {
            return cx.answer(reply, Ok(outcomes));
        }
        match producer {
            None => cx.write(records, Pending::Offsets { offsets, outcomes, reply }),
            Some(producer) => {
                let kept = records.clone();
                let then = Pending::OffsetsInTransaction { producer, records: kept, outcomes, reply };
                cx.write_as(Some(producer), records, then);
            }
        }
    }
}
