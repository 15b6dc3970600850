//! Groups over a log that keeps what was flushed, and as much of the rest as chance wants.

use std::collections::VecDeque;
use std::time::Duration;

use super::Groups;
use crate::broker::GroupConfig;
use crate::broker::GroupError;
use crate::broker::coordinator::CoordinatorRecord;
use crate::broker::coordinator::GroupEffect;
use crate::broker::coordinator::GroupEvent;
use crate::broker::coordinator::GroupRecord;
use crate::broker::coordinator::Now;
use crate::broker::coordinator::Reply;
use crate::broker::coordinator::WriteId;
use crate::model::Offset;
use crate::model::TopicId;

pub(in crate::broker::coordinator) const TOPIC: TopicId = TopicId([7; 16]);
pub(in crate::broker::coordinator) const TOPIC_NAME: &str = "topic";

/// The machine, its time, and its log.
pub(in crate::broker::coordinator) struct Machine {
    pub groups: Groups,
    pub now: Now,
    config: GroupConfig,
    log: Vec<CoordinatorRecord>,
    durable: usize,
    under_way: VecDeque<(WriteId, usize, usize)>,
    /// The next append fails with this.
    pub refuse_next: Option<GroupError>,
}

impl Machine {
    pub(in crate::broker::coordinator) fn new(config: GroupConfig) -> Self {
        Self {
            groups: Groups::new(config),
            now: Now { monotonic: Duration::from_secs(100), wall_ms: 1_000_000 },
            config,
            log: Vec::new(),
            durable: 0,
            under_way: VecDeque::new(),
            refuse_next: None,
        }
    }

    pub(in crate::broker::coordinator) fn step(&mut self, event: GroupEvent) {
        let effects = self.groups.step(self.now, event);
        self.follow(effects);
    }

    pub(in crate::broker::coordinator) fn follow(&mut self, effects: Vec<GroupEffect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                GroupEffect::Answer(answer) => answer.tell(),
                GroupEffect::Write { write, records, .. } => match self.refuse_next.take() {
                    Some(error) => {
                        effects.extend(self.groups.step(self.now, GroupEvent::Refused { write, error }));
                    }
                    None => {
                        let at = self.log.len();
                        self.log.extend(records.iter().map(GroupRecord::encode));
                        self.under_way.push_back((write, at, self.log.len()));
                    }
                },
            }
        }
    }

    /// Asks something; the answer comes when it comes.
    pub(in crate::broker::coordinator) fn ask<T: Send + 'static>(
        &mut self,
        event: impl FnOnce(Reply<T>) -> GroupEvent,
    ) -> tokio::sync::oneshot::Receiver<T> {
        let (reply, answer) = Reply::new();
        self.step(event(reply));
        answer
    }

    /// Asks something that is answered once all is flushed.
    pub(in crate::broker::coordinator) fn answer<T: Send + 'static>(
        &mut self,
        event: impl FnOnce(Reply<T>) -> GroupEvent,
    ) -> T {
        let mut answer = self.ask(event);
        self.flush();
        answer.try_recv().expect("it is answered")
    }

    /// Makes the oldest write durable; whether there was one.
    pub(in crate::broker::coordinator) fn flush_one(&mut self) -> bool {
        let Some((write, at, end)) = self.under_way.pop_front() else { return false };
        self.durable = end;
        self.step(GroupEvent::Written { write, at: Offset(at as i64) });
        true
    }

    pub(in crate::broker::coordinator) fn flush(&mut self) {
        while self.flush_one() {}
    }

    /// Lets time pass, at most as far as the machine wants to be woken at a time.
    pub(in crate::broker::coordinator) fn advance(&mut self, by: Duration) {
        let end = self.now.monotonic + by;
        while self.now.monotonic < end {
            let next = self.groups.deadline().map_or(end, |at| at.clamp(self.now.monotonic, end));
            let passed = next - self.now.monotonic;
            self.now.monotonic = next;
            self.now.wall_ms += i64::try_from(passed.as_millis()).expect("a short time");
            self.step(GroupEvent::Tick);
            let stuck = self.groups.deadline().is_some_and(|at| at <= self.now.monotonic);
            assert!(!stuck, "what is due is done");
        }
    }

    /// Kills the coordinator. Of what was not flushed, the writes that lie within `kept` records stay.
    pub(in crate::broker::coordinator) fn restart(&mut self, kept: usize) {
        let ends = self.under_way.iter().map(|(_, _, end)| *end);
        let end = ends.take_while(|end| *end <= self.durable + kept).last().unwrap_or(self.durable);
        self.log.truncate(end);
        // A start makes durable what it finds.
        self.durable = self.log.len();
        self.under_way.clear();
        self.groups = Groups::new(self.config);
        let id_of = |name: &str| (name == TOPIC_NAME).then_some(TOPIC);
        for (at, bytes) in self.log.iter().enumerate() {
            let record = GroupRecord::decode(&bytes.key, bytes.value.as_deref());
            let record = record.expect("well formed").expect("a known kind");
            self.groups.apply(record, Offset(at as i64), self.now, id_of);
        }
        self.groups.replayed();
    }

    /// Records that a crash now may keep or lose.
    pub(in crate::broker::coordinator) fn unflushed(&self) -> usize {
        self.log.len() - self.durable
    }

    /// What compaction would leave of the log.
    pub(in crate::broker::coordinator) fn compact(&mut self) {
        let newest = |at: usize, key: &[u8]| !self.log[at + 1..].iter().any(|later| later.key == key);
        let kept =
            self.log.iter().enumerate().filter(|(at, record)| newest(*at, &record.key) && record.value.is_some());
        self.log = kept.map(|(_, record)| record.clone()).collect();
        self.durable = self.log.len();
    }
}
