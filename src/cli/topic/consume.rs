//! `tidemill topic consume`: records as they lie in the partitions.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use serde_json::json;

use crate::cli::kafka::Cluster;
use crate::cli::kafka::Format;
use crate::cli::kafka::Listing;
use crate::cli::kafka::Place;
use crate::cli::kafka::TopicPartitions;
use crate::cli::kafka::Where;
use crate::cli::kafka::list_offsets;
use crate::cli::kafka::parse_time;
use crate::cli::kafka::refused;
use crate::cli::kafka::wrong;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::protocol::Batch;
use crate::protocol::BatchError;
use crate::protocol::BatchLimits;
use crate::protocol::ControlMarker;
use crate::protocol::ErrorCode;
use crate::protocol::Record;
use crate::protocol::fetch as message;

const FETCH: i16 = 12;
const READ_COMMITTED: i8 = 1;
const READ_UNCOMMITTED: i8 = 0;
/// How long a broker waits for records while we follow.
const WAIT_MS: i32 = 500;
/// How long we wait for a partition that cannot be read now.
const RETRY: Duration = Duration::from_millis(200);
const RETRIES_MAX: usize = 50;
const PARTITION_BYTES_MAX: i32 = 1 << 20;
const ANSWER_BYTES_MAX: i32 = 16 << 20;
const COLUMNS: &[&str] = &["partition", "offset", "timestamp_ms", "key", "value", "headers"];

/// What is read.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The topic
    topic: String,
    /// Reads this partition only
    #[arg(short = 'p', long, value_name = "N")]
    partition: Option<i32>,
    /// Where it begins: start, end, an offset, or a time
    #[arg(long, value_name = "PLACE", default_value = "start")]
    from: String,
    /// Ends after so many records
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    /// Goes on with records as they come, until Ctrl-C
    #[arg(short = 'f', long)]
    follow: bool,
    /// Shows records of transactions that are open or were aborted, too
    #[arg(long)]
    uncommitted: bool,
}

/// Where the reading of one partition stands.
struct Reader {
    leader: i32,
    next: i64,
    /// It is done there, unless it follows.
    end: i64,
    aborted: BTreeSet<i64>,
}

/// Shows what is there; with `--follow`, what comes.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut cluster = arguments.at.connect(env).await?;
    let mut readers = readers(&mut cluster, &arguments).await?;
    let mut listing = Listing::new(arguments.format, COLUMNS);
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let mut failures = 0;
    while 0 < left && readers.values().any(|reader| arguments.follow || reader.next < reader.end) {
        let (mut rows, has_failed) = fetch(&mut cluster, &arguments, &mut readers).await?;
        if has_failed {
            failures += 1;
            if RETRIES_MAX < failures {
                return Err(Error::new(SqlState::CONNECTION_FAILURE, "no broker leads the partition".to_string()));
            }
            env.clock.sleep(RETRY).await;
        }
        rows.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= rows.len() as u64;
        if !rows.is_empty() {
            failures = 0;
            if !listing.show(rows)? {
                return Ok(());
            }
        }
    }
    if !listing.has_begun() {
        listing.show(Vec::new())?;
    }
    listing.end()
}

async fn readers(cluster: &mut Cluster<'_>, arguments: &Arguments) -> Result<BTreeMap<i32, Reader>, Error> {
    let mut partitions = cluster.partitions(&arguments.topic).await?;
    if let Some(wanted) = arguments.partition {
        partitions.retain(|(_, index, _)| *index == wanted);
        if partitions.is_empty() {
            return Err(wrong(format!("topic \"{}\" has no partition {wanted}", arguments.topic)));
        }
    }
    let starts = starts(cluster, &partitions, &arguments.from).await?;
    let end = if arguments.uncommitted { Place::HighWatermark } else { Place::End };
    let ends = list_offsets(cluster, &partitions, end).await?;
    let reader = |(topic, index, leader): (String, i32, i32)| {
        let place = (topic, index);
        let (next, end) = (starts.get(&place).copied().unwrap_or(0), ends.get(&place).copied().unwrap_or(0));
        (index, Reader { leader, next, end, aborted: BTreeSet::new() })
    };
    Ok(partitions.into_iter().map(reader).collect())
}

async fn starts(
    cluster: &mut Cluster<'_>,
    partitions: &TopicPartitions,
    from: &str,
) -> Result<BTreeMap<(String, i32), i64>, Error> {
    let place = match from {
        "start" => Place::Start,
        "end" => Place::End,
        _ => match from.parse::<i64>() {
            Ok(offset) if 0 <= offset => {
                return Ok(partitions.iter().map(|(topic, index, _)| ((topic.clone(), *index), offset)).collect());
            }
            _ => Place::Time(parse_time(from).map_err(|error| {
                error.detail("--from is start, end, an offset of 0 or more, or a time.".to_string())
            })?),
        },
    };
    list_offsets(cluster, partitions, place).await
}

