//! What time does to groups: sessions that end, rebalances that wait no longer, positions that nobody wants.

use std::sync::Arc;

use futures::FutureExt;

use super::shell::now;
use crate::broker::Broker;
use crate::broker::coordinator::GroupEvent;

impl Broker {
    /// Has members dropped and rebalances ended in time, and old positions forgotten, until the broker is gone.
    pub(in crate::broker) fn keep_groups(self: &Arc<Self>) {
        let (broker, clock) = (Arc::downgrade(self), Arc::clone(&self.env.clock));
        let mut deadline = self.groups_deadline.subscribe();
        tokio::spawn(async move {
            loop {
                let next = *deadline.borrow_and_update();
                let Some(at) = next else {
                    if deadline.changed().await.is_err() {
                        return;
                    }
                    continue;
                };
                tokio::select! {
                    changed = deadline.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                    () = clock.sleep(at.saturating_sub(clock.monotonic())) => {}
                }
                let Some(broker) = broker.upgrade() else { return };
                broker.step(GroupEvent::Tick);
            }
        });
        self.every(self.config.groups.offsets_check_interval, |broker| {
            async move {
                broker.forget_old_offsets();
                Ok(())
            }
            .boxed()
        });
    }

    /// Forgets positions that nobody may want any more, and groups without any.
    pub(in crate::broker) fn forget_old_offsets(self: &Arc<Self>) {
        let metadata = self.metadata.snapshot();
        self.follow(|broker, coordinator| {
            coordinator.groups.expire(now(&*broker.env.clock), |topic| metadata.topic_by_id(topic).is_some())
        });
    }
}
