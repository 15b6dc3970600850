//! One client's socket: messages in, messages out, and what may interrupt a running statement.
//!
//! Invariants:
//!   * `incoming` holds at most one message and a little more; a client that sends ahead waits in its own TCP window
//!   * `outgoing` is sent whenever it grows past `SEND_AT`, and nothing more is read for the client until it is sent

use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::Duration;

use bytes::Buf;
use bytes::BytesMut;
use futures::FutureExt;
use futures::Stream as Items;
use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use super::backend::Outgoing;
use super::cancel::CancelKey;
use super::frontend::FrameError;
use super::frontend::Message;
use super::frontend::Startup;
use super::frontend::take_message;
use super::frontend::take_startup;
use crate::env::Stream;
use crate::error::Error;
use crate::error::SqlState;

/// Bytes of answers that are gathered before they are sent.
const SEND_AT: usize = 32 << 10;
/// Room for one read, at least.
const READ_BYTES: usize = 4 << 10;
/// Bytes that are read ahead while a statement runs, to see whether the client is still there.
const READ_AHEAD_MAX: usize = 64 << 10;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The client said good bye, or its socket did.
    #[error("the client is gone")]
    Gone,
    /// The socket failed.
    #[error("the socket failed")]
    Io(#[from] io::Error),
    /// What came is no message.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The server stops, or the client was too slow to begin.
    #[error("{0}")]
    Told(Error),
}

/// Why a statement was stopped from outside.
#[derive(Debug)]
pub(super) enum Interrupt {
    /// CancelRequest
    Canceled,
    /// `statement_timeout`
    TimedOut,
    /// The statement hit a bug of ours.
    Panicked,
    /// The connection ends.
    Ended(Ended),
}

/// What a step of a statement can fail with.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client is told; the session goes on.
    Statement(Error),
    /// The connection ends.
    Ended(Ended),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Statement(error)
    }
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Failure::Ended(ended)
    }
}

impl From<Interrupt> for Failure {
    fn from(interrupt: Interrupt) -> Self {
        let canceled = |why: &str| Failure::Statement(Error::new(SqlState::QUERY_CANCELED, why.to_string()));
        match interrupt {
            Interrupt::Canceled => canceled("canceling statement due to user request"),
            Interrupt::TimedOut => canceled("canceling statement due to statement timeout"),
            Interrupt::Panicked => Failure::Statement(
                Error::internal("the statement hit a bug in the server")
                    .hint("The server log tells where. Please report it."),
            ),
            Interrupt::Ended(ended) => Failure::Ended(ended),
        }
    }
}

/// A client's socket with its two buffers.
pub(super) struct Socket {
    stream: Box<dyn Stream>,
    incoming: BytesMut,
    /// What waits to be sent.
    pub outgoing: Outgoing,
    message_bytes_max: usize,
    stopping: watch::Receiver<bool>,
}

/// What else may end a running statement.
pub(super) struct Guard {
    /// The session's key.
    pub cancel: CancelKey,
    /// When the statement has run for long enough.
    pub timeout: Option<BoxFuture<'static, ()>>,
}

impl Socket {
    /// A socket over an accepted stream.
    pub fn new(stream: Box<dyn Stream>, message_bytes_max: usize, stopping: watch::Receiver<bool>) -> Self {
        Self { stream, incoming: BytesMut::new(), outgoing: Outgoing::default(), message_bytes_max, stopping }
    }

    /// The first packet.
    pub async fn read_startup(&mut self) -> Result<Startup, Ended> {
        loop {
            if let Some(packet) = take_startup(&mut self.incoming)? {
                return Ok(packet);
            }
            self.read_more().await?;
        }
    }

    /// The next message. Cancel-safe.
    pub async fn read_message(&mut self) -> Result<Message, Ended> {
        loop {
            if let Some(message) = take_message(&mut self.incoming, self.message_bytes_max)? {
                return Ok(message);
            }
            self.read_more().await?;
        }
    }

    /// The next message of a statement that reads from its client.
    pub async fn read_message_guarded(&mut self, guard: &mut Guard) -> Result<Message, Interrupt> {
        let Guard { cancel, timeout } = guard;
        tokio::select! {
            biased;
            () = cancel.requested() => Err(Interrupt::Canceled),
            message = self.read_message() => message.map_err(Interrupt::Ended),
            () = elapsed(timeout) => Err(Interrupt::TimedOut),
        }
    }

    async fn read_more(&mut self) -> Result<(), Ended> {
        // Else a message takes as many reads as its length has doublings.
        self.incoming.reserve(READ_BYTES);
        let stopping = self.stopping.clone();
        tokio::select! {
            biased;
            () = stopped(stopping) => Err(Ended::Told(shutdown())),
            read = self.stream.read_buf(&mut self.incoming) => if read? == 0 { Err(Ended::Gone) } else { Ok(()) },
        }
    }

