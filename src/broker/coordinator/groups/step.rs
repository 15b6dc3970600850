//! One event, one group, what follows.

use std::time::Duration;

use super::Group;
use super::Groups;
use super::Members;
use crate::broker::CommitOffsets;
use crate::broker::GroupError;
use crate::broker::coordinator::client_transaction::Stamp;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::EachReply;
use crate::broker::coordinator::event::GroupEffect;
use crate::broker::coordinator::event::GroupEvent;
use crate::broker::coordinator::event::Now;
use crate::broker::coordinator::event::Pending;
use crate::broker::coordinator::event::Removed;
use crate::broker::coordinator::event::UnitReply;
use crate::broker::coordinator::event::WriteId;
use crate::model::Offset;

/// Whether an event makes the group it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Refuse,
}

impl Groups {
    /// What follows from `event`.
    pub(in crate::broker) fn step(&mut self, now: Now, event: GroupEvent) -> Vec<GroupEffect> {
        let mut effects = Vec::new();
        match event {
            GroupEvent::Join(request, entropy, topics, reply) => {
                // A name that the coordinator did not give belongs to no group that is not there.
                let missing = if request.member.is_empty() { Missing::Make } else { Missing::Refuse };
                let name = request.group.clone();
                self.within(now, &name, missing, &mut effects, |group, cx| match group {
                    Ok(group) => group.join(cx, request, entropy, &topics, reply),
                    Err(error) => cx.answer(reply, Err(error)),
                });
            }
            GroupEvent::ConsumerHeartbeat(request, topics, reply) => {
                let missing = if request.member_epoch == 0 { Missing::Make } else { Missing::Refuse };
                self.within(now, &request.group, missing, &mut effects, |group, cx| match group {
                    Ok(group) => group.consumer_heartbeat(cx, &request, &topics, reply),
                    Err(error) => cx.answer(reply, Err(error)),
                });
            }
            GroupEvent::Sync(request, topics, reply) => {
                let name = request.group.clone();
                self.within(now, &name, Missing::Refuse, &mut effects, |group, cx| match group {
                    Ok(group) => group.sync(cx, request, &topics, reply),
                    Err(error) => cx.answer(reply, Err(error)),
                });
            }
            GroupEvent::Heartbeat(request, topics, reply) => {
                self.within(now, &request.group, Missing::Refuse, &mut effects, |group, cx| match group {
                    Ok(group) => group.heartbeat(cx, &request, &topics, reply),
                    Err(error) => cx.answer(reply, Err(error)),
                });
            }
            GroupEvent::Leave(request, reply) => {
                self.within(now, &request.group, Missing::Refuse, &mut effects, |group, cx| match group {
                    Ok(group) => group.leave(cx, &request, reply),
                    Err(error) => cx.answer(reply, Ok(request.members.iter().map(|_| Err(error.clone())).collect())),
                });
            }
            GroupEvent::Commit(request, reply) => self.commit(now, request, None, reply, &mut effects),
            GroupEvent::CommitInTransaction(request, producer, reply) => {
                self.commit(now, request, Some(producer), reply, &mut effects);
            }
            GroupEvent::Delete(name, reply) => {
                // A transaction that commits would bring it back.
                let is_in_transaction = self.is_in_transaction(&name);
                self.within(now, &name, Missing::Refuse, &mut effects, |group, cx| match group {
                    Ok(_) if is_in_transaction => cx.answer(reply, Err(GroupError::NonEmptyGroup)),
                    Ok(group) => group.delete(cx, reply),
                    Err(_) => cx.answer(reply, Err(GroupError::GroupNotFound)),
                });
            }
            GroupEvent::DeleteOffsets(name, partitions, reply) => {
                self.within(now, &name, Missing::Refuse, &mut effects, |group, cx| match group {
                    Ok(group) => group.delete_offsets(cx, partitions, reply),
                    Err(_) => cx.answer(reply, Err(GroupError::GroupNotFound)),
                });
            }
            GroupEvent::JoinQuery { group, member, reply } => {
                self.within(now, &group, Missing::Make, &mut effects, |group, cx| match group {
                    Ok(group) => group.join_query(cx, member, reply),
                    Err(error) => cx.answer(reply, Err(error)),
                });
            }
            GroupEvent::Forget { group, reply } => {
                self.within(now, &group, Missing::Refuse, &mut effects, |group, cx| match group {
                    Ok(group) => group.forget(cx, reply),
                    Err(_) => cx.answer(reply, Ok(())),
                });
            }
            GroupEvent::Written { write, at } => self.written(now, write, at, &mut effects),
            GroupEvent::Refused { write, error } => self.refused(now, write, error, &mut effects),
            GroupEvent::Tick => self.tick(now, &mut effects),
        }
        effects
    }

