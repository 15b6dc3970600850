//! ListOffsets: where partitions begin and end, and where a time stands in them.

use super::context::Context;
use super::context::leader_epoch;
use super::error_code::code_of;
use super::fetch::isolation;
use super::table::Answer;
use crate::broker::FoundOffset;
use crate::broker::Isolation;
use crate::broker::OffsetQuery;
use crate::model::EventTime;
use crate::protocol::ErrorCode;
use crate::protocol::list_offsets as message;
use message::Partition;
use message::PartitionResponse;
use message::Request;
use message::Response;
use message::TopicResponse;

/// Before, it was asked for segments that are older than a time, of which nothing is told, and for the ends: librdkafka 1.6 asks
/// for these so, and not at all where it cannot.
const TIMES_FROM: i16 = 1;
/// From here on it is asked for the newest time (KIP-734).
const NEWEST_FROM: i16 = 7;
/// From here on it is asked for what lies here (KIP-405).
const LOCAL_FROM: i16 = 8;
/// From here on it is asked for what was moved away (KIP-1005).
const MOVED_FROM: i16 = 9;

impl Answer for Request {
    async fn answer(self, context: &Context) -> Response {
        let isolation = isolation(self.isolation_level);
        let mut topics = Vec::new();
        for topic in self.topics {
            let mut partitions = Vec::new();
            for partition in topic.partitions {
                let index = partition.partition_index;
                let is_old = context.version < TIMES_FROM && 0 < partition.max_num_offsets;
                let answer = one(context, &topic.name, partition, isolation).await;
                partitions.push(match answer {
                    Ok(found) => PartitionResponse {
                        partition_index: index,
                        old_style_offsets: found.filter(|_| is_old).map(|found| found.offset.0).into_iter().collect(),
                        timestamp: found.and_then(|found| found.timestamp).map_or(-1, |time| time.0),
                        offset: found.map_or(-1, |found| found.offset.0),
                        leader_epoch: found.and_then(|found| found.leader_epoch).map_or(-1, |epoch| epoch.0),
                        ..PartitionResponse::default()
                    },
                    Err(error_code) => {
                        PartitionResponse { partition_index: index, error_code, ..PartitionResponse::default() }
                    }
                });
            }
            topics.push(TopicResponse { name: topic.name, partitions });
        }
        Response { topics, ..Response::default() }
    }
}

async fn one(
    context: &Context,
    topic: &str,
    partition: Partition,
    isolation: Isolation,
) -> Result<Option<FoundOffset>, ErrorCode> {
    let query = match partition.timestamp {
        -1 => OffsetQuery::Latest,
        -2 => OffsetQuery::Earliest,
        -3 if NEWEST_FROM <= context.version => OffsetQuery::MaxTimestamp,
        // Nothing lies elsewhere than here, so the first local record is the first.
        -4 if LOCAL_FROM <= context.version => OffsetQuery::Earliest,
        // Nothing was ever moved away.
        -5 if MOVED_FROM <= context.version => return Ok(None),
        time @ 0.. if TIMES_FROM <= context.version => OffsetQuery::AtOrAfter(EventTime(time)),
        // A client that knows more than this server asks in another way.
        _ => return Err(ErrorCode::UNSUPPORTED_VERSION),
    };
    let id = context.partition(topic, [0; 16], false, partition.partition_index)?;
    let current = leader_epoch(partition.current_leader_epoch);
    context.broker().find_offset(id, query, isolation, current).await.map_err(|error| code_of(&error))
}
