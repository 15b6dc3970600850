//! Produce: batches are appended in the order in which they come, and answered when they are as safe as was asked for.

use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;

use super::context::Context;
use super::error_code::code_of;
use super::table::ApiEntry;
use super::table::Pending;
use super::table::Reply;
use super::table::framed;
use super::table::read;
use crate::broker::Acks;
use crate::broker::BrokerError;
use crate::broker::Placed;
use crate::broker::ProduceBatch;
use crate::protocol::Batch;
use crate::protocol::Codec;
use crate::protocol::ErrorCode;
use crate::protocol::RequestHead;
use crate::protocol::produce as message;
use message::PartitionData;
use message::PartitionResponse;
use message::RecordError;
use message::Request;
use message::Response;
use message::TopicResponse;

/// Versions below it carry record formats that are no longer written. They are advertised since old clients stop compressing
/// where version 0 is missing, and answered with an error.
const BATCHES_FROM: i16 = 3;
/// The first version whose clients know what zstd is.
const ZSTD_FROM: i16 = 7;
/// From here on topics have ids in place of names.
const IDS_FROM: i16 = 13;

pub(super) const ENTRY: ApiEntry = ApiEntry::of::<Request>(true, |context, head, decoder| {
    async move { Ok(begin(context, head, read(decoder)?).await) }.boxed()
});

/// What became of one partition's batch.
enum Outcome {
    Placed(Placed),
    Refused(Refusal),
}

struct Refusal {
    code: ErrorCode,
    message: Option<String>,
    record: Option<i32>,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None, record: None }
    }
}

impl From<BrokerError> for Refusal {
    fn from(error: BrokerError) -> Self {
        let record = match &error {
            BrokerError::InvalidRecord { index, .. } => *index,
            _ => None,
        };
        Self { code: code_of(&error), message: Some(error.to_string()), record }
    }
}

/// Appends all that can be appended; the answer waits for the flushes.
async fn begin(context: Context, head: RequestHead, request: Request) -> Pending {
    let acks = match request.acks {
        0 => Some(Acks::None),
        1 => Some(Acks::Leader),
        -1 => Some(Acks::All),
        _ => None,
    };
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for data in topic.partition_data {
            let index = data.index;
            let placed = match acks {
                None => Err(ErrorCode::INVALID_REQUIRED_ACKS.into()),
                Some(acks) => append(&context, &topic.name, topic.topic_id, data, acks).await,
            };
            partitions.push((index, placed.map_or_else(Outcome::Refused, Outcome::Placed)));
        }
        topics.push((topic.name, topic.topic_id, partitions));
    }
    if acks == Some(Acks::None) {
        let is_refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
        let refused = topics.iter().flat_map(|(_, _, all)| all).any(|(_, outcome)| is_refused(outcome));
        // The only way to tell a client that wants no answer.
        let reply = if refused { Reply::Close } else { Reply::Nothing };
        return std::future::ready(reply).boxed();
    }
    async move {
        let mut responses = Vec::with_capacity(topics.len());
        for (name, topic_id, partitions) in topics {
            let answers = partitions.into_iter().map(|(index, outcome)| settle(&context, index, outcome, timeout));
            responses.push(TopicResponse { name, topic_id, partition_responses: join_all(answers).await });
        }
        let response = Response { responses, ..Response::default() };
        Reply::Frame { pieces: framed::<Request>(head, &response), room: None }
    }
    .boxed()
}

async fn append(
    context: &Context,
    topic: &str,
    topic_id: [u8; 16],
    data: PartitionData,
    acks: Acks,
) -> Result<Placed, Refusal> {
    if context.version < BATCHES_FROM {
        return Err(ErrorCode::UNSUPPORTED_VERSION.into());
    }
    let partition = context.partition(topic, topic_id, IDS_FROM <= context.version, data.index)?;
    let bytes = data.records.unwrap_or_default();
    let header = Batch::peek(&bytes).map_err(|source| BrokerError::Batch { partition, source })?;
    if header.attributes.codec() == Codec::Zstd && context.version < ZSTD_FROM {
        return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE.into());
    }
    Ok(context.broker().produce(ProduceBatch { partition, bytes }, acks).await?)
}

/// The answer for one partition, once it can be given.
async fn settle(context: &Context, index: i32, outcome: Outcome, timeout: Duration) -> PartitionResponse {
    let settled = match outcome {
        Outcome::Placed(placed) => context.broker().wait(placed, timeout).await.map(|()| placed).map_err(Refusal::from),
        Outcome::Refused(refusal) => Err(refusal),
    };
    match settled {
        Ok(placed) => PartitionResponse {
            index,
            base_offset: placed.base_offset.0,
            log_append_time_ms: placed.append_time_ms.unwrap_or(-1),
            log_start_offset: placed.log_start.0,
            ..PartitionResponse::default()
        },
        Err(Refusal { code, message, record }) => {
            tracing::debug!(code = code.name(), message, "a batch was refused");
            let record =
                record.map(|batch_index| RecordError { batch_index, batch_index_error_message: message.clone() });
            PartitionResponse {
                index,
                error_code: code,
                record_errors: record.into_iter().collect(),
                error_message: message,
                ..PartitionResponse::default()
            }
        }
    }
}
