//! One member of a group.

use std::time::Duration;

use crate::broker::ConsumerHeartbeat;
use crate::broker::GroupConfig;
use crate::broker::coordinator::consumer_record::ClassicProtocols;
use crate::broker::coordinator::consumer_record::Current;
use crate::broker::coordinator::consumer_record::Progress;
use crate::broker::coordinator::consumer_record::Subscription;
use crate::broker::coordinator::event::Now;

#[derive(Debug)]
pub(super) struct Member {
    pub subscription: Subscription,
    /// `None` until it is first shown its share.
    pub current: Option<Current>,
    /// When its silence is its end.
    pub deadline: Duration,
    /// Since when it has partitions to give back.
    pub revoking_since: Duration,
    /// Since when it, a member of the classic protocol, is told to join again.
    pub asked_to_join: Option<Duration>,
}

impl Member {
    pub(super) fn new(now: Duration, session_timeout: Duration) -> Self {
        Self {
            subscription: Subscription::default(),
            current: None,
            deadline: now + session_timeout,
            revoking_since: now,
            asked_to_join: None,
        }
    }

    /// The epoch that it was told last; 0 before.
    pub(super) fn member_epoch(&self) -> i32 {
        self.current.as_ref().map_or(0, |current| current.member_epoch)
    }

    /// The member lives.
    pub(super) fn live(&mut self, now: Now, config: &GroupConfig) {
        self.deadline = now.monotonic + self.subscription.session_timeout(config.consumer_session_timeout);
    }

    /// When it is to be dropped: for its silence, for partitions that it does not give back, or if it does not join again.
    pub(super) fn expires(&self) -> Duration {
        let is_revoking = self.current.as_ref().is_some_and(|current| current.progress == Progress::Revoking);
        let millis = u64::try_from(self.subscription.rebalance_timeout_ms).unwrap_or(0);
        let since = self.asked_to_join.into_iter().chain(is_revoking.then_some(self.revoking_since)).min();
        since.map_or(self.deadline, |since| self.deadline.min(since + Duration::from_millis(millis)))
    }
}

impl Subscription {
    /// How long it may be silent: a member of the classic protocol says so, for others it is the server's.
    pub(super) fn session_timeout(&self, of_server: Duration) -> Duration {
        let millis = |classic: &ClassicProtocols| u64::try_from(classic.session_timeout_ms).unwrap_or(0);
        self.classic.as_ref().map_or(of_server, |classic| Duration::from_millis(millis(classic)))
    }

    /// What the member says now, over what it said before.
    pub(super) fn update(&mut self, request: &ConsumerHeartbeat) {
        self.client_id.clone_from(&request.client_id);
        self.client_host.clone_from(&request.client_host);
        if request.instance.is_some() {
            self.instance.clone_from(&request.instance);
        }
        if request.rack.is_some() {
            self.rack.clone_from(&request.rack);
        }
        if request.assignor.is_some() {
            self.assignor.clone_from(&request.assignor);
        }
        if let Some(topics) = &request.topics {
            self.topics = topics.iter().cloned().collect();
        }
        if let Some(pattern) = &request.pattern {
            self.pattern = Some(pattern.clone()).filter(|pattern| !pattern.is_empty());
        }
        if let Some(timeout) = request.rebalance_timeout {
            self.rebalance_timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        }
    }

    /// Whether the partitions are to be shared out as before, as far as this member goes.
    pub(super) fn wants_the_same(&self, other: &Self) -> bool {
        self.topics == other.topics && self.pattern == other.pattern && self.assignor == other.assignor
    }
}
