//! Rows of a running statement to its client, as they come.

use super::row::ResultFormats;
use super::row::RowBatch;
use super::socket::Failure;
use super::socket::Guard;
use super::socket::Socket;
use crate::engine::OutputField;
use crate::engine::RowStream;

/// A result that is sent in one go or, through a portal, in pieces.
pub(super) struct RowCursor {
    rows: RowStream,
    fields: Vec<OutputField>,
    formats: ResultFormats,
    batch: Option<RowBatch>,
    next_row: usize,
    tag: &'static str,
}

/// How a piece ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PieceEnd {
    /// There are no more rows.
    Exhausted,
    /// As many as were asked for; there may be more.
    Suspended,
}

impl RowCursor {
    /// A result at its first row.
    pub fn new(rows: RowStream, fields: Vec<OutputField>, formats: ResultFormats, tag: &'static str) -> Self {
        Self { rows, fields, formats, batch: None, next_row: 0, tag }
    }

    /// The command tag's first word.
    pub fn tag(&self) -> &'static str {
        self.tag
    }

    /// Sends up to `rows_max` rows (`None`: all) and tells how many they were.
    pub async fn send(
        &mut self,
        socket: &mut Socket,
        guard: &mut Guard,
        rows_max: Option<u64>,
    ) -> Result<(u64, PieceEnd), Failure> {
        let mut sent = 0;
        loop {
            if let Some(batch) = &self.batch {
                while self.next_row < batch.len() && Some(sent) != rows_max {
                    batch.write(self.next_row, &mut socket.outgoing);
                    self.next_row += 1;
                    sent += 1;
                    socket.flush_if_full(guard).await?;
                }
            }
            if Some(sent) == rows_max {
                return Ok((sent, PieceEnd::Suspended));
            }
            let Some(batch) = socket.next_of(guard, &mut self.rows).await? else {
                return Ok((sent, PieceEnd::Exhausted));
            };
            self.batch = Some(RowBatch::new(&batch?, &self.fields, &self.formats)?);
            self.next_row = 0;
        }
    }
}
