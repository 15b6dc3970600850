//! Members leave.

use super::group::ClassicGroup;
use crate::broker::GroupError;
use crate::broker::LeaveGroup;
use crate::broker::LeavingMember;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::EachReply;

impl ClassicGroup {
    pub(in crate::broker::coordinator) fn leave(&mut self, cx: &mut Cx<'_>, request: &LeaveGroup, reply: EachReply) {
        if self.is_dead() {
            return cx.answer(reply, Err(GroupError::CoordinatorUnavailable));
        }
        let outcomes: Vec<_> = request.members.iter().map(|leaving| self.leave_one(cx, leaving)).collect();
        // The answer goes out before those of the rebalance: who leaves does not wait for it.
        let has_left = outcomes.iter().any(Result::is_ok);
        cx.answer(reply, Ok(outcomes));
        if has_left {
            self.rebalance_without(cx);
        }
    }

    fn leave_one(&mut self, cx: &mut Cx<'_>, leaving: &LeavingMember) -> Result<(), GroupError> {
        if leaving.instance.is_none() && self.named.remove(&leaving.member).is_some() {
            return Ok(());
        }
        let name = match &leaving.instance {
            None => leaving.member.clone(),
            Some(instance) => self.instances.get(instance).cloned().ok_or(GroupError::UnknownMember)?,
        };
        if leaving.instance.is_some() && !leaving.member.is_empty() && leaving.member != name {
            return Err(GroupError::FencedInstance);
        }
        if !self.members.contains_key(&name) {
            return Err(GroupError::UnknownMember);
        }
        self.remove(cx, &name);
        Ok(())
    }
}
