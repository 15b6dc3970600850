//! COPY over the wire: chunks of lines out, bytes of lines in.

use bytes::BufMut;
use bytes::Bytes;

use super::copy_binary;
use super::copy_binary::RowReader;
use super::frontend::Format;
use super::frontend::Message;
use super::row::ResultFormats;
use super::row::RowBatch;
use super::socket::Ended;
use super::socket::Failure;
use super::socket::Guard;
use super::socket::Interrupt;
use super::socket::Socket;
use crate::engine::CopyInSink;
use crate::engine::CopyOut;
use crate::engine::CopyOutRows;
use crate::error::Error;
use crate::error::SqlState;

/// Sends a COPY TO STDOUT to its end and returns its tag.
pub(super) async fn copy_out(socket: &mut Socket, guard: &mut Guard, copy: CopyOut) -> Result<String, Failure> {
    let CopyOut { columns, mut chunks, .. } = copy;
    socket.outgoing.copy_out(columns, Format::Text);
    let mut rows = 0;
    while let Some(chunk) = socket.next_of(guard, &mut chunks).await? {
        let lines = chunk?;
        // One message a line, as PostgreSQL does: clients take a message for a row.
        let mut start = 0;
        for end in lines.ends {
            socket.outgoing.copy_data(&lines.bytes[start..end]);
            socket.flush_if_full(guard).await?;
            start = end;
        }
        rows += lines.rows;
    }
    socket.outgoing.copy_done();
    Ok(format!("COPY {rows}"))
}

/// The same of rows in binary.
pub(super) async fn copy_out_binary(
    socket: &mut Socket,
    guard: &mut Guard,
    copy: CopyOutRows,
) -> Result<String, Failure> {
    let CopyOutRows { fields, mut rows } = copy;
    socket.outgoing.copy_out(fields.len(), Format::Binary);
    // The header comes in one message with the first row, and the trailer alone if there was one: clients count on it.
    let (mut count, mut tuple) = (0, copy_binary::header());
    while let Some(batch) = socket.next_of(guard, &mut rows).await? {
        let batch = RowBatch::new(&batch?, &fields, &ResultFormats::binary())?;
        for row in 0..batch.len() {
            tuple.put_i16(batch.width() as i16);
            batch.put_cells(row, &mut tuple);
            socket.outgoing.copy_data(&tuple);
            tuple.clear();
            socket.flush_if_full(guard).await?;
            count += 1;
        }
    }
    tuple.extend(copy_binary::trailer());
    socket.outgoing.copy_data(&tuple);
    socket.outgoing.copy_done();
    Ok(format!("COPY {count}"))
}

/// Bytes of a client on their way into rows.
async fn take(sink: &mut CopyInSink, reader: Option<&mut RowReader>, bytes: Bytes) -> Result<(), Error> {
    let Some(reader) = reader else { return sink.data(bytes).await };
    reader.push(&bytes);
    while let Some(row) = reader.next()? {
        sink.row(row).await?;
    }
    Ok(())
}

/// Reads a COPY FROM STDIN to its end and returns its tag.
pub(super) async fn copy_in(socket: &mut Socket, guard: &mut Guard, mut sink: CopyInSink) -> Result<String, Failure> {
    let mut reader = sink.binary_fields().map(|fields| RowReader::new(&fields, sink.zone()));
    let format = if reader.is_some() { Format::Binary } else { Format::Text };
    socket.outgoing.copy_in(sink.columns(), format);
    socket.flush_guarded(guard).await?;
    loop {
        match socket.read_message_guarded(guard).await? {
            Message::CopyData(bytes) => {
                socket.guarded(guard, take(&mut sink, reader.as_mut(), bytes)).await??;
            }
            Message::CopyDone => {
                reader.as_ref().map_or(Ok(()), RowReader::finish)?;
                return Ok(socket.guarded(guard, sink.finish()).await??);
            }
            Message::CopyFail(reason) => {
                let message = format!("COPY from stdin failed: {reason}");
                return Err(Error::new(SqlState::QUERY_CANCELED, message).into());
            }
            // A client of the extended protocol sends these before it knows that it is asked for data.
            Message::Flush | Message::Sync => {}
            Message::Terminate => return Err(Interrupt::Ended(Ended::Gone).into()),
            Message::Query(_)
            | Message::Parse { .. }
            | Message::Bind(_)
            | Message::Describe(_)
            | Message::Execute { .. }
            | Message::Close(_)
            | Message::FunctionCall => {
                let message = "a statement came during COPY from stdin";
                return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message).into());
            }
        }
    }
}
