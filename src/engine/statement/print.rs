//! PRINT: the records of a topic as they are, for people.

use std::sync::Arc;

use arrow::array::UInt64Array;
use arrow::compute::take_record_batch;
use futures::StreamExt;
use futures::stream;

use crate::engine::outcome::Outcome;
use crate::engine::outcome::OutputField;
use crate::engine::outcome::RowStream;
use crate::engine::read::TopicReader;
use crate::engine::read::Until;
use crate::engine::records;
use crate::engine::records::RecordColumn;
use crate::engine::records::Shown;
use crate::engine::session::Session;
use crate::engine::topic;
use crate::error::Error;
use crate::error::Result;
use crate::sql::Print;

pub(super) async fn execute(session: &Session, print: &Print) -> Result<Outcome> {
    let client = session.engine.client(&session.principal);
    let metadata = client.metadata();
    let topic = topic::readable(&session.principal, &metadata, &print.topic);
    let topic = topic.map_err(|error| error.at(print.position))?;
    let mut partitions: Vec<RowStream> = Vec::new();
    for partition in topic.partition_ids() {
        let ends = client.ends(partition).await?;
        let next = if print.from_beginning { ends.log_start_offset } else { ends.readable_end() };
        let reader = TopicReader { client: Arc::clone(&client), partition, next, until: Until::Dropped };
        partitions.push(records::stream(reader, RecordColumn::ALL.into(), Shown::Text));
    }
    let rows = sampled(stream::select_all(partitions).boxed(), print.every, print.limit);
    Ok(Outcome::Rows { fields: fields(), rows, push: print.limit.is_none(), tag: "SELECT" })
}

/// The columns of PRINT's answer.
pub(super) fn fields() -> Vec<OutputField> {
    let field = |column: RecordColumn| OutputField::new(column.name(), column.sql_type(Shown::Text));
    RecordColumn::ALL.map(field).to_vec()
}

/// Every `every`-th row, the first included, `limit` at most.
fn sampled(rows: RowStream, every: u64, limit: Option<u64>) -> RowStream {
    let left = limit.unwrap_or(u64::MAX);
    stream::try_unfold((rows, 0u64, left), move |(mut rows, mut seen, left)| async move {
        let batch = match left {
            0 => None,
            _ => rows.next().await.transpose()?,
        };
        let Some(batch) = batch else { return Ok(None) };
        let count = batch.num_rows() as u64;
        let wanted = (0..count).filter(|row| (seen + row).is_multiple_of(every));
        let wanted: UInt64Array = wanted.take(usize::try_from(left).unwrap_or(usize::MAX)).collect();
        seen += count;
        let left = left - wanted.len() as u64;
        let sample = take_record_batch(&batch, &wanted);
        let sample = sample.map_err(|error| Error::internal("a sample of records").caused_by(error))?;
        Ok(Some((sample, (rows, seen, left))))
    })
    .boxed()
}
