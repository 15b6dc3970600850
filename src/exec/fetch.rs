//! Fetches for one input of a task, ahead of it, into a bounded queue.

use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::ExecError;
use super::task::Input;
use super::task::InputQueue;
use crate::broker::BrokerError;
use crate::broker::Client;
use crate::broker::Fetched;
use crate::broker::Isolation;
use crate::broker::Position;
use crate::env::Env;
use crate::model::Offset;
use crate::model::TopicPartition;

/// Bytes of one fetch, about.
const FETCH_BYTES: usize = 512 * 1024;
/// How long a fetch waits for something to read.
const FETCH_WAIT: Duration = Duration::from_secs(10);
/// Before a fetch that failed is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// Tries of one fetch.
const TRIES_MAX: u32 = 50;

/// Where a fetcher begins.
#[derive(Debug, Clone)]
pub struct Source {
    partition: TopicPartition,
    offset: Offset,
    roots: Vec<TopicPartition>,
}

impl Source {
    /// Where an input stands.
    pub fn of(input: &Input) -> Self {
        Self { partition: input.partition, offset: input.fetch_from(), roots: input.roots.clone() }
    }
}

/// Fetches until it is aborted or fails for good; `wake` is called when the queue has something new.
pub async fn run(
    client: Arc<dyn Client>,
    env: Env,
    source: Source,
    queue: Arc<InputQueue>,
    wake: impl Fn() + Send + 'static,
) {
    let mut offset = source.offset;
    let mut tries = 0;
    // The first answer comes at once, so that the task learns whether it is at the end.
    let mut wait = Duration::ZERO;
    loop {
        while !queue.has_room() {
            queue.room.notified().await;
        }
        let asked = queue.asked();
        let roots = if queue.wants_answer() { source.roots.as_slice() } else { &[] };
        let look = async {
            let ends = root_ends(client.as_ref(), roots).await?;
            Ok((fetch(client.as_ref(), source.partition, offset, wait).await?, ends))
        };
        let looked: Result<_, BrokerError> = tokio::select! {
            looked = look => looked,
            () = queue.look.notified() => {
                wait = Duration::ZERO;
                continue;
            }
        };
        match looked {
            Ok((fetched, ends)) => {
                tries = 0;
                wait = FETCH_WAIT;
                offset = fetched.next;
                if queue.put(fetched, asked, ends) {
                    wake();
                }
            }
            Err(failure) if is_final(&failure) || TRIES_MAX <= tries => {
                queue.fail(gap(source.partition, failure));
                wake();
                return;
            }
            Err(failure) => {
                tries += 1;
                debug!(partition = %source.partition, error = %failure, tries, "a fetch failed");
                env.clock.sleep(RETRY).await;
            }
        }
    }
}

/// The readable ends of root partitions, `None` if none were asked for. One that is gone has nothing to wait for.
pub async fn root_ends(
    client: &dyn Client,
    roots: &[TopicPartition],
) -> Result<Option<Vec<(TopicPartition, Offset)>>, BrokerError> {
    let mut found = Vec::with_capacity(roots.len());
    for root in roots {
        match client.ends(*root).await {
            Ok(ends) => found.push((*root, ends.readable_end())),
            Err(BrokerError::UnknownPartition { .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok((!roots.is_empty()).then_some(found))
}

/// One fetch of committed records.
pub async fn fetch(
    client: &dyn Client,
    partition: TopicPartition,
    offset: Offset,
    wait: Duration,
) -> Result<Fetched, BrokerError> {
    let position = Position { partition, offset, leader_epoch: None };
    client.fetch(position, Isolation::ReadCommitted, FETCH_BYTES, wait).await
}

fn is_final(failure: &BrokerError) -> bool {
    failure.is_fatal()
        || matches!(
            failure,
            BrokerError::UnknownPartition { .. }
                | BrokerError::OffsetOutOfRange { .. }
                | BrokerError::DivergedEpoch { .. }
                | BrokerError::Closed
        )
}

/// The error with which an input ends.
pub fn gap(partition: TopicPartition, failure: BrokerError) -> ExecError {
    match failure {
        BrokerError::OffsetOutOfRange { offset, start, end, .. } => {
            ExecError::InputGap { input: partition.to_string(), position: offset.0, log_start: start.0, log_end: end.0 }
        }
        BrokerError::UnknownPartition { .. } => ExecError::InputGone(partition),
        other => ExecError::from(other),
    }
}