    /// When `Tick` is to come next.
    pub(in crate::broker) fn deadline(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Has `body` work on one group, and its timer follow.
    pub(super) fn within(
        &mut self,
        now: Now,
        name: &str,
        missing: Missing,
        effects: &mut Vec<GroupEffect>,
        body: impl FnOnce(Result<&mut Group, GroupError>, &mut Cx<'_>),
    ) {
        let (is_missing, is_full) = (!self.groups.contains_key(name), self.config.groups_max <= self.groups.len());
        let mut cx = Cx { now, config: &self.config, group: name, writes: &mut self.writes, effects };
        match missing {
            Missing::Refuse if is_missing => body(Err(GroupError::UnknownMember), &mut cx),
            Missing::Make if is_missing && is_full => body(Err(GroupError::GroupFull), &mut cx),
            Missing::Make | Missing::Refuse => {
                let group = self.groups.entry(name.to_string()).or_insert_with(|| Group::new(now.wall_ms));
                body(Ok(&mut *group), &mut cx);
                // What is due at once, is done at once: a rebalance that does not wait.
                if group.deadline().is_some_and(|at| at <= now.monotonic) {
                    group.tick(&mut cx);
                }
                self.arm(name);
                self.drop_blank(name);
            }
        }
    }

    /// A group that nobody is in and of which nothing was written is not there.
    fn drop_blank(&mut self, name: &str) {
        let is_blank = |group: &Group| match &group.members {
            Members::Classic(classic) => {
                classic.is_abandoned() && classic.generation() == 0 && group.offsets.is_empty()
            }
            Members::Consumer(consumer) => {
                consumer.is_empty() && consumer.group_epoch() == 0 && group.offsets.is_empty()
            }
            Members::Query(_) => false,
        };
        if self.groups.get(name).is_some_and(is_blank) && !self.writes.of_group(name) && !self.is_in_transaction(name) {
            self.groups.remove(name);
        }
    }

    /// Puts a group where its next deadline is.
    pub(super) fn arm(&mut self, name: &str) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let deadline = group.deadline();
        if group.timer != deadline {
            if let Some(before) = group.timer {
                self.timers.remove(&(before, name.to_string()));
            }
            group.timer = deadline;
            self.timers.extend(deadline.map(|at| (at, name.to_string())));
        }
    }

    fn tick(&mut self, now: Now, effects: &mut Vec<GroupEffect>) {
        while let Some((at, name)) = self.timers.first().cloned()
            && at <= now.monotonic
        {
            self.timers.remove(&(at, name.clone()));
            let Some(group) = self.groups.get_mut(&name) else { continue };
            group.timer = None;
            // `within` does what is due.
            self.within(now, &name, Missing::Refuse, effects, |_, _| {});
        }
    }

    fn commit(
        &mut self,
        now: Now,
        request: CommitOffsets,
        producer: Option<Stamp>,
        reply: EachReply,
        effects: &mut Vec<GroupEffect>,
    ) {
        // Who manages its partitions by itself makes its group with its first commit.
        let is_alone = request.generation < 0 && request.member.is_empty();
        let missing = if is_alone { Missing::Make } else { Missing::Refuse };
        let name = request.group.clone();
        self.within(now, &name, missing, effects, |group, cx| match group {
            Ok(group) => group.commit(cx, request, producer, reply),
            Err(GroupError::UnknownMember) if request.knows_member_epochs => {
                cx.answer(reply, Err(GroupError::GroupNotFound));
            }
            Err(GroupError::UnknownMember) => cx.answer(reply, Err(GroupError::IllegalGeneration)),
            Err(error) => cx.answer(reply, Err(error)),
        });
    }

    fn written(&mut self, now: Now, write: WriteId, at: Offset, effects: &mut Vec<GroupEffect>) {
        let Some((name, pending)) = self.writes.pending.remove(&write) else { return };
        let pending = match pending {
            Pending::Deleted { reply } => return self.deleted(now, &name, reply, effects),
            Pending::OffsetsInTransaction { producer: (id, _), records, outcomes, reply } => {
                let records = records.into_iter().zip((at.0..).map(Offset));
                self.open.entry(id).or_default().extend(records);
                let mut cx = Cx { now, config: &self.config, group: &name, writes: &mut self.writes, effects };
                return cx.answer(reply, Ok(outcomes));
            }
            pending => pending,
        };
        self.within(now, &name, Missing::Refuse, effects, |group, cx| {
            let mut group = group.ok();
            match pending {
                Pending::Shares { generation, shares } => {
                    if let Some(Members::Classic(classic)) = group.map(|group| &mut group.members) {
                        classic.shares_written(cx, generation, shares);
                    }
                }
                Pending::StaticMember { generation, before, member, skips } => {
                    if let Some(Members::Classic(classic)) = group.map(|group| &mut group.members) {
                        classic.took_over(cx, generation, &before, &member, skips);
                    }
                }
                Pending::Offsets { offsets, outcomes, reply } => {
                    for ((partition, topic, value), at) in offsets.into_iter().zip(at.0..) {
                        if let Some(group) = &mut group {
                            group.offsets.put(partition, topic, value, Offset(at));
                        }
                    }
                    cx.answer(reply, Ok(outcomes));
                }
                Pending::OffsetsDeleted { partitions, outcomes, reply } => {
                    if let Some(group) = group {
                        partitions.into_iter().for_each(|partition| group.offsets.remove(partition));
                    }
                    cx.answer(reply, Ok(outcomes));
                }
                Pending::OffsetsExpired { partitions } => {
                    if let Some(group) = group {
                        partitions.into_iter().for_each(|partition| group.offsets.remove(partition));
                    }
                }
                Pending::QueryJoined { generation, reply } => cx.answer(reply, Ok(generation)),
                Pending::Consumer { waiting, removed, .. } => {
                    if let Some(Removed { reply, outcomes }) = removed {
                        cx.answer(reply, Ok(outcomes));
                    }
                    waiting.into_iter().for_each(|told| told.tell(cx, Ok(())));
                }
                Pending::Deleted { .. } | Pending::OffsetsInTransaction { .. } | Pending::Nothing => {}
            }
        });
    }

    /// A group's end is durable.
    fn deleted(&mut self, now: Now, name: &str, reply: Option<UnitReply>, effects: &mut Vec<GroupEffect>) {
        match self.groups.get_mut(name) {
            // The commit under way will be fenced or will bring the group back; its count must stay.
            Some(group) if 0 < group.commits_under_way => group.offsets.clear(),
            // A query's member that joined since has made it anew.
            Some(Group { members: Members::Query(query), offsets, .. }) if !query.members.is_empty() => offsets.clear(),
            Some(_) | None => {
                if let Some(at) = self.groups.remove(name).and_then(|group| group.timer) {
                    self.timers.remove(&(at, name.to_string()));
                }
            }
        }
        let mut cx = Cx { now, config: &self.config, group: name, writes: &mut self.writes, effects };
        if let Some(reply) = reply {
            cx.answer(reply, Ok(()));
        }
    }

    fn refused(&mut self, now: Now, write: WriteId, error: GroupError, effects: &mut Vec<GroupEffect>) {
        let Some((name, pending)) = self.writes.pending.remove(&write) else { return };
        let pending = match pending {
            Pending::Consumer { undo, waiting, removed } => {
                return self.within(now, &name, Missing::Refuse, effects, |group, cx| {
                    if let Ok(group) = group {
                        group.undo(cx, undo);
                    }
                    if let Some(removed) = removed {
                        cx.answer(removed.reply, Err(error.clone()));
                    }
                    waiting.into_iter().for_each(|told| told.tell(cx, Err(error.clone())));
                });
            }
            pending => pending,
        };
        self.within(now, &name, Missing::Refuse, effects, |group, cx| {
            let mut members = group.ok().map(|group| &mut group.members);
            match (pending, &mut members) {
                (Pending::Shares { generation, .. }, Some(Members::Classic(classic))) => {
                    classic.shares_refused(cx, generation, &error);
                }
                (Pending::StaticMember { before, member, .. }, Some(Members::Classic(classic))) => {
                    classic.not_taken_over(cx, &before, &member, error);
                }
                (Pending::Deleted { reply }, members) => {
                    match members {
                        Some(Members::Classic(classic)) => classic.revive(),
                        Some(Members::Consumer(consumer)) => consumer.revive(),
                        Some(Members::Query(_)) | None => {}
                    }
                    if let Some(reply) = reply {
                        cx.answer(reply, Err(error));
                    }
                }
                (
                    Pending::Offsets { reply, .. }
                    | Pending::OffsetsInTransaction { reply, .. }
                    | Pending::OffsetsDeleted { reply, .. },
                    _,
                ) => cx.answer(reply, Err(error)),
                (Pending::QueryJoined { reply, .. }, _) => cx.answer(reply, Err(error)),
                (
                    Pending::Shares { .. }
                    | Pending::StaticMember { .. }
                    | Pending::OffsetsExpired { .. }
                    | Pending::Consumer { .. }
                    | Pending::Nothing,
                    _,
                ) => {}
            }
        });
    }
}

impl Group {
    /// When time does something next.
    fn deadline(&self) -> Option<Duration> {
        match &self.members {
            Members::Classic(classic) => classic.deadline(),
            Members::Consumer(consumer) => consumer.deadline(),
            Members::Query(_) => None,
        }
    }

    /// Does what is due.
    fn tick(&mut self, cx: &mut Cx<'_>) {
        match &mut self.members {
            Members::Classic(classic) => classic.tick(cx),
            Members::Consumer(consumer) => {
                let changes = consumer.tick(cx.now, cx.config, cx.group);
                Self::write_changes(cx, changes, None, None);
            }
            Members::Query(_) => {}
        }
    }
}
