//! A group of the consumer protocol among the others: how it begins, and what is written and undone.

use super::Group;
use super::Members;
use crate::broker::ConsumerHeartbeat;
use crate::broker::ConsumerHeartbeatAnswer;
use crate::broker::GroupError;
use crate::broker::LeaveGroup;
use crate::broker::coordinator::classic::ClassicGroup;
use crate::broker::coordinator::consumer::Changes;
use crate::broker::coordinator::consumer::ConsumerGroup;
use crate::broker::coordinator::consumer::Topics;
use crate::broker::coordinator::event::ConsumerReply;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::EachReply;
use crate::broker::coordinator::event::Now;
use crate::broker::coordinator::event::Pending;
use crate::broker::coordinator::event::Removed;
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
        if let Err(error) = self.check_is_consumers(request) {
            return cx.answer(reply, Err(error));
        }
        let mut made = ConsumerGroup::new(cx.now.wall_ms);
        let consumer = match &mut self.members {
            Members::Consumer(consumer) => consumer,
            Members::Classic(_) | Members::Query(_) => &mut made,
        };
        let (changes, answer) = match consumer.heartbeat(cx.now, cx.config, request, topics) {
            Ok(outcome) => outcome,
            Err(error) => return cx.answer(reply, Err(error)),
        };
        let (mut records, mut undo) = (Vec::new(), Vec::new());
        if let Members::Classic(classic) = &self.members {
            // The clients' own group of before ends with the write that begins this one.
            let (group, value) = (cx.group.to_string(), classic.last_record());
            records.extend(value.as_ref().map(|_| GroupRecord::Group { group: group.clone(), value: None }));
            undo.push(GroupRecord::Group { group, value });
            self.members = Members::Consumer(made);
        }
        let of = |record| GroupRecord::Consumer { group: cx.group.to_string(), record };
        records.extend(changes.records.into_iter().map(of));
        undo.extend(changes.undo.into_iter().map(of));
        match records.is_empty() {
            false => cx.write(records, Pending::Consumer { undo, waiting: vec![(reply, answer)], removed: None }),
            true => answer_when_durable(cx, reply, answer),
        }
    }

    /// Whether a heartbeat may find, or make, a group of the consumer protocol here.
    fn check_is_consumers(&self, request: &ConsumerHeartbeat) -> Result<(), GroupError> {
        match &self.members {
            Members::Consumer(_) => Ok(()),
            Members::Query(_) => Err(GroupError::QueryGroup),
            Members::Classic(classic) if classic.is_dead() => Err(GroupError::CoordinatorUnavailable),
            Members::Classic(classic) if !classic.is_abandoned() => Err(GroupError::ClassicGroup),
            Members::Classic(_) if request.member_epoch != 0 => Err(GroupError::UnknownMember),
            Members::Classic(_) => Ok(()),
        }
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
                    false => Self::write_changes(cx, changes, Some(Removed { reply, outcomes })),
                }
            }
            Members::Query(_) => {
                let unknown = request.members.iter().map(|_| Err(GroupError::UnknownMember));
                cx.answer(reply, Ok(unknown.collect()));
            }
        }
    }

    /// Has what `changes` did written.
    pub(super) fn write_changes(cx: &mut Cx<'_>, changes: Changes, removed: Option<Removed>) {
        let group = cx.group;
        let of = |record| GroupRecord::Consumer { group: group.to_string(), record };
        let records: Vec<_> = changes.records.into_iter().map(of).collect();
        let undo = changes.undo.into_iter().map(of).collect();
        if !records.is_empty() {
            cx.write(records, Pending::Consumer { undo, waiting: Vec::new(), removed });
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

/// An answer that builds on a write under way waits for it.
fn answer_when_durable(cx: &mut Cx<'_>, reply: ConsumerReply, answer: ConsumerHeartbeatAnswer) {
    match cx.writes.waiting_consumers(cx.group) {
        Some(waiting) => waiting.push((reply, answer)),
        None => cx.answer(reply, Ok(answer)),
    }
}
