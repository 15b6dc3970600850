//! Fetch: batches as they lie in the log, without a copy.
//!
//! A request says all that it wants, or what changed since the one before (`fetch_session`).

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::OwnedSemaphorePermit;

use super::context::Context;
use super::context::Door;
use super::context::leader_epoch;
use super::error_code::code_of;
use super::fetch_session;
use super::fetch_session::FetchSession;
use super::frame::keep;
use super::table::ApiEntry;
use super::table::Reply;
use super::table::framed;
use super::table::read;
use crate::broker::BrokerError;
use crate::broker::FetchLimits;
use crate::broker::FetchPartition;
use crate::broker::FetchedPartition;
use crate::broker::Isolation;
use crate::model::Offset;
use crate::protocol::ErrorCode;
use crate::protocol::Pieces;
use crate::protocol::fetch as message;
use message::AbortedTransaction;
use message::EpochEndOffset;
use message::FetchTopic;
use message::PartitionResponse;
use message::Request;
use message::Response;
use message::TopicResponse;

/// From here on topics have ids in place of names.
const IDS_FROM: i16 = 13;

pub(super) const ENTRY: ApiEntry = ApiEntry::of::<Request>(false, |context, head, decoder| {
    async move {
        let (response, room) = answer(&context, read(decoder)?).await;
        let pieces = framed::<Request>(head, &response);
        Ok(std::future::ready(Reply::Frame { pieces, room }).boxed())
    }
    .boxed()
});

async fn answer(context: &Context, mut request: Request) -> (Response, Option<OwnedSemaphorePermit>) {
    let by_id = IDS_FROM <= context.version;
    // Fetches of a connection are done one after the other.
    let mut held = context.peer.fetch_session.lock().take();
    let begun = fetch_session::begin(&mut held, &mut request, by_id);
    let (mut response, room) = match begun {
        Ok(_) => fetch(context, &request).await,
        Err(error_code) => (Response { error_code, ..Response::default() }, None),
    };
    if let Ok(kind) = begun {
        let door = context.door();
        let make = || FetchSession::new(new_id(door), by_id, &door.fetch_sessions);
        fetch_session::end(&mut held, kind, request.topics, &mut response, make);
    }
    *context.peer.fetch_session.lock() = held;
    (response, room)
}

/// The id of a new session, which is not 0.
fn new_id(door: &Door) -> i32 {
    (door.env.random.next_u64() % i32::MAX as u64) as i32 + 1
}

async fn fetch(context: &Context, request: &Request) -> (Response, Option<OwnedSemaphorePermit>) {
    let isolation = isolation(request.isolation_level);
    let (asked, wanted) = resolve(context, &request.topics);
    let refused = asked.iter().any(|(_, _, position)| position.is_err());
    let limits = FetchLimits {
        bytes_min: at_least_zero(request.min_bytes),
        bytes_max: at_least_zero(request.max_bytes).min(context.door().config.fetch_bytes_max),
        // What is wrong is told at once, and so is what there is to who wants no more.
        wait_max: if refused || request.min_bytes <= 0 {
            Duration::ZERO
        } else {
            Duration::from_millis(at_least_zero(request.max_wait_ms) as u64)
        },
        isolation,
    };
    let mut fetching = context.broker().begin_fetch(wanted, limits).await;
    let (found, room) = loop {
        fetching.ready().await;
        // While it waits it holds no records, and takes no room for them.
        let room = context.door().answers.take(fetching.bytes_max()).await;
        let found = fetching.read();
        if fetching.is_enough(&found) {
            break (found, room);
        }
    };
    let size = found.iter().flatten().flat_map(|found| &found.batches).map(Bytes::len).sum();
    let mut found = found.into_iter();
    let empty = |topic: &FetchTopic| TopicResponse {
        topic: topic.topic.clone(),
        topic_id: topic.topic_id,
        partitions: Vec::new(),
    };
    let mut responses: Vec<TopicResponse> = request.topics.iter().map(empty).collect();
    for (topic, partition_index, position) in asked {
        let answer = match position {
            Ok(()) => answer_of(partition_index, isolation, found.next().expect("one for each that was wanted")),
            Err(error_code) => PartitionResponse { partition_index, error_code, ..PartitionResponse::default() },
        };
        responses[topic].partitions.push(answer);
    }
    (Response { responses, ..Response::default() }, keep(room, size))
}

/// What a reader may see, by Kafka's number.
pub(super) fn isolation(level: i8) -> Isolation {
    match level {
        1 => Isolation::ReadCommitted,
        _ => Isolation::ReadUncommitted,
    }
}

fn at_least_zero(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// A partition that was asked for: the place of its topic in the request, its number, and what is wrong with it.
type Asked = (usize, i32, Result<(), ErrorCode>);

/// What was asked for, in order, and where to read those that are there.
fn resolve(context: &Context, topics: &[FetchTopic]) -> (Vec<Asked>, Vec<FetchPartition>) {
    let by_id = IDS_FROM <= context.version;
    let (mut asked, mut wanted) = (Vec::new(), Vec::new());
    for (place, topic) in topics.iter().enumerate() {
        for partition in &topic.partitions {
            let found = context.partition(&topic.topic, topic.topic_id, by_id, partition.partition);
            asked.push((place, partition.partition, found.map(drop)));
            if let Ok(id) = found {
                wanted.push(FetchPartition {
                    partition: id,
                    offset: Offset(partition.fetch_offset),
                    current_leader_epoch: leader_epoch(partition.current_leader_epoch),
                    last_fetched_epoch: leader_epoch(partition.last_fetched_epoch),
                    bytes_max: at_least_zero(partition.partition_max_bytes),
                });
            }
        }
    }
    (asked, wanted)
}

fn answer_of(
    partition_index: i32,
    isolation: Isolation,
    found: Result<FetchedPartition, BrokerError>,
) -> PartitionResponse {
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let error_code = code_of(&error);
            tracing::debug!(%error, code = error_code.name(), "a partition could not be fetched");
            return PartitionResponse { partition_index, error_code, ..PartitionResponse::default() };
        }
    };
    let aborted = |aborted: crate::broker::AbortedTransaction| AbortedTransaction {
        producer_id: aborted.producer_id.0,
        first_offset: aborted.first_offset.0,
    };
    let aborted_transactions = match isolation {
        Isolation::ReadCommitted => Some(found.aborted.into_iter().map(aborted).collect()),
        Isolation::ReadUncommitted => None,
    };
    PartitionResponse {
        partition_index,
        high_watermark: found.ends.high_watermark.0,
        last_stable_offset: found.ends.readable_end().0,
        log_start_offset: found.ends.log_start_offset.0,
        diverging_epoch: found
            .diverging
            .map_or_else(EpochEndOffset::default, |(epoch, end)| EpochEndOffset { epoch: epoch.0, end_offset: end.0 }),
        aborted_transactions,
        records: Pieces(found.batches),
        ..PartitionResponse::default()
    }
}
