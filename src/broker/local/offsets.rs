//! Offsets by time and by end, the ends of leaders' reigns, and log starts that move.

use super::LocalBroker;
use crate::broker::BrokerError;
use crate::broker::Isolation;
use crate::cluster::CleanupPolicy;
use crate::cluster::TopicRecord;
use crate::model::EventTime;
use crate::model::LeaderEpoch;
use crate::model::Offset;
use crate::model::QueryId;
use crate::model::TopicPartition;
use crate::security::Operation;

/// Which offset of a partition is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetQuery {
    /// The first one kept.
    Earliest,
    /// The one after the last that the reader may see.
    Latest,
    /// That of the record with the greatest time.
    MaxTimestamp,
    /// That of the first record with this time or a later one, in ms since 1970-01-01 UTC.
    AtOrAfter(EventTime),
}

/// An offset that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset.
    pub offset: Offset,
    /// The record's time, if the offset is a record's.
    pub timestamp: Option<EventTime>,
    /// The leader epoch of the record there, or of the last one before.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl LocalBroker {
    /// The offset that was asked for; `None` if there is no such record below what the reader may see.
    pub async fn find_offset(
        &self,
        partition: TopicPartition,
        query: OffsetQuery,
        isolation: Isolation,
        current_leader_epoch: Option<LeaderEpoch>,
    ) -> Result<Option<FoundOffset>, BrokerError> {
        self.authorized(partition, Operation::Read).await?;
        self.check_leader_epoch(partition, current_leader_epoch)?;
        let ends = self.broker.log.ends(partition)?;
        let end = match isolation {
            Isolation::ReadCommitted => ends.readable_end(),
            Isolation::ReadUncommitted => ends.high_watermark,
        };
        let at_end =
            |offset| FoundOffset { offset, timestamp: None, leader_epoch: self.epoch_before(partition, offset) };
        let time = match query {
            OffsetQuery::Latest => return Ok(Some(at_end(end))),
            OffsetQuery::Earliest => return Ok(Some(at_end(ends.log_start_offset))),
            OffsetQuery::MaxTimestamp => {
                let segments = self.broker.log.segments(partition)?;
                let Some(time) = segments.iter().filter_map(|segment| segment.max_timestamp).max() else {
                    return Ok(None);
                };
                time
            }
            OffsetQuery::AtOrAfter(time) => time,
        };
        let log = std::sync::Arc::clone(&self.broker.log);
        // It may unpack many batches.
        let found = self.env().threads.blocking(move || log.offset_for_time(partition, time)).await?;
        Ok(found.filter(|(offset, _)| *offset < end).map(|(offset, timestamp)| FoundOffset {
            offset,
            timestamp: Some(timestamp),
            leader_epoch: self.epoch_before(partition, offset.plus(1)),
        }))
    }

    /// The epoch of the record before `offset`, or of the first one after.
    fn epoch_before(&self, partition: TopicPartition, offset: Offset) -> Option<LeaderEpoch> {
        let ends = self.broker.log.ends(partition).ok()?;
        let record = Offset(offset.0 - 1).max(ends.log_start_offset);
        let read = self.broker.log.read(partition, record, ends.log_end_offset, 1).ok()?;
        read.first().map(|tail| tail.batch.leader_epoch())
    }

    /// The greatest epoch at or below `epoch` that wrote to the partition, and where it ended. Of an epoch below all that are
    /// known nothing is kept: it ended where they begin at the latest, so that a reader who stands there is not taken for one
    /// whose records are gone. `None` of an epoch that has not begun.
    pub async fn epoch_end(
        &self,
        partition: TopicPartition,
        epoch: LeaderEpoch,
        current_leader_epoch: Option<LeaderEpoch>,
    ) -> Result<Option<(LeaderEpoch, Offset)>, BrokerError> {
        self.authorized(partition, Operation::Read).await?;
        self.check_leader_epoch(partition, current_leader_epoch)?;
        let leader = self.broker.leader_epoch();
        if leader < epoch || epoch < LeaderEpoch(0) {
            return Ok(None);
        }
        let log = &self.broker.log;
        if epoch == leader {
            return Ok(Some((epoch, log.ends(partition)?.log_end_offset)));
        }
        Ok(Some(log.epoch_end(partition, epoch)?.unwrap_or((epoch, log.epochs_begin(partition)?))))
    }

    /// Drops what lies below `offset`, or all that can be read for `None`; answers where the log starts then.
    pub async fn delete_records(
        &self,
        partition: TopicPartition,
        offset: Option<Offset>,
    ) -> Result<Offset, BrokerError> {
        let topic = self.authorized(partition, Operation::Write).await?;
        if topic.config.internal {
            return Err(BrokerError::InternalTopic { topic: topic.name.clone() });
        }
        self.check_shortening(&topic)?;
        let ends = self.broker.log.ends(partition)?;
        let offset = offset.unwrap_or(ends.high_watermark);
        if offset < Offset::ZERO || ends.high_watermark < offset {
            let (start, end) = (ends.log_start_offset, ends.high_watermark);
            return Err(BrokerError::OffsetOutOfRange { partition, offset, start, end });
        }
        self.check_unread(&topic, partition, offset).await?;
        let log = std::sync::Arc::clone(&self.broker.log);
        self.env().threads.blocking(move || log.delete_records(partition, offset)).await?;
        Ok(self.broker.log.ends(partition)?.log_start_offset)
    }

    /// Refuses to shorten a topic whose records are a table's rows, or from which a query restores what it keeps.
    fn check_shortening(&self, topic: &TopicRecord) -> Result<(), BrokerError> {
        let Some(user) = self.user_of(topic.id) else { return Ok(()) };
        let holds_rows = user.is_table && topic.config.cleanup_policy == CleanupPolicy::Compact;
        match holds_rows || user.is_of_query {
            true => Err(user.uses(topic)),
            false => Ok(()),
        }
    }

    /// Refuses to take records from a standing query that has not read them: it would stop, since nobody could say what it missed.
    async fn check_unread(
        &self,
        topic: &TopicRecord,
        partition: TopicPartition,
        start: Offset,
    ) -> Result<(), BrokerError> {
        let groups = self.broker.groups.lock().groups.everything();
        for group in groups.iter().filter(|group| QueryId::of_group(&group.name).is_some()) {
            let at = group.offsets.iter().find(|(read, _)| *read == partition).map(|(_, committed)| committed.offset);
            let Some(position) = at.filter(|position| *position < start) else { continue };
            // Markers are nothing to read.
            if self.broker.lag_of(partition, position).await?.records != 0 {
                let user = format!("\"{}\", which has read up to offset {position} only", group.name);
                return Err(BrokerError::TopicInUse { topic: topic.name.clone(), user });
            }
        }
        // A query without a position begins where the log does.
        let has_begun = |reader: &String| {
            let mut own = groups.iter().filter(|group| group.name == *reader);
            own.any(|group| group.offsets.iter().any(|(read, _)| *read == partition))
        };
        let readers = self.user_of(topic.id).map(|user| user.readers).unwrap_or_default();
        let Some(unbegun) = readers.iter().find(|reader| !has_begun(reader)) else { return Ok(()) };
        let first = self.broker.log.ends(partition)?.log_start_offset;
        if first < start && self.broker.lag_of(partition, first).await?.records != 0 {
            let user = format!("\"{}\", which has read nothing of it yet", unbegun);
            return Err(BrokerError::TopicInUse { topic: topic.name.clone(), user });
        }
        Ok(())
    }
}
