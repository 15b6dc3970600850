//! `tidemill topic produce`: a record a line.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::io::AsyncBufReadExt;
use tokio::io::BufReader;

use crate::cli::kafka::Cluster;
use crate::cli::kafka::Where;
use crate::cli::kafka::refused;
use crate::cli::kafka::say;
use crate::cli::kafka::wrong;
use crate::env::Env;
use crate::error::Error;
use crate::error::SqlState;
use crate::protocol::BatchBuilder;
use crate::protocol::ErrorCode;
use crate::protocol::partition_for_key;
use crate::protocol::produce as message;

const PRODUCE: i16 = 9;
/// All in-sync replicas have it.
const ALL: i16 = -1;
const TIMEOUT_MS: i32 = 30_000;
/// A batch is sent when it has so many bytes.
const BATCH_BYTES: usize = 256 << 10;
/// Lines without a key go to the next partition after so many.
const LINES_IN_A_ROW: usize = 100;

/// What is written, and where to.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    at: Where,
    /// The topic
    topic: String,
    /// What stands between a line's key and its value; lines have no key without it
    #[arg(short = 'K', long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// Writes to this partition; else the key says which, as Kafka's clients have it
    #[arg(short = 'p', long, value_name = "N")]
    partition: Option<i32>,
    /// A value that stands for none: a line with it deletes its key
    #[arg(long, value_name = "TEXT")]
    null: Option<String>,
}

/// Batches on their way, by partition.
struct Producer<'a, 'e> {
    env: &'e Env,
    cluster: &'a mut Cluster<'e>,
    topic: String,
    /// The leader of each partition.
    leaders: BTreeMap<i32, i32>,
    batches: BTreeMap<i32, BatchBuilder>,
    lines: usize,
}

/// Writes line after line; what has come is sent before the next one is waited for.
pub(super) async fn run(env: &Env, arguments: Arguments) -> Result<(), Error> {
    let mut cluster = arguments.at.connect(env).await?;
    let partitions = cluster.partitions(&arguments.topic).await?;
    let leaders: BTreeMap<i32, i32> = partitions.into_iter().map(|(_, index, leader)| (index, leader)).collect();
    if let Some(partition) = arguments.partition.filter(|partition| !leaders.contains_key(partition)) {
        return Err(wrong(format!("topic \"{}\" has no partition {partition}", arguments.topic)));
    }
    let topic = arguments.topic.clone();
    let (batches, lines) = (BTreeMap::new(), 0);
    let mut producer = Producer { env, cluster: &mut cluster, topic, leaders, batches, lines };
    let mut input = BufReader::with_capacity(BATCH_BYTES, tokio::io::stdin());
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line).await.map_err(|error| {
            Error::new(SqlState::IO_ERROR, format!("could not read standard input: {error}")).caused_by(error)
        })?;
        if read == 0 {
            producer.send().await?;
            return say(&format!("produced {} records\n", producer.lines)).map(drop);
        }
        producer.take(&arguments, line.strip_suffix(b"\n").unwrap_or(&line))?;
        if !input.buffer().contains(&b'\n') || producer.is_full() {
            producer.send().await?;
        }
    }
}

impl Producer<'_, '_> {
    fn take(&mut self, arguments: &Arguments, line: &[u8]) -> Result<(), Error> {
        let (key, value) = match &arguments.key_separator {
            None => (None, line),
            Some(separator) => {
                let (key, value) = split(line, separator.as_bytes()).ok_or_else(|| {
                    let message = format!("line {} has no \"{separator}\"", self.lines + 1);
                    wrong(message).detail(String::from_utf8_lossy(line).into_owned())
                })?;
                (Some(key), value)
            }
        };
        let value = Some(value).filter(|value| arguments.null.as_ref().is_none_or(|null| null.as_bytes() != *value));
        let count = i32::try_from(self.leaders.len()).expect("a topic has fewer than 2^31 partitions");
        let partition = match (arguments.partition, key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_for_key(key, count).0,
            (None, None) => ((self.lines / LINES_IN_A_ROW) % self.leaders.len()) as i32,
        };
        self.lines += 1;
        let batch = self.batches.entry(partition).or_default();
        batch.append(self.env.clock.wall_millis(), key, value, &[]);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.batches.values().any(|batch| BATCH_BYTES <= batch.size_in_bytes())
    }

    async fn send(&mut self) -> Result<(), Error> {
        let mut by_leader: BTreeMap<i32, Vec<message::PartitionData>> = BTreeMap::new();
        for (index, batch) in std::mem::take(&mut self.batches) {
            let leader = self.leaders.get(&index).copied().unwrap_or(-1);
            let records: Option<Bytes> = Some(batch.finish().bytes().clone());
            by_leader.entry(leader).or_default().push(message::PartitionData { index, records });
        }
        for (leader, partition_data) in by_leader {
            let topic = message::TopicData { name: self.topic.clone(), partition_data, ..Default::default() };
            let request =
                message::Request { acks: ALL, timeout_ms: TIMEOUT_MS, topic_data: vec![topic], ..Default::default() };
            let answered = self.cluster.ask_at(leader, PRODUCE, &request).await?;
            for partition in answered.responses.into_iter().flat_map(|topic| topic.partition_responses) {
                if partition.error_code != ErrorCode::NONE {
                    let what = format!("partition {} of topic \"{}\" took nothing", partition.index, self.topic);
                    return Err(refused(&what, partition.error_code, partition.error_message.as_deref()));
                }
            }
        }
        Ok(())
    }
}

/// What stands before and after the first `separator`.
fn split<'l>(line: &'l [u8], separator: &[u8]) -> Option<(&'l [u8], &'l [u8])> {
    let at = match separator.is_empty() {
        true => return None,
        false => line.windows(separator.len()).position(|window| window == separator)?,
    };
    Some((&line[..at], &line[at + separator.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_the_first_separator() {
        assert_eq!(split(b"k:v:w", b":"), Some((&b"k"[..], &b"v:w"[..])));
        assert_eq!(split(b"::", b"::"), Some((&b""[..], &b""[..])));
        assert_eq!(split(b"kv", b":"), None);
        assert_eq!(split(b"kv", b""), None);
    }
}
