//! PostgreSQL's wire protocol, version 3.
//!
//! A connection is one task: `server` accepts, `startup` greets, then `simple` and `extended` run statements. While a
//! statement runs, `socket` watches for CancelRequest, the statement's timeout, the server's end and the client's.
//!
//! The codec is our own: a forged frame (a Parse of 5 bytes, a Bind whose parameter is longer than its message) panics
//! pgwire 0.41's decoders, and its `process_socket` neither flushes between rows nor sees a client vanish.
//!
//! Invariants:
//!   * exactly one ReadyForQuery per Query and per Sync; after an error in the extended protocol all is skipped to Sync
//!   * each Execute ends with one of CommandComplete, PortalSuspended, EmptyQueryResponse, ErrorResponse
//!   * a row that is ready while no further one is leaves the server at once

mod answer;
mod backend;
mod cancel;
mod conversation;
mod copy;
mod copy_binary;
mod extended;
mod frontend;
mod numeric;
mod parameter;
mod pg_type;
mod row;
mod server;
mod simple;
mod socket;
mod startup;

pub use server::PgServer;
pub use server::PgServerConfig;
