//! SQL cursors: a row stream that is read piece by piece.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use tokio::sync::Mutex;

use super::outcome::OutputField;
use super::outcome::RowStream;
use crate::error::Result;

/// A declared cursor. The stream is shared with the FETCH that reads it, so that a FETCH that is dropped midway
/// loses no row: what it read and did not give out goes back to the front.
#[derive(Clone)]
pub(super) struct Cursor {
    pub(super) fields: Vec<OutputField>,
    pub(super) push: bool,
    /// It outlives its transaction.
    pub(super) hold: bool,
    pub(super) rows: Arc<Mutex<CursorRows>>,
}

/// The rows of a cursor that were not fetched yet.
pub(super) struct CursorRows {
    stream: Option<RowStream>,
    ready: VecDeque<RecordBatch>,
}

impl Cursor {
    pub(super) fn new(fields: Vec<OutputField>, rows: RowStream, push: bool, hold: bool) -> Self {
        let rows = CursorRows { stream: Some(rows), ready: VecDeque::new() };
        Self { fields, push, hold, rows: Arc::new(Mutex::new(rows)) }
    }
}

impl CursorRows {
    /// At least one and at most `most` rows, `None` at the end. Cancel-safe.
    pub(super) async fn next(&mut self, most: usize) -> Result<Option<RecordBatch>> {
        while self.ready.iter().all(|batch| batch.num_rows() == 0) {
            self.ready.clear();
            let Some(stream) = self.stream.as_mut() else { return Ok(None) };
            match stream.next().await {
                Some(batch) => self.ready.push_back(batch?),
                None => self.stream = None,
            }
        }
        while let Some(batch) = self.ready.pop_front() {
            if batch.num_rows() == 0 {
                continue;
            }
            if most < batch.num_rows() {
                self.ready.push_front(batch.slice(most, batch.num_rows() - most));
                return Ok(Some(batch.slice(0, most)));
            }
            return Ok(Some(batch));
        }
        Ok(None)
    }
}
