//! A group of the consumer protocol among the others: how it begins, and what is written and undone.

use super::Group;
use super::Members;
use crate::broker::ConsumerHeartbeat;
use crate::broker::GroupError;
use crate::broker::GroupState;
use crate::broker::LeaveGroup;
use crate::broker::coordinator::classic::ClassicGroup;
use crate::broker::coordinator::consumer::CONSUMER;
use crate::broker::coordinator::consumer::Changes;
use crate::broker::coordinator::consumer::ConsumerGroup;
use crate::broker::coordinator::consumer::Topics;
use crate::broker::coordinator::consumer_record::ConsumerRecord;
use crate::broker::coordinator::event::ConsumerReply;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::EachReply;
use crate::broker::coordinator::event::Now;
use crate::broker::coordinator::event::Pending;
use crate::broker::coordinator::event::Removed;
use crate::broker::coordinator::event::Told;
use crate::broker::coordinator::group_record::GroupMetadata;
use crate::broker::coordinator::offset_record::GroupRecord;

impl Group {
    pub(super) fn consumer_heartbeat(
        &mut self,
        cx: &mut Cx<'_>,
        request: &ConsumerHeartbeat,
        topics: &Topics,
        reply: ConsumerReply,
    ) {
        let classic = match &mut self.members {
            Members::Query(_) => return cx.answer(reply, Err(GroupError::QueryGroup)),
            Members::Consumer(consumer) => {
                return match consumer.heartbeat(cx.now, cx.config, request, topics) {
                    Ok((changes, answer)) => {
                        Self::write_changes(cx, changes, Some(Told::Heartbeat(reply, answer)), None)
                    }
                    Err(error) => cx.answer(reply, Err(error)),
                };
            }
            Members::Classic(classic) => classic,
        };
        let begun = begin_consumer_group(cx, classic, request, topics);
        let (mut made, begin) = match begun {
            Ok(begun) => begun,
            Err(error) => return cx.answer(reply, Err(error)),
        };
        let (changes, answer) = match made.heartbeat(cx.now, cx.config, request, topics) {
            Ok(outcome) => outcome,
            Err(error) => return cx.answer(reply, Err(error)),
        };
        // The clients' own group of before ends with the write that begins this one.
        let (group, value) = (|| cx.group.to_string(), classic.last_record());
        let of = |record| GroupRecord::Consumer { group: group(), record };
        let end = value.as_ref().map(|_| GroupRecord::Group { group: group(), value: None });
        let records = end.into_iter().chain(begin.into_iter().chain(changes.records).map(of)).collect();
        let undo = vec![GroupRecord::Group { group: group(), value }];
        self.members = Members::Consumer(made);
        cx.write(records, Pending::Consumer { undo, waiting: vec![Told::Heartbeat(reply, answer)], removed: None });
    }

    /// Members leave: those of the classic protocol by themselves, all others because an administrator removes them.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>, request: &LeaveGroup, reply: EachReply) {
        match &mut self.members {
            Members::Classic(classic) => classic.leave(cx, request, reply),
            Members::Consumer(consumer) if consumer.is_dead() => {
                cx.answer(reply, Err(GroupError::CoordinatorUnavailable));
            }
            Members::Consumer(consumer) => {
                let (changes, outcomes) = consumer.dismiss(cx.now, cx.config, &request.members);
                match changes.records.is_empty() {
                    true => cx.answer(reply, Ok(outcomes)),
                    false => Self::write_changes(cx, changes, None, Some(Removed { reply, outcomes })),
                }
            }
            Members::Query(_) => {
                let unknown = request.members.iter().map(|_| Err(GroupError::UnknownMember));
                cx.answer(reply, Ok(unknown.collect()));
            }
        }
    }

    /// Has what `changes` did written, and tells who waits for it. Without changes an answer that builds on a write under
    /// way waits for that.
    pub(super) fn write_changes(cx: &mut Cx<'_>, changes: Changes, told: Option<Told>, removed: Option<Removed>) {
        let group = cx.group;
        let of = |record| GroupRecord::Consumer { group: group.to_string(), record };
        let records: Vec<_> = changes.records.into_iter().map(of).collect();
        let undo = changes.undo.into_iter().map(of).collect();
        if !records.is_empty() {
            return cx.write(records, Pending::Consumer { undo, waiting: told.into_iter().collect(), removed });
        }
        let Some(told) = told else { return };
        match cx.writes.waiting_consumers(group) {
            Some(waiting) => waiting.push(told),
            None => told.tell(cx, Ok(())),
        }
    }

    /// Makes an empty group of the consumer protocol a classic one, which somebody joins.
    pub(super) fn make_classic(&mut self, cx: &mut Cx<'_>) {
        if let Members::Consumer(consumer) = &self.members
            && consumer.is_empty()
            && !consumer.is_dead()
        {
            let records = self.members.end_records(cx.group);
            self.members = Members::Classic(ClassicGroup::new(cx.now.wall_ms));
            cx.write(records, Pending::Nothing);
        }
    }

    /// Takes back what a write that left nothing had changed.
    pub(super) fn undo(&mut self, cx: &Cx<'_>, undo: Vec<GroupRecord>) {
        for record in undo.into_iter().rev() {
            match record {
                GroupRecord::Consumer { record, .. } => {
                    if let Members::Consumer(consumer) = &mut self.members {
                        consumer.apply(&record, cx.now, cx.config.consumer_session_timeout);
                    }
                }
                GroupRecord::Group { value, .. } => self.members = classic_of(value.as_ref(), cx.now),
                GroupRecord::Offset { .. } => {}
            }
        }
    }
}

impl Members {
    /// What forgets a group without members, or one of a query.
    pub(super) fn end_records(&self, group: &str) -> Vec<GroupRecord> {
        let name = || group.to_string();
        match self {
            Self::Classic(_) | Self::Query(_) => vec![GroupRecord::Group { group: name(), value: None }],
            Self::Consumer(consumer) => {
                let of = |record| GroupRecord::Consumer { group: name(), record };
                consumer.end_records().into_iter().map(of).collect()
            }
        }
    }
}

fn classic_of(value: Option<&GroupMetadata>, now: Now) -> Members {
    Members::Classic(value.map_or_else(|| ClassicGroup::new(now.wall_ms), |value| ClassicGroup::restored(value, now)))
}

/// The group of the consumer protocol that a clients' group becomes with this heartbeat, and the records that begin it.
fn begin_consumer_group(
    cx: &Cx<'_>,
    classic: &ClassicGroup,
    request: &ConsumerHeartbeat,
    topics: &Topics,
) -> Result<(ConsumerGroup, Vec<ConsumerRecord>), GroupError> {
    if classic.is_dead() {
        return Err(GroupError::CoordinatorUnavailable);
    }
    if request.member_epoch != 0 {
        return Err(if classic.is_abandoned() { GroupError::UnknownMember } else { GroupError::ClassicGroup });
    }
    if classic.state() == GroupState::Empty {
        return Ok((ConsumerGroup::new(cx.now.wall_ms), Vec::new()));
    }
    if classic.protocol_type() != Some(CONSUMER) {
        return Err(GroupError::ClassicGroup);
    }
    // What members have is known while nobody waits for a share: the newcomer comes again.
    let stable = classic.settled_record().ok_or(GroupError::CoordinatorUnavailable)?;
    ConsumerGroup::of_classic(&stable, topics, cx.now, cx.config).ok_or(GroupError::ClassicGroup)
}
