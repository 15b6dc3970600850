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
use crate::broker::CheckedBatch;
use crate::broker::Placed;
use crate::broker::TransactionError;
use crate::model::ProducerEpoch;
use crate::model::ProducerId;
use crate::model::TopicPartition;
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
use message::TopicData;
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

/// What became of the batches for one topic, by partition.
struct OfTopic<T> {
    name: String,
    topic_id: [u8; 16],
    partitions: Vec<(i32, Result<T, Refusal>)>,
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

    /// In words that people know the partition by: they never see a topic's id.
    fn named(self, context: &Context, partition: TopicPartition) -> Self {
        let metadata = context.broker().metadata();
        let Some(topic) = metadata.topic_by_id(partition.topic) else { return self };
        let name = format!("{}-{}", topic.name, partition.partition.0);
        let message = self.message.map(|message| message.replace(&partition.to_string(), &name));
        Self { message, ..self }
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
    let Request { transactional_id, acks, timeout_ms, topic_data } = request;
    let acks = match acks {
        0 => Ok(Acks::None),
        1 => Ok(Acks::Leader),
        -1 => Ok(Acks::All),
        _ => Err(ErrorCode::INVALID_REQUIRED_ACKS),
    };
    let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    let mut checked = check_all(&context, topic_data, acks).await;
    hold(&context, transactional_id.as_deref(), &mut checked).await;
    let topics: Vec<_> = checked.into_iter().map(|topic| append(&context, topic, acks)).collect();
    if acks == Ok(Acks::None) {
        let refused = topics.iter().flat_map(|topic| &topic.partitions).any(|(_, placed)| placed.is_err());
        // The only way to tell a client that wants no answer.
        let reply = if refused { Reply::Close } else { Reply::Nothing };
        return std::future::ready(reply).boxed();
    }
    async move {
        let mut responses = Vec::with_capacity(topics.len());
        for OfTopic { name, topic_id, partitions } in topics {
            let answers = partitions.into_iter().map(|(index, placed)| settle(&context, index, placed, timeout));
            responses.push(TopicResponse { name, topic_id, partition_responses: join_all(answers).await });
        }
        let response = Response { responses, ..Response::default() };
        Reply::Frame { pieces: framed::<Request>(head, &response), room: None }
    }
    .boxed()
}

/// Checks every batch by itself, before anything that stands in one counts.
async fn check_all(
    context: &Context,
    topics: Vec<TopicData>,
    acks: Result<Acks, ErrorCode>,
) -> Vec<OfTopic<CheckedBatch>> {
    let mut checked = Vec::with_capacity(topics.len());
    for TopicData { name, topic_id, partition_data } in topics {
        let mut partitions = Vec::with_capacity(partition_data.len());
        for data in partition_data {
            let index = data.index;
            let batch = match acks {
                Ok(_) => check(context, &name, topic_id, data).await,
                Err(code) => Err(code.into()),
            };
            partitions.push((index, batch));
        }
        checked.push(OfTopic { name, topic_id, partitions });
    }
    checked
}

async fn check(
    context: &Context,
    topic: &str,
    topic_id: [u8; 16],
    data: PartitionData,
) -> Result<CheckedBatch, Refusal> {
    if context.version < BATCHES_FROM {
        return Err(ErrorCode::UNSUPPORTED_VERSION.into());
    }
    let partition = context.partition(topic, topic_id, IDS_FROM <= context.version, data.index)?;
    let bytes = data.records.unwrap_or_default();
    if bytes.is_empty() {
        // Nothing was lost on the way: to send it again would not help.
        return Err(ErrorCode::INVALID_RECORD.into());
    }
    let named = |error: BrokerError| Refusal::from(error).named(context, partition);
    let header = Batch::peek(&bytes).map_err(|source| named(BrokerError::Batch { partition, source }))?;
    if header.attributes.codec() == Codec::Zstd && context.version < ZSTD_FROM {
        return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE.into());
    }
    context.broker().check_batch(partition, bytes).await.map_err(named)
}

/// Has the transaction hold all that the request writes to, in one step; if it cannot, its transactional batches are refused.
async fn hold(context: &Context, transactional_id: Option<&str>, topics: &mut [OfTopic<CheckedBatch>]) {
    let of_transaction = |batch: &CheckedBatch| Some((batch.transactional_producer()?, batch.partition()));
    let batches = topics.iter().flat_map(|topic| &topic.partitions).filter_map(|(_, batch)| batch.as_ref().ok());
    let (producers, partitions): (BTreeSet<_>, Vec<_>) = batches.filter_map(of_transaction).unzip();
    let Err(refusal) = hold_for(context, transactional_id, producers, &partitions).await else { return };
    for (_, batch) in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if batch.as_ref().is_ok_and(|batch| batch.transactional_producer().is_some()) {
            *batch = Err(refusal.clone());
        }
    }
}

async fn hold_for(
    context: &Context,
    transactional_id: Option<&str>,
    mut producers: BTreeSet<(ProducerId, ProducerEpoch)>,
    partitions: &[TopicPartition],
) -> Result<(), Refusal> {
    let Some(producer) = producers.pop_first() else { return Ok(()) };
    if !producers.is_empty() {
        return Err(Refusal::of_transaction(&TransactionError::InvalidProducerIdMapping));
    }
    let id = transactional_id.ok_or(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)?;
    if context.version < ADDS_FROM {
        return Ok(());
    }
    let held = context.broker().hold_in_transaction(id, producer, partitions).await;
    held.map_err(|error| Refusal::of_transaction(&error))
}

fn append(context: &Context, topic: OfTopic<CheckedBatch>, acks: Result<Acks, ErrorCode>) -> OfTopic<Placed> {
    let place = |(index, batch): (i32, Result<CheckedBatch, Refusal>)| {
        let placed = batch.and_then(|batch| {
            let partition = batch.partition();
            let placed = context.broker().produce(batch, acks?);
            placed.map_err(|error| Refusal::of(error, context.version).named(context, partition))
        });
        (index, placed)
    };
    let OfTopic { name, topic_id, partitions } = topic;
    OfTopic { name, topic_id, partitions: partitions.into_iter().map(place).collect() }
}

/// The answer for one partition, once it can be given.
async fn settle(
    context: &Context,
    index: i32,
    placed: Result<Placed, Refusal>,
    timeout: Duration,
) -> PartitionResponse {
    let settled = match placed {
        Ok(placed) => context.broker().wait(placed, timeout).await.map(|()| placed).map_err(Refusal::from),
        Err(refusal) => Err(refusal),
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
