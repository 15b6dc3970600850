//! Groups and positions are forgotten: because somebody says so, or because nobody wanted them for long.

use std::collections::BTreeSet;

use super::Group;
use super::Groups;
use super::Members;
use super::step::Missing;
use crate::broker::GroupError;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::EachReply;
use crate::broker::coordinator::event::GroupEffect;
use crate::broker::coordinator::event::Now;
use crate::broker::coordinator::event::Pending;
use crate::broker::coordinator::event::UnitReply;
use crate::broker::coordinator::offset_record::GroupRecord;
use crate::broker::coordinator::offset_record::OffsetKey;
use crate::broker::coordinator::offset_record::OffsetValue;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::PrimitiveError;
use crate::protocol::Reader;

impl Groups {
    /// Forgets what nobody may want any more: positions of topics that are gone (`exists` knows), of groups that have been
    /// empty for long, of topics that a group no longer reads; then groups without positions. Those of queries stay.
    pub(in crate::broker) fn expire(&mut self, now: Now, exists: impl Fn(TopicId) -> bool) -> Vec<GroupEffect> {
        let mut effects = Vec::new();
        let names: Vec<_> = self.groups.keys().cloned().collect();
        for name in names {
            // A position that is on its way to the disk may be a newer one: the next time will do.
            if !self.writes.of_group(&name) && !self.is_in_transaction(&name) {
                self.within(now, &name, Missing::Refuse, &mut effects, |group, cx| {
                    if let Ok(group) = group {
                        group.expire(cx, &exists);
                    }
                });
            }
        }
        effects
    }
}

impl Group {
    pub(super) fn delete(&mut self, cx: &mut Cx<'_>, reply: UnitReply) {
        let refused = match &mut self.members {
            Members::Query(_) => Some(GroupError::QueryGroup),
            Members::Classic(classic) if classic.is_dead() => Some(GroupError::GroupNotFound),
            Members::Classic(classic) if !classic.is_abandoned() => Some(GroupError::NonEmptyGroup),
            Members::Classic(classic) => {
                classic.end();
                None
            }
            Members::Consumer(consumer) if consumer.is_dead() => Some(GroupError::GroupNotFound),
            Members::Consumer(consumer) if !consumer.is_empty() => Some(GroupError::NonEmptyGroup),
            Members::Consumer(consumer) => {
                consumer.end();
                None
            }
        };
        match refused {
            Some(error) => cx.answer(reply, Err(error)),
            None => self.write_end(cx, Some(reply)),
        }
    }

    /// Has everything of the group forgotten, positions that are on their way to the disk included.
    pub(super) fn write_end(&self, cx: &mut Cx<'_>, reply: Option<UnitReply>) {
        let partitions: Vec<_> = self.offsets.records().map(|(partition, _, _)| partition).collect();
        let mut keys = self.offsets.keys(cx.group, &partitions);
        for (group, pending) in cx.writes.pending.values() {
            let Pending::Offsets { offsets, .. } = pending else { continue };
            let of_group = offsets.iter().filter(|_| group == cx.group);
            keys.extend(of_group.map(|(partition, topic, _)| OffsetKey {
                group: group.clone(),
                topic: topic.clone(),
                partition: partition.partition.0,
            }));
        }
        keys.sort();
        keys.dedup();
        let mut records: Vec<_> = keys.into_iter().map(|key| GroupRecord::Offset { key, value: None }).collect();
        records.extend(self.members.end_records(cx.group));
        cx.write(records, Pending::Deleted { reply });
    }

