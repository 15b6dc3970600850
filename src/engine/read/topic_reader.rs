//! One partition, read from an offset on: whole records of committed transactions.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::Client;
use crate::broker::Isolation;
use crate::broker::Position;
use crate::error::Error;
use crate::model::Offset;
use crate::model::TopicPartition;
use crate::protocol::Payload;
use crate::protocol::Record;

/// Bytes that one read asks for, and after which it unpacks no further batch.
const FETCH_BYTES: usize = 1024 * 1024;

/// How long one fetch waits for records that may come. Only the end of the wait costs something.
const WAIT: Duration = Duration::from_secs(60);

/// Where a read stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Until {
    /// Before this offset, which is readable when the read starts.
    Offset(Offset),
    /// Never: it waits for what comes.
    Dropped,
}

/// Where a reader stands.
pub(in crate::engine) struct TopicReader {
    pub(in crate::engine) client: Arc<dyn Client>,
    pub(in crate::engine) partition: TopicPartition,
    pub(in crate::engine) next: Offset,
    pub(in crate::engine) until: Until,
}

impl TopicReader {
    /// What `take` makes of the next records, which are one at least; `None` at the end.
    pub(in crate::engine) async fn read<T>(
        &mut self,
        take: impl FnOnce(&[Record<'_>]) -> T,
    ) -> Result<Option<T>, Error> {
        let (upto, wait) = match self.until {
            Until::Offset(upto) => (upto, Duration::ZERO),
            Until::Dropped => (Offset(i64::MAX), WAIT),
        };
        while self.next < upto {
            let position = Position { partition: self.partition, offset: self.next, leader_epoch: None };
            let fetched = self.client.fetch(position, Isolation::ReadCommitted, FETCH_BYTES, wait).await?;
            // What is there comes without a wait, and is taken at once: others get their turn first.
            tokio::task::yield_now().await;
            if fetched.next <= self.next {
                match self.until {
                    Until::Offset(_) => return Ok(None),
                    Until::Dropped => continue,
                }
            }
            let mut payloads = Vec::new();
            let (mut next, mut unpacked) = (fetched.next, 0);
            for batch in &fetched.batches {
                if FETCH_BYTES < unpacked {
                    next = batch.batch.base_offset();
                    break;
                }
                let payload = batch.batch.payload()?;
                unpacked += payload.size_in_bytes();
                payloads.push(payload);
            }
            let mut records: Vec<Record<'_>> = Vec::new();
            for record in payloads.iter().flat_map(Payload::records) {
                let record = record?;
                if self.next <= record.offset && record.offset < upto {
                    records.push(record);
                }
            }
            self.next = next;
            if !records.is_empty() {
                return Ok(Some(take(&records)));
            }
        }
        Ok(None)
    }
}
