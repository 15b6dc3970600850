//! From one generation to the next, and what time does to it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::group::ClassicGroup;
use super::group::FirstWait;
use super::group::Phase;
use super::member::Member;
use crate::broker::GroupError;
use crate::broker::coordinator::event::Cx;
use crate::broker::coordinator::event::Pending;

/// How long absent static members are waited for, at least: whatever they said, time must pass in between.
const ABSENT_WAIT_MIN: Duration = Duration::from_secs(1);

impl ClassicGroup {
    /// Begins the next generation, or goes on with it.
    pub(super) fn rebalance(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic;
        match self.phase {
            Phase::Preparing { .. } => {}
            Phase::Empty => {
                let until = now + cx.config.initial_rebalance_delay;
                let first = FirstWait { until_max: until.max(now + self.rebalance_timeout()), somebody_joined: false };
                self.since_ms = cx.now.wall_ms;
                self.phase = Phase::Preparing { until, first: Some(first) };
            }
            Phase::Completing { .. } | Phase::Stable { .. } => {
                self.refuse_syncs(cx, &GroupError::RebalanceInProgress);
                self.phase = Phase::Preparing { until: now + self.rebalance_timeout(), first: None };
            }
            Phase::Dead => return,
        }
        self.complete_if_all_joined(cx);
    }

    /// After a member went: those that are left share out anew.
    pub(super) fn rebalance_without(&mut self, cx: &mut Cx<'_>) {
        if !matches!(self.phase, Phase::Empty | Phase::Dead) {
            self.rebalance(cx);
        }
    }

    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    fn complete_if_all_joined(&mut self, cx: &mut Cx<'_>) {
        let all_joined = self.named.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if matches!(self.phase, Phase::Preparing { first: None, .. }) && all_joined {
            self.complete(cx);
        }
    }

    /// The generation begins with who joined. Static members stay, even if they did not.
    fn complete(&mut self, cx: &mut Cx<'_>) {
        let missing = |member: &Member| member.joining.is_none() && member.instance.is_none();
        self.members.retain(|_, member| !missing(member));
        let joined = |name: &String| self.members.get(name).is_some_and(|member| member.joining.is_some());
        if !self.leader.as_ref().is_some_and(joined) {
            let mut candidates = self.members.iter().filter(|(_, member)| member.joining.is_some());
            self.leader = candidates.next().map(|(name, _)| name.clone());
        }
        if self.leader.is_none() && !self.members.is_empty() {
            // All that are left are static, and none of them is here: one of them must be, to share out.
            let until = cx.now.monotonic + self.rebalance_timeout().max(ABSENT_WAIT_MIN);
            self.phase = Phase::Preparing { until, first: None };
            return;
        }
        self.generation = self.generation.wrapping_add(1).max(1);
        if self.members.is_empty() {
            self.protocol = None;
            self.since_ms = cx.now.wall_ms;
            self.phase = Phase::Empty;
            let record = self.record(cx.group, |_, _| Bytes::new());
            return cx.write(vec![record], Pending::Nothing);
        }
        self.protocol = self.vote();
        self.phase = Phase::Completing { sync_until: cx.now.monotonic + self.rebalance_timeout(), is_written: false };
        let names: Vec<_> = self.members.keys().cloned().collect();
        for name in names {
            let answer = self.joined(&name);
            let member = self.members.get_mut(&name).expect("a name of the members is there");
            member.has_synced = false;
            member.is_new = false;
            member.assignment = Bytes::new();
            if let Some(reply) = member.joining.take() {
                member.touch(cx.now.monotonic);
                cx.answer(reply, Ok(answer));
            }
        }
    }

    /// The protocol that most members prefer among those that all know.
    fn vote(&self) -> Option<String> {
        let known_to_all = |name: &str| self.members.values().all(|member| member.knows(name));
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let choice = member.protocols.iter().find(|protocol| known_to_all(&protocol.name));
            *votes.entry(&choice?.name).or_default() += 1;
        }
        let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
        most.map(|(name, _)| name.to_string())
    }

    /// Whether the next vote would choose the protocol in use.
    pub(super) fn keeps_protocol(&self) -> bool {
        self.protocol.is_some() && self.vote() == self.protocol
    }

    /// Takes a member out; what it waits for is refused. The rebalance is the caller's.
    pub(super) fn remove(&mut self, cx: &mut Cx<'_>, name: &str) {
        let Some(member) = self.members.remove(name) else { return };
        if let Some(instance) = &member.instance
            && self.instances.get(instance).is_some_and(|current| current == name)
        {
            self.instances.remove(instance);
        }
        if let Some(reply) = member.joining {
            cx.answer(reply, Err(GroupError::UnknownMember));
        }
        if let Some(reply) = member.syncing {
            cx.answer(reply, Err(GroupError::UnknownMember));
        }
        if self.leader.as_deref() == Some(name) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// When time does something next.
    pub(in crate::broker::coordinator) fn deadline(&self) -> Option<Duration> {
        let phase = match self.phase {
            Phase::Preparing { until, .. } => Some(until),
            Phase::Completing { sync_until, .. } => Some(sync_until),
            Phase::Stable { sync_until } => sync_until,
            Phase::Empty | Phase::Dead => None,
        };
        let members = self.members.values().filter_map(Member::expires);
        members.chain(self.named.values().copied()).chain(phase).min()
    }

    /// Does what is due.
    pub(in crate::broker::coordinator) fn tick(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic;
        let named = self.named.len();
        self.named.retain(|_, until| now < *until);
        if self.named.len() < named {
            self.complete_if_all_joined(cx);
        }
        self.drop_members(cx, |member| member.expires().is_some_and(|at| at <= now));
        match self.phase {
            Phase::Preparing { until, first: Some(first) } if until <= now => self.wait_or_complete(cx, until, first),
            Phase::Preparing { until, first: None } if until <= now => self.complete(cx),
            Phase::Completing { sync_until, .. } if sync_until <= now => {
                self.phase = Phase::Completing { sync_until: Duration::MAX, is_written: self.is_written() };
                self.drop_members(cx, |member| !member.has_synced);
            }
            Phase::Stable { sync_until: Some(sync_until) } if sync_until <= now => {
                self.phase = Phase::Stable { sync_until: None };
                self.drop_members(cx, |member| !member.has_synced);
            }
            Phase::Preparing { .. } | Phase::Completing { .. } | Phase::Stable { .. } | Phase::Empty | Phase::Dead => {}
        }
    }

    fn wait_or_complete(&mut self, cx: &mut Cx<'_>, until: Duration, first: FirstWait) {
        if !first.somebody_joined || first.until_max <= until {
            return self.complete(cx);
        }
        let until = first.until_max.min(cx.now.monotonic + cx.config.initial_rebalance_delay);
        self.phase = Phase::Preparing { until, first: Some(FirstWait { somebody_joined: false, ..first }) };
    }

    fn is_written(&self) -> bool {
        matches!(self.phase, Phase::Completing { is_written: true, .. })
    }

    fn drop_members(&mut self, cx: &mut Cx<'_>, is_due: impl Fn(&Member) -> bool) {
        let due = self.members.iter().filter(|(_, member)| is_due(member));
        let due: Vec<_> = due.map(|(name, _)| name.clone()).collect();
        if due.is_empty() {
            return;
        }
        for name in due {
            tracing::info!(group = cx.group, member = name, "a member went silent and is dropped from its group");
            self.remove(cx, &name);
        }
        self.rebalance_without(cx);
    }
}
