//! The group of a standing query: its tasks are the members, each with the generation it joined with, which fences the
//! task's earlier ones. Such a group has no sessions and no rebalance: the engine says who reads what.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::FenceError;
use super::Group;
use super::Groups;
use super::Members;
use crate::broker::Generation;
use crate::broker::GroupError;
use crate::broker::GroupState;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::Pending;
use crate::broker::coordinator::event::QueryReply;
use crate::broker::coordinator::event::UnitReply;
use crate::broker::coordinator::group_record::GroupMetadata;
use crate::broker::coordinator::group_record::MemberMetadata;
use crate::broker::coordinator::offset_record::GroupRecord;

/// The protocol type of a standing query's group.
pub(super) const PROTOCOL_TYPE: &str = "tidemill";

#[derive(Debug, Default)]
pub(super) struct QueryMembers {
    pub generation: Generation,
    pub members: BTreeMap<String, Generation>,
}

impl QueryMembers {
    pub(super) fn state(&self) -> GroupState {
        if self.members.is_empty() { GroupState::Empty } else { GroupState::Stable }
    }

    /// Members keep the generation they joined with in their assignment bytes, which are the protocol type's own.
    fn record(&self, group: &str, now_ms: i64) -> GroupRecord {
        let member = |(member, joined): (&String, &Generation)| MemberMetadata {
            member: member.clone(),
            instance: None,
            client_id: member.clone(),
            client_host: String::new(),
            rebalance_timeout_ms: 0,
            session_timeout_ms: 0,
            subscription: Bytes::new(),
            assignment: Bytes::copy_from_slice(&joined.0.to_be_bytes()),
        };
        let value = GroupMetadata {
            protocol_type: PROTOCOL_TYPE.to_string(),
            generation: self.generation.0,
            protocol: Some(PROTOCOL_TYPE.to_string()),
            leader: self.members.keys().next().cloned(),
            since_ms: now_ms,
            members: self.members.iter().map(member).collect(),
        };
        GroupRecord::Group { group: group.to_string(), value: Some(value) }
    }

    /// As a record tells it; `None` for a group of clients.
    pub(super) fn restored(metadata: &GroupMetadata) -> Option<Self> {
        let joined = |member: &MemberMetadata| {
            let joined = <[u8; 4]>::try_from(&member.assignment[..]).ok()?;
            Some((member.member.clone(), Generation(i32::from_be_bytes(joined))))
        };
        let members = || metadata.members.iter().filter_map(joined).collect();
        let generation = Generation(metadata.generation);
        (metadata.protocol_type == PROTOCOL_TYPE).then(|| Self { generation, members: members() })
    }
}

impl Group {
    /// Gives `member` a new generation, which fences its earlier ones at once.
    pub(super) fn join_query(&mut self, cx: &mut Cx<'_>, member: String, reply: QueryReply) {
        let generation = match &self.members {
            Members::Query(_) => None,
            Members::Classic(classic) if classic.is_abandoned() => Some(classic.generation()),
            Members::Consumer(consumer) if consumer.is_empty() && !consumer.is_dead() => Some(consumer.group_epoch()),
            Members::Classic(_) | Members::Consumer(_) => {
                return cx.answer(reply, Err(GroupError::NonEmptyGroup));
            }
        };
        let mut records = Vec::new();
        if let Some(generation) = generation {
            if matches!(self.members, Members::Consumer(_)) {
                records = self.members.end_records(cx.group);
            }
            // The number goes on, so that no member of before has one that is to come.
            let generation = Generation(generation);
            self.members = Members::Query(QueryMembers { generation, members: BTreeMap::new() });
        }
        let Members::Query(query) = &mut self.members else { unreachable!("it was made one") };
        query.generation = Generation(query.generation.0.wrapping_add(1).max(1));
        query.members.insert(member, query.generation);
        let generation = query.generation;
        records.push(query.record(cx.group, cx.now.wall_ms));
        cx.write(records, Pending::QueryJoined { generation, reply });
    }

    /// Fences every member of a query's group and forgets the group, once that is durable.
    pub(super) fn forget(&mut self, cx: &mut Cx<'_>, reply: UnitReply) {
        match &mut self.members {
            Members::Query(query) => query.members.clear(),
            Members::Classic(classic) if classic.is_abandoned() => classic.end(),
            Members::Consumer(consumer) if consumer.is_empty() => consumer.end(),
            Members::Classic(_) | Members::Consumer(_) => {
                return cx.answer(reply, Err(GroupError::NonEmptyGroup));
            }
        }
        self.write_end(cx, Some(reply));
    }
}

impl Groups {
    /// Begins a commit of `group` if `member` still has `generation`. Each must be ended.
    pub(in crate::broker) fn begin_commit(
        &mut self,
        group: &str,
        member: &str,
        generation: Generation,
    ) -> Result<(), FenceError> {
        let state = self.groups.get_mut(group).ok_or(FenceError)?;
        let Members::Query(query) = &state.members else { return Err(FenceError) };
        if query.members.get(member) != Some(&generation) {
            return Err(FenceError);
        }
        state.commits_under_way += 1;
        Ok(())
    }

    /// Ends a commit that was begun.
    pub(in crate::broker) fn end_commit(&mut self, group: &str) {
        let state = self.groups.get_mut(group).expect("a group with a commit under way is there");
        state.commits_under_way -= 1;
    }
}
