//! A session's loop: one message after the other, and ReadyForQuery where it is due.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use super::copy::copy_in;
use super::copy::copy_out;
use super::copy::copy_out_binary;
use super::extended::Portal;
use super::extended::Statement;
use super::frontend::Message;
use super::socket::Ended;
use super::socket::Failure;
use super::socket::Guard;
use super::socket::Interrupt;
use super::socket::Socket;
use crate::config::Limits;
use crate::engine::CopyInSink;
use crate::engine::CopyOut;
use crate::engine::CopyOutRows;
use crate::engine::Deallocated;
use crate::engine::Outcome;
use crate::engine::Prepared;
use crate::engine::Session;
use crate::engine::TransactionStatus;
use crate::engine::Value;
use crate::env::Clock;
use crate::error::Error;

/// A client that has been greeted, with its session.
pub(super) struct Conversation {
    /// The client's socket.
    pub socket: Socket,
    /// What may end a running statement.
    pub guard: Guard,
    /// The engine's side.
    pub session: Session,
    /// Prepared statements by name; the unnamed one has the empty name.
    pub statements: HashMap<String, Statement>,
    /// Portals by name; the unnamed one has the empty name.
    pub portals: HashMap<String, Portal>,
    /// Limits on what a session may hold.
    pub limits: Limits,
    /// For the statement timeout.
    pub clock: Arc<dyn Clock>,
    /// Whether messages are skipped up to the next Sync, after an error in the extended protocol.
    pub skipping: bool,
    /// Whether nothing came since the last ReadyForQuery.
    pub idle: bool,
}

impl Conversation {
    /// Serves the client to its end.
    pub async fn run(&mut self) -> Ended {
        if let Err(ended) = self.ready().await {
            return ended;
        }
        loop {
            if let Err(ended) = self.step().await {
                return ended;
            }
        }
    }

    async fn step(&mut self) -> Result<(), Ended> {
        let message = self.socket.read_message().await?;
        if std::mem::take(&mut self.idle) {
            // A CancelRequest that came while nothing ran is nobody's.
            self.guard.cancel.ignore_past();
        }
        match message {
            Message::Terminate => Err(Ended::Gone),
            Message::Sync => {
                self.skipping = false;
                if self.session.transaction_status() == TransactionStatus::Idle {
                    self.portals.clear();
                }
                self.ready().await
            }
            // asyncpg ends a group with Flush and waits for the error before it sends Sync.
            Message::Flush => self.socket.flush().await,
            _ if self.skipping => Ok(()),
            Message::Query(text) => {
                let done = self.simple_query(text).await;
                self.settle(done)?;
                self.ready().await
            }
            Message::FunctionCall => {
                let error = Error::unsupported("the fast-path function call is not supported");
                self.settle(Err(error.into()))?;
                self.ready().await
            }
            // What a client sent before it heard that its COPY failed.
            Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => Ok(()),
            message @ (Message::Parse { .. }
            | Message::Bind(_)
            | Message::Describe(_)
            | Message::Execute { .. }
            | Message::Close(_)) => {
                let done = self.extended(message).await;
                self.skipping = matches!(done, Err(Failure::Statement(_)));
                self.settle(done)?;
                self.socket.flush_if_full(&mut self.guard).await.or_else(ended_only)
            }
        }
    }

    /// Tells a statement's error to the client and to the session; passes on the end of the connection.
    fn settle(&mut self, done: Result<(), Failure>) -> Result<(), Ended> {
        match done {
            Ok(()) => Ok(()),
            Err(Failure::Ended(ended)) => Err(ended),
            Err(Failure::Statement(error)) => {
                self.session.fail();
                self.news();
                self.socket.outgoing.error(&error);
                Ok(())
            }
        }
    }

    async fn ready(&mut self) -> Result<(), Ended> {
        self.session.answered().await;
        self.news();
        self.socket.outgoing.ready(self.session.transaction_status());
        self.socket.flush().await?;
        self.guard.timeout = None;
        self.idle = true;
        Ok(())
    }

    /// Notices, and settings whose new value clients must know.
    pub fn news(&mut self) {
        for notice in self.session.take_notices() {
            self.socket.outgoing.notice(&notice);
        }
        for (name, value) in self.session.take_parameter_changes() {
            self.socket.outgoing.parameter_status(&name, &value);
        }
    }

    /// Forgets what the protocol prepared, if the statement is a DEALLOCATE of it; whether nothing is left to do.
    fn forgets(&mut self, prepared: &Prepared) -> bool {
        if self.session.transaction_status() == TransactionStatus::Failed {
            return false;
        }
        match prepared.deallocated() {
            Some(Deallocated::Named(name)) => self.statements.remove(&name).is_some(),
            Some(Deallocated::All) => {
                self.statements.clear();
                false
            }
            None => false,
        }
    }

    /// Starts a statement's clock and runs it up to its outcome.
    pub async fn execute(&mut self, prepared: &Prepared, parameters: &[Value]) -> Result<Outcome, Failure> {
        if self.forgets(prepared) {
            return Ok(Outcome::Done { tag: "DEALLOCATE".to_string() });
        }
        self.guard.timeout = self.session.statement_timeout().map(|timeout| self.clock.sleep(timeout));
        let outcome = {
            let running = pin!(self.session.execute(prepared, parameters));
            self.socket.guarded(&mut self.guard, running).await??
        };
        self.news();
        Ok(outcome)
    }

    /// Sends a COPY TO STDOUT with its tag.
    pub async fn answer_copy_out(&mut self, copy: CopyOut) -> Result<(), Failure> {
        let tag = copy_out(&mut self.socket, &mut self.guard, copy).await?;
        self.socket.outgoing.command_complete(&tag);
        Ok(())
    }

    /// The same in binary.
    pub async fn answer_copy_out_binary(&mut self, copy: CopyOutRows) -> Result<(), Failure> {
        let tag = copy_out_binary(&mut self.socket, &mut self.guard, copy).await?;
        self.socket.outgoing.command_complete(&tag);
        Ok(())
    }

    /// Reads a COPY FROM STDIN and sends its tag.
    pub async fn answer_copy_in(&mut self, sink: CopyInSink) -> Result<(), Failure> {
        let tag = copy_in(&mut self.socket, &mut self.guard, sink).await?;
        self.news();
        self.socket.outgoing.command_complete(&tag);
        Ok(())
    }
}

/// A cancel or a timeout between two messages stops nothing.
fn ended_only(interrupt: Interrupt) -> Result<(), Ended> {
    match interrupt {
        Interrupt::Canceled | Interrupt::TimedOut | Interrupt::Panicked => Ok(()),
        Interrupt::Ended(ended) => Err(ended),
    }
}
