//! What members of the classic protocol ask, of a group of whichever protocol.

use super::Group;
use super::Members;
use crate::broker::GroupError;
use crate::broker::Heartbeat;
use crate::broker::JoinGroup;
use crate::broker::SyncGroup;
use crate::broker::coordinator::consumer::Topics;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::JoinReply;
use crate::broker::coordinator::event::SyncReply;
use crate::broker::coordinator::event::Told;
use crate::broker::coordinator::event::UnitReply;

impl Group {
    pub(super) fn join(
        &mut self,
        cx: &mut Cx<'_>,
        request: JoinGroup,
        entropy: [u8; 16],
        topics: &Topics,
        reply: JoinReply,
    ) {
        self.make_classic(cx);
        match &mut self.members {
            Members::Classic(classic) => classic.join(cx, request, entropy, reply),
            Members::Consumer(consumer) => match consumer.join_classic(cx.now, cx.config, &request, entropy, topics) {
                Ok((changes, joined)) => Self::write_changes(cx, changes, Some(Told::Joined(reply, joined)), None),
                Err(error) => cx.answer(reply, Err(error)),
            },
            Members::Query(_) => cx.answer(reply, Err(GroupError::InconsistentProtocol)),
        }
    }

    pub(super) fn sync(&mut self, cx: &mut Cx<'_>, request: SyncGroup, topics: &Topics, reply: SyncReply) {
        match &mut self.members {
            Members::Classic(classic) => classic.sync(cx, request, reply),
            Members::Consumer(consumer) => {
                let synced = consumer.sync_classic(cx.now, cx.config, &request, topics);
                cx.answer(reply, synced);
            }
            Members::Query(_) => cx.answer(reply, Err(GroupError::UnknownMember)),
        }
    }

    pub(super) fn heartbeat(&mut self, cx: &mut Cx<'_>, request: &Heartbeat, topics: &Topics, reply: UnitReply) {
        match &mut self.members {
            Members::Classic(classic) => classic.heartbeat(cx, request, reply),
            Members::Consumer(consumer) => {
                let (changes, outcome) = consumer.heartbeat_classic(cx.now, cx.config, request, topics);
                Self::write_changes(cx, changes, None, None);
                cx.answer(reply, outcome);
            }
            Members::Query(_) => cx.answer(reply, Err(GroupError::UnknownMember)),
        }
    }
}