    pub(super) fn delete_offsets(&mut self, cx: &mut Cx<'_>, partitions: Vec<TopicPartition>, reply: EachReply) {
        let refused = match &self.members {
            Members::Query(_) => Some(GroupError::QueryGroup),
            Members::Classic(classic) if classic.is_dead() => Some(GroupError::GroupNotFound),
            Members::Classic(classic) if classic.is_abandoned() => None,
            Members::Classic(classic) if classic.protocol_type() != Some("consumer") => Some(GroupError::NonEmptyGroup),
            Members::Consumer(consumer) if consumer.is_dead() => Some(GroupError::GroupNotFound),
            Members::Classic(_) | Members::Consumer(_) => None,
        };
        if let Some(error) = refused {
            return cx.answer(reply, Err(error));
        }
        let (is_abandoned, topics) = (self.is_abandoned(), self.subscribed_topics());
        let is_read = |partition: &TopicPartition| {
            // Members that are not agreed may read anything.
            let is_wanted = |name: &str| topics.as_ref().is_none_or(|topics| topics.contains(name));
            !is_abandoned && self.offsets.topic(*partition).is_some_and(is_wanted)
        };
        let (kept, forgotten): (Vec<_>, Vec<_>) = partitions.iter().copied().partition(is_read);
        let outcome = |partition: &TopicPartition| match kept.contains(partition) {
            true => Err(GroupError::SubscribedToTopic),
            false => Ok(()),
        };
        let outcomes: Vec<_> = partitions.iter().map(outcome).collect();
        let keys = self.offsets.keys(cx.group, &forgotten);
        if keys.is_empty() {
            return cx.answer(reply, Ok(outcomes));
        }
        let records = keys.into_iter().map(|key| GroupRecord::Offset { key, value: None }).collect();
        cx.write(records, Pending::OffsetsDeleted { partitions: forgotten, outcomes, reply });
    }

    fn is_abandoned(&self) -> bool {
        match &self.members {
            Members::Classic(classic) => classic.is_abandoned(),
            Members::Consumer(consumer) => consumer.is_empty() && !consumer.is_dead(),
            Members::Query(_) => false,
        }
    }

    /// Since when a group that had members has none; `None` for others.
    fn empty_since_ms(&self) -> Option<i64> {
        match &self.members {
            Members::Classic(classic) => classic.empty_since_ms().filter(|_| classic.protocol_type().is_some()),
            Members::Consumer(consumer) => consumer.empty_since_ms(),
            Members::Query(_) => None,
        }
    }

    fn expire(&mut self, cx: &mut Cx<'_>, exists: &impl Fn(TopicId) -> bool) {
        if self.is_dead() || matches!(self.members, Members::Query(_)) {
            return;
        }
        let retention_ms = i64::try_from(cx.config.offsets_retention.as_millis()).unwrap_or(i64::MAX);
        let is_over = |since_ms: i64| since_ms.saturating_add(retention_ms) <= cx.now.wall_ms;
        // A group that had members keeps all its positions from the time it became empty.
        let (is_abandoned, since_ms) = (self.is_abandoned(), self.empty_since_ms());
        let topics = self.subscribed_topics();
        let is_expired = |topic: &str, value: &OffsetValue| match value.expires_ms {
            Some(at) => at <= cx.now.wall_ms,
            None if is_abandoned => is_over(since_ms.unwrap_or(value.committed_ms)),
            None => topics.as_ref().is_some_and(|topics| !topics.contains(topic)) && is_over(value.committed_ms),
        };
        let records = self.offsets.records();
        let over = records.filter(|(partition, topic, value)| !exists(partition.topic) || is_expired(topic, value));
        let partitions: Vec<_> = over.map(|(partition, _, _)| partition).collect();
        if is_abandoned && partitions.len() == self.offsets.records().count() {
            match &mut self.members {
                Members::Classic(classic) => classic.end(),
                Members::Consumer(consumer) => consumer.end(),
                Members::Query(_) => {}
            }
            return self.write_end(cx, None);
        }
        if partitions.is_empty() {
            return;
        }
        let keys = self.offsets.keys(cx.group, &partitions);
        if keys.is_empty() {
            // Their keys stand for newer topics of the same names.
            return partitions.into_iter().for_each(|partition| self.offsets.remove(partition));
        }
        let records = keys.into_iter().map(|key| GroupRecord::Offset { key, value: None }).collect();
        cx.write(records, Pending::OffsetsExpired { partitions });
    }

    /// The topics that members of a group of consumers read; `None` if that is not known.
    fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        let classic = match &self.members {
            Members::Classic(classic) => classic,
            Members::Consumer(consumer) => return consumer.topics().cloned(),
            Members::Query(_) => return None,
        };
        let subscriptions = classic.subscriptions().filter(|_| classic.protocol_type() == Some("consumer"))?;
        let mut topics = BTreeSet::new();
        for subscription in subscriptions {
            topics.extend(topics_of(&subscription).ok()?);
        }
        Some(topics)
    }
}

/// The topics of a consumer's subscription, which is a version, then names.
fn topics_of(subscription: &[u8]) -> Result<Vec<String>, PrimitiveError> {
    let mut reader = Reader::new(subscription);
    reader.i16()?;
    (0..reader.array_count()?).map(|_| reader.string().map(str::to_string)).collect()
}
