//! Produce: batches are appended in the order in which they come, and answered when they are as safe as was asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;

use super::context::Context;
use super::error_code::code_of;
use super::error_code::code_of_transaction;
use super::table::ApiEntry;
use super::table::Pending;
use super::table::Reply;
use super::table::framed;
use super::table::read;
use crate::broker::Acks;
use crate::broker::BrokerError;
use crate::broker::Placed;
use crate::broker::ProduceBatch;
use crate::broker::TransactionError;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
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
/// From here on a client understands TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 11;
/// From here on a transactional batch adds its partition to the transaction (KIP-890).
const ADDS_FROM: i16 = 12;
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

#[derive(Clone)]
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

impl Refusal {
    /// What a client of this version of the request is told.
    fn of(error: BrokerError, version: i16) -> Self {
        let is_abortable = ABORTABLE_FROM <= version && matches!(error, BrokerError::NotInTransaction { .. });
        let refusal = Self::from(error);
        if is_abortable { Self { code: ErrorCode::TRANSACTION_ABORTABLE, ..refusal } } else { refusal }
    }

    /// Of what a batch would have been added to.
    fn of_transaction(error: &TransactionError) -> Self {
        let code = match error {
            // What a producer tries again.
            TransactionError::CoordinatorUnavailable => ErrorCode::NOT_ENOUGH_REPLICAS,
            TransactionError::Unknown => ErrorCode::REQUEST_TIMED_OUT,
            error => code_of_transaction(error, false),
        };
        Self { code, message: Some(error.to_string()), record: None }
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
    let held = hold(&context, &request).await;
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for data in topic.partition_data {
            let index = data.index;
            let placed = match acks {
                None => Err(ErrorCode::INVALID_REQUIRED_ACKS.into()),
                Some(acks) => append(&context, &topic.name, topic.topic_id, data, acks, &held).await,
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

/// Has the transaction hold all that the request writes to, in one step. Why not, holds for its transactional batches only.
async fn hold(context: &Context, request: &Request) -> Result<(), Refusal> {
    if context.version < ADDS_FROM {
        return Ok(());
    }
    let (mut producers, mut partitions) = (BTreeSet::new(), Vec::new());
    for topic in &request.topic_data {
        for data in &topic.partition_data {
            let Ok(header) = Batch::peek(data.records.as_deref().unwrap_or_default()) else { continue };
            let by_id = IDS_FROM <= context.version;
            let partition = context.partition(&topic.name, topic.topic_id, by_id, data.index);
            if let (true, Ok(partition)) = (header.attributes.is_transactional(), partition) {
                producers.insert((ProducerId(header.producer_id), ProducerEpoch(header.producer_epoch)));
                partitions.push(partition);
            }
        }
    }
    let Some(producer) = producers.pop_first() else { return Ok(()) };
    if !producers.is_empty() {
        return Err(Refusal::of_transaction(&TransactionError::InvalidProducerIdMapping));
    }
    let Some(id) = &request.transactional_id else {
        return Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED.into());
    };
    let held = context.broker().hold_in_transaction(id, producer, &partitions).await;
    held.map_err(|error| Refusal::of_transaction(&error))
}

async fn append(
    context: &Context,
    topic: &str,
    topic_id: [u8; 16],
    data: PartitionData,
    acks: Acks,
    held: &Result<(), Refusal>,
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
    if let (true, Err(refusal)) = (header.attributes.is_transactional(), held) {
        return Err(refusal.clone());
    }
    let placed = context.broker().produce(ProduceBatch { partition, bytes }, acks).await;
    placed.map_err(|error| Refusal::of(error, context.version))
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
