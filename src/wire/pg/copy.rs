//! COPY over the wire: chunks of lines out, bytes of lines in.

use super::frontend::Message;
use super::socket::Ended;
use super::socket::Failure;
use super::socket::Guard;
use super::socket::Interrupt;
use super::socket::Socket;
use crate::engine::CopyInSink;
use crate::engine::CopyOut;
use crate::error::Error;
use crate::error::SqlState;

/// Sends a COPY TO STDOUT to its end and returns its tag.
pub(super) async fn copy_out(socket: &mut Socket, guard: &mut Guard, copy: CopyOut) -> Result<String, Failure> {
    let CopyOut { columns, mut chunks, .. } = copy;
    socket.outgoing.copy_out(columns);
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

/// Reads a COPY FROM STDIN to its end and returns its tag.
pub(super) async fn copy_in(socket: &mut Socket, guard: &mut Guard, mut sink: CopyInSink) -> Result<String, Failure> {
    socket.outgoing.copy_in(sink.columns());
    socket.flush_guarded(guard).await?;
    loop {
        match socket.read_message_guarded(guard).await? {
            Message::CopyData(bytes) => socket.guarded(guard, sink.data(bytes)).await??,
            Message::CopyDone => return Ok(socket.guarded(guard, sink.finish()).await??),
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
