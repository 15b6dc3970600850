//! A static member that comes back after a restart, under a new name and with its old instance.

use super::group::ClassicGroup;
use super::group::Phase;
use crate::broker::GroupError;
use crate::broker::JoinGroup;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::JoinReply;
use crate::broker::coordinator::event::Pending;

impl ClassicGroup {
    /// `name` takes the place of `before`, which is fenced. A stable group stays as it is if its protocol does.
    pub(super) fn take_over(
        &mut self,
        cx: &mut Cx<'_>,
        request: &JoinGroup,
        before: &str,
        name: String,
        reply: JoinReply,
    ) {
        self.rename(cx, before, &name);
        let member = self.members.get_mut(&name).expect("a renamed member is there");
        member.update(request);
        member.touch(cx.now.monotonic);
        member.is_new = false;
        member.joining = Some(reply);
        if !matches!(self.phase, Phase::Stable { .. }) || !self.keeps_protocol() {
            return self.rebalance(cx);
        }
        let record = self.record(cx.group, |_, member| member.assignment.clone());
        let generation = self.generation;
        let (before, skips) = (before.to_string(), request.can_skip_assignment);
        cx.write(vec![record], Pending::StaticMember { generation, before, member: name, skips });
    }

    /// The new name is durable: unless a rebalance began, its bearer goes on with its share.
    pub(in crate::broker::coordinator) fn took_over(
        &mut self,
        cx: &mut Cx<'_>,
        generation: i32,
        before: &str,
        name: &str,
        skips: bool,
    ) {
        if self.generation != generation || !matches!(self.phase, Phase::Stable { .. }) {
            return;
        }
        let mut answer = self.joined(name);
        if answer.leader == name && !skips {
            // It would share out anew, which a stable group does not wait for: it is not told that it is leader.
            answer.leader = before.to_string();
            answer.members.clear();
        }
        answer.skip_assignment = answer.leader == name;
        let Some(member) = self.members.get_mut(name) else { return };
        member.touch(cx.now.monotonic);
        if let Some(reply) = member.joining.take() {
            cx.answer(reply, Ok(answer));
        }
    }

    /// The new name could not be written: the old one is back.
    pub(in crate::broker::coordinator) fn not_taken_over(
        &mut self,
        cx: &mut Cx<'_>,
        before: &str,
        name: &str,
        error: GroupError,
    ) {
        let Some(member) = self.members.get_mut(name) else { return };
        if let Some(reply) = member.joining.take() {
            cx.answer(reply, Err(error));
        }
        self.rename(cx, name, before);
    }

    /// Who waits under the old name is fenced.
    fn rename(&mut self, cx: &mut Cx<'_>, before: &str, name: &str) {
        let mut member = self.members.remove(before).expect("the instance's member is there");
        if let Some(reply) = member.joining.take() {
            cx.answer(reply, Err(GroupError::FencedInstance));
        }
        if let Some(reply) = member.syncing.take() {
            cx.answer(reply, Err(GroupError::FencedInstance));
        }
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), name.to_string());
        }
        if self.leader.as_deref() == Some(before) {
            self.leader = Some(name.to_string());
        }
        self.members.insert(name.to_string(), member);
    }
}
