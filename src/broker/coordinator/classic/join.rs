//! A member joins.

use super::group::ClassicGroup;
use super::group::Phase;
use super::member::Member;
use crate::broker::GroupError;
use crate::broker::JoinGroup;
use crate::broker::JoinedGroup;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::JoinReply;
use crate::broker::coordinator::uuid;

impl ClassicGroup {
    pub(in crate::broker::coordinator) fn join(
        &mut self,
        cx: &mut Cx<'_>,
        request: JoinGroup,
        entropy: [u8; 16],
        reply: JoinReply,
    ) {
        if let Err(error) = self.check_join(cx, &request) {
            return cx.answer(reply, Err(error));
        }
        if !request.member.is_empty() {
            return self.join_again(cx, request, reply);
        }
        let member = format!("{}-{}", request.instance.as_deref().unwrap_or(&request.client_id), uuid(entropy));
        match request.instance.as_deref().and_then(|instance| self.instances.get(instance)).cloned() {
            Some(before) => self.take_over(cx, &request, &before, member, reply),
            None if request.instance.is_none() && request.joins_in_two_steps => {
                // Only who comes again under this name becomes a member: a client whose answer was lost leaves none behind.
                self.named.insert(member.clone(), cx.now.monotonic + request.session_timeout);
                cx.answer(reply, Err(GroupError::MemberIdRequired { member }));
            }
            None => self.add(cx, &request, member, reply),
        }
    }

    fn check_join(&self, cx: &Cx<'_>, request: &JoinGroup) -> Result<(), GroupError> {
        let timeouts = cx.config.session_timeout_min..=cx.config.session_timeout_max;
        if !timeouts.contains(&request.session_timeout) {
            return Err(GroupError::InvalidSessionTimeout);
        }
        if self.is_dead() {
            return Err(GroupError::CoordinatorUnavailable);
        }
        let is_known = self.members.contains_key(&request.member)
            || self.named.contains_key(&request.member)
            || request.instance.as_ref().is_some_and(|instance| self.instances.contains_key(instance));
        if !is_known && cx.config.members_max <= self.members.len() + self.named.len() {
            return Err(GroupError::GroupFull);
        }
        if request.protocol_type.is_empty() || request.protocols.is_empty() {
            return Err(GroupError::InconsistentProtocol);
        }
        // What it said before is replaced, under whatever name it was.
        let before = request.instance.as_ref().and_then(|instance| self.instances.get(instance));
        let is_itself = |name: &String| *name == request.member || Some(name) == before;
        let others = || self.members.iter().filter(|(name, _)| !is_itself(name)).map(|(_, member)| member);
        let is_shared = |name: &str| others().all(|member| member.knows(name));
        let fits_type = self.members.is_empty() || self.protocol_type.as_ref() == Some(&request.protocol_type);
        match fits_type && request.protocols.iter().any(|protocol| is_shared(&protocol.name)) {
            true => Ok(()),
            false => Err(GroupError::InconsistentProtocol),
        }
    }

    /// Who has a name.
    fn join_again(&mut self, cx: &mut Cx<'_>, request: JoinGroup, reply: JoinReply) {
        if self.named.remove(&request.member).is_some() {
            let name = request.member.clone();
            return self.add(cx, &request, name, reply);
        }
        if let Err(error) = self.check_member(&request.member, request.instance.as_deref()) {
            return cx.answer(reply, Err(error));
        }
        let member = self.members.get_mut(&request.member).expect("a checked member is there");
        let is_unchanged = member.protocols == request.protocols;
        let is_leader = self.leader.as_ref() == Some(&request.member);
        match self.phase {
            // Its answer was lost; what it says is what the group knows.
            Phase::Completing { .. } if is_unchanged => {
                member.update(&request);
                member.touch(cx.now.monotonic);
                let answer = self.joined(&request.member);
                cx.answer(reply, Ok(answer));
            }
            // A follower's share stays as it is. A leader that comes again wants to share out anew.
            Phase::Stable { .. } if is_unchanged && !is_leader => {
                member.update(&request);
                member.touch(cx.now.monotonic);
                let answer = self.joined(&request.member);
                cx.answer(reply, Ok(answer));
            }
            Phase::Preparing { .. } | Phase::Completing { .. } | Phase::Stable { .. } => {
                member.update(&request);
                if let Some(before) = member.joining.replace(reply) {
                    cx.answer(before, Err(GroupError::RebalanceInProgress));
                }
                self.rebalance(cx);
            }
            Phase::Empty | Phase::Dead => cx.answer(reply, Err(GroupError::UnknownMember)),
        }
    }

    fn add(&mut self, cx: &mut Cx<'_>, request: &JoinGroup, name: String, reply: JoinReply) {
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        self.leader.get_or_insert_with(|| name.clone());
        if let Some(instance) = &request.instance {
            self.instances.insert(instance.clone(), name.clone());
        }
        self.members.insert(name, Member::new(request, cx.now.monotonic, reply));
        if let Phase::Preparing { first: Some(first), .. } = &mut self.phase {
            first.somebody_joined = true;
        }
        self.rebalance(cx);
    }

    /// What a member is told of the generation it is in.
    pub(super) fn joined(&self, member: &str) -> JoinedGroup {
        let leader = self.leader.clone().unwrap_or_default();
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = self.members.iter().filter(|_| leader == member);
        JoinedGroup {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            members: members.map(|(name, member)| member.told_to_leader(name, protocol)).collect(),
            leader,
            member: member.to_string(),
            skip_assignment: false,
        }
    }
}