/// One fetch from each leader; whether one of them does not lead any more.
async fn fetch(
    cluster: &mut Cluster<'_>,
    arguments: &Arguments,
    readers: &mut BTreeMap<i32, Reader>,
) -> Result<(Vec<Vec<Value>>, bool), Error> {
    let mut by_leader: BTreeMap<i32, Vec<message::FetchPartition>> = BTreeMap::new();
    for (index, reader) in readers.iter().filter(|(_, reader)| arguments.follow || reader.next < reader.end) {
        let partition = message::FetchPartition {
            partition: *index,
            fetch_offset: reader.next,
            partition_max_bytes: PARTITION_BYTES_MAX,
            ..Default::default()
        };
        by_leader.entry(reader.leader).or_default().push(partition);
    }
    let (mut rows, mut has_failed) = (Vec::new(), false);
    for (leader, partitions) in by_leader {
        let request = message::Request {
            max_wait_ms: if arguments.follow { WAIT_MS } else { 0 },
            min_bytes: 1,
            max_bytes: ANSWER_BYTES_MAX,
            isolation_level: if arguments.uncommitted { READ_UNCOMMITTED } else { READ_COMMITTED },
            topics: vec![message::FetchTopic { topic: arguments.topic.clone(), partitions, ..Default::default() }],
            ..Default::default()
        };
        let answered = cluster.ask_at(leader, FETCH, &request).await?.responses;
        // One that has no room in a full answer is empty, too.
        let is_empty = |partition: &message::PartitionResponse| partition.records.0.iter().all(Bytes::is_empty);
        let is_over = answered.iter().flat_map(|topic| &topic.partitions).all(is_empty);
        for partition in answered.into_iter().flat_map(|topic| topic.partitions) {
            let Some(reader) = readers.get_mut(&partition.partition_index) else { continue };
            match partition.error_code {
                // What was compacted away before the end never comes.
                ErrorCode::NONE if is_over => reader.end = reader.end.min(reader.next),
                ErrorCode::NONE => rows.extend(take(partition, reader)?),
                ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::LEADER_NOT_AVAILABLE => has_failed = true,
                code => {
                    let what = format!("partition {} of topic \"{}\"", partition.partition_index, arguments.topic);
                    return Err(refused(&what, code, None));
                }
            }
        }
    }
    if has_failed {
        for (_, index, leader) in cluster.partitions(&arguments.topic).await? {
            readers.entry(index).and_modify(|reader| reader.leader = leader);
        }
    }
    Ok((rows, has_failed))
}

/// The records of an answer that are to be shown; moves the reader past all of them.
fn take(partition: message::PartitionResponse, reader: &mut Reader) -> Result<Vec<Vec<Value>>, Error> {
    let broken = |error: BatchError| {
        let what = format!("a batch of partition {} cannot be read: {error}", partition.partition_index);
        Error::new(SqlState::DATA_CORRUPTED, what)
    };
    let mut aborted = partition.aborted_transactions.unwrap_or_default();
    aborted.sort_by_key(|aborted| aborted.first_offset);
    let mut aborted = aborted.into_iter().peekable();
    let bytes: Bytes = partition.records.0.concat().into();
    let mut rows = Vec::new();
    for batch in Batch::split(bytes, BatchLimits { batch_bytes_max: ANSWER_BYTES_MAX as usize * 16 }) {
        let batch = match batch {
            Ok(batch) => batch,
            // A broker may cut the last one.
            Err(BatchError::Truncated { .. }) => break,
            Err(error) => return Err(broken(error)),
        };
        while let Some(begun) = aborted.next_if(|aborted| aborted.first_offset <= batch.last_offset().0) {
            reader.aborted.insert(begun.producer_id);
        }
        let producer = batch.producer().map_or(-1, |(id, _)| id.0);
        if batch.is_control() {
            if batch.control_marker().map_err(broken)? == Some(ControlMarker::Abort) {
                reader.aborted.remove(&producer);
            }
        } else if !(batch.is_transactional() && reader.aborted.contains(&producer)) {
            for record in batch.payload().map_err(broken)?.records() {
                let record = record.map_err(broken)?;
                if reader.next <= record.offset.0 {
                    rows.push(row(partition.partition_index, &record));
                }
            }
        }
        reader.next = reader.next.max(batch.next_offset().0);
    }
    Ok(rows)
}

fn row(partition: i32, record: &Record<'_>) -> Vec<Value> {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let headers: Vec<Value> =
        record.headers.map(|(name, value)| json!([String::from_utf8_lossy(name), text(value)])).collect();
    let headers = if headers.is_empty() { Value::Null } else { Value::Array(headers) };
    vec![
        json!(partition),
        json!(record.offset.0),
        json!(record.timestamp),
        json!(text(record.key)),
        json!(text(record.value)),
        headers,
    ]
}
