//! The newest records of an internal topic as rows of a system table.

use std::sync::Arc;

use super::Row;
use crate::broker::Client;
use crate::engine::read::TopicReader;
use crate::engine::read::Until;
use crate::error::Result;
use crate::model::Offset;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::protocol::Record;

/// Offsets that are looked at, the newest ones.
const NEWEST: i64 = 1000;

/// What `row` makes of the newest records of a topic of one partition.
pub(super) async fn newest(
    client: Arc<dyn Client>,
    topic: TopicId,
    row: impl Fn(&Record<'_>) -> Row,
) -> Result<Vec<Row>> {
    let partition = TopicPartition::new(topic, 0);
    let ends = client.ends(partition).await?;
    let end = ends.readable_end();
    let next = ends.log_start_offset.max(Offset(end.0 - NEWEST));
    let mut reader = TopicReader { client, partition, next, until: Until::Offset(end) };
    let mut rows = Vec::new();
    while let Some(more) = reader.read(|records: &[Record<'_>]| records.iter().map(&row).collect::<Vec<_>>()).await? {
        rows.extend(more);
    }
    Ok(rows)
}

/// The value of a record's header.
pub(super) fn header<'r>(record: &Record<'r>, name: &str) -> Option<&'r [u8]> {
    let mut headers = record.headers;
    headers.find_map(|(key, value)| (key == name.as_bytes()).then_some(value).flatten())
}

/// A header that holds digits.
pub(super) fn number(record: &Record<'_>, name: &str) -> Option<i64> {
    header(record, name).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
}