    /// Sends all that waits.
    pub async fn flush(&mut self) -> Result<(), Ended> {
        let stopping = self.stopping.clone();
        let send = async {
            while !self.outgoing.is_empty() {
                let unsent = self.outgoing.unsent();
                let sent = self.stream.write(unsent.chunk()).await?;
                unsent.advance(sent);
            }
            Ok(self.stream.flush().await?)
        };
        tokio::select! {
            biased;
            sent = send => sent,
            () = stopped(stopping) => Err(Ended::Told(shutdown())),
        }
    }

    /// Sends if much waits. A client that does not read holds its statement here, until it reads, cancels or goes.
    pub async fn flush_if_full(&mut self, guard: &mut Guard) -> Result<(), Interrupt> {
        if self.outgoing.len() < SEND_AT { Ok(()) } else { self.flush_guarded(guard).await }
    }

    /// Sends all that waits; cancel, timeout and the server's end are heard meanwhile.
    pub async fn flush_guarded(&mut self, guard: &mut Guard) -> Result<(), Interrupt> {
        let Guard { cancel, timeout } = guard;
        tokio::select! {
            // First what interrupts: rows that are always ready, sent to a socket that always takes them, end too.
            biased;
            () = cancel.requested() => Err(Interrupt::Canceled),
            () = elapsed(timeout) => Err(Interrupt::TimedOut),
            sent = self.flush() => sent.map_err(Interrupt::Ended),
        }
    }

    /// The next of `items`. When none is ready at once, what waits is sent first: a push query's row leaves at once.
    pub async fn next_of<T>(
        &mut self,
        guard: &mut Guard,
        items: &mut (impl Items<Item = T> + Unpin),
    ) -> Result<Option<T>, Interrupt> {
        match AssertUnwindSafe(items.next()).catch_unwind().now_or_never() {
            Some(next) => next.map_err(|_| Interrupt::Panicked),
            None => {
                self.flush_guarded(guard).await?;
                self.guarded(guard, items.next()).await
            }
        }
    }

    /// Runs `work`, unless the client cancels or vanishes, the timeout is over or the server stops: then `work` is
    /// dropped where it stands. A panic in it is this statement's failure and nobody else's.
    pub async fn guarded<T>(&mut self, guard: &mut Guard, work: impl Future<Output = T>) -> Result<T, Interrupt> {
        // What a panic may leave behind half done is the session's own: settings, cursors, a plan.
        let work = AssertUnwindSafe(work).catch_unwind();
        tokio::pin!(work);
        // What is done at once is not watched: a row that lies in memory is there before anybody could have interrupted.
        if let Poll::Ready(done) = futures::poll!(work.as_mut()) {
            return done.map_err(|_| Interrupt::Panicked);
        }
        let Guard { cancel, timeout } = guard;
        loop {
            let stopping = self.stopping.clone();
            let room = self.incoming.len() < READ_AHEAD_MAX;
            tokio::select! {
                // The work comes last: a plan that computes without end uses up the task's budget at each poll, and what
                // is polled after it, timers and sockets too, would answer Pending for ever.
                biased;
                () = cancel.requested() => return Err(Interrupt::Canceled),
                () = elapsed(timeout) => return Err(Interrupt::TimedOut),
                () = stopped(stopping) => return Err(Interrupt::Ended(Ended::Told(shutdown()))),
                read = self.stream.read_buf(&mut self.incoming), if room => match read {
                    Ok(0) => return Err(Interrupt::Ended(Ended::Gone)),
                    Ok(_) => {}
                    Err(error) => return Err(Interrupt::Ended(Ended::Io(error))),
                },
                done = &mut work => return done.map_err(|_| Interrupt::Panicked),
            }
        }
    }

    /// Tells a fatal error, waits a moment for the client to take it, and closes.
    pub async fn close(mut self, error: Option<&Error>, patience: BoxFuture<'static, ()>) {
        if let Some(error) = error {
            self.outgoing.fatal(error);
        }
        let Self { mut stream, mut outgoing, .. } = self;
        let goodbye = async {
            // The client may have closed first; then there is nobody to tell.
            while !outgoing.is_empty() && stream.write_buf(outgoing.unsent()).await.is_ok() {}
            let _ = stream.shutdown().await;
        };
        tokio::select! {
            () = goodbye => {}
            () = patience => {}
        }
    }
}

/// How long a closing connection waits for its client to read.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

async fn stopped(mut stopping: watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        // The server keeps the sender until all connections are gone; without it nobody can stop us.
        std::future::pending::<()>().await;
    }
}

async fn elapsed(timeout: &mut Option<BoxFuture<'static, ()>>) {
    match timeout {
        Some(timeout) => timeout.await,
        None => std::future::pending().await,
    }
}

fn shutdown() -> Error {
    Error::new(SqlState::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
}
