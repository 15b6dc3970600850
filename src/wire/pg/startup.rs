//! The greeting: encryption refused, cancel requests passed on, then a session.

use std::sync::Arc;

use super::cancel::CancelKey;
use super::cancel::CancelRegistry;
use super::frontend::Startup;
use super::socket::Ended;
use super::socket::Socket;
use crate::engine::Engine;
use crate::engine::Session;
use crate::engine::SessionOptions;
use crate::error::Error;
use crate::error::SqlState;
use crate::security::Principal;

/// Whether the peer's word for its name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// From loopback, or the server was told to trust everyone.
    Trusted,
    /// From elsewhere: a name without proof, which may do nothing.
    Unproven,
}

/// What a StartupMessage asks for.
pub(super) struct Request {
    minor: u16,
    parameters: Vec<(String, String)>,
}

/// Reads up to the StartupMessage; `None` when the connection was there for a CancelRequest only.
pub(super) async fn read_request(socket: &mut Socket, cancel: &CancelRegistry) -> Result<Option<Request>, Ended> {
    // Each kind of encryption may be asked for once; a client that goes on asking is not one.
    for _ in 0..3 {
        match socket.read_startup().await? {
            Startup::Ssl | Startup::GssEncryption => {
                socket.outgoing.bare(b'N');
                socket.flush().await?;
            }
            Startup::Cancel { process, secret } => {
                cancel.cancel(process, secret);
                return Ok(None);
            }
            Startup::Session { minor, parameters } => return Ok(Some(Request { minor, parameters })),
        }
    }
    Err(Ended::Told(Error::new(SqlState::PROTOCOL_VIOLATION, "encryption was asked for again and again")))
}

/// Opens the session and writes the greeting; the caller sends it with the first ReadyForQuery.
pub(super) fn greet(
    socket: &mut Socket,
    engine: &Arc<Engine>,
    request: Request,
    trust: Trust,
    key: &CancelKey,
) -> Result<Session, Error> {
    let Request { minor, parameters } = request;
    let value = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let Some(user) = value("user") else {
        return Err(Error::new(SqlState::INVALID_AUTHORIZATION, "no user name was given in the startup packet"));
    };
    if value("replication").is_some_and(|value| !matches!(&value[..], "false" | "off" | "no" | "0")) {
        return Err(Error::unsupported("the replication protocol is not supported"));
    }
    let principal = match trust {
        Trust::Trusted => Principal::loopback(&user),
        Trust::Unproven => Principal::anonymous(&user),
    };
    let options: Vec<&str> =
        parameters.iter().map(|(name, _)| &name[..]).filter(|name| name.starts_with("_pq_.")).collect();
    if minor != 0 || !options.is_empty() {
        socket.outgoing.negotiate_version(&options);
    }
    let database = value("database").unwrap_or_else(|| user.clone());
    let settings = parameters.into_iter().filter(|(name, _)| is_setting(name)).collect();
    let session = engine.session(principal, SessionOptions { database, parameters: settings, process: key.process })?;
    socket.outgoing.authentication_ok();
    for (name, value) in session.startup_parameters() {
        socket.outgoing.parameter_status(&name, &value);
    }
    socket.outgoing.backend_key(key.process, key.secret);
    Ok(session)
}

/// The rest is the protocol's own: who, where, and options of the protocol.
fn is_setting(name: &str) -> bool {
    !matches!(name, "user" | "database" | "replication") && !name.starts_with("_pq_.")
}
